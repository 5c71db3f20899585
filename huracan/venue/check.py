"""`check_venue`: what huracan relies on in a venue, as cards that are carried out against it.

In the manner of Gymnasium's `check_env`. It trades: about four times the least order value changes hands and what is
bought is sold again. Each card says what must be there before it, what it does, and what must hold; a card that does
not hold raises `VenueError` with its name, what was expected and what was found.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import count

from huracan.errors import VenueError
from huracan.venue.orders import (
    TERMINAL,
    Accepted,
    Balance,
    ListStatus,
    MarketFilters,
    OcoRequest,
    OrderKind,
    OrderRequest,
    Outcome,
    RejectCode,
    Rejected,
    Side,
    Unknown,
    VenueOrder,
    VenueStatus,
)
from huracan.venue.protocol import TradingVenue

__all__ = ["CARDS", "check_venue"]

_POLLS = 40
_POLL_S = 0.25
_SKEW_MAX_MS = 500


@dataclass(slots=True)
class _Bench:
    """The venue under test, one of its markets, and numbers for orders there."""

    venue: TradingVenue
    symbol: str
    price: Decimal
    prefix: str
    market: MarketFilters
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def cid(self) -> str:
        """Return a client id that this check has not used."""
        return f"{self.prefix}-{next(self.numbers)}"

    def at(self, percent: int) -> Decimal:
        """Return the price at `percent` of the market's, on the tick."""
        tick = self.market.tick
        return (self.price * percent / 100 / tick).to_integral_value(ROUND_FLOOR) * tick

    def quantity(self, price: Decimal) -> Decimal:
        """Return twice the least order value at `price`, on the step."""
        step = self.market.step
        least = max(2 * self.market.notional_min / price, self.market.quantity_min or step)
        return (least / step).to_integral_value(ROUND_CEILING) * step

    def order(self, side: Side, kind: OrderKind, percent: int, cid: str | None = None) -> OrderRequest:
        """Return an order of twice the least value at `percent` of the market's price."""
        price = self.at(percent)
        limit = None if kind is OrderKind.MARKET else price
        return OrderRequest(cid or self.cid(), self.symbol, side, kind, self.quantity(price), limit)

    async def balance(self, asset: str) -> Balance:
        """Return what the account holds of an asset."""
        return (await self.venue.balances()).get(asset, Balance(Decimal(0), Decimal(0)))


def _demand(held: bool, expected: str, found: object) -> None:
    if not held:
        raise VenueError(f"expected {expected}, found {found!r}")


def _accepted(outcome: Outcome, what: str) -> VenueOrder:
    if not isinstance(outcome, Accepted):
        raise VenueError(f"expected {what} to be accepted, found {outcome!r}")
    return outcome.orders[0]


def _rejected(outcome: Outcome, code: RejectCode, what: str) -> None:
    _demand(isinstance(outcome, Rejected) and outcome.code is code, f"{what} to be rejected as {code}", outcome)


async def _terminal(bench: _Bench, cid: str) -> VenueOrder:
    """Return an order once it is over, asking a bounded number of times."""
    found = None
    for _ in range(_POLLS):
        found = await bench.venue.order(bench.symbol, cid)
        if found is not None and found.status in TERMINAL:
            return found
        await asyncio.sleep(_POLL_S)
    raise VenueError(f"expected order {cid} to end within {_POLLS * _POLL_S:g} s, found {found!r}")


async def v01_clock(bench: _Bench) -> None:
    """V01 clock.

    Action: compare the clocks.
    Pass: they differ by less than 500 ms and nothing is paused.
    """
    skew_ms = await bench.venue.sync_clock()
    _demand(abs(skew_ms) < _SKEW_MAX_MS and not bench.venue.paused, "clocks within 500 ms and no pause", skew_ms)


async def v02_market(bench: _Bench) -> None:
    """V02 market.

    Action: read the market's filters.
    Pass: it trades; tick and step are positive; it takes every type of order that huracan sends.
    """
    market = bench.market
    _demand(market.status == "TRADING", "status TRADING", market.status)
    _demand(min(market.tick, market.step) > 0, "positive tick and step", (market.tick, market.step))
    needed = {"LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS"}
    _demand(needed <= set(market.order_types) and market.oco_allowed, f"{sorted(needed)} and OCO", market.order_types)


