"""From a replay's ledger to one row per entry and per maker order, each beside the prices of its time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from huracan.execution.model import Fill, Order, Status
from huracan.report.model import Candle
from huracan.trader.replay import EntryWish, Leg, ReplayData, ReplayMarket, patience_bars
from huracan.venue.orders import OrderKind, RejectCode, Side

__all__ = [
    "EntryFill",
    "EntryRow",
    "MakerOrder",
    "OrderExcerpt",
    "busiest_excerpt",
    "entry_rows",
    "fee_of",
]

EXCERPT_BARS = 180

_CLOSE, _OPEN = 4, 1
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class EntryFill:
    """One venue trade of an entry.

    Attributes:
        bar: row of the bar in which it happened.
        bars_after: bars from the decision to it; 1 is the bar after the decision.
        price: quote currency.
        quantity: coins.
        maker: the order rested.
        fee: quote currency; a fee in coin at the price of its own fill.
    """

    bar: int
    bars_after: int
    price: float
    quantity: float
    maker: bool
    fee: float


@dataclass(frozen=True, slots=True)
class EntryRow:
    """What became of one decision to buy.

    Attributes:
        symbol: ccxt symbol.
        close_ms: market time of the decision.
        bar: row of the bar at whose close it was decided.
        close: price at the decision; `open` of the bar after it, `later` at the close when its last attempt is over.
        open, later: quote currency.
        wanted: coins.
        posted: maker orders sent; of them `touched` had a fill, `whole` were filled to the end, `refused` would have
            taken from the book.
        touched, whole, refused: see there.
        fills: in order.
    """

    symbol: str
    close_ms: int
    bar: int
    close: float
    open: float
    later: float
    wanted: float
    posted: int
    touched: int
    whole: int
    refused: int
    fills: tuple[EntryFill, ...]

    def bought(self, maker: bool | None = None) -> float:
        """Return the coins bought resting, by taking, or (None) by either way."""
        return sum(fill.quantity for fill in self.fills if maker is None or fill.maker is maker)

    @property
    def missed(self) -> float:
        """Return the coins wanted and not bought; 0 where only the rounding of sums is left."""
        left = self.wanted - self.bought()
        return left if left > _ROUNDING * self.wanted else 0.0

    @property
    def paid(self) -> float:
        """Return what the coins cost without fees, quote currency."""
        return sum(fill.quantity * fill.price for fill in self.fills)

    @property
    def fee(self) -> float:
        """Return the fees of all fills, quote currency."""
        return sum(fill.fee for fill in self.fills)


@dataclass(frozen=True, slots=True)
class MakerOrder:
    """One maker entry order on its market's time line: when it stood at what price, and "filled", "part" or "none"."""

    symbol: str
    start_ms: int
    end_ms: int
    price: float
    fate: str


@dataclass(frozen=True, slots=True)
class OrderExcerpt:
    """Candles of one coin with its maker entries, entries' fills that took, and sales, both (market time, price)."""

    symbol: str
    candles: tuple[Candle, ...]
    orders: tuple[MakerOrder, ...]
    taken: tuple[tuple[int, float], ...]
    sold: tuple[tuple[int, float], ...]


def entry_rows(data: ReplayData, leg: Leg) -> tuple[EntryRow, ...]:
    """Return one row per decided entry, in order of time."""
    children, fills, patience = _by_intent(leg), _by_order(leg), patience_bars(leg.kernel)
    return tuple(
        _entry(data.market(wish.symbol), wish, children.get(wish.intent_id, []), fills, patience)
        for wish in leg.entries
    )


