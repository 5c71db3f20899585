"""Trades are read by their numbers: in pieces as at once, those of the last hour again, shadow's are passed over."""

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import Settings
from huracan.health.history_trades import AGAIN_S, TradeHistory
from huracan.health.reading import read_only
from huracan.memory import TradeRows, open_run, write_trades
from huracan.memory.trades import COIN_ACCOUNT, ENSEMBLE
from tests.health.test_stored import named
from tests.health.test_trading import trades

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def fresh(database: Engine) -> None:
    """A database without trades."""
    with database.begin() as connection:
        connection.execute(text("TRUNCATE trade_memory, runs RESTART IDENTITY CASCADE"))


def write(engine: Engine, days: int, seed: int, version: str, account: str = "main", mode: str = "paper") -> TradeRows:
    """Write trades of a version, in a run of their own."""
    rows = named(trades(days, seed), version, account, mode)
    write_trades(engine, open_run(engine, "paper", Settings(), "", __version__), rows)
    return rows


def step(engine: Engine, past: TradeHistory) -> int:
    """Read on until all is read; returns in how many steps."""
    for count in range(1, 200):
        with read_only(engine) as cursor:
            if past.step(cursor):
                return count
    raise AssertionError("it never ends")


def net(rows: TradeRows) -> list[float]:
    """Return the results, in order."""
    return sorted(rows.net.tolist())


def test_read_in_pieces_it_is_what_it_is_at_once(database: Engine) -> None:
    """A hundred numbers a step, with shadow's and another account's between them."""
    first = write(database, 30, 1, "v1")
    write(database, 30, 2, ENSEMBLE, COIN_ACCOUNT, "shadow")
    write(database, 20, 3, "v1", "other")
    second = write(database, 30, 4, "v2")
    pieces, once = TradeHistory("main", 100), TradeHistory("main")
    assert step(database, pieces) >= 10
    assert step(database, once) == 1
    for past in (pieces, once):
        assert net(past.of("v1")) == net(first)
        assert net(past.of("v2")) == net(second)
        assert len(past.of("v3")) == 0
        assert past.of("v1").entry_state.dtype == np.float32


def test_what_was_not_to_be_seen_at_first_is_read_within_the_hour(database: Engine) -> None:
    """A row whose number was taken before others' is read again; after an hour it is settled, and read no more."""
    rows = write(database, 30, 5, "v1")
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE late AS SELECT * FROM trade_memory ORDER BY trade_id OFFSET 7 LIMIT 2"))
        connection.execute(text("DELETE FROM trade_memory WHERE trade_id IN (SELECT trade_id FROM late)"))
    at_s = [0.0]
    past = TradeHistory("main", now_s=lambda: at_s[0])
    step(database, past)
    assert len(past.of("v1")) == len(rows) - 2
    with database.begin() as connection:
        connection.execute(text("INSERT INTO trade_memory OVERRIDING SYSTEM VALUE SELECT * FROM late"))
        connection.execute(text("DROP TABLE late"))
    at_s[0] = AGAIN_S
    for _ in range(3):
        step(database, past)
        assert net(past.of("v1")) == net(rows)
        at_s[0] += AGAIN_S
    more = write(database, 10, 6, "v1")
    step(database, past)
    assert net(past.of("v1")) == sorted(net(rows) + net(more))


def test_a_table_that_was_emptied_is_read_anew(database: Engine) -> None:
    """Numbers that begin anew are not taken for old ones."""
    write(database, 30, 7, "v1")
    at_s = [0.0]
    past = TradeHistory("main", now_s=lambda: at_s[0])
    step(database, past)
    at_s[0] = AGAIN_S
    step(database, past)
    with database.begin() as connection:
        connection.execute(text("TRUNCATE trade_memory RESTART IDENTITY CASCADE"))
    rows = write(database, 5, 8, "v1")
    step(database, past)
    assert net(past.of("v1")) == net(rows)