async def v03_absent(bench: _Bench) -> None:
    """V03 absence.

    Action: ask for an order and a list that never were; cancel both.
    Pass: None, None; both cancels rejected as UNKNOWN_ORDER.
    """
    cid = bench.cid()
    found = (await bench.venue.order(bench.symbol, cid), await bench.venue.order_list(cid))
    _demand(found == (None, None), "no order and no list", found)
    _rejected(await bench.venue.cancel(bench.symbol, cid), RejectCode.UNKNOWN_ORDER, "a cancel of nothing")
    _rejected(await bench.venue.cancel_oco(bench.symbol, cid), RejectCode.UNKNOWN_ORDER, "a cancel of no list")


async def v04_rest_and_cancel(bench: _Bench) -> None:
    """V04 a resting order.

    Prerequisite: quote currency for one order.
    Action: post-only buy at 70 % of the price; query; cancel; cancel again.
    Pass: it rests as sent, is listed, locks its value, ends as CANCELED unfilled; the second cancel is UNKNOWN_ORDER
    and the value is free again.
    """
    before = await bench.balance(bench.market.quote)
    request = bench.order(Side.BUY, OrderKind.POST_ONLY, 70)
    placed = _accepted(await bench.venue.submit(request), "a post-only buy at 70 %")
    _demand(placed.status is VenueStatus.NEW and placed.filled == 0, "a new order", placed)
    resting = {order.cid: order for order in await bench.venue.open_orders(bench.symbol)}
    _demand(request.cid in resting and resting[request.cid].price == request.price, "it among open orders", resting)
    locked = (await bench.balance(bench.market.quote)).locked - before.locked
    _demand(locked == placed.quantity * bench.at(70), "its value locked", locked)
    ended = _accepted(await bench.venue.cancel(bench.symbol, request.cid), "its cancel")
    _demand((ended.cid, ended.status) == (request.cid, VenueStatus.CANCELED), "it CANCELED", ended)
    _demand((await _terminal(bench, request.cid)).filled == 0, "nothing filled", ended)
    _rejected(await bench.venue.cancel(bench.symbol, request.cid), RejectCode.UNKNOWN_ORDER, "a second cancel")
    after = await bench.balance(bench.market.quote)
    _demand(after == before, f"balances as before, {before}", after)


async def v05_duplicate(bench: _Bench) -> None:
    """V05 one id.

    Action: two post-only buys with the same client id while the first rests; cancel.
    Pass: the second is Unknown(DUPLICATE) and one order rests.
    """
    request = bench.order(Side.BUY, OrderKind.POST_ONLY, 70)
    _accepted(await bench.venue.submit(request), "the first order")
    second = await bench.venue.submit(request)
    resting = [order for order in await bench.venue.open_orders(bench.symbol) if order.cid == request.cid]
    await bench.venue.cancel(bench.symbol, request.cid)
    _demand(second == Unknown("DUPLICATE"), "Unknown('DUPLICATE')", second)
    _demand(len(resting) == 1, "one order at rest", resting)


async def v06_refusals(bench: _Bench) -> None:
    """V06 refusals.

    Action: orders off the tick, off the step, below the least value, beyond the account, crossing though post-only.
    Pass: each is rejected with its code; nothing rests.
    """
    good = bench.order(Side.BUY, OrderKind.POST_ONLY, 70)
    price, market = bench.at(70), bench.market
    huge = (((await bench.balance(market.quote)).free / price + 1) / market.step).to_integral_value(ROUND_CEILING)
    cases = (
        (good.quantity, price + market.tick / 2, OrderKind.POST_ONLY, RejectCode.FILTER, "a price off the tick"),
        (good.quantity + market.step / 2, price, OrderKind.POST_ONLY, RejectCode.FILTER, "a quantity off the step"),
        (market.step, price, OrderKind.POST_ONLY, RejectCode.FILTER, "an order below the least value"),
        (good.quantity, bench.at(110), OrderKind.POST_ONLY, RejectCode.WOULD_MATCH, "a crossing post-only buy"),
        (huge * market.step, price, OrderKind.POST_ONLY, RejectCode.INSUFFICIENT_BALANCE, "more than the account has"),
    )
    for quantity, limit, kind, code, what in cases:
        request = OrderRequest(bench.cid(), bench.symbol, Side.BUY, kind, quantity, limit)
        _rejected(await bench.venue.submit(request), code, what)
        found = await bench.venue.order(bench.symbol, request.cid)
        _demand(found is None or found.status in TERMINAL, f"no order after {what}", found)


async def v07_fill_or_kill(bench: _Bench) -> None:
    """V07 fill or kill.

    Action: FOK and IOC buys at 70 % of the price.
    Pass: both end EXPIRED without a fill; a venue that trades in windows may say so a moment later.
    """
    for kind in (OrderKind.FOK, OrderKind.IOC):
        request = bench.order(Side.BUY, kind, 70)
        _accepted(await bench.venue.submit(request), f"a {kind} that cannot fill")
        ended = await _terminal(bench, request.cid)
        _demand(ended.status is VenueStatus.EXPIRED and ended.filled == 0, f"{kind} EXPIRED unfilled", ended)


