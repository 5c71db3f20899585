"""Trades in Postgres: bit-exact, idempotent, atomic, small, and impossible to double or to falsify."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.config import Settings
from huracan.errors import DatabaseError, InvariantError
from huracan.memory import TradeRows, open_run, read_trades, write_trades
from tests.memory.samples import joined, same, sample_trades

pytestmark = pytest.mark.postgres


@pytest.fixture
def run_id(database: Engine) -> int:
    """A new run."""
    return open_run(database, "shadow", Settings(), "fingerprint", "0.1.0")


def _ids(engine: Engine, run_id: int) -> list[tuple[int, int]]:
    with engine.connect() as connection:
        query = text("SELECT seq, trade_id FROM trade_memory WHERE run_id = :run_id ORDER BY symbol, seq")
        return [tuple(row) for row in connection.execute(query, {"run_id": run_id})]


def test_what_is_read_is_what_was_written_bit_for_bit(database: Engine, run_id: int) -> None:
    """Every float64, int64 and float32 comes back with the same bits, rows in the order of their key."""
    blocks = [sample_trades(300, seed, symbol) for seed, symbol in enumerate(("ADA/USDT", "BTC/USDT", "ZEC/USDT:USDT"))]
    extreme = sample_trades(4, 9, "AAA/USDT")
    extreme.entry_price[:] = [5e-324, 1.7976931348623157e308, 0.1, -0.0]
    extreme.quantity[:] = [1.0, 1e-308, 1 / 3, 0.0]
    extreme.steps_in[:] = [2**63 - 1, -(2**63), 0, 1]
    extreme.entry_state[0, :5] = [np.inf, -np.inf, np.nan, -0.0, np.float32(1e-45)]
    assert write_trades(database, run_id, joined(*reversed(blocks), extreme)) == 904
    assert same(read_trades(database, run_id), joined(extreme, *blocks))


def test_parts_of_a_run_can_be_read(database: Engine, run_id: int) -> None:
    """Policy, account, symbol, fold and mode select; a run never shows another run's trades."""
    first, second = sample_trades(5, 1, fold=0), sample_trades(7, 2, fold=1)
    portfolio = sample_trades(3, 3, account="portfolio")
    write_trades(database, run_id, joined(first, second, portfolio))
    assert same(read_trades(database, run_id, fold=1), second)
    assert same(read_trades(database, run_id, account="portfolio"), portfolio)
    assert len(read_trades(database, run_id, policy="ensemble-3", mode="shadow")) == 15
    assert len(read_trades(database, run_id, symbol="NONE/USDT")) == 0
    assert len(read_trades(database, open_run(database, "shadow", Settings(), "f", "0"))) == 0


def test_writing_again_changes_nothing(database: Engine, run_id: int) -> None:
    """The same trades written again leave the same rows with the same ids, whatever else is written with them."""
    old, new = sample_trades(50, 1), sample_trades(20, 2, "ETH/USDT")
    assert write_trades(database, run_id, old) == 50
    ids = _ids(database, run_id)
    assert write_trades(database, run_id, joined(old, new)) == 20
    assert _ids(database, run_id)[:50] == ids
    assert same(read_trades(database, run_id), joined(old, new))


def test_a_block_written_differently_is_replaced(database: Engine, run_id: int) -> None:
    """Rows that changed are replaced, rows gone from the block are removed, equal rows and other blocks stay."""
    old, other = sample_trades(10, 1), sample_trades(10, 2, "ETH/USDT")
    write_trades(database, run_id, joined(old, other))
    before = _ids(database, run_id)
    confidence = old.confidence.copy()
    confidence[3] = 0.123
    changed = replace(old, confidence=confidence)
    kept = TradeRows(**{name: getattr(changed, name)[:8] for name in TradeRows.__dataclass_fields__})
    assert write_trades(database, run_id, kept) == 1
    assert same(read_trades(database, run_id), joined(kept, other))
    after = _ids(database, run_id)
    assert [row for row in after if row[0] != 3] == [
        row for row in before if row not in (before[3], *before[8:10]) and row[0] != 3
    ]


