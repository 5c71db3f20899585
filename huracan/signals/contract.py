"""The HTTP contract: what may be asked, what is answered, and every code of a refusal.

Requests refuse unknown keys and numbers that are not finite. Money, prices and quantities are decimal strings, times
are ms since the epoch (UTC) with an ISO twin where a person reads them.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from huracan.memory.registry import Stage
from huracan.signals.contract_status import StatusAnswer

__all__ = [
    "STATUS",
    "AsOf",
    "ErrorAnswer",
    "ErrorCode",
    "HaltRequest",
    "HealthAnswer",
    "HealthPart",
    "Metric",
    "MetricsAnswer",
    "ModelRow",
    "ModelsAnswer",
    "OrderRow",
    "OrdersAnswer",
    "PositionRow",
    "PositionsAnswer",
    "ResumeRequest",
    "RiskVerdict",
    "Signal",
    "SignalSize",
    "SignalsAnswer",
    "SignalsRequest",
    "StateAnswer",
    "StatusAnswer",
    "TradeRow",
    "TradesAnswer",
    "error_table",
]


class ErrorCode(StrEnum):
    """Why a request has no answer; `STATUS` says with which HTTP status."""

    MALFORMED = "MALFORMED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    KEY_REUSED = "KEY_REUSED"
    TOO_LARGE = "TOO_LARGE"
    INVALID = "INVALID"
    TOO_MANY_SYMBOLS = "TOO_MANY_SYMBOLS"
    INTERNAL = "INTERNAL"
    OVERLOADED = "OVERLOADED"
    STALE_DATA = "STALE_DATA"
    NO_VERSION = "NO_VERSION"
    MODEL_STALE = "MODEL_STALE"
    FEED_DOWN = "FEED_DOWN"
    DATABASE_DOWN = "DATABASE_DOWN"
    EXECUTION_DOWN = "EXECUTION_DOWN"
    DECISION_LATE = "DECISION_LATE"
    HALT_NOT_PROVEN = "HALT_NOT_PROVEN"


_MEANING: Final[dict[ErrorCode, tuple[str, str]]] = {
    ErrorCode.MALFORMED: ("the body is no JSON, or breaks off", "mend the request"),
    ErrorCode.UNAUTHENTICATED: ("no token, or one that nobody has", "`huracan serve token new`"),
    ErrorCode.FORBIDDEN: ("the token's scope does not allow it", "a token of scope `trade`"),
    ErrorCode.NOT_FOUND: ("no such path", "see `/openapi.json`"),
    ErrorCode.UNKNOWN_SYMBOL: ("a market that the feed does not follow", "`data.symbols`, or a version that knows it"),
    ErrorCode.METHOD_NOT_ALLOWED: ("a path with another method", "the header `Allow` names it"),
    ErrorCode.KEY_REUSED: ("an `Idempotency-Key` that stands for another request", "a new key"),
    ErrorCode.TOO_LARGE: ("the body is larger than allowed; it is not read any further", "`serve.body_max_bytes`"),
    ErrorCode.INVALID: ("JSON, and not what the contract asks for; unknown keys as well", "mend the request"),
    ErrorCode.TOO_MANY_SYMBOLS: ("more markets than one request may name", "`serve.symbols_max`"),
    ErrorCode.INTERNAL: ("a defect; the log has it under the request's id", "report it"),
    ErrorCode.OVERLOADED: ("too many requests wait already", "ask again after `Retry-After` seconds"),
    ErrorCode.STALE_DATA: ("a candle is overdue by more than `risk.feed_age_max_s`", "look at the exchange"),
    ErrorCode.NO_VERSION: ("no version decides here, or its features are not warm yet", "`huracan models ls`"),
    ErrorCode.MODEL_STALE: ("health only: the registry wants another version than decides", "its message says why"),
    ErrorCode.FEED_DOWN: ("the feed does not answer, or has no candle yet", "`huracan serve status`"),
    ErrorCode.DATABASE_DOWN: ("Postgres does not answer; signals that execute nothing go on", "`huracan db url`"),
    ErrorCode.EXECUTION_DOWN: ("nobody trades the account, or it does not answer", "`huracan trade start --paper`"),
    ErrorCode.DECISION_LATE: ("no decision within `serve.decision_timeout_s`; nothing was written", "ask again"),
    ErrorCode.HALT_NOT_PROVEN: ("halted, and orders may still rest at the venue", "ask again, or `huracan halt`"),
}


STATUS: Final[dict[ErrorCode, int]] = {
    ErrorCode.MALFORMED: 400,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.UNKNOWN_SYMBOL: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.KEY_REUSED: 409,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.INVALID: 422,
    ErrorCode.TOO_MANY_SYMBOLS: 422,
    ErrorCode.INTERNAL: 500,
    ErrorCode.OVERLOADED: 503,
    ErrorCode.STALE_DATA: 503,
    ErrorCode.NO_VERSION: 503,
    ErrorCode.MODEL_STALE: 503,
    ErrorCode.FEED_DOWN: 503,
    ErrorCode.DATABASE_DOWN: 503,
    ErrorCode.EXECUTION_DOWN: 503,
    ErrorCode.DECISION_LATE: 503,
    ErrorCode.HALT_NOT_PROVEN: 503,
}


def error_table() -> str:
    """Return the codes as a Markdown table, as the documentation shows them."""
    rows = ["| code | status | meaning | what to do |", "|---|---|---|---|"]
    rows += [f"| `{code}` | {STATUS[code]} | {' | '.join(_MEANING[code])} |" for code in ErrorCode]
    return "\n".join(rows) + "\n"


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _once(symbols: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(symbols)) != len(symbols):
        raise ValueError("a symbol stands there twice")
    return symbols


def _words(text: str) -> str:
    if not text.strip():
        raise ValueError("say why, in a line")
    return text.strip()


Symbol = Annotated[str, StringConstraints(max_length=64, pattern=r"^[\w.]+/[\w.]+(:[\w.]+)?$")]
Reason = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"),
    AfterValidator(_words),
]


class SignalsRequest(_Request):
    """Which markets to decide on, and whether to act."""

    symbols: Annotated[
        tuple[Symbol, ...],
        Field(description="ccxt symbols; empty: every market followed.", json_schema_extra={"uniqueItems": True}),
        AfterValidator(_once),
    ] = ()
    execute: Annotated[
        StrictBool, Field(description="Write an intent for each approved entry or exit; needs a token of scope trade.")
    ] = False


class HaltRequest(_Request):
    """Stop trading."""

    reason: Annotated[Reason, Field(description="Why, one line; it is stored.")]
    policy: Annotated[
        Literal["cancel", "flatten", "hold"] | None,
        Field(
            description="Cancel every order; sell everything as well; or cancel entries and keep stops. "
            "Left out: `risk.halt_policy`."
        ),
    ] = None


class ResumeRequest(_Request):
    """Trade again."""

    reason: Annotated[Reason, Field(description="What was found and done, one line; it is stored.")]


class ErrorAnswer(_Answer):
    """The one shape of every refusal."""

    code: ErrorCode
    message: str


class AsOf(_Answer):
    """The candle that a signal was decided on."""

    open_ms: int
    close_ms: int
    open_time: str
    close_time: str


class SignalSize(_Answer):
    """How much an action would buy; zero where it buys nothing."""

    multiplier: Annotated[float, Field(description="Of the stake: 0, 0.5, 1 or 1.5.")]
    notional: Annotated[str, Field(description="Worst case, quote currency: quantity times worst price.")]
    quantity: Annotated[str, Field(description="Coins.")]


class RiskVerdict(_Answer):
    """What risk says to it now. `not_needed`: the action orders nothing."""

    verdict: Literal["approved", "denied", "not_needed"]
    code: Annotated[str | None, Field(description="A denial code; VOID: the entry is too small, or not possible now.")]
    detail: str


class Signal(_Answer):
    """What is decided for one market."""

    symbol: str
    action: str
    probabilities: Annotated[dict[str, float], Field(description="By action; exactly 0 where it is illegal.")]
    confidence: float
    size: SignalSize
    version: str
    stage: Stage
    standing: Annotated[str, Field(description="Stage and proof in words; UNPROVEN without the gate's word.")]
    as_of: AsOf
    data_age_s: Annotated[float, Field(description="Wall time since the newest candle came.")]
    risk: RiskVerdict
    intent_id: Annotated[str | None, Field(description="Of the intent written down; null: none was.")]


class SignalsAnswer(_Answer):
    """One signal a market, sorted; `unserved`: markets asked for by nobody's name that no version decides on."""

    account: str
    close_ms: int
    signals: tuple[Signal, ...]
    unserved: tuple[str, ...]


