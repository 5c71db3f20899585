"""`huracan data`: candles made, listed and judged, and what is wrong with a folder said in one line."""

import json
from pathlib import Path

import pytest

from huracan.cli import cli
from huracan.market import read_candles, read_metadata, timeframe_ms, wild_bars, write_candles
from huracan.terminal import run
from tests.objects import ObjectServer


@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_candles_are_made_listed_and_judged(
    kind: str, tmp_path: Path, object_store: ObjectServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """`data synth`, `data ls` and `data quality` work together, and an unfit symbol is exit code 3 with its reason."""
    folder = str((tmp_path if kind == "disk" else object_store.bucket("listed")) / "candles")
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


def test_candles_are_made_coarser(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data resample` gives whole bars on the epoch's grid with the right extremes and sums; `data ls` reads them."""
    fine = wild_bars(3, 1_000, start_ms=1_735_689_600_000 + 7 * 60_000)  # begins inside a bar of any coarser timeframe
    write_candles(fine, tmp_path / "1m" / "WILD-USDT.parquet", {"exchange": "binance"})
    write_candles(wild_bars(4, 4, symbol="NEW/USDT"), tmp_path / "1m" / "NEW-USDT.parquet")
    words = ["data", "resample", "--from", str(tmp_path / "1m"), "--folder", str(tmp_path), "--timeframe"]
    assert run(cli, [*words, "5m", "--json"]) == 0
    listed = {row["symbol"]: row for row in json.loads(capsys.readouterr().out)}
    assert (listed["NEW/USDT"]["bars"], listed["NEW/USDT"]["path"]) == (0, None)
    coarse = read_candles(tmp_path / "5m" / "WILD-USDT.parquet", "5m")
    assert len(coarse) == listed["WILD/USDT"]["bars"] > 150
    step = timeframe_ms("5m")
    assert (coarse.timestamp % step == 0).all()
    assert coarse.timestamp[0] == fine.timestamp[0] + 3 * 60_000
    assert coarse.timestamp[-1] + step <= fine.timestamp[-1] + 60_000
    for row, at in enumerate(coarse.timestamp.tolist()):
        part = fine.between(at, at + step)
        assert (coarse.open[row], coarse.close[row]) == (part.open[0], part.close[-1])
        assert (coarse.high[row], coarse.low[row]) == (part.high.max(), part.low.min())
        assert coarse.volume[row] == pytest.approx(part.volume.sum(), rel=1e-12)
    assert read_metadata(tmp_path / "5m" / "WILD-USDT.parquet") == {"exchange": "binance", "resampled_from": "1m"}
    assert run(cli, [*words, "5m"]) == 0  # again: its own file is replaced
    capsys.readouterr()
    assert run(cli, ["data", "ls", str(tmp_path / "5m"), "--json"]) == 0
    assert [row["bars"] for row in json.loads(capsys.readouterr().out)] == [len(coarse)]


@pytest.mark.parametrize(
    ("source", "timeframe", "said"),
    [
        ("5m", "1m", "5m candles cannot be resampled to 1m; give a longer timeframe"),
        ("5m", "5m", "5m candles cannot be resampled to 5m; give a longer timeframe"),
        ("5m", "1d", "no symbol's history holds a whole 1d bar; take a shorter timeframe"),
        ("5m", "15m", "was not made by resampling and is not written over; give another folder"),
        ("5m", "7m", "7m"),
        ("nowhere", "1h", "there is no such folder"),
    ],
)
def test_what_cannot_be_made_coarser_is_one_line(
    source: str, timeframe: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A finer, equal or unknown timeframe, too short a history, downloaded candles in the way: exit code 2."""
    write_candles(wild_bars(3, 200, "5m"), tmp_path / "5m" / "WILD-USDT.parquet")
    kept = tmp_path / "15m" / "WILD-USDT.parquet"
    write_candles(wild_bars(3, 200, "15m"), kept, {"exchange": "binance"})
    before = kept.read_bytes()
    words = ["data", "resample", "--from", str(tmp_path / source), "--folder", str(tmp_path), "--timeframe", timeframe]
    assert run(cli, words) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert kept.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["15m", "5m"]
