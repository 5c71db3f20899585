"""`huracan bench`: hands over to the checkout's measurements, and says so where there are none."""

from pathlib import Path

import pytest

from huracan.cli import cli
from huracan.commands import bench
from huracan.terminal import run


def test_without_a_checkout_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An installed package carries no measurements: exit code 2 and where to run instead."""
    monkeypatch.setattr(bench, "CHECKOUT", tmp_path)
    assert run(cli, ["bench"]) == 2
    assert "from a checkout" in capsys.readouterr().err


def test_the_exit_code_of_the_measurements_is_passed_on(tmp_path: Path) -> None:
    """A room that is not there is refused by the measurements themselves, and nothing is written."""
    assert run(cli, ["bench", "--only", "nowhere", "--out", str(tmp_path / "bench.json")]) == 2
    assert not (tmp_path / "bench.json").exists()
