"""`huracan data`: candles made, listed and judged, and what is wrong with a folder said in one line."""

import json
from pathlib import Path

import pytest

from huracan.cli import cli
from huracan.terminal import run


def test_candles_are_made_listed_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data synth`, `data ls` and `data quality` work together, and an unfit symbol is exit code 3 with its reason."""
    folder = str(tmp_path / "candles")
    assert (
        run(cli, ["data", "synth", folder, "--timeframe", "1d", "--bars", "500", "--planted", "1", "--null", "1"]) == 0
    )
    capsys.readouterr()
    assert run(cli, ["data", "ls", folder, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["symbol"], row["timeframe"], row["bars"]) for row in listed] == [
        ("BTC/USDT", "1d", 500),
        ("REV1/USDT", "1d", 500),
    ]
    assert run(cli, ["data", "quality", folder]) == 0
    assert run(cli, ["data", "quality", folder, "--set", "quality.history_min_bars=501"]) == 3
    shown = capsys.readouterr()
    assert "500 bars are fewer than quality.history_min_bars 501" in shown.out
    assert shown.err.startswith(f"error: {folder}: 2 of 2 symbols are unfit for training: BTC/USDT, REV1/USDT")


@pytest.mark.parametrize(
    "words", [["data", "ls"], ["data", "quality"], ["data", "ls", "/nowhere"], ["features", "check"]]
)
def test_missing_candles_are_bad_input(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No folder, or one that is not there, is exit code 2 and one line."""
    assert run(cli, words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
