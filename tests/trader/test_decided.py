"""Decisions outlive the process that made them, bit for bit, and only go forward."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.trader.decided import AccountDecisions, Decided, DecisionLog, MemoryDecisions

MINUTE = 60_000
T0 = 1_700_000_040_000


def decided(close: int, seed: int = 1) -> Decided:
    """Return a decision on three markets by two versions; every bit of the states is in use."""
    rng = np.random.default_rng(seed)
    return Decided(
        close_ms=T0 + close * MINUTE,
        heard_ms=T0 + close * MINUTE + 17,
        decided_ms=T0 + close * MINUTE + 23,
        symbols=("ADA/USDT", "BTC/USDT", "FET/USDT"),
        action=np.array([1, 0, 5], np.int64),
        confidence=rng.random(3).astype(np.float32),
        version=("v2", "v1", "v1"),
        states=rng.standard_normal((3, 80)).astype(np.float32),
        book=rng.bytes(64),
    )


def same(one: Decided | None, other: Decided) -> None:
    """Hold that two decisions agree in every bit."""
    assert one is not None
    assert one.states.tobytes() == other.states.tobytes()
    assert one.confidence.tobytes() == other.confidence.tobytes()
    assert one.action.tolist() == other.action.tolist()
    for name in ("close_ms", "heard_ms", "decided_ms", "symbols", "version", "book"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.fixture(params=["memory", "postgres"])
def opened(request: pytest.FixtureRequest, database: Engine) -> Callable[[], DecisionLog]:
    """Returns a new connection to one account's decisions; the test's own account."""
    kept = MemoryDecisions()
    name = request.node.name

    def connect() -> DecisionLog:
        return kept if request.param == "memory" else AccountDecisions(database, name, 10.0)

    return connect


def run(log: DecisionLog, work: Callable[[DecisionLog], Coroutine[Any, Any, Any]]) -> Any:
    """Do something with a connection, and close it."""

    async def steps() -> Any:
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(steps())


def test_the_newest_decision_comes_back_bit_for_bit(opened: Callable[[], DecisionLog]) -> None:
    """Another process reads what this one wrote: states, account, actions, confidences and versions."""
    assert run(opened(), lambda log: log.newest()) is None
    for close in (1, 2, 3):
        run(opened(), lambda log, close=close: log.keep(decided(close, close)))
    same(run(opened(), lambda log: log.newest()), decided(3, 3))


def test_a_close_is_decided_once_and_never_earlier(opened: Callable[[], DecisionLog]) -> None:
    """The same close again, and one before it, change nothing."""
    run(opened(), lambda log: log.keep(decided(5, 1)))
    for other in (decided(5, 2), decided(4, 3)):
        run(opened(), lambda log, other=other: log.keep(other))
    same(run(opened(), lambda log: log.newest()), decided(5, 1))


def test_accounts_do_not_see_each_other(database: Engine) -> None:
    """Each account has its own newest decision."""
    run(AccountDecisions(database, "one", 10.0), lambda log: log.keep(decided(1)))
    run(AccountDecisions(database, "two", 10.0), lambda log: log.keep(decided(9, 2)))
    same(run(AccountDecisions(database, "one", 10.0), lambda log: log.newest()), decided(1))


def test_each_close_leaves_a_row_with_its_times(database: Engine) -> None:
    """The history grows by one row a close; the states are kept once an account."""
    for close in (1, 2, 3):
        run(AccountDecisions(database, "rows", 10.0), lambda log, close=close: log.keep(decided(close)))
    run(AccountDecisions(database, "rows", 10.0), lambda log: log.keep(replace(decided(3), book=b"other")))
    with database.connect() as connection:
        where = "JOIN accounts USING (account_no) WHERE name = 'rows'"
        rows = connection.execute(
            text(f"SELECT extract(epoch FROM decided_at - heard_at) * 1000, version_of FROM decisions {where}")  # noqa: S608
        ).all()
        states = connection.execute(text(f"SELECT count(*) FROM decision_states {where}")).scalar()  # noqa: S608
    assert [(float(row[0]), row[1]) for row in rows] == [(6.0, [1, 0, 0])] * 3
    assert states == 1
