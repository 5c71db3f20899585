"""The desk: what the stream, a query and a reply tell makes one story, whatever comes late."""

import asyncio
import contextlib
from decimal import Decimal

from huracan.errors import VenueError
from huracan.execution.model import Status
from huracan.paper import Request
from huracan.trading import ExitReason
from huracan.venue.orders import VenueStatus
from tests.execution.scenes import EXIT, NORMAL, check, opened, orders, posts, quiet, scene
from tests.execution.world import virtually

DIP = (10_000, 10_000, 9_990, 10_000, 20_000)
"""Trades through a bid at 99.99, thinly: a resting buy gets a part."""


def test_a_partial_fill_is_protected_and_the_rest_stays() -> None:
    """Each fill makes a new bracket of all that can be sold; the entry goes on resting."""

    async def steps() -> None:
        world = scene([*quiet(1), DIP, DIP, *quiet(8)], entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        sizes = []
        for _ in range(2):
            await world.turn(engine)
            planner = engine.desks[world.symbol].planner
            assert planner.protected
            assert planner.entry is not None
            sizes.append(planner.position.sellable)
            assert planner.sale is not None
            assert planner.sale.request.quantity == planner.position.sellable * Decimal("0.001")
        assert 0 < sizes[0] < sizes[1]
        brackets = [order for order in await orders(world) if order.draft.list_cid is not None]
        assert {order.status for order in brackets[:2]} == {Status.CANCELED}
        await check(world, engine)

    virtually(steps)


def test_a_stale_word_after_the_end_changes_nothing() -> None:
    """The stream still says NEW when the order is cancelled and gone."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        entry = engine.desks[world.symbol].planner.entry
        assert entry is not None
        stale = await world.venue().order(world.symbol, entry.key)
        await world.turn(engine, EXIT)
        assert stale is not None
        assert stale.status is VenueStatus.NEW
        before = len((await world.store().log()).events)
        await engine.on_event(stale)
        assert len((await world.store().log()).events) == before
        assert engine.desks[world.symbol].quiet
        assert len(posts(world)) == 1
        await check(world, engine)

    virtually(steps)


def test_a_question_that_fails_between_two_commands_loses_neither() -> None:
    """A forced sale takes entry and bracket back; the trades of the first are away for a moment, the second is sent."""

    async def steps() -> None:
        world = scene([*quiet(1), DIP, DIP, DIP, *quiet(8)], entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        await world.turn(engine)
        assert world.step() == "fills"  # nobody is told

        async def cut(request: Request) -> None:
            if request.path == "/api/v3/myTrades":
                raise ConnectionResetError

        world.before = cut
        with contextlib.suppress(VenueError):
            await engine.on_intents([], {world.symbol: ExitReason.RISK_EXIT})
        world.before = None
        await asyncio.sleep(30.0)
        await engine.quiesce()
        while world.step() == "fills":
            pass
        world.row += 1
        for _ in range(2):
            await world.turn(engine)
        planner = engine.desks[world.symbol].planner
        assert planner.position.sellable == 0
        assert planner.idle
        await check(world, engine)

    virtually(steps)
