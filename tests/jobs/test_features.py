"""Features of one's own candles: written as Parquet, and a stream that differs from the batch is found."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import jobs.features
from huracan.config import Settings, load_settings
from huracan.errors import DataError, InvariantError
from huracan.features import CATALOGUE, MARKET_SIZE, Bar, FeatureFit, FeatureStream, StreamRow
from huracan.market import RECORDED, SyntheticSpec, books_folder, day_file, read_candles, write_day, write_synthetic
from jobs.features import build_features, check_features


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings on three synthetic daily coins of 600 bars."""
    folder = tmp_path_factory.mktemp("candles")
    write_synthetic(folder, SyntheticSpec(timeframe="1d", bars=600, planted=1, null=2), seed=3)
    return load_settings(None, {"data.folder": str(folder)}, {})


def test_the_state_is_written_with_its_names_and_its_fit(settings: Settings, tmp_path: Path) -> None:
    """Each symbol's file holds the close time and the 52 named entries as float32; the fit beside it reads back."""
    built = build_features(settings, tmp_path)
    assert built.symbols == ("BTC/USDT", "NUL1/USDT", "REV1/USDT")
    tables = [pq.read_table(tmp_path / f"{name}.parquet") for name in ("BTC-USDT", "NUL1-USDT", "REV1-USDT")]
    assert sum(table.num_rows for table in tables) == built.rows > 0
    assert tables[0].column_names == ["close_time", *(spec.name for spec in CATALOGUE[:MARKET_SIZE])]
    assert {str(kind) for kind in tables[0].schema.types[1:]} == {"float"}
    assert FeatureFit.from_json((tmp_path / "fit.json").read_text()).sha256 == built.fit_sha256


def test_stream_and_batch_agree_over_restarts(settings: Settings) -> None:
    """Every state of the last 60 closes is compared for every coin, over three restarts."""
    found = check_features(settings, tail_bars=60)
    assert (found.closes, found.restarts, found.states) == (60, 3, 180)
    assert found.rows_before == 3 * 540


def test_a_stream_that_differs_in_one_bit_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry of one state off by its last bit fails the check, which names symbol and entry."""

    class Wrong(FeatureStream):
        def push(self, bars: Mapping[str, Bar], close_ms: int) -> dict[str, StreamRow]:
            rows = super().push(bars, close_ms)
            state = rows["REV1/USDT"].state
            assert state is not None
            state[3] = np.nextafter(state[3], np.float32(np.inf))
            return rows

    monkeypatch.setattr(jobs.features, "FeatureStream", Wrong)
    with pytest.raises(InvariantError, match=rf"REV1/USDT at \d+: stream and batch differ in {CATALOGUE[3].name}$"):
        check_features(settings, tail_bars=10)


def test_recorded_books_are_among_the_features(settings: Settings, tmp_path: Path) -> None:
    """With a book recorded beside half of one coin's days the flag is up there, and stream still equals batch."""
    folder = tmp_path / "candles"
    assert settings.data.folder is not None
    shutil.copytree(settings.data.folder, folder)
    time = read_candles(folder / "REV1-USDT.parquet").timestamp[300:]
    for open_ms in time:
        row = np.full((1, len(RECORDED)), 1e-3 * (1 + open_ms // 86_400_000 % 7))
        write_day(day_file(books_folder(folder, "REV1/USDT"), int(open_ms)), "1d", np.array([open_ms]), row)
    given = load_settings(None, {"data.folder": str(folder)}, {})
    build_features(given, tmp_path / "built")
    fit = FeatureFit.from_json((tmp_path / "built" / "fit.json").read_text())
    table = pq.read_table(tmp_path / "built" / "REV1-USDT.parquet")
    flag = np.asarray(table.column("available"))
    assert "book" in fit.inputs
    assert (flag[300:] == 1.0).all()
    assert (flag[:300] < 1.0).all()
    assert len(set(np.asarray(table.column("microprice"))[300:])) == 7
    assert check_features(given, tail_bars=60).states == 180


def test_too_long_a_tail_is_refused(settings: Settings) -> None:
    """A check over more bars than there are says so, and no folder at all is bad input."""
    with pytest.raises(DataError, match="no bar before"):
        check_features(settings, tail_bars=600)
    with pytest.raises(DataError, match=r"data\.folder"):
        check_features(Settings(), tail_bars=10)
