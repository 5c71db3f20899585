"""What can go wrong at a venue, on purpose: probabilities in one record, and single faults written down in advance."""

import json
import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from huracan.errors import UsageError

__all__ = ["ERROR_CODES", "LOST_HOW", "NO_FAULTS", "FaultKind", "Faults", "ScriptedFault", "faults_from_json", "strike"]


class FaultKind(StrEnum):
    """Faults that strike once: a request, or an event of a stream."""

    REQUEST_LOST = "REQUEST_LOST"
    RESPONSE_LOST = "RESPONSE_LOST"
    ERROR_BEFORE = "ERROR_BEFORE"
    ERROR_AFTER = "ERROR_AFTER"
    READ_ERROR = "READ_ERROR"
    RATE_LIMITED = "RATE_LIMITED"
    BANNED = "BANNED"
    CANCEL_RACE = "CANCEL_RACE"
    CANCEL_TIMEOUT = "CANCEL_TIMEOUT"
    MARKET_REMAINDER = "MARKET_REMAINDER"
    TRADE_ID_REPEAT = "TRADE_ID_REPEAT"
    STREAM_DUPLICATE = "STREAM_DUPLICATE"
    STREAM_REORDER = "STREAM_REORDER"
    STREAM_DROP = "STREAM_DROP"
    DEPTH_GAP = "DEPTH_GAP"
    CROSSED_BOOK = "CROSSED_BOOK"


LOST_HOW = ("TIMEOUT", "RESET", "TRUNCATED", "HTML", "EMPTY")
"""How a reply is lost after the order was accepted; a lost request knows TIMEOUT and RESET."""

ERROR_CODES: Mapping[int, tuple[int, str]] = {
    -1008: (503, "Server is currently overloaded with other requests. Please try again in a few minutes."),
    -1007: (
        504,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    ),
    -1006: (500, "An unexpected response was received from the message bus. Execution status unknown."),
    -1001: (500, "Internal error; unable to process your request. Please try again."),
    -1000: (500, "An unknown error occurred while processing the request."),
    0: (503, "Unknown error, please check your request or try again later."),
}
"""Venue code -> (HTTP status, message) of the errors that leave the execution unknown; 0 is a page without a code."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities in [0, 1] per request or event, and states of the venue; all off by default.

    Attributes:
        request_lost: a new order or a cancel never arrives: no reply, or a reset connection.
        response_lost: it is carried out, and the reply is lost in one of `LOST_HOW`.
        error_before, error_after: one of `ERROR_CODES` instead of carrying it out, or after having done so.
        read_error: a signed GET or a market data request answers one of `ERROR_CODES`.
        rate_limited, banned: any request answers 429, or 418, with Retry-After, and is not carried out; the
            address then stays limited until that time is over.
        cancel_timeout: a cancel never arrives and nothing comes back.
        cancel_race: a cancel finds its resting limit order filled the moment before (-2011).
        market_remainder: a taker finds half the quantity; a market order's rest is EXPIRED, FOK expires.
        get_lag: a new order or fill stays unseen by GET for `get_lag_ms` wall time.
        trade_id_repeat: a trade is followed on the user stream by one with its id and another quantity.
        stream_duplicate, stream_reorder, stream_drop: a private event comes twice, after the next one, or never.
        depth_gap: an update of the depth stream is left out; crossed_book: one shows a bid above the ask.
        get_lag_ms: see `get_lag`.
        clock_skew_ms: the venue's clock is ahead of ours by this.
        silent: streams are connected and say nothing (what they had to say is lost).
        halted: symbols ("BTCUSDT") in status BREAK.
        expired_keys: names of accounts whose key answers -2015.
    """

    request_lost: float = 0.0
    response_lost: float = 0.0
    error_before: float = 0.0
    error_after: float = 0.0
    read_error: float = 0.0
    rate_limited: float = 0.0
    banned: float = 0.0
    cancel_timeout: float = 0.0
    cancel_race: float = 0.0
    market_remainder: float = 0.0
    get_lag: float = 0.0
    trade_id_repeat: float = 0.0
    stream_duplicate: float = 0.0
    stream_reorder: float = 0.0
    stream_drop: float = 0.0
    depth_gap: float = 0.0
    crossed_book: float = 0.0
    get_lag_ms: int = 0
    clock_skew_ms: int = 0
    silent: bool = False
    halted: tuple[str, ...] = ()
    expired_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float) and not (math.isfinite(value) and 0 <= value <= 1):
                raise UsageError(f"fault {item.name} is {value}; give a probability from 0 to 1")
        if self.get_lag_ms < 0:
            raise UsageError(f"fault get_lag_ms is {self.get_lag_ms}; give 0 or more")

    def to_json(self) -> str:
        """Return every field as a JSON object."""
        return json.dumps(asdict(self), sort_keys=True)


NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class ScriptedFault:
    """A fault that strikes the next fitting request or event, once.

    Attributes:
        kind: which.
        route: only requests "METHOD /path", e.g. "POST /api/v3/order"; empty: any that the kind can strike.
        account: only this account's; None: anyone's.
        skip: fitting requests or events that pass unharmed before.
        how: one of `LOST_HOW` for lost ones, an error code as text, seconds of Retry-After; empty: drawn.
    """

    kind: FaultKind
    route: str = ""
    account: str | None = None
    skip: int = 0
    how: str = ""


def faults_from_json(text: str, before: Faults = NO_FAULTS) -> tuple[Faults, tuple[ScriptedFault, ...]]:
    """Return `before` with the fields of a JSON object changed, and the one-shot faults of its key `script`.

    Raises:
        UsageError: the text is no object, or names an unknown field, kind or value.
    """
    try:
        given = json.loads(text)
        script = tuple(ScriptedFault(**{**item, "kind": FaultKind(item["kind"])}) for item in given.pop("script", ()))
        merged: dict[str, Any] = {**asdict(before), **given}
        for name, default in asdict(NO_FAULTS).items():
            value = merged[name]
            merged[name] = tuple(str(item) for item in value) if isinstance(default, tuple) else type(default)(value)
        return Faults(**merged), script
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"faults cannot be read: {error}; see huracan.paper.Faults for the names") from None


def strike(
    kind: FaultKind,
    probability: float,
    script: list[ScriptedFault],
    rng: random.Random,
    route: str = "",
    account: str | None = None,
) -> str | None:
    """Return how a fault strikes here ("" leaves it to the caller), None when it does not; uses up a scripted one.

    A scripted fault that still skips lets this one pass and comes nearer.
    """
    for at, fault in enumerate(script):
        fits = fault.kind is kind and fault.route in ("", route) and fault.account in (None, account)
        if fits and fault.skip > 0:
            script[at] = replace(fault, skip=fault.skip - 1)
            return None
        if fits:
            del script[at]
            return fault.how
    if probability > 0 and rng.random() < probability:
        return ""
    return None
