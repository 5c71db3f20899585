"""The library in Postgres: whole or not at all, the same again changes nothing, and pgvector finds what numpy finds."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.config import Settings
from huracan.errors import UsageError
from huracan.insights import Library, find_patterns
from huracan.memory import TradeRows, open_run, read_trades, write_trades
from huracan.memory.patterns import place_trade, read_embedding, read_patterns, similar_trades, write_patterns
from huracan.patterns import PatternMemory, outcomes_of_rows
from tests.insights.worlds import LAYOUT, MINUTE_MS, planted_trades

pytestmark = pytest.mark.postgres

DAY_MS = 86_400_000


def stored(database: Engine, seed: int, count: int = 400) -> tuple[int, TradeRows, Library]:
    """Return a run with planted trades in the database and their library, which is not."""
    run_id = open_run(database, "test", Settings(), "data", "test")
    write_trades(database, run_id, planted_trades((0.5, -0.5), count, seed)[0])
    trades = read_trades(database, run_id)
    return run_id, trades, find_patterns(trades, run_id)


def counted(database: Engine, table: str, where: str = "TRUE") -> int:
    """Return the number of rows."""
    with database.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())  # noqa: S608


def test_a_library_is_read_back_as_it_was_written_and_writing_it_again_changes_nothing(database: Engine) -> None:
    """Every figure to the bit; the second write reports no row, another library replaces the first."""
    run_id, trades, library = stored(database, 1)
    assert write_patterns(database, library.found, library.members) == 1 + 2 + 400
    (found,) = read_patterns(database, run_id)
    assert replace(found, set_id=0) == library.found
    assert read_embedding(database, found) == library.members.embedding
    assert write_patterns(database, library.found, library.members) == 0
    other = find_patterns(trades, run_id, seed=2)
    assert write_patterns(database, other.found, other.members) == 1 + 2 + 400
    assert [replace(one, set_id=0) for one in read_patterns(database, run_id)] == [other.found]
    assert read_patterns(database, run_id, mode="live") == ()


def test_points_belong_to_the_newest_library(database: Engine) -> None:
    """An earlier moment's library is kept beside the newest, which alone says where each trade lies."""
    run_id, trades, library = stored(database, 2)
    middle = int(np.median(trades.exit_time)) + 2 * MINUTE_MS
    early = find_patterns(trades, run_id, as_of_ms=middle)
    write_patterns(database, early.found, early.members)
    write_patterns(database, library.found, library.members)
    assert write_patterns(database, early.found, early.members) == 0
    (found,) = read_patterns(database, run_id)
    assert found.trades == 400
    assert counted(database, "trade_points", f"set_id = {found.set_id}") == 400
    assert counted(database, "pattern_sets", f"run_id = {run_id}") == 2


def test_analyses_get_their_pattern(database: Engine) -> None:
    """Wins and losses that were analysed before the library carry its number afterwards."""
    run_id, trades, library = stored(database, 3)
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO loss_analysis (trade_id, preventable, features, contributions, causes) "
                "SELECT trade_id, false, '{}', '{}', '[]' FROM trade_memory WHERE run_id = :run_id AND net <= 0"
            ),
            {"run_id": run_id},
        )
    losses = int((trades.net <= 0).sum())
    assert write_patterns(database, library.found, library.members) == 1 + 2 + 400 + losses
    with database.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT number, count(*) FROM loss_analysis JOIN trade_memory USING (trade_id) "
                "JOIN pattern_library USING (pattern_id) WHERE run_id = :run_id GROUP BY number ORDER BY number"
            ),
            {"run_id": run_id},
        ).all()
    assert [(number, count) for number, count in rows] == [
        (one.number, one.trades - one.wins) for one in library.found.patterns
    ]


def test_pgvector_finds_the_neighbours_that_numpy_finds(database: Engine) -> None:
    """At forty moments: the same trades in the same order at the same distances, with purge, coin and day rules."""
    run_id, trades, library = stored(database, 4, 900)
    write_patterns(database, library.found, library.members)
    (found,) = read_patterns(database, run_id)
    outcomes = outcomes_of_rows(trades.rows(np.flatnonzero(trades.risk_frac > 0).tolist()), LAYOUT, MINUTE_MS)
    memory = PatternMemory(
        outcomes, library.clusters.embedding, found.hold_ms // MINUTE_MS, 1.0, np.linspace(0.0, 1.0, 2)
    )
    asked = np.random.default_rng(5).choice(len(trades), 40, replace=False)
    for row in asked.tolist():
        state, now, symbol = trades.entry_state[row], int(trades.entry_time[row]), str(trades.symbol[row])
        point = library.clusters.embedding.points(state[None, :])[0]
        ours = memory.neighbours(state, now, symbol)
        theirs = similar_trades(database, found, point, now, symbol)
        assert [(one.symbol, one.entry_ms) for one in theirs] == [
            (str(outcomes.symbol[n]), int(outcomes.entry_ms[n])) for n in ours.tolist()
        ]
        assert np.allclose([one.result_r for one in theirs], outcomes.result[ours])
        away = np.sqrt(((memory.points[ours] - point) ** 2).sum(axis=1))
        assert np.allclose([one.distance for one in theirs], away, rtol=1e-5)
        assert all(one.exit_ms + 2 * MINUTE_MS <= now for one in theirs)


def test_a_stored_trade_is_placed_with_its_own_point(database: Engine) -> None:
    """Its set, its point to the bit, its moment; one that is nowhere says what to do."""
    run_id, trades, library = stored(database, 6)
    with database.connect() as connection:
        trade_id = connection.execute(text("SELECT min(trade_id) FROM trade_memory WHERE run_id = :r"), {"r": run_id})
        number = int(trade_id.scalar_one())
    with pytest.raises(UsageError, match=f"is in no pattern library.*huracan patterns find --run-id {run_id}"):
        place_trade(database, number)
    write_patterns(database, library.found, library.members)
    found, point, entry_ms, symbol = place_trade(database, number)
    row = np.flatnonzero((library.members.points == point).all(axis=1))
    assert len(row) == 1
    assert str(library.members.symbol[row[0]]) == symbol
    assert entry_ms in trades.entry_time
    assert found.run_id == run_id
    with pytest.raises(UsageError, match="no closed trade 999999999"):
        place_trade(database, 999_999_999)


def test_a_library_of_trades_that_are_gone_is_not_written(database: Engine) -> None:
    """When a trade was replaced meanwhile nothing is written."""
    run_id, _, library = stored(database, 7)
    gone = replace(library.members, seq=library.members.seq + 10_000)
    with pytest.raises(UsageError, match="400 of 400 trades are not in the database"):
        write_patterns(database, library.found, gone)
    assert counted(database, "pattern_sets", f"run_id = {run_id}") == 0
