"""Answers of a running trader: what the trading loop would order and be told, and nothing reserved for it."""

import asyncio
from decimal import Decimal

from huracan.execution.engine import Engine
from huracan.risk.live import Approval, DenialCode, Denied, OrderIntent, Restrictions
from huracan.signals.backend import Asked as Wanted
from huracan.signals.model import MarketClose
from huracan.trader.answers import Answers
from tests.execution.scenes import EXIT, NORMAL, opened, posts, scene
from tests.execution.world import ACCOUNT, World, virtually

FREE = Restrictions()


def wanted(symbol: str, action: int) -> Wanted:
    """Return an action that somebody wants risk's word on."""
    return Wanted(symbol, action, "v1", 0.7, b"")


class Asked:
    """Stands for risk: approves as the world's gate does, or denies, and reserves nothing for a question."""

    def __init__(self, world: World, denies: bool = False, restrictions: Restrictions = FREE) -> None:
        self._world, self._denies, self.restrictions = world, denies, restrictions

    def judge(self, intents: list[OrderIntent]) -> tuple[Approval | Denied, ...]:
        """Judge."""
        if self._denies:
            return tuple(Denied(DenialCode.HEAT, 1.0, 0.5) for _ in intents)
        found = tuple(self._world.gate.check(intent) for intent in intents)
        for intent in intents:
            self._world.gate.reserved.pop(intent.key)
        return found


def answers(world: World, engine: Engine, denies: bool = False) -> Answers:
    """Return answers at the world's last close."""

    def newest() -> MarketClose:
        close_ms = int(world.market.bars[world.row, 0] + 1) * world.market.base_ms
        return MarketClose(close_ms, False, (world.symbol,), {}, {}, 0)

    keeper = Asked(world, denies)
    return Answers(ACCOUNT, engine, keeper, None, newest, asyncio.Lock(), world.market.base_ms)  # type: ignore[arg-type]


def test_a_quote_is_what_would_be_ordered_and_leaves_no_trace() -> None:
    """Quantity and worst price are those of the order that follows; until then nothing is reserved, written or sent."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        asked = answers(world, engine)
        quotes = await asked.quote([wanted(world.symbol, NORMAL)])
        (quote,) = quotes.rows
        assert quotes.close_ms == world.intent(NORMAL).created_ms
        assert quote.denied is None
        assert world.gate.reserved == {}
        assert not posts(world)
        assert await world.store().intent(world.intent(NORMAL).intent_id) is None
        verdicts = await engine.on_intents([world.intent(NORMAL)])
        (verdict,) = verdicts.values()
        assert isinstance(verdict, Approval)
        assert (verdict.intent.quantity, verdict.intent.price) == (quote.quantity, quote.price)
        assert isinstance(quote.quantity, Decimal)
        await engine.stop()

    virtually(steps)


def test_risks_word_is_told_with_the_size() -> None:
    """A denied entry says how much it would have been, and why not."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        (quote,) = (await answers(world, engine, denies=True).quote([wanted(world.symbol, NORMAL)])).rows
        assert quote.quantity is not None
        assert quote.denied == Denied(DenialCode.HEAT, 1.0, 0.5)
        await engine.stop()

    virtually(steps)


def test_what_orders_nothing_has_no_size() -> None:
    """An exit needs nobody's word; a market that is not traded here is denied; the order of the question is kept."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        found = await answers(world, engine).quote([wanted("ZZZ/USDT", NORMAL), wanted(world.symbol, EXIT)])
        assert [row.symbol for row in found.rows] == ["ZZZ/USDT", world.symbol]
        foreign, leave = found.rows
        assert foreign.denied is not None
        assert foreign.denied.code is DenialCode.STATE_UNKNOWN
        assert (leave.quantity, leave.denied) == (None, None)
        await engine.stop()

    virtually(steps)


def test_a_script_knows_no_states() -> None:
    """Who decides by a script has no row for anybody, of the right width."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        found = await answers(world, engine).states()
        assert (found.account, found.symbols, found.states.shape) == (ACCOUNT, (), (0, 80))
        await engine.stop()

    virtually(steps)
