"""What the gate is shown: one account at one moment. `None`, and a number that is not finite, mean: not known."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeGuard

from huracan.risk.limits import AccountView, Approved
from huracan.risk.locks import LockBook
from huracan.risk.rate import OrderRate
from huracan.risk.reservations import Reservation, ReservationBook
from huracan.risk.restrictions import Entry, Restrictions
from huracan.risk.state import StateRow
from huracan.venue.orders import MarketFilters, Side

__all__ = [
    "Approval",
    "CoinView",
    "OrderIntent",
    "RiskView",
    "account_view",
    "is_sell",
    "known",
    "measured",
    "needed_prices",
    "symbol_notional",
    "usable",
]

_ZERO = Decimal(0)
_SIZE_MAX = 18  # digits before or behind the point: beyond, a figure is a mistake, and Decimal's precision not enough
_DIGITS_MAX = 38


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """One order, or one chase of orders, that somebody wants sent.

    Attributes:
        key: the intent's id.
        symbol: ccxt symbol.
        side: a buy enters or enlarges, a sell exits: positions are long.
        quantity: coins.
        price: of a buy its worst price (the cap), of a sell its limit; None: a sell at market.
        stop: protective stop of a buy; None: it has none, and everything paid counts as at risk.
        replaces: sells whose coins this one takes over, since they are cancelled and confirmed before it is sent.
        entry: the decision behind a buy; None: nothing is known of it.
    """

    key: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None
    stop: Decimal | None = None
    replaces: frozenset[str] = frozenset()
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Approval(Approved[OrderIntent]):
    """The order may go out; its reservation is stored in the transaction that begins the order."""

    reservation: Reservation


@dataclass(frozen=True, slots=True)
class CoinView:
    """One market and what the account holds there.

    Attributes:
        filters: what the venue demands, its status included.
        price: last close, quote currency.
        price_ms: when that candle closed, ms UTC, market clock.
        fee_frac: taker fee as a share of the value.
        position: coins held that can be sold, in whole steps as in the kernel, >= 0.
        stop: the position's protective stop; None: without one everything held counts as at risk.
        booked: every fill up to the last close is in the ledger, and no order's outcome is unknown. Asked of the coin
            that is to be bought; what another coin's orders may have done is covered by their reservations.
    """

    filters: MarketFilters
    price: Decimal | None
    price_ms: int | None
    fee_frac: Decimal
    position: Decimal | None
    stop: Decimal | None
    booked: bool


@dataclass(frozen=True, slots=True)
class RiskView:
    """One account; money in quote currency.

    Attributes:
        now_ms: market clock, ms UTC.
        rate_ms: clock of the order rate: the wall's, in lock-step the market's.
        state: trading state.
        equity: cash and positions at market.
        equity_peak: highest equity so far, >= equity.
        day_pnl: the UTC day's result, as `DayBook.judged_pnl` gives it.
        cash: quote currency held, locked in orders or not.
        coins: every market of the account by symbol.
        locks: locks that have not expired.
        restrictions: of remedies, those that have not expired.
        reservations: of every intent that is not over.
        rate: orders sent.
        in_flight: orders sent, or about to be, without an answer.
        feed_age_s: wall time by which the next candle is overdue.
        skew_ms: the venue's clock less ours.
        throttled_s: how long the venue still wants silence, 0 when it does not.
        unwatched_s: time without the monitor's heartbeat, 0 where none is expected.
    """

    now_ms: int
    rate_ms: int
    state: StateRow | None
    equity: Decimal | None
    equity_peak: Decimal | None
    day_pnl: Decimal | None
    cash: Decimal | None
    coins: Mapping[str, CoinView]
    locks: LockBook | None
    restrictions: Restrictions | None
    reservations: ReservationBook | None
    rate: OrderRate | None
    in_flight: int | None
    feed_age_s: float | None
    skew_ms: float | None
    throttled_s: float | None
    unwatched_s: float | None

    def after(self, approval: Approval) -> "RiskView":
        """Return the account as the next intent of the same decision must see it."""
        assert self.reservations is not None
        assert self.rate is not None
        assert self.in_flight is not None
        return replace(
            self,
            reservations=self.reservations.held(approval.reservation),
            rate=self.rate.recorded(self.rate_ms),
            in_flight=self.in_flight + 1,
        )


def known(figure: object) -> TypeGuard[Decimal]:
    """Return True for a finite `Decimal` of a size that Decimal's arithmetic holds; a float is none of these."""
    return isinstance(figure, Decimal) and figure.is_finite() and _fits(figure)