class HealthPart(_Answer):
    """One thing that signals depend on."""

    name: Literal["feed", "data", "model", "execution", "database"]
    ok: bool
    code: ErrorCode | None
    detail: str


class HealthAnswer(_Answer):
    """What works; `code` and `message` of the first part that does not, as in an error."""

    status: Literal["ok", "failing"]
    code: ErrorCode | None
    message: str
    parts: tuple[HealthPart, ...]
    versions: tuple[str, ...]
    close_ms: int | None


class PositionRow(_Answer):
    """Coins held in a market."""

    symbol: str
    quantity: str
    price: str | None
    value: str | None
    result: str | None


class PositionsAnswer(_Answer):
    """What an account holds, as of `market_ms`."""

    account: str
    market_ms: int | None
    positions: tuple[PositionRow, ...]


class OrderRow(_Answer):
    """An order that is not over."""

    cid: str
    list_cid: str | None
    symbol: str
    side: str
    kind: str
    status: str
    quantity: str
    filled: str
    price: str | None
    stop_price: str | None


class OrdersAnswer(_Answer):
    """Orders that are not over."""

    account: str
    orders: tuple[OrderRow, ...]


class TradeRow(_Answer):
    """A closed trade; results in quote currency."""

    symbol: str
    mode: str
    version: str
    entry_ms: int
    exit_ms: int
    entry_price: float
    exit_price: float
    quantity: float
    net: float
    fee: float
    exit_reason: str
    confidence: float


class TradesAnswer(_Answer):
    """Closed trades, newest first; `more`: older ones were left out."""

    account: str
    trades: tuple[TradeRow, ...]
    more: bool


class ModelRow(_Answer):
    """A version in the registry; `served`: this replica decides with it."""

    version: str
    scope: str
    stage: Stage
    standing: str
    sha256: str
    created_time: str
    served: bool


class ModelsAnswer(_Answer):
    """The registry, newest first; `problem`: why what is served is not what it wants served, "" when it is."""

    models: tuple[ModelRow, ...]
    problem: str


class Metric(_Answer):
    """One figure, named as Prometheus names figures."""

    name: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]
    kind: Literal["counter", "gauge"]
    help: str
    labels: dict[str, str]
    value: float


class MetricsAnswer(_Answer):
    """Figures of the replica that answered."""

    metrics: tuple[Metric, ...]


class StateAnswer(_Answer):
    """The trading state after a halt or a resumption."""

    account: str
    state: Literal["ACTIVE", "HALTED"]
    proven: Annotated[bool, Field(description="Of a halt: the venue has shown that nothing rests.")]
    author: str
    reason: str