def _entry(
    market: ReplayMarket, wish: EntryWish, orders: list[Order], fills: dict[str, list[Fill]], patience: int
) -> EntryRow:
    bars, tick, base_ms = market.paper.bars, float(market.paper.instrument.tick), market.paper.base_ms
    bar = market.row_at(wish.close_ms - base_ms)
    assert bar is not None, "a decision has its bar"
    posted = [order for order in orders if order.draft.kind is OrderKind.POST_ONLY]
    mine = sorted((fill for order in orders for fill in fills.get(order.cid, [])), key=lambda fill: int(fill.trade_id))
    return EntryRow(
        symbol=wish.symbol,
        close_ms=wish.close_ms,
        bar=bar,
        close=float(bars[bar, _CLOSE]) * tick,
        open=float(bars[min(bar + 1, len(bars) - 1), _OPEN]) * tick,
        later=float(bars[min(bar + patience, len(bars) - 1), _CLOSE]) * tick,
        wanted=float(wish.quantity),
        posted=len(posted),
        touched=sum(order.filled > 0 for order in posted),
        whole=sum(order.status is Status.FILLED for order in posted),
        refused=sum(order.reason.startswith(RejectCode.WOULD_MATCH) for order in posted),
        fills=tuple(_entry_fill(market, wish, fill) for fill in mine),
    )


def _entry_fill(market: ReplayMarket, wish: EntryWish, fill: Fill) -> EntryFill:
    base_ms = market.paper.base_ms
    bar = market.row_at(fill.at_ms)
    assert bar is not None, "a fill has its bar"
    return EntryFill(
        bar=bar,
        bars_after=fill.at_ms // base_ms - wish.close_ms // base_ms + 1,
        price=float(fill.price),
        quantity=float(fill.quantity),
        maker=fill.maker,
        fee=fee_of(market, fill),
    )


def busiest_excerpt(data: ReplayData, leg: Leg) -> OrderExcerpt | None:
    """Return the hours and the coin with the most maker entries, None when there is none."""
    orders = list(_maker_orders(leg))
    span_ms = EXCERPT_BARS * data.kernel.base_ms
    windows = Counter((order.symbol, (order.start_ms - data.start_ms) // span_ms) for order in orders)
    if not windows:
        return None
    symbol, number = max(windows, key=lambda window: (windows[window], window))
    start_ms = data.start_ms + number * span_ms
    paper = data.market(symbol).paper
    tick, base_ms = float(paper.instrument.tick), paper.base_ms
    first, stop = np.searchsorted(paper.bars[:, 0], (start_ms // base_ms, (start_ms + span_ms) // base_ms))
    fills = [f for f in leg.log.fills if f.symbol == symbol and start_ms <= f.at_ms < start_ms + span_ms]
    return OrderExcerpt(
        symbol,
        tuple(
            Candle(bar * base_ms, *(price * tick for price in prices))
            for bar, *prices in paper.bars[first:stop, :5].tolist()
        ),
        tuple(o for o in orders if o.symbol == symbol and start_ms <= o.start_ms < start_ms + span_ms),
        tuple((fill.at_ms, float(fill.price)) for fill in fills if fill.side is Side.BUY and not fill.maker),
        tuple((fill.at_ms, float(fill.price)) for fill in fills if fill.side is Side.SELL),
    )


def _maker_orders(leg: Leg) -> Iterator[MakerOrder]:
    """Yield every maker order of an entry that the venue took."""
    entries = {wish.intent_id for wish in leg.entries}
    ended = {event.cid: event.at_ms for event in leg.log.events}
    for order in leg.log.orders:
        draft = order.draft
        if draft.kind is OrderKind.POST_ONLY and draft.intent_id in entries and order.venue_id is not None:
            assert draft.price is not None, "a maker order has its limit"
            fate = "filled" if order.status is Status.FILLED else "part" if order.filled else "none"
            yield MakerOrder(draft.symbol, draft.created_ms, ended[order.cid], float(draft.price), fate)


def fee_of(market: ReplayMarket, fill: Fill) -> float:
    """Return a fill's commission in quote currency; one in coin at the price of its own fill."""
    in_coin = fill.commission_asset == market.paper.base
    return float(fill.commission * fill.price if in_coin else fill.commission)


def _by_intent(leg: Leg) -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = {}
    for order in leg.log.orders:
        found.setdefault(order.draft.intent_id, []).append(order)
    return found


def _by_order(leg: Leg) -> dict[str, list[Fill]]:
    found: dict[str, list[Fill]] = {}
    for fill in leg.log.fills:
        if fill.cid is not None:
            found.setdefault(fill.cid, []).append(fill)
    return found
