"""The submit protocol: the order of its steps, and nothing at the socket after a refusal of any of them."""

from decimal import Decimal

import pytest

from huracan.execution.commands import Place, Role
from huracan.execution.failpoints import Failpoint
from huracan.execution.model import Status
from huracan.execution.submit import drafts_of
from huracan.risk.live import HaltPolicy, TradingState
from huracan.venue.orders import OcoRequest, OrderKind, Side
from tests.execution.scenes import EXIT, NORMAL, check, opened, orders, posts, scene
from tests.execution.world import World, virtually


def test_a_list_is_two_rows_of_one_reservation() -> None:
    """The upper leg rests, the lower one waits for its trigger."""
    pair = OcoRequest("h" + "a" * 16 + "-0", "up", "down", "AAA/USDT", Decimal(1), Decimal(3), Decimal(2))
    upper, lower = drafts_of(Place(pair, "a" * 16, Role.BRACKET), 5)
    assert (upper.kind, upper.price, upper.stop_price) == (OrderKind.POST_ONLY, 3, None)
    assert (lower.kind, lower.price, lower.stop_price) == (OrderKind.STOP, None, 2)
    assert upper.ref == lower.ref == pair.list_cid
    assert {upper.side, lower.side} == {Side.SELL}


@pytest.mark.parametrize("place", [Failpoint.AFTER_T1, Failpoint.AFTER_T2])
def test_a_halt_in_the_middle_stops_the_order(place: Failpoint) -> None:
    """Written down, marked even, and never sent; its money is free again."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world, failpoints=lambda here: halt(here))

        def halt(here: Failpoint) -> None:
            if here is place:
                engine.state, engine._policy = TradingState.HALTED, HaltPolicy.CANCEL

        await engine.on_intents([world.intent(NORMAL)])
        assert not posts(world)
        (order,) = await orders(world)
        assert order.status is (Status.NEVER_SENT if place is Failpoint.AFTER_T1 else Status.REJECTED)
        await check(world, engine)
        assert not (await world.store().load()).reservations

    virtually(steps)


def test_a_reduction_in_the_middle_stops_a_buy() -> None:
    """Trading is reduced while a buy is being written down: the buy does not leave, and a sell does."""

    async def steps() -> None:
        world = scene()
        reduced = []

        def reduce(here: Failpoint) -> None:
            if reduced and here is Failpoint.AFTER_T2:
                engine.state = TradingState.REDUCING

        engine = await opened(world, failpoints=reduce)
        await engine.on_intents([world.intent(NORMAL)])
        count = len(posts(world))
        reduced.append(True)
        await world.turn(engine, EXIT)
        assert len(posts(world)) == count + 1, "the sell has left"
        engine.state = TradingState.ACTIVE
        await world.turn(engine, NORMAL)
        assert len(posts(world)) == count + 1, "the buy has not"
        assert (await orders(world))[-1].status is Status.REJECTED
        await check(world, engine)

    virtually(steps)


def test_the_order_is_in_the_store_before_it_is_at_the_socket() -> None:
    """At the moment of the POST its row says when it was sent."""
    seen = []

    async def steps() -> None:
        world = scene()
        engine = await opened(world)

        async def look(request: object) -> None:
            if getattr(request, "method", "") == "POST":
                seen.extend([order.sent_ms for order in await orders(world) if order.status is Status.SUBMITTED])

        world.before = look
        await engine.on_intents([world.intent(NORMAL)])

    virtually(steps)
    assert len(seen) == 3
    assert all(seen)


def test_a_lease_that_ran_out_sends_nothing() -> None:
    """The store has no renewal, the clock goes on: the order stops before the socket."""

    async def steps() -> None:
        world: World = scene()
        engine = await opened(world)
        engine._keeper._until_s = -1.0
        await engine.on_intents([world.intent(NORMAL)])
        assert not posts(world)
        assert [order.status for order in await orders(world)] == [Status.REJECTED]

    virtually(steps)
