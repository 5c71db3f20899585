"""`huracan features`: built and checked from the command line."""

import json
from pathlib import Path

import pytest

from huracan.cli import cli
from huracan.market import SyntheticSpec, write_synthetic
from huracan.terminal import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic daily coins."""
    folder = tmp_path_factory.mktemp("candles")
    write_synthetic(folder, SyntheticSpec(timeframe="1d", bars=450, planted=1, null=1), seed=5)
    return folder


def test_build_writes_one_file_a_symbol(candles: Path, tmp_path: Path, capsys: Captured) -> None:
    """`features build` names what it wrote, and it is there."""
    assert run(cli, ["features", "build", "--data", str(candles), "--out", str(tmp_path), "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert built["symbols"] == ["BTC/USDT", "REV1/USDT"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["BTC-USDT.parquet", "REV1-USDT.parquet", "fit.json"]


def test_check_says_what_was_compared(candles: Path, capsys: Captured) -> None:
    """`features check` reports states, closes and restarts."""
    assert run(cli, ["features", "check", "--data", str(candles), "--bars", "20"]) == 0
    assert capsys.readouterr().out.startswith("40 states over 20 closes and 3 restarts: stream equals batch; ")


def test_too_short_a_history_is_bad_input(candles: Path, capsys: Captured) -> None:
    """A tail as long as the history is exit code 2 and one line."""
    assert run(cli, ["features", "check", "--data", str(candles), "--bars", "450"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
