"""What the exchange answers instead of doing what was asked: status, code and message as Binance words them."""

from huracan.errors import HuracanError

__all__ = [
    "INSUFFICIENT",
    "Refusal",
    "bad_symbol",
    "filter_failure",
    "illegal",
    "malformed",
    "missing",
    "no_such_order",
    "rejected",
    "too_precise",
    "unknown_order",
]

INSUFFICIENT = "Account has insufficient balance for requested action."


class Refusal(HuracanError):
    """A request is refused; the front door turns it into a reply.

    Args:
        code: the venue's code, negative.
        message: the venue's words.
        status: HTTP status.
        retry_after_s: seconds for the Retry-After header; None sends none.
    """

    def __init__(self, code: int, message: str, status: int = 400, retry_after_s: int | None = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s


def rejected(message: str) -> Refusal:
    """Return the matching engine's refusal of a new order, -2010."""
    return Refusal(-2010, message)


def unknown_order() -> Refusal:
    """Return the refusal of a cancel whose order does not rest, -2011."""
    return Refusal(-2011, "Unknown order sent.")


def no_such_order() -> Refusal:
    """Return the answer to a query for an order that cannot be seen, -2013."""
    return Refusal(-2013, "Order does not exist.")


def filter_failure(name: str) -> Refusal:
    """Return the refusal by a filter, -1013."""
    return Refusal(-1013, f"Filter failure: {name}")


def missing(name: str) -> Refusal:
    """Return the refusal of an absent or empty parameter, -1102."""
    return Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def malformed(name: str) -> Refusal:
    """Return the refusal of a value that cannot be meant, -1130."""
    return Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def illegal(name: str, legal: str) -> Refusal:
    """Return the refusal of characters outside `legal`, -1100."""
    return Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def too_precise(name: str) -> Refusal:
    """Return the refusal of too many decimals, -1111."""
    return Refusal(-1111, f"Parameter '{name}' has too much precision.")


def bad_symbol() -> Refusal:
    """Return the refusal of an unknown market, -1121."""
    return Refusal(-1121, "Invalid symbol.")
