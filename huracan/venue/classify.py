"""What a failed command means: definitely not done, or unknown. Definite is an allow-list; all else is unknown.

| the venue's reply | outcome |
|---|---|
| HTTP 429, 418 | rejected: RATE_LIMIT, ORDER_LIMIT (-1015), BANNED |
| HTTP 400 or 401 with a code of `_BY_CODE` | rejected: as the table says |
| HTTP 400 with -2010 and a message of `_BY_MESSAGE` | rejected: as the table says |
| HTTP 400 with -2010 "Duplicate order sent." | unknown, DUPLICATE: an open order has this id, adopt it |
| HTTP 400 with -2011 "Unknown order sent." to a cancel | rejected: UNKNOWN_ORDER, ask what became of it |
| any other code, status or message, 5xx, 403, no reply, a reply that cannot be read, cancellation | unknown |

ccxt's exception classes are not consulted: they depend on the address, on earlier replies and on its version.
"""

from huracan.venue.client import WireFacts, facts_of
from huracan.venue.orders import RejectCode, Rejected, Unknown

__all__ = ["BAN_STATUS", "LIMIT_STATUSES", "classify_error", "classify_facts"]

LIMIT_STATUSES = (418, 429)
BAN_STATUS = 418
_DEFINITE_STATUSES = (400, 401)

_REQUEST_CODES = (
    *range(-1131, -1099),
    *(-1014, -1020, -1134, -1135, -1145, -1158, -1160, -1165, -1166, -1168, -1196, -1197, -1198, -1199),
)
_BY_CODE: dict[int, RejectCode] = dict.fromkeys(_REQUEST_CODES, RejectCode.BAD_REQUEST) | {
    -1002: RejectCode.AUTH,
    -1003: RejectCode.RATE_LIMIT,
    -1013: RejectCode.FILTER,  # "didn't reach the Matching Engine", whatever the message
    -1015: RejectCode.ORDER_LIMIT,
    -1021: RejectCode.CLOCK,
    -1022: RejectCode.AUTH,
    -1121: RejectCode.BAD_SYMBOL,
    -2014: RejectCode.AUTH,
    -2015: RejectCode.AUTH,
}

_NEW_ORDER_REJECTED = -2010
_CANCEL_REJECTED = -2011
_DUPLICATE = "Duplicate order sent."
_UNKNOWN_ORDER = "Unknown order sent."
_MARKET_CLOSED = "Market is closed."

_BY_MESSAGE: dict[str, RejectCode] = {
    "Account has insufficient balance for requested action.": RejectCode.INSUFFICIENT_BALANCE,
    "Order would immediately match and take.": RejectCode.WOULD_MATCH,
    "Order would trigger immediately.": RejectCode.STOP_WOULD_TRIGGER,
    "Stop price would trigger immediately.": RejectCode.STOP_WOULD_TRIGGER,
    "The relationship of the prices for the orders is not correct.": RejectCode.PRICE_RELATION,
    _MARKET_CLOSED: RejectCode.MARKET_CLOSED,
    "Market orders are not supported for this symbol.": RejectCode.ORDER_REFUSED,
    "Stop loss orders are not supported for this symbol.": RejectCode.ORDER_REFUSED,
    "Stop loss limit orders are not supported for this symbol.": RejectCode.ORDER_REFUSED,
    "OCO orders are not supported for this symbol": RejectCode.ORDER_REFUSED,
    "Price * QTY is zero or less.": RejectCode.ORDER_REFUSED,
    "Unsupported order combination": RejectCode.ORDER_REFUSED,
    "This action is disabled on this account.": RejectCode.AUTH,
    "This account may not place or cancel orders.": RejectCode.AUTH,
    "This symbol is not permitted for this account.": RejectCode.AUTH,
    "This symbol is restricted for this account.": RejectCode.AUTH,
    "Rest API trading is not enabled.": RejectCode.AUTH,
}


def classify_error(error: BaseException) -> Rejected | Unknown:
    """Return what an exception out of a command means; without a reply nothing is known."""
    facts = facts_of(error)
    if facts.status is None:
        cause = error.__cause__ or error.__context__
        why = f" ({type(cause).__name__})" if cause is not None else ""
        return Unknown(f"no reply: {type(error).__name__}{why}")
    return classify_facts(facts)


def classify_facts(facts: WireFacts) -> Rejected | Unknown:
    """Return what the reply to a command means, by the table of this module."""
    if facts.status in LIMIT_STATUSES:
        return Rejected(_limit_code(facts), facts.code, facts.message, facts.retry_after_s)
    if facts.status in _DEFINITE_STATUSES and facts.code is not None:
        if facts.code == _NEW_ORDER_REJECTED and facts.message == _DUPLICATE:
            return Unknown("DUPLICATE")
        code = _definite_code(facts.code, facts.message)
        if code is not None:
            return Rejected(code, facts.code, facts.message, facts.retry_after_s)
    return Unknown(f"HTTP {facts.status}, code {facts.code}: {facts.message or 'no message'}")


def _definite_code(code: int, message: str) -> RejectCode | None:
    if code == _NEW_ORDER_REJECTED:
        return _BY_MESSAGE.get(message)
    if code == _CANCEL_REJECTED:
        return RejectCode.UNKNOWN_ORDER if message == _UNKNOWN_ORDER else None
    if message == _MARKET_CLOSED and code in _BY_CODE:
        return RejectCode.MARKET_CLOSED
    return _BY_CODE.get(code)


def _limit_code(facts: WireFacts) -> RejectCode:
    if facts.status == BAN_STATUS:
        return RejectCode.BANNED
    return RejectCode.ORDER_LIMIT if facts.code == -1015 else RejectCode.RATE_LIMIT
