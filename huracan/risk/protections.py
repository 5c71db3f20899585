"""Protections as freqtrade has them: closed trades in, locks out; names, parameters and meaning are freqtrade's.

Everything is counted in base bars, so that where inside a bar an exit was filled changes nothing. A trade counts while
the close of its exit's bar is later than now - lookback. A lock ends stop_duration candles after the candle that
follows the exit's, which is freqtrade's end rounded up to the next candle.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from huracan.config import ProtectionSettings
from huracan.risk.locks import EVERY_SYMBOL, PairLock
from huracan.trading import ExitReason

__all__ = ["ClosedTrade", "protect"]

_STOPLOSS_GUARD_TRADES = 10


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """What a protection sees of a trade.

    Attributes:
        symbol: ccxt symbol.
        exit_ms: time of the last fill, ms UTC, market clock.
        profit_frac: net result as a share of what was paid.
        reason: why it was closed.
    """

    symbol: str
    exit_ms: int
    profit_frac: float
    reason: ExitReason


_Found = tuple[Sequence[ClosedTrade], str]
"""The trades that ask for a lock, and what to say about them."""


def protect(
    protections: Sequence[ProtectionSettings],
    trades: Sequence[ClosedTrade],
    closed: Collection[str],
    now_ms: int,
    base_ms: int,
) -> tuple[PairLock, ...]:
    """Return every lock asked for at a close where trades ended, in the order of the settings and of the symbols.

    Args:
        protections: as configured.
        trades: closed trades, at least those within the longest lookback.
        closed: symbols whose trade ended in the bar just closed. As in freqtrade they alone are looked at, and all
            together; so a lock that a person lifted is not made again by a trade of another coin.
        now_ms: market clock, ms UTC.
        base_ms: length of a base bar.
    """
    if not closed:
        return ()
    locks = []
    for protection in protections:
        for symbol in (EVERY_SYMBOL, *sorted(closed)):
            if symbol not in _scope(protection, symbol):
                continue
            seen = [trade for trade in trades if symbol in (EVERY_SYMBOL, trade.symbol)]
            lock = _judge(protection, symbol, seen, now_ms, base_ms)
            if lock is not None:
                locks.append(lock)
    return tuple(locks)


def _scope(protection: ProtectionSettings, symbol: str) -> tuple[str, ...]:
    """Return the symbol, or nothing when the protection does not look at it: all together, or one coin."""
    together = symbol == EVERY_SYMBOL
    if protection.method == "MaxDrawdown":
        return (symbol,) if together else ()
    if protection.method == "StoplossGuard":
        return () if together and protection.only_per_pair else (symbol,)
    return () if together else (symbol,)


def _judge(
    protection: ProtectionSettings, symbol: str, trades: Sequence[ClosedTrade], now_ms: int, base_ms: int
) -> PairLock | None:
    cooling = protection.method == "CooldownPeriod"
    lookback = protection.stop_duration_candles if cooling else protection.lookback_period_candles
    recent = [trade for trade in trades if _bar_end(trade.exit_ms, base_ms) > now_ms - lookback * base_ms]
    found = _RULES[protection.method](protection, recent)
    if found is None:
        return None
    chosen, said = found
    last = max(_bar_end(trade.exit_ms, base_ms) for trade in chosen)
    until_ms = last + protection.stop_duration_candles * base_ms
    if until_ms <= now_ms:
        return None
    within = "" if cooling else f" within {lookback} candles"
    reason = f"{protection.method}: {said}{within}, locked for {protection.stop_duration_candles} candles"
    return PairLock(symbol, now_ms, until_ms, protection.method, reason)


def _bar_end(time_ms: int, base_ms: int) -> int:
    return (time_ms // base_ms + 1) * base_ms


def _stoploss_guard(protection: ProtectionSettings, trades: Sequence[ClosedTrade]) -> _Found | None:
    """So many stop-losses with a result below `required_profit`."""
    limit = protection.trade_limit or _STOPLOSS_GUARD_TRADES
    stopped = [
        trade
        for trade in trades
        if trade.reason is ExitReason.STOP_LOSS and not trade.profit_frac >= protection.required_profit
    ]
    return (stopped, f"{len(stopped)} stop-losses, limit {limit},") if len(stopped) >= limit else None


def _max_drawdown(protection: ProtectionSettings, trades: Sequence[ClosedTrade]) -> _Found | None:
    """The running sum of results fell by more than `max_allowed_drawdown` from its highest, which is at least zero."""
    if len(trades) < (protection.trade_limit or 1):
        return None
    total = peak = fall = 0.0
    for trade in sorted(trades, key=lambda trade: (trade.exit_ms, trade.symbol)):
        total += trade.profit_frac
        peak = max(peak, total)
        fall = max(fall, peak - total) if math.isfinite(total) else math.inf
    if not fall > protection.max_allowed_drawdown:
        return None
    return trades, f"results fell by {fall:.4f}, allowed {protection.max_allowed_drawdown:g},"


def _cooldown_period(protection: ProtectionSettings, trades: Sequence[ClosedTrade]) -> _Found | None:
    """The coin was just sold."""
    return (trades, "a trade was closed") if trades else None


def _low_profit_pairs(protection: ProtectionSettings, trades: Sequence[ClosedTrade]) -> _Found | None:
    """The coin's results sum to less than `required_profit`."""
    limit = protection.trade_limit or 1
    profit = sum(trade.profit_frac for trade in trades)
    if len(trades) < limit or profit >= protection.required_profit:
        return None
    return trades, f"{len(trades)} trades gave {profit:.4f}, required {protection.required_profit:g},"


_RULES: dict[str, Callable[[ProtectionSettings, Sequence[ClosedTrade]], _Found | None]] = {
    "StoplossGuard": _stoploss_guard,
    "MaxDrawdown": _max_drawdown,
    "CooldownPeriod": _cooldown_period,
    "LowProfitPairs": _low_profit_pairs,
}
