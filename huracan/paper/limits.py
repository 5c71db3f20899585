"""Request weight per address, bans for those who do not listen, and unfilled new orders per account."""

from huracan.paper.errors import Refusal
from huracan.paper.settings import RateLimits
from huracan.paper.state import AccountState, Limiter

__all__ = ["WINDOWS", "charge", "count_order", "forgive_order", "impose", "order_headers", "used_weight"]

WINDOWS = {10: ("10S", "10 SECOND"), 86_400: ("1D", "1 DAY")}
"""Windows of the order count, seconds: name in headers, name in messages."""

_BAN_S_MAX = 3 * 86_400
_MINUTE_MS = 60_000


def used_weight(limiter: Limiter, wall_ms: int) -> int:
    """Return the weight used in the current minute."""
    return limiter.used if limiter.minute == wall_ms // _MINUTE_MS else 0


def charge(limiter: Limiter, weight: int, wall_ms: int, limits: RateLimits) -> None:
    """Count a request's weight.

    Raises:
        Refusal: 429 over the limit or while limited, 418 while banned; both say how long in Retry-After.
    """
    minute = wall_ms // _MINUTE_MS
    if limiter.minute != minute:
        limiter.minute, limiter.used = minute, 0
    if wall_ms < limiter.banned_until_ms:
        raise _banned(limiter, wall_ms)
    if wall_ms < limiter.limited_until_ms:
        limiter.ignored += 1
        if limiter.ignored >= limits.ban_after:
            _ban(limiter, min(_BAN_S_MAX, limits.ban_s * 3**limiter.bans), wall_ms)
            raise _banned(limiter, wall_ms)
        raise _limited(limiter, wall_ms, limits)
    limiter.ignored = 0
    limiter.used += weight
    if limiter.used > limits.weight_1m:
        limiter.limited_until_ms = (minute + 1) * _MINUTE_MS
        raise _limited(limiter, wall_ms, limits)


def impose(limiter: Limiter, banned: bool, seconds: int, wall_ms: int, limits: RateLimits) -> Refusal:
    """Limit or ban an address for some seconds, whatever it has used, and return the answer it gets."""
    if banned:
        _ban(limiter, seconds, wall_ms)
        return _banned(limiter, wall_ms)
    limiter.limited_until_ms = wall_ms + seconds * 1000
    return _limited(limiter, wall_ms, limits)


def _ban(limiter: Limiter, seconds: int, wall_ms: int) -> None:
    limiter.banned_until_ms = wall_ms + seconds * 1000
    limiter.bans = min(limiter.bans + 1, 10)
    limiter.ignored = 0


def _seconds_until(end_ms: int, wall_ms: int) -> int:
    return max(1, -(-(end_ms - wall_ms) // 1000))


def _limited(limiter: Limiter, wall_ms: int, limits: RateLimits) -> Refusal:
    message = (
        f"Too much request weight used; current limit is {limits.weight_1m} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return Refusal(-1003, message, 429, _seconds_until(limiter.limited_until_ms, wall_ms))


def _banned(limiter: Limiter, wall_ms: int) -> Refusal:
    message = (
        f"Way too much request weight used; IP banned until {limiter.banned_until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return Refusal(-1003, message, 418, _seconds_until(limiter.banned_until_ms, wall_ms))


def _counted(state: AccountState, seconds: int, wall_ms: int) -> int:
    window, count = state.order_windows.get(seconds, (0, 0))
    return count if window == wall_ms // (seconds * 1000) else 0


def count_order(state: AccountState, orders: int, wall_ms: int, limits: RateLimits) -> None:
    """Count new orders (a list has two).

    Raises:
        Refusal: -1015 over a limit; nothing is counted then.
    """
    most = {10: limits.orders_10s, 86_400: limits.orders_1d}
    for seconds, (_, words) in WINDOWS.items():
        if _counted(state, seconds, wall_ms) + orders > most[seconds]:
            raise Refusal(-1015, f"Too many new orders; current limit is {most[seconds]} orders per {words}.", 429)
    for seconds in WINDOWS:
        count = _counted(state, seconds, wall_ms) + orders
        state.order_windows[seconds] = (wall_ms // (seconds * 1000), count)


def forgive_order(state: AccountState, wall_ms: int) -> None:
    """Take one order off the count: its first fill shows that it was meant."""
    for seconds in WINDOWS:
        count = max(0, _counted(state, seconds, wall_ms) - 1)
        state.order_windows[seconds] = (wall_ms // (seconds * 1000), count)


def order_headers(state: AccountState, wall_ms: int) -> dict[str, str]:
    """Return the X-MBX-ORDER-COUNT headers."""
    return {
        f"X-MBX-ORDER-COUNT-{name}": str(_counted(state, seconds, wall_ms)) for seconds, (name, _) in WINDOWS.items()
    }
