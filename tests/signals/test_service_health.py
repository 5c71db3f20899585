"""What the endpoint says of its parts, and the kill switch: nothing down is called well, no unproven halt is done."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from huracan.errors import FencedError, VenueError
from huracan.risk.live import HaltPolicy
from huracan.signals.backend import Problem
from huracan.signals.contract import ErrorCode
from tests.signals.stand_ins import (
    CLOSE_MS,
    MINUTE_MS,
    World,
    code,
    database_down,
    execution_down,
    execution_slow,
    feed_down,
    no_candle,
    nothing_served,
    stale,
    tampered,
)


def test_health_is_ok_when_everything_works() -> None:
    """And names what is served and the newest close."""
    found = asyncio.run(World().service().health())
    assert (found.status, found.code, found.versions, found.close_ms) == ("ok", None, ("v1",), CLOSE_MS)
    assert all(part.ok for part in found.parts)


@pytest.mark.parametrize(
    ("broken", "part", "expected"),
    [
        (stale, "data", ErrorCode.STALE_DATA),
        (no_candle, "feed", ErrorCode.FEED_DOWN),
        (feed_down, "feed", ErrorCode.FEED_DOWN),
        (nothing_served, "model", ErrorCode.NO_VERSION),
        (tampered, "model", ErrorCode.MODEL_STALE),
        (execution_down, "execution", ErrorCode.EXECUTION_DOWN),
        (execution_slow, "execution", ErrorCode.EXECUTION_DOWN),
        (database_down, "database", ErrorCode.DATABASE_DOWN),
    ],
)
def test_health_names_what_does_not_work(broken: Callable[[World], None], part: str, expected: ErrorCode) -> None:
    """Each part by itself, the first of them as the code of the whole."""
    world = World()
    broken(world)
    found = asyncio.run(world.service().health())
    assert (found.status, found.code) == ("failing", expected)
    assert [(row.name, row.code) for row in found.parts if not row.ok] == [(part, expected)]


def test_halt_names_its_author_and_takes_the_configured_policy() -> None:
    """And one of its own when it has one."""
    world = World()
    service = world.service()
    found: Any = asyncio.run(service.halt(None, "http:desk", "looks odd"))
    assert (found.state, found.proven) == ("HALTED", True)
    asyncio.run(service.halt(HaltPolicy.FLATTEN, "http:desk", "out"))
    assert world.execution.halts == [
        (HaltPolicy.CANCEL, "http:desk", "looks odd"),
        (HaltPolicy.FLATTEN, "http:desk", "out"),
    ]


def test_a_halt_is_written_down_when_nobody_trades() -> None:
    """A trader that starts again obeys it; the answer says what is not proven, and what to do."""
    world = World()
    execution_down(world)
    found = asyncio.run(world.service().halt(None, "http:desk", "looks odd"))
    assert code(found) is ErrorCode.EXECUTION_DOWN
    assert world.ledger.states == [("http:desk", "looks odd")]
    world.ledger.down = True
    last = asyncio.run(world.service().halt(None, "http:desk", "looks odd"))
    assert isinstance(last, Problem)
    assert last.message.startswith("NOT HALTED")


def test_nobody_resumes_what_another_trades() -> None:
    """A process that has lost the lease says so, and nothing was changed."""
    world = World()
    world.execution.down = FencedError("another has the lease")
    assert code(asyncio.run(world.service().resume("http:desk", "x"))) is ErrorCode.EXECUTION_DOWN


@pytest.mark.parametrize("error", [TimeoutError(), VenueError("the exchange does not answer")])
def test_a_halt_without_proof_is_no_success(error: Exception) -> None:
    """Halted, and orders may rest."""
    world = World()
    world.execution.down = error
    assert code(asyncio.run(world.service().halt(None, "http:desk", "x"))) is ErrorCode.HALT_NOT_PROVEN


def test_a_halt_that_nobody_answered_is_written_down() -> None:
    """A trader that hangs may not have heard it: it obeys the database when it goes on, or the next one does."""
    world = World()
    world.execution.down = TimeoutError()
    asyncio.run(world.service().halt(None, "http:desk", "x"))
    assert world.ledger.states == [("http:desk", "x")]
    world.ledger.down = True
    found = asyncio.run(world.service().halt(None, "http:desk", "x"))
    assert isinstance(found, Problem)
    assert (found.code, found.message[:9]) == (ErrorCode.HALT_NOT_PROVEN, "NOT KNOWN")


@pytest.mark.parametrize(("behind", "ok"), [(0, True), (1, True), (2, False), (227, False)])
def test_a_trader_that_lags_is_not_well(behind: int, ok: bool) -> None:
    """It is at work on the newest close, or has just missed it; whoever is further behind does not trade."""
    world = World()
    world.execution.close_ms = CLOSE_MS - behind * MINUTE_MS
    found = asyncio.run(world.service().health())
    assert (found.status == "ok") is ok
    part = next(row for row in found.parts if row.name == "execution")
    assert part.code is (None if ok else ErrorCode.EXECUTION_DOWN)
    assert ok or f"{behind} closes behind" in part.detail
