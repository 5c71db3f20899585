"""The gate every order passes: `RiskGate.check(view, intent)` approves with a reservation, or denies with one code.

It fails closed: what is not known denies. A sell is an exit and is denied by no limit; only by what makes it no order
(precision, more than is held), and by a halt that says hold. The limits in money are `check_entry`, the same function
that portfolio shadow calls.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from huracan.config import HealthSettings, RiskSettings
from huracan.risk.codes import DenialCode, Denied
from huracan.risk.limits import EntryIntent, RiskLimits, check_entry, sure_enough
from huracan.risk.reservations import Reservation
from huracan.risk.shape import check_shape
from huracan.risk.state import CommandKind, TradingState, permits, reduces
from huracan.risk.view import (
    Approval,
    CoinView,
    OrderIntent,
    RiskView,
    account_view,
    is_sell,
    known,
    measured,
    needed_prices,
    symbol_notional,
    usable,
)

__all__ = ["GateLimits", "RiskGate"]

_TRADING = "TRADING"


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Every limit of the gate; the order rate's is in `OrderRate`.

    Attributes:
        money: limits in quote currency, shared with portfolio shadow.
        price_age_max_ms: how far a coin's last close may lie behind the market clock.
        feed_age_max_s: how long the next candle may be overdue, wall clock.
        clock_skew_max_ms: difference of the venue's clock from which on entries are denied.
        max_orders_in_flight: orders without an answer.
        unwatched_max_s: time without the monitor's heartbeat, where one is expected.
        confidence_min: least confidence of an entry; 0: any, also one that is not known.
    """

    money: RiskLimits
    price_age_max_ms: float
    feed_age_max_s: float
    clock_skew_max_ms: float
    max_orders_in_flight: int
    unwatched_max_s: float
    confidence_min: float = 0.0

    @classmethod
    def of(
        cls,
        risk: RiskSettings,
        base_ms: int,
        account_to_quote_rate: float = 1.0,
        unwatched_max_s: float = HealthSettings().monitor_silent_s,
    ) -> "GateLimits":
        """Return the settings in quote currency and milliseconds, for base bars of `base_ms`."""
        return cls(
            money=RiskLimits.of(risk, account_to_quote_rate),
            price_age_max_ms=risk.price_age_max_bars * base_ms,
            feed_age_max_s=risk.feed_age_max_s,
            clock_skew_max_ms=risk.clock_skew_max_ms,
            max_orders_in_flight=risk.max_orders_in_flight,
            unwatched_max_s=unwatched_max_s,
            confidence_min=risk.confidence_min,
        )


class RiskGate:
    """Judges orders one by one; pure.

    Args:
        limits: what is allowed.
    """

    def __init__(self, limits: GateLimits) -> None:
        self._limits = limits

    def check(self, view: RiskView, intent: OrderIntent) -> Approval | Denied:
        """Judge one order; the first rule broken, in the order of `DenialCode`, names the denial.

        Judge intents of one decision in the order of their symbols, and show each the view `after` the last approval.
        """
        coin = view.coins.get(intent.symbol)
        shape = check_shape(intent, coin)
        if shape is not None:
            return shape
        assert coin is not None
        rules = self._exit_rules(view, coin, intent) if is_sell(intent) else self._entry_rules(view, coin, intent)
        denied = next((found for found in rules if found is not None), None)
        return Approval(intent, _reservation(view, coin, intent)) if denied is None else denied

    def _exit_rules(self, view: RiskView, coin: CoinView, intent: OrderIntent) -> Iterator[Denied | None]:
        yield _duplicate(view, intent)
        yield _oversold(view, coin, intent)
        yield _state(view, intent)

    def _entry_rules(self, view: RiskView, coin: CoinView, intent: OrderIntent) -> Iterator[Denied | None]:
        yield _duplicate(view, intent)
        yield _state(view, intent)
        yield _unknown(view, coin)
        yield _locked(view, intent)
        yield _restricted(view, intent)
        yield self._unsure(intent)
        yield _closed(coin)
        yield from self._stale(view, coin)
        yield self._skewed(view)
        yield _throttled(view)
        yield self._unwatched(view)
        yield self._money(view, coin, intent)
        yield _over_rate(view)
        yield self._in_flight(view)

    def _unsure(self, intent: OrderIntent) -> Denied | None:
        least = self._limits.confidence_min
        confidence = math.nan if intent.entry is None else intent.entry.confidence
        if sure_enough(confidence, least):
            return None
        return Denied(DenialCode.LOW_CONFIDENCE, confidence, least, "risk.confidence_min")

    def _stale(self, view: RiskView, coin: CoinView) -> Iterator[Denied | None]:
        assert coin.price_ms is not None
        assert view.feed_age_s is not None
        behind_ms, limit_ms = view.now_ms - coin.price_ms, self._limits.price_age_max_ms
        if not behind_ms <= limit_ms:
            yield Denied(DenialCode.STALE_DATA, behind_ms, limit_ms, "last candle, ms")
        if not view.feed_age_s <= self._limits.feed_age_max_s:
            yield Denied(DenialCode.STALE_DATA, view.feed_age_s, self._limits.feed_age_max_s, "feed, s overdue")

    def _skewed(self, view: RiskView) -> Denied | None:
        assert view.skew_ms is not None
        skew, limit = abs(view.skew_ms), self._limits.clock_skew_max_ms
        return None if skew < limit else Denied(DenialCode.CLOCK_SKEW, skew, limit)

    def _unwatched(self, view: RiskView) -> Denied | None:
        assert view.unwatched_s is not None
        silent_s, limit_s = view.unwatched_s, self._limits.unwatched_max_s
        return None if silent_s <= limit_s else Denied(DenialCode.NO_MONITOR, silent_s, limit_s)

    def _money(self, view: RiskView, coin: CoinView, intent: OrderIntent) -> Denied | None:
        wanted = _reservation(view, coin, intent)
        held = symbol_notional(view, intent.symbol)
        entry = EntryIntent(intent.symbol, float(wanted.notional), float(wanted.heat), float(held))
        verdict = check_entry(account_view(view), entry, self._limits.money)
        return verdict if isinstance(verdict, Denied) else None

    def _in_flight(self, view: RiskView) -> Denied | None:
        assert view.in_flight is not None
        after, limit = view.in_flight + 1, self._limits.max_orders_in_flight
        return None if after <= limit else Denied(DenialCode.ORDERS_IN_FLIGHT, after, limit)


