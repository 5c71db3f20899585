"""What a running trader answers to those who only ask: its states at the last close, and what an action would order.

Nothing is reserved, written or sent for an answer. The words and figures are those of the trading loop: the same
states, the same preview, the same gate.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from huracan.execution.commands import ENTRIES
from huracan.execution.desk import Desk
from huracan.execution.ids import intent_id
from huracan.execution.model import Intent, IntentKind
from huracan.features import STATE_SIZE
from huracan.risk.live import Approval, DenialCode, Denied, OrderIntent, RiskKeeper
from huracan.signals.backend import AccountStates, Asked, Quote, Quotes
from huracan.signals.model import MarketClose
from huracan.trader.deciding import PolicyDecider
from huracan.venue.orders import Side

__all__ = ["Answers"]


class _Engine(Protocol):
    """What is asked of the engine."""

    @property
    def desks(self) -> Mapping[str, Desk]:
        """Return the markets."""
        ...

    def preview(self, intent: Intent) -> OrderIntent | Denied | None:
        """Return the order that an intent would need risk's word for now."""
        ...


class Answers:
    """Answers for one account.

    Args:
        account: its name.
        engine: started.
        keeper: risk.
        decider: writes the states; None: a script decides, which knows none.
        newest: the newest close that was carried out.
        closing: held by whoever carries out a close.
        base_ms: length of a bar.
    """

    def __init__(
        self,
        account: str,
        engine: _Engine,
        keeper: RiskKeeper,
        decider: PolicyDecider | None,
        newest: Callable[[], MarketClose],
        closing: asyncio.Lock,
        base_ms: int,
    ) -> None:
        self._account, self._engine, self._keeper, self._decider = account, engine, keeper, decider
        self._newest, self._closing, self._base_ms = newest, closing, base_ms

    async def states(self) -> AccountStates:
        """Return the states at the newest close, as they were decided on; of the other markets as they are now.

        Before the first decision they are those that it would be made on.
        """
        async with self._closing:
            close, decider = self._newest(), self._decider
            if decider is None:
                return AccountStates(self._account, close.close_ms, (), np.zeros((0, STATE_SIZE), np.float32), ())
            seats, last = decider.seats(self._engine.desks), decider.last
            book = decider.outlook(seats)
            rows: dict[str, NDArray[np.float32]] = {}
            warm = decider.warm(close, seats)
            if book is not None and warm:
                rows = dict(zip(warm, book.look(close, seats, warm), strict=True))
            if last is not None and last.close_ms == close.close_ms:
                rows |= dict(zip(last.symbols, last.states, strict=True))
            symbols = tuple(sorted(rows))
            fits = tuple(seats[symbol].fit or "" for symbol in symbols)
            states = np.stack([rows[symbol] for symbol in symbols]) if rows else np.zeros((0, STATE_SIZE), np.float32)
            return AccountStates(self._account, close.close_ms, symbols, states, fits)

    async def quote(self, asked: Sequence[Asked]) -> Quotes:
        """Preview and judge actions at the last close, in the order of their symbols; each approval counts at once."""
        async with self._closing:
            close_ms = self._newest().close_ms
            found: dict[str, Quote] = {}
            orders: list[tuple[OrderIntent, int]] = []
            for one in sorted(asked, key=lambda row: row.symbol):
                action = self._keeper.restrictions.stepped(one.symbol, int(one.action), one.policy)
                order = self._order(replace(one, action=action), close_ms)
                if isinstance(order, OrderIntent):
                    orders.append((order, action))
                else:
                    found[one.symbol] = Quote(one.symbol, action, None, None, order)
            verdicts = self._keeper.judge([order for order, _ in orders])
            for (order, action), verdict in zip(orders, verdicts, strict=True):
                denied = None if isinstance(verdict, Approval) else verdict
                found[order.symbol] = Quote(order.symbol, action, order.quantity, order.price, denied)
            return Quotes(close_ms, tuple(found[one.symbol] for one in asked))

    def _order(self, asked: Asked, close_ms: int) -> OrderIntent | Denied | None:
        symbol, action = asked.symbol, asked.action
        if symbol not in self._engine.desks:
            return Denied(DenialCode.STATE_UNKNOWN, float("nan"), float("nan"), "not traded by this account")
        candle_ms = close_ms - self._base_ms
        kind = IntentKind.ENTER if action in ENTRIES else IntentKind.EXIT
        side = Side.BUY if kind is IntentKind.ENTER else Side.SELL
        name = intent_id(self._account, symbol, candle_ms, kind)
        return self._engine.preview(
            Intent(
                intent_id=name,
                account=self._account,
                symbol=symbol,
                candle_ms=candle_ms,
                kind=kind,
                side=side,
                created_ms=close_ms,
                action=action,
                policy=asked.policy,
                confidence=asked.confidence,
                state=asked.state if kind is IntentKind.ENTER else b"",
            )
        )
