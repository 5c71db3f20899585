"""The watched venue: risk hears of every command, and the venue of nothing else than before."""

from decimal import Decimal

from huracan.execution.ids import child_id
from huracan.paper import Faults
from huracan.risk.live import Slippage
from huracan.trader.watched_venue import WatchedVenue
from huracan.venue.orders import Accepted, OrderKind, OrderRequest, Outcome, RejectCode, Rejected, Side
from tests.execution.scenes import scene
from tests.execution.world import World, virtually

INTENT = "0123456789abcdef"


class Heard:
    """What was told, in order."""

    def __init__(self, world: World, price: str | None = "100") -> None:
        self.told: list[Outcome | Slippage] = []
        self.begun: list[str] = []
        self.silent_until: list[int] = []
        expected = None if price is None else Decimal(price)
        self.venue = WatchedVenue(
            world.venue(),
            world.clock,
            self.told.append,
            self.begun.append,
            lambda _: expected,
            self.silent_until.append,
        )


def order(world: World, number: int, kind: OrderKind, price: str | None, quantity: str = "1") -> OrderRequest:
    """Return a buy."""
    limit = None if price is None else Decimal(price)
    return OrderRequest(child_id(INTENT, number), world.symbol, Side.BUY, kind, Decimal(quantity), limit)


def test_commands_are_told_with_their_intent_and_slippage() -> None:
    """A taker's price against the last close, in basis points; a resting order has none; cancels count."""

    async def steps() -> None:
        world = scene()
        heard = Heard(world)
        await heard.venue.instruments([world.symbol])
        taken = await heard.venue.submit(order(world, 0, OrderKind.FOK, "101"))
        resting = await heard.venue.submit(order(world, 1, OrderKind.POST_ONLY, "99"))
        gone = await heard.venue.cancel(world.symbol, child_id(INTENT, 1))
        assert all(isinstance(one, Accepted) for one in (taken, resting, gone))
        assert heard.begun == [INTENT, INTENT]
        assert heard.told == [taken, Slippage(heard.told[1].bps), resting, gone]  # type: ignore[union-attr]
        slipped = heard.told[1]
        assert isinstance(slipped, Slippage)
        assert 0.0 < slipped.bps < 5.0
        unknown = Heard(world, price=None)
        await unknown.venue.submit(order(world, 2, OrderKind.MARKET, None))
        assert len(unknown.told) == 1

    virtually(steps)


def test_a_limit_of_the_venue_silences() -> None:
    """429 with Retry-After: entries are denied until that moment."""

    async def steps() -> None:
        world = scene()
        heard = Heard(world)
        await heard.venue.instruments([world.symbol])
        await heard.venue.sync_clock()
        world.exchange.faults = Faults(rate_limited=1.0)
        outcome = await heard.venue.submit(order(world, 0, OrderKind.FOK, "101"))
        assert isinstance(outcome, Rejected)
        assert outcome.code is RejectCode.RATE_LIMIT
        assert heard.silent_until == [world.clock.now_ms() + int((outcome.retry_after_s or 0) * 1_000)]

    virtually(steps)


def test_questions_pass_through() -> None:
    """They are answered as by the venue itself, and nobody is told."""

    async def steps() -> None:
        world = scene()
        heard, plain = Heard(world), world.venue()
        for venue in (heard.venue, plain):
            await venue.instruments([world.symbol])
        assert await heard.venue.balances() == await plain.balances()
        assert await heard.venue.open_orders(world.symbol) == ()
        assert await heard.venue.open_lists() == ()
        assert await heard.venue.trades(world.symbol) == ()
        assert await heard.venue.order(world.symbol, "nothing") is None
        assert await heard.venue.order_list("nothing") is None
        assert abs(await heard.venue.server_time_ms() - world.clock.now_ms()) < 1_000
        assert await heard.venue.sync_clock() == heard.venue.skew_ms
        assert not heard.venue.paused
        assert heard.told == []
        await heard.venue.close()

    virtually(steps)