def _reservation(view: RiskView, coin: CoinView, intent: OrderIntent) -> Reservation:
    price = Decimal(0) if is_sell(intent) or intent.price is None else intent.price
    return Reservation(
        key=intent.key,
        symbol=intent.symbol,
        side=intent.side,
        quantity=intent.quantity,
        price=price,
        stop=intent.stop,
        fee_frac=coin.fee_frac,
        at_ms=view.now_ms,
    )


def _duplicate(view: RiskView, intent: OrderIntent) -> Denied | None:
    if view.reservations is None:
        return _not_known("reservations")
    if view.reservations.get(intent.key) is None:
        return None
    return Denied(DenialCode.DUPLICATE, 2, 1, intent.key)


def _oversold(view: RiskView, coin: CoinView, intent: OrderIntent) -> Denied | None:
    """Coins that other sells hold are not there to be sold: together they would turn the position."""
    if not known(coin.position):
        return _not_known("position")
    assert view.reservations is not None
    free = coin.position - view.reservations.selling(intent.symbol, intent.replaces)
    if reduces(free, -intent.quantity) and free > 0:
        return None
    return Denied(DenialCode.OVERSOLD, float(intent.quantity), float(free))


def _state(view: RiskView, intent: OrderIntent) -> Denied | None:
    if view.state is None:
        return _not_known("trading state")
    if permits(view.state, CommandKind.EXIT if is_sell(intent) else CommandKind.ENTRY):
        return None
    if view.state.state is TradingState.REDUCING:
        return Denied(DenialCode.REDUCING, math.nan, math.nan, view.state.reason)
    return Denied(DenialCode.HALTED, math.nan, math.nan, view.state.reason)


def _unknown(view: RiskView, coin: CoinView) -> Denied | None:
    """Deny when a figure that any rule below needs is missing, not finite or impossible."""
    if view.locks is None or view.rate is None or view.reservations is None or view.restrictions is None:
        return _not_known("locks, restrictions, order rate or reservations")
    for name in ("equity", "equity_peak", "day_pnl", "cash"):
        if not known(getattr(view, name)):
            return _not_known(name)
    for name in ("now_ms", "rate_ms", "skew_ms"):
        if not measured(getattr(view, name)):
            return _not_known(name)
    for name in ("in_flight", "throttled_s", "feed_age_s", "unwatched_s"):
        if not measured(getattr(view, name)) or getattr(view, name) < 0:
            return _not_known(name)
    if not measured(coin.price_ms) or not usable(coin.price):
        return _not_known("price")
    if coin.booked is not True:
        return _not_known("fills of the last bar, or an order's outcome")
    return _unknown_position(view)


def _unknown_position(view: RiskView) -> Denied | None:
    """Deny when anything of any coin that counts towards the limits is not known."""
    assert view.reservations is not None
    for symbol, coin in view.coins.items():
        fee = known(coin.fee_frac) and 0 <= coin.fee_frac < 1
        held = known(coin.position) and coin.position >= 0
        stop = coin.stop is None or (known(coin.stop) and coin.stop >= 0)
        if not (fee and held and stop):
            return _not_known(f"position of {symbol}")
    for row in view.reservations.rows:
        figures = (row.quantity, row.filled, row.price, row.fee_frac)
        if row.symbol not in view.coins or not all(known(figure) for figure in figures):
            return _not_known(f"reservation {row.key}")
    for symbol in needed_prices(view):
        if not usable(view.coins[symbol].price):
            return _not_known(f"price of {symbol}")
    return None


def _locked(view: RiskView, intent: OrderIntent) -> Denied | None:
    assert view.locks is not None
    lock = view.locks.blocking(intent.symbol, view.now_ms)
    return None if lock is None else Denied(DenialCode.LOCKED, view.now_ms, lock.ends, lock.reason)


def _restricted(view: RiskView, intent: OrderIntent) -> Denied | None:
    assert view.restrictions is not None
    return view.restrictions.judge(intent.entry)


def _closed(coin: CoinView) -> Denied | None:
    if coin.filters.status == _TRADING:
        return None
    return Denied(DenialCode.MARKET_CLOSED, math.nan, math.nan, str(coin.filters.status))


def _throttled(view: RiskView) -> Denied | None:
    assert view.throttled_s is not None
    return None if view.throttled_s <= 0 else Denied(DenialCode.THROTTLED, view.throttled_s, 0)


def _over_rate(view: RiskView) -> Denied | None:
    assert view.rate is not None
    if not view.rate.full(view.rate_ms):
        return None
    return Denied(DenialCode.ORDER_RATE, view.rate.used(view.rate_ms) + 1, view.rate.limit)


def _not_known(what: str) -> Denied:
    return Denied(DenialCode.STATE_UNKNOWN, math.nan, math.nan, what)
