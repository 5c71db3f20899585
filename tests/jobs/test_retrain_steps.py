"""The steps that need no training: health, where candles are, whether they are fresh and fit."""

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from huracan.config import Settings, load_settings
from huracan.errors import ConfigError, DataError, RefusedError
from huracan.market import SyntheticSpec, open_folder, write_synthetic
from huracan.memory import Registry, open_cycle, open_run
from jobs.retrain_steps import CycleSteps, _store_of
from tests.learn.worlds import SMALL

pytestmark = pytest.mark.postgres


def steps(engine: Engine, folder: Path, day: date, **settings: object) -> CycleSteps:
    """Return the steps of a new cycle on a folder."""
    found = load_settings(None, SMALL | {"data.folder": folder, "retrain.download": False} | settings, environ={})
    return CycleSteps(engine, found, open_cycle(engine, "*", day, found, "1"), lambda steps: {"line": ""})


def test_the_candles_of_a_day_are_those_closed_when_it_began(database: Engine, tmp_path: Path) -> None:
    """Later ones in the folder change nothing: the fingerprint is that of a folder without them."""
    spec = SyntheticSpec(timeframe="5m", bars=20 * 288, planted=1, null=1)
    write_synthetic(tmp_path / "a", spec, seed=5)
    early = steps(database, tmp_path / "a", date(2025, 1, 20))
    assert early.dataset.summary.end_ms == early.end_ms == 1_737_331_200_000
    assert early.quality()["line"] == "2 of 2 coins fit, newest candle 2025-01-20T00:00:00Z"
    assert early.download() == {"line": "not asked for (retrain.download)", "symbols": []}
    assert {tape.bars[-1, 0] * 300_000 for tape in early.dataset.bare} == {early.end_ms - 300_000}


@pytest.mark.parametrize(
    ("day", "settings", "complaint"),
    [
        (date(2025, 1, 25), {}, r"closed at 2025-01-21T00:00:00Z, 4\.0 days before 2025-01-25"),
        (date(2025, 1, 21), {"quality.history_min_bars": 9_000}, "2 of 2 symbols are unfit"),
        (date(2025, 1, 21), {"quality.history_min_bars": 9_000, "data.symbols": ["BTC/USDT"]}, "BTC/USDT"),
    ],
)
def test_old_and_unfit_candles_are_refused(
    database: Engine, tmp_path: Path, day: date, settings: dict[str, object], complaint: str
) -> None:
    """A cycle on stale candles would judge yesterday's market again: it is refused with the date and the setting."""
    write_synthetic(tmp_path / "a", SyntheticSpec(timeframe="5m", bars=20 * 288, planted=1, null=1), seed=5)
    with pytest.raises(RefusedError, match=complaint):
        steps(database, tmp_path / "a", day, **settings).quality()


def test_a_market_leader_that_ended_earlier_is_refused(database: Engine, tmp_path: Path) -> None:
    """Its coin alone is traded; the newest days, which are the test days, would have nothing of the leader."""
    write_synthetic(tmp_path / "a", SyntheticSpec(timeframe="5m", bars=20 * 288, planted=1, null=1), seed=5)
    cycle = steps(database, tmp_path / "a", date(2025, 1, 21), **{"data.symbols": ["REV1/USDT"]})
    assert [row["symbol"] for row in cycle.quality()["symbols"]] == ["REV1/USDT"]
    path = open_folder(tmp_path / "a", "5m").path_of("BTC/USDT")
    rows = pq.read_table(path)
    pq.write_table(rows.slice(0, 15 * 288), path)
    with pytest.raises(RefusedError, match=r"of the market leader BTC/USDT closed at 2025-01-16.*5\.0 days before"):
        steps(database, tmp_path / "a", date(2025, 1, 21), **{"data.symbols": ["REV1/USDT"]}).quality()


def test_where_a_download_goes(tmp_path: Path) -> None:
    """Into the store that the folder is or belongs to; a flat folder, and one with nothing to go by, are refused."""
    write_synthetic(tmp_path / "flat", SyntheticSpec(timeframe="1h", bars=500, planted=1, null=0), seed=5)
    write_synthetic(tmp_path / "store" / "1h", SyntheticSpec(timeframe="1h", bars=500, planted=1, null=0), seed=5)
    for folder in (tmp_path / "store", tmp_path / "store" / "1h"):
        root, timeframe, symbols = _store_of(folder, Settings())
        assert (root, timeframe) == (tmp_path / "store", "1h")
        assert symbols == ["REV1/USDT"]
    write_synthetic(tmp_path / "led" / "1h", SyntheticSpec(timeframe="1h", bars=500, planted=1, null=1), seed=5)
    one = load_settings(None, {"data.symbols": ["REV1/USDT"]}, environ={})
    assert _store_of(tmp_path / "led", one)[2] == ["BTC/USDT", "REV1/USDT"], "the leader that is loaded goes on too"
    named = load_settings(None, {"data.symbols": ["X/USDT"], "data.leader_symbol": "L/USDT"}, environ={})
    assert _store_of(tmp_path / "new", named) == (tmp_path / "new", "1m", ["L/USDT", "X/USDT"])
    with pytest.raises(DataError, match="holds candle files itself"):
        _store_of(tmp_path / "flat", Settings())
    with pytest.raises(DataError, match="holds no candles yet"):
        _store_of(tmp_path / "new", Settings())


def test_a_champion_whose_artefact_changed_is_no_health(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every failing check is named in the line with its remedy."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    cycle = steps(database, tmp_path, date(2025, 1, 21))
    registry = Registry(database)
    run_id = open_run(database, "train", cycle.settings, "f", "1")
    registry.register(run_id, "gone", "Z/USDT", str(tmp_path / "gone"), "a" * 64, {}, "me")
    for _ in range(2):
        registry.promote("gone", "me", "by hand", forced=True)
    monkeypatch.setattr("jobs.retrain_steps.HEALTH", ("python", "policy"))
    with pytest.raises(ConfigError, match=r"1 of 4 health checks fail: champion gone: the artefact of gone"):
        cycle.health()
