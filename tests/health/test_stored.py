"""The watch over what is stored: each version that decides, held against the shadow of the run that made it."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import Settings
from huracan.health.stored import read_watches
from huracan.health.trading import DAY_MS
from huracan.memory import Registry, TradeRows, open_run, write_trades
from huracan.shadow import COIN_ACCOUNT, ENSEMBLE
from tests.health.test_trading import START_MS, joined, trades

pytestmark = pytest.mark.postgres


def named(rows: TradeRows, policy: str, account: str, mode: str) -> TradeRows:
    """Return the rows under a name; net results stay what their parts sum up to."""
    count = len(rows)
    parts = rows.net - rows.spread_part - rows.slippage_part - rows.fee
    words = {"policy": policy, "account": account, "mode": mode}
    return replace(rows, price_part=parts, **{name: np.full(count, word) for name, word in words.items()})


def fill(engine: Engine, days: int, account: str = "main", **change: float) -> None:
    """Store a version's shadow, its decisions from the first day on, and thirty good days of paper before a change."""
    run_id = open_run(engine, "train", Settings(), "ab" * 32, __version__)
    Registry(engine).register(run_id, "v1", "*", "nowhere", "cd" * 32, {}, "tests")
    write_trades(engine, run_id, named(trades(60, 1), ENSEMBLE, COIN_ACCOUNT, "shadow"))
    paper = open_run(engine, "paper", Settings(), "", __version__)
    write_trades(
        engine, paper, named(joined(trades(30, 2), trades(days - 30, 3, **change), 30), "v1", account, "paper")
    )
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts (name) VALUES (:account)"), {"account": account})
        for moment in (START_MS, START_MS + days * DAY_MS):
            connection.execute(
                text(
                    """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                    actions, confidences) SELECT at, at, at, account_no, '{BTC/USDT}', '{v1}', '{0}', '{0}', '{0}'
                    FROM accounts, to_timestamp(:moment / 1000.0) AS at WHERE name = :account"""
                ),
                {"moment": moment, "account": account},
            )


def test_a_version_that_got_worse_is_told_with_the_day(database: Engine) -> None:
    """Its own trades against its own run's shadow; another account has none."""
    fill(database, 90, win_rate=0.40)
    (found,) = read_watches(database, "main")
    assert (found.version, found.problem) == ("v1", "")
    assert found.began_ms == START_MS
    assert found.watch is not None
    assert found.watch.trades == found.trades > 900
    alarms = {one.name: one for one in found.watch.alarms}
    assert {"result", "win_rate"} <= set(alarms)
    since_ms = alarms["win_rate"].since_ms
    assert since_ms is not None
    assert abs(since_ms - (START_MS + 30 * DAY_MS)) < 10 * DAY_MS
    assert read_watches(database, "nobody") == ()


def test_a_version_without_a_claim_says_why(database: Engine) -> None:
    """No shadow trades of its run: nothing to hold it against, and nothing is called well."""
    fill(database, 60, "other")
    with database.begin() as connection:
        connection.execute(text("DELETE FROM trade_memory WHERE mode = 'shadow'"))
    (found,) = read_watches(database, "other")
    assert found.watch is None
    assert found.problem.startswith("0 trades on 0 days in shadow claim nothing")