def measured(figure: object) -> TypeGuard[float]:
    """Return True for a finite float or int: what a clock or a counter gives."""
    return isinstance(figure, int | float) and not isinstance(figure, bool) and math.isfinite(figure)


def usable(figure: object) -> TypeGuard[Decimal]:
    """Return True for a known figure above zero: what a price, a quantity, a tick or a step must be."""
    return known(figure) and figure > 0


def _fits(figure: Decimal) -> bool:
    exponent = figure.as_tuple().exponent
    assert isinstance(exponent, int)
    return figure.adjusted() < _SIZE_MAX and exponent >= -_SIZE_MAX and len(figure.as_tuple().digits) <= _DIGITS_MAX


def account_view(view: RiskView) -> AccountView:
    """Return the account as the limits of portfolio shadow see it, reservations included.

    Held coins count at the last close and at risk down to their stop, like the kernel's. So does what an earlier
    decision reserved; what this decision reserved counts at its worst, as `huracan.risk.reserve` does in shadow, and
    nothing counts less than at the last close. Cash is reserved at the worst price throughout.

    The view's figures must be known.
    """
    assert view.reservations is not None
    assert view.equity is not None
    assert view.equity_peak is not None
    assert view.day_pnl is not None
    assert view.cash is not None
    gross = heat = _ZERO
    open_trades = 0
    for symbol, coin in view.coins.items():
        coin_gross, coin_heat = _exposure(view, symbol, coin)
        gross, heat = gross + coin_gross, heat + coin_heat
        open_trades += bool(coin.position or view.reservations.buys(symbol))
    return AccountView(
        equity=float(view.equity),
        equity_peak=float(view.equity_peak),
        day_pnl=float(view.day_pnl),
        free_cash=float(view.cash - view.reservations.cash),
        gross=float(gross),
        heat=float(heat),
        open_trades=open_trades,
    )


def symbol_notional(view: RiskView, symbol: str) -> Decimal:
    """Return what is held and reserved of one coin, quote currency."""
    return _exposure(view, symbol, view.coins[symbol])[0]


def _exposure(view: RiskView, symbol: str, coin: CoinView) -> tuple[Decimal, Decimal]:
    """Return (notional, loss at the stops) of what is held and reserved of a coin."""
    assert view.reservations is not None
    assert coin.position is not None
    mark = coin.price if usable(coin.price) else _ZERO  # unknown where nothing is held or being bought
    gross = coin.position * mark
    heat = coin.position * _distance(mark, coin.stop)
    for row in view.reservations.buys(symbol):
        fresh = row.at_ms >= view.now_ms
        gross += max(row.notional, row.left * mark) if fresh else row.left * mark
        heat += max(row.heat, row.left * _distance(mark, row.stop)) if fresh else row.left * _distance(mark, row.stop)
    return gross, heat


def _distance(mark: Decimal, stop: Decimal | None) -> Decimal:
    return mark if stop is None else max(mark - stop, _ZERO)


def needed_prices(view: RiskView) -> tuple[str, ...]:
    """Return the symbols whose price the limits need: held or being bought."""
    assert view.reservations is not None
    return tuple(symbol for symbol, coin in view.coins.items() if coin.position or view.reservations.buys(symbol))


def is_sell(intent: OrderIntent) -> bool:
    """Return True for an exit: positions are long, so a sell reduces."""
    return intent.side is Side.SELL