async def v08_oco(bench: _Bench) -> None:
    """V08 bought, protected, sold.

    Prerequisite: quote currency for one order, liquidity for it.
    Action: FOK buy at 110 %; OCO at 130 % and 75 %; query, cancel it; market sell.
    Pass: the buy fills, its executions add up and balances move by them; both legs rest, listed, with one list, lock
    the coins once, and are cancelled together; the sale leaves less than a step.
    """
    venue, symbol = bench.venue, bench.symbol
    before = await bench.balance(bench.market.base)
    bought = await _terminal_fill(bench, bench.order(Side.BUY, OrderKind.FOK, 110))
    held = (await bench.balance(bench.market.base)).free - before.free
    _demand(held == bought, f"{bought} coins more, fees off", held)
    step = bench.market.step
    quantity = (held / step).to_integral_value(ROUND_FLOOR) * step
    oco = OcoRequest(bench.cid(), bench.cid(), bench.cid(), symbol, quantity, bench.at(130), bench.at(75))
    _accepted(await venue.submit_oco(oco), "an OCO")
    found = await venue.order_list(oco.list_cid)
    _demand(found is not None and found.status is ListStatus.EXECUTING, "a list at work", found)
    _demand(found is not None and set(found.cids) == {oco.above_cid, oco.below_cid}, "its two legs", found)
    _demand(oco.list_cid in {one.list_cid for one in await venue.open_lists()}, "it among open lists", found)
    locked = (await bench.balance(bench.market.base)).locked - before.locked
    _demand(locked == quantity, f"{quantity} coins locked, once", locked)
    _accepted(await venue.cancel_oco(symbol, oco.list_cid), "the cancel of the list")
    for cid in (oco.above_cid, oco.below_cid):
        ended = await _terminal(bench, cid)
        _demand(ended.status is VenueStatus.CANCELED and ended.filled == 0, "a leg CANCELED unfilled", ended)
    _rejected(await venue.cancel_oco(symbol, oco.list_cid), RejectCode.UNKNOWN_ORDER, "a second cancel of the list")
    await _terminal_fill(bench, OrderRequest(bench.cid(), symbol, Side.SELL, OrderKind.MARKET, quantity, None))
    left = (await bench.balance(bench.market.base)).free - before.free
    _demand(0 <= left < step, f"less than {step} left", left)


async def _terminal_fill(bench: _Bench, request: OrderRequest) -> Decimal:
    """Send an order that fills whole; return the coins it moved, fees in coins taken off."""
    placed = _accepted(await bench.venue.submit(request), f"a {request.side} {request.kind}")
    ended = await _terminal(bench, request.cid)
    _demand((ended.status, ended.filled) == (VenueStatus.FILLED, request.quantity), "it FILLED whole", ended)
    trades = await bench.venue.trades(bench.symbol, venue_id=placed.venue_id)
    total = (sum(trade.quantity for trade in trades), sum(trade.quantity * trade.price for trade in trades))
    _demand(total == (ended.filled, ended.cost), f"executions of {ended.filled} and {ended.cost}", total)
    again = await bench.venue.trades(bench.symbol, from_id=trades[0].trade_id)
    _demand(set(trades) <= set(again), "the same executions from their first id on", again)
    fees = sum((one.commission for one in trades if one.commission_asset == bench.market.base), Decimal(0))
    return request.quantity - fees


Card = Callable[[_Bench], Awaitable[None]]

CARDS: tuple[Card, ...] = (
    v01_clock,
    v02_market,
    v03_absent,
    v04_rest_and_cancel,
    v05_duplicate,
    v06_refusals,
    v07_fill_or_kill,
    v08_oco,
)
"""Every card, in the order in which they are carried out."""


async def check_venue(venue: TradingVenue, symbol: str, price: Decimal, prefix: str) -> tuple[str, ...]:
    """Carry out every card and return their names.

    Args:
        venue: with an account that holds quote currency for four least orders, and nothing of the coin at work.
        symbol: market to trade in.
        price: its price now, roughly.
        prefix: start of the client ids, one that the account has never used.

    Raises:
        VenueError: a card does not hold; the message names it.
    """
    market = (await venue.instruments([symbol]))[symbol]
    bench = _Bench(venue, symbol, price, prefix, market)
    done = []
    for card in CARDS:
        try:
            await card(bench)
        except VenueError as error:
            raise VenueError(f"{card.__name__}: {error}") from None
        done.append(card.__name__)
    return tuple(done)
