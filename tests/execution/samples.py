"""A desk: the order protocol over any store in few words, with round numbers."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from huracan.execution.ids import child_id, intent_id
from huracan.execution.model import (
    Booked,
    Draft,
    Fill,
    Intent,
    IntentKind,
    Lease,
    Order,
    OrderFact,
    Record,
    Reservation,
    Transfer,
    Trigger,
)
from huracan.execution.store import Store
from huracan.memory import TradeRows
from huracan.venue.orders import OrderKind, Side

D = Decimal
SYMBOL = "BTC/USDT"
CANDLE_MS = 1_750_000_000_000
NOW_MS = CANDLE_MS + 60_123


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def intent(account: str = "main", kind: IntentKind = IntentKind.ENTER, **changes: Any) -> Intent:
    """Return an intent to buy (ENTER) or sell (others) 3 BTC after `CANDLE_MS`."""
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "candle_ms": CANDLE_MS,
        "side": Side.BUY if kind is IntentKind.ENTER else Side.SELL,
        "created_ms": CANDLE_MS + 60_000,
        "quantity": D(3),
        "reason": "test",
        **changes,
    }
    name = intent_id(account, values["symbol"], values["candle_ms"], kind)
    return Intent(name, account, kind=kind, **values)


def buy(parent: Intent, number: int = 0, quantity: str = "3", price: str = "100", **changes: Any) -> Draft:
    """Return a FOK buy, child `number` of an intent."""
    values = {"kind": OrderKind.FOK, **changes}
    cid = child_id(parent.intent_id, number)
    return Draft(
        cid, parent.intent_id, parent.symbol, Side.BUY, quantity=D(quantity), price=D(price), stop_price=None,
        list_cid=None, created_ms=NOW_MS, **values,
    )  # fmt: skip


def bracket(parent: Intent, number: int, quantity: str, target: str, stop: str) -> tuple[Draft, Draft]:
    """Return the two legs of an order list that takes the numbers `number` to `number + 2`."""
    listed, above, below = (child_id(parent.intent_id, number + step) for step in range(3))
    size = D(quantity)
    common = (parent.intent_id, parent.symbol, Side.SELL)
    return (
        Draft(above, *common, OrderKind.LIMIT, size, D(target), None, listed, NOW_MS),
        Draft(below, *common, OrderKind.STOP, size, None, D(stop), listed, NOW_MS),
    )


def market_sell(parent: Intent, number: int, quantity: str) -> Draft:
    """Return a market sell, child `number` of an intent."""
    cid = child_id(parent.intent_id, number)
    return Draft(
        cid, parent.intent_id, parent.symbol, Side.SELL, OrderKind.MARKET, D(quantity), None, None, None, NOW_MS
    )


def reserve(*drafts: Draft, asset: str | None = None, amount: str | None = None) -> Reservation:
    """Return the reservation of an order or a list: its cost at the limit, or its coins."""
    draft = drafts[0]
    needed = draft.quantity * draft.price if draft.side is Side.BUY and draft.price else draft.quantity
    given = D(amount) if amount else needed
    named = asset or ("USDT" if draft.side is Side.BUY else "BTC")
    return Reservation(draft.ref, draft.intent_id, draft.symbol, named, given, given, D(300), D(9))


def fill(draft: Draft, trade_id: str, quantity: str, price: str = "100", **changes: Any) -> Fill:
    """Return a fill with a fee of 0.1 % in what is received."""
    size, level = D(quantity), D(price)
    buying = draft.side is Side.BUY
    values: dict[str, Any] = {
        "cid": draft.cid,
        "commission": (size if buying else size * level) / 1000,
        "commission_asset": "BTC" if buying else "USDT",
        "maker": False,
        "at_ms": NOW_MS + 500,
        **changes,
    }
    return Fill(draft.symbol, trade_id, side=draft.side, quantity=size, price=level, **values)


def fact(draft: Draft, trigger: Trigger, at_ms: int = NOW_MS + 400, **changes: Any) -> OrderFact:
    """Return something that happened to an order."""
    return OrderFact(draft.cid, trigger, at_ms, **changes)


@dataclass(slots=True)
class Desk:
    """A holder of the lease who goes through T1, T2 and T3."""

    store: Store
    lease: Lease
    sent: list[str] = field(default_factory=list)

    @classmethod
    async def open(cls, store: Store, funds: str = "1000") -> "Desk":
        """Acquire the lease for ten minutes and deposit USDT."""
        lease = await store.acquire("desk", 600.0)
        assert isinstance(lease, Lease)
        desk = cls(store, lease)
        await desk.book(transfers=(Transfer("USDT", D(funds), NOW_MS, "opening balance"),))
        return desk

    async def submit(self, *drafts: Draft, reservation: Reservation | None = None) -> tuple[Order, ...]:
        """T1 and T2."""
        orders = await self.store.begin_order(self.lease, drafts, reservation or reserve(*drafts))
        assert isinstance(orders, tuple)
        await self.store.mark_sent(self.lease, [draft.cid for draft in drafts], NOW_MS + 1)
        self.sent += [draft.cid for draft in drafts]
        return orders

    async def book(self, *fills: Fill, facts: tuple[OrderFact, ...] = (), **more: Any) -> Booked:
        """T3."""
        return await self.store.record(self.lease, Record(facts=facts, fills=fills, **more))

    async def bought(self, parent: Intent, quantity: str = "3") -> Draft:
        """Put an intent and fill a FOK buy of it at 100 in two trades, `1` and `2`."""
        await self.store.put_intent(parent)
        draft = buy(parent, quantity=quantity)
        await self.submit(draft)
        half = str(D(quantity) / 2)
        await self.book(
            fill(draft, "1", half), fill(draft, "2", half), facts=(fact(draft, Trigger.ACCEPT, venue_id="77"),)
        )
        return draft


def closed_trades(account: str, count: int, mode: str = "paper", first: int = 0) -> TradeRows:
    """Return closed trades that are consistent in themselves, one a minute."""
    numbers = np.arange(first, first + count)
    reals = {
        "entry_price": 100.0, "exit_price": 101.0, "quantity": 3.0, "price_part": 3.0, "spread_part": -0.1,
        "slippage_part": -0.1, "fee": -0.6, "net": 2.2, "mfe_frac": 0.02, "mae_frac": -0.01,
        "risk_frac": 0.01, "confidence": 0.5,
    }  # fmt: skip
    integers = {
        "fold": 0, "action": 2, "regime": 1, "steps_in": 300, "steps_out": 299, "tick_steps_in": 30_000,
        "tick_steps_out": 30_199, "fee_base_e8": 300_000, "fee_quote_e8": 30_199_000, "dust_in_e8": 0,
        "dust_out_e8": 700_000, "high_ticks": 102, "low_ticks": 99, "layout": 7,
    }  # fmt: skip
    words = {
        "policy": "v1", "account": account, "symbol": SYMBOL, "mode": mode, "side": "long", "exit_reason": "take_profit"
    }  # fmt: skip
    columns: dict[str, Any] = {name: np.full(count, value) for name, value in {**words, **integers, **reals}.items()}
    return TradeRows(
        seq=numbers.astype(np.int64),
        entry_time=CANDLE_MS + 60_000 * numbers,
        exit_time=CANDLE_MS + 60_000 * (numbers + 1),
        entry_state=np.tile(np.arange(80, dtype=np.float32), (count, 1)),
        **columns,
    )