def test_a_block_is_written_whole_or_not_at_all(database: Engine, run_id: int) -> None:
    """A row the table refuses takes the others of its call with it, also those of other blocks."""
    good, bad = sample_trades(10, 1), sample_trades(10, 2, "ETH/USDT")
    bad.exit_time[9] = bad.entry_time[9] - 60_000
    with pytest.raises(DatabaseError, match="trade_memory_times"):
        write_trades(database, run_id, joined(good, bad))
    assert len(read_trades(database, run_id)) == 0


def test_parts_that_do_not_add_up_are_refused_by_the_database(database: Engine, run_id: int) -> None:
    """A net that is not the sum of its parts to 1e-9 of the value bought does not enter the table."""
    trades = sample_trades(3, 1)
    trades.entry_price[:], trades.quantity[:] = 100.0, 10.0
    trades.net[1] += 0.9e-6
    write_trades(database, run_id, trades)
    trades.net[1] += 0.3e-6
    with pytest.raises(DatabaseError, match="trade_memory_identity"):
        write_trades(database, run_id, trades)


def test_doubles_within_one_call_are_refused(database: Engine, run_id: int) -> None:
    """Two rows of one key are the caller's mistake and do not enter the table."""
    trades = sample_trades(3, 1)
    trades.seq[2] = 1
    with pytest.raises(DatabaseError, match="trade_memory_key"):
        write_trades(database, run_id, trades)


def test_concurrent_writers_of_one_block_leave_it_once(database: Engine, run_id: int) -> None:
    """A task that is run twice at the same time writes its trades once, and neither run fails."""
    trades = joined(*(sample_trades(200, seed, symbol) for seed, symbol in enumerate("ABCD")))
    start, written = threading.Barrier(4), []

    def write() -> None:
        start.wait()
        written.append(write_trades(database, run_id, trades))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == [0, 0, 0, 800]
    assert same(read_trades(database, run_id), trades)


def test_no_trades_are_no_rows(database: Engine, run_id: int) -> None:
    """An empty batch writes nothing and reads back empty."""
    empty = sample_trades(0, 1)
    assert write_trades(database, run_id, empty) == 0
    assert same(read_trades(database, run_id), empty)


def test_a_run_that_does_not_exist_is_refused(database: Engine) -> None:
    """Trades belong to a recorded run."""
    with pytest.raises(DatabaseError, match="run"):
        write_trades(database, 2_000_000_000, sample_trades(1, 1))


def test_columns_that_do_not_fit_are_a_defect(database: Engine, run_id: int) -> None:
    """Other lengths, other types, cut integers and numbers that are none are refused before anything is sent."""
    trades = sample_trades(3, 1)
    with pytest.raises(InvariantError, match="net"):
        replace(trades, net=np.zeros(4))
    with pytest.raises(InvariantError, match="fold"):
        replace(trades, fold=np.zeros(3))
    with pytest.raises(InvariantError, match="entry_state"):
        replace(trades, entry_state=np.zeros((3, 79), np.float32))
    with pytest.raises(InvariantError, match="fold"):
        write_trades(database, run_id, replace(trades, fold=np.full(3, 40_000)))
    with pytest.raises(InvariantError, match="net"):
        write_trades(database, run_id, replace(trades, net=np.array([0.0, np.nan, 0.0])))


def test_texts_of_any_script_and_length_survive(database: Engine, run_id: int) -> None:
    """Names are stored as they are, quotes, tabs and other scripts included."""
    trades = sample_trades(2, 1, symbol="币安\t'\"\\N/USDT", policy="π" * 200)
    write_trades(database, run_id, trades)
    assert same(read_trades(database, run_id, symbol="币安\t'\"\\N/USDT"), trades)


def test_a_block_that_has_become_empty_loses_what_was_stored(database: Engine, run_id: int) -> None:
    """Trades, then none: the block's rows go, those of other blocks stay; a second time nothing changes."""
    kept, gone = sample_trades(20, 11), sample_trades(20, 12, "GONE/USDT")
    write_trades(database, run_id, joined(kept, gone))
    block = ("ensemble-3", "coin", "GONE/USDT", 0, "shadow")
    for _ in range(2):
        assert write_trades(database, run_id, sample_trades(0, 1), [block]) == 0
        assert same(read_trades(database, run_id), kept)
