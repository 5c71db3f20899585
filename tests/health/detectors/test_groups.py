"""Groups as anomalies: with what a remedy needs to know which pattern or coin it is about."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import Settings
from huracan.health.detector import look_at
from huracan.health.detectors.groups import GroupCharts, VersionGroups
from huracan.health.stored import Shadows
from huracan.insights import find_patterns
from huracan.memory import Registry, TradeRows, open_run, read_trades, write_trades
from huracan.memory.patterns import write_patterns
from huracan.shadow import COIN_ACCOUNT, ENSEMBLE
from tests.health.test_groups import DAY_MS, world
from tests.health.traded import TABLES
from tests.insights.worlds import START_MS

pytestmark = pytest.mark.postgres


def store(engine: Engine, live: TradeRows) -> int:
    """Store a version's shadow with its pattern library and its trades on paper; return the set's number."""
    run_id = open_run(engine, "train", Settings(), "ab" * 32, __version__)
    Registry(engine).register(run_id, "v1", "*", "nowhere", "cd" * 32, {}, "tests")
    shadow = named(world((0.5, -0.5), 3, 60), ENSEMBLE, COIN_ACCOUNT, "shadow")
    write_trades(engine, run_id, shadow)
    library = find_patterns(read_trades(engine, run_id), run_id)
    write_patterns(engine, library.found, library.members)
    paper = open_run(engine, "trade-paper", Settings(), "", __version__)
    write_trades(engine, paper, named(live, "v1", "main", "paper"))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts (name) VALUES ('main')"))
        for day in (60, 106):
            connection.execute(
                text(
                    """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                    actions, confidences) SELECT at, at, at, account_no, '{BTC/USDT}', '{v1,ghost}', '{0}', '{0}', '{0}'
                    FROM accounts, to_timestamp(:moment / 1000.0) AS at"""
                ),
                {"moment": START_MS + day * DAY_MS},
            )
        return int(connection.execute(text("SELECT set_id FROM pattern_sets")).scalar_one())


def clean(engine: Engine) -> None:
    """Empty what a test wrote."""
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES}, models, pattern_sets CASCADE"))


def named(rows: TradeRows, policy: str, account: str, mode: str) -> TradeRows:
    """Return the rows under a name."""
    words = {"policy": policy, "account": account, "mode": mode}
    fold = np.zeros(len(rows), np.int64)
    return replace(rows, fold=fold, **{name: np.full(len(rows), word) for name, word in words.items()})


def test_patterns_that_changed_are_named_with_their_set_and_number(database: Engine) -> None:
    """The good one stopped (a warning), the bad one recovered (worth a look); a version nobody registered is passed."""
    set_id = store(database, world((-0.3, 0.3), 103, 45, 60))
    groups = VersionGroups(database, "main", Shadows(database))
    found = look_at([GroupCharts(groups, "main")], START_MS + 200 * DAY_MS)
    assert {"pattern_degraded", "coin_degraded", "regime_recovered"} <= found.names
    by_name = {one.detector: one for one in found.anomalies}
    assert set(by_name) == {"pattern_degraded", "pattern_recovered"}
    worse, better = by_name["pattern_degraded"], by_name["pattern_recovered"]
    assert (worse.severity, better.severity) == ("warning", "info")
    assert worse.evidence["set_id"] == set_id
    assert {worse.evidence["pattern"], better.evidence["pattern"]} == {1, 2}
    assert worse.evidence["version"] == "v1"
    assert worse.subject == f"v1 {worse.evidence['pattern']}"
    assert worse.since_ms is not None
    assert worse.since_ms < START_MS + 75 * DAY_MS
    assert worse.observed is not None
    assert worse.claimed is not None
    assert worse.observed < worse.claimed
    assert "spells of a day" in worse.delay


def test_a_version_that_decides_no_more_is_not_called_for_ever(database: Engine) -> None:
    """Its trades stand still, and so do its e-values; six days after its last decision it is named, eight days not."""
    clean(database)
    store(database, world((-0.3, 0.3), 103, 45, 60))
    charts = GroupCharts(VersionGroups(database, "main", Shadows(database)), "main")
    for day, named_then in ((112, True), (114, False)):
        with database.begin() as connection:
            connection.execute(
                text(
                    """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                    actions, confidences) SELECT at, at, at, account_no, '{BTC/USDT}', '{v2}', '{0}', '{0}', '{0}'
                    FROM accounts, to_timestamp(:moment / 1000.0) AS at"""
                ),
                {"moment": START_MS + day * DAY_MS},
            )
        assert bool(charts.look(START_MS + (200 + day) * DAY_MS)) is named_then
