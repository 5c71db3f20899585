"""The venue with somebody listening: every outcome of a command is told to risk, before and after it is sent."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from huracan.clock import Clock
from huracan.execution.ids import parse_child
from huracan.risk.live import Slippage
from huracan.venue.binance import BinanceVenue
from huracan.venue.orders import (
    Accepted,
    Balance,
    MarketFilters,
    OcoRequest,
    OrderKind,
    OrderRequest,
    Outcome,
    RejectCode,
    Rejected,
    Side,
    VenueList,
    VenueOrder,
    VenueTrade,
)
from huracan.venue.protocol import TradingVenue

__all__ = ["WatchedVenue"]

_LIMITED = (RejectCode.RATE_LIMIT, RejectCode.ORDER_LIMIT, RejectCode.BANNED)
_TAKING = (OrderKind.FOK, OrderKind.IOC, OrderKind.MARKET)
_SILENCE_S = 10.0


class WatchedVenue:
    """A `TradingVenue` that passes everything on to another.

    Args:
        venue: the account.
        clock: wall clock.
        tell: told outcomes of commands, and the slippage of what took from the book.
        begun: told the intent of each order right before it is sent.
        expected: last price of a market, None when unknown.
        silence: told until when the venue wants silence, wall clock ms.
    """

    def __init__(
        self,
        venue: TradingVenue,
        clock: Clock,
        tell: Callable[[Outcome | Slippage], None],
        begun: Callable[[str], None],
        expected: Callable[[str], Decimal | None],
        silence: Callable[[int], None],
    ) -> None:
        self._venue, self._clock = venue, clock
        self._tell, self._begun, self._expected, self._silence = tell, begun, expected, silence

    @property
    def paused(self) -> bool:
        """See `TradingVenue`."""
        return self._venue.paused

    @property
    def skew_ms(self) -> int:
        """Return how far our clock was ahead of the venue's at the last comparison."""
        return self._venue.skew_ms if isinstance(self._venue, BinanceVenue) else 0

    async def submit(self, request: OrderRequest) -> Outcome:
        """See `TradingVenue`."""
        self._before(request.cid)
        outcome = self._after(await self._venue.submit(request))
        if isinstance(outcome, Accepted) and request.kind in _TAKING:
            self._tell_slippage(request, outcome)
        return outcome

    async def submit_oco(self, request: OcoRequest) -> Outcome:
        """See `TradingVenue`."""
        self._before(request.list_cid)
        return self._after(await self._venue.submit_oco(request))

    async def cancel(self, symbol: str, cid: str) -> Outcome:
        """See `TradingVenue`."""
        return self._after(await self._venue.cancel(symbol, cid))

    async def cancel_oco(self, symbol: str, list_cid: str) -> Outcome:
        """See `TradingVenue`."""
        return self._after(await self._venue.cancel_oco(symbol, list_cid))

    async def order(self, symbol: str, cid: str) -> VenueOrder | None:
        """See `TradingVenue`."""
        return await self._venue.order(symbol, cid)

    async def order_list(self, list_cid: str) -> VenueList | None:
        """See `TradingVenue`."""
        return await self._venue.order_list(list_cid)

    async def open_orders(self, symbol: str) -> tuple[VenueOrder, ...]:
        """See `TradingVenue`."""
        return await self._venue.open_orders(symbol)

    async def open_lists(self) -> tuple[VenueList, ...]:
        """See `TradingVenue`."""
        return await self._venue.open_lists()

    async def trades(
        self, symbol: str, from_id: str | None = None, venue_id: str | None = None, limit: int = 1000
    ) -> tuple[VenueTrade, ...]:
        """See `TradingVenue`."""
        return await self._venue.trades(symbol, from_id, venue_id, limit)

    async def balances(self) -> dict[str, Balance]:
        """See `TradingVenue`."""
        return await self._venue.balances()

    async def server_time_ms(self) -> int:
        """See `TradingVenue`."""
        return await self._venue.server_time_ms()

    async def instruments(self, symbols: Sequence[str]) -> dict[str, MarketFilters]:
        """See `TradingVenue`."""
        return await self._venue.instruments(symbols)

    async def sync_clock(self) -> int:
        """See `TradingVenue`."""
        return await self._venue.sync_clock()

    async def close(self) -> None:
        """See `TradingVenue`."""
        await self._venue.close()

    def _before(self, cid: str) -> None:
        name = parse_child(cid)
        if name is not None:
            self._begun(name.intent_id)

    def _after(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Rejected) and outcome.code in _LIMITED:
            wait_s = _SILENCE_S if outcome.retry_after_s is None else outcome.retry_after_s
            self._silence(self._clock.now_ms() + int(wait_s * 1_000))
        self._tell(outcome)
        return outcome

    def _tell_slippage(self, request: OrderRequest, outcome: Accepted) -> None:
        """Compare what was paid or received with the last close."""
        expected = self._expected(request.symbol)
        bought = sum((trade.quantity for trade in outcome.trades), Decimal(0))
        if expected is None or not bought:
            return
        price = sum((trade.quantity * trade.price for trade in outcome.trades), Decimal(0)) / bought
        worse = price / expected - 1 if request.side is Side.BUY else 1 - price / expected
        self._tell(Slippage(float(worse) * 10_000))
