"""The HTTP contract of `GET /v1/status`: an account and what surrounds it, and what to do next."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from huracan.memory.registry import Stage

__all__ = [
    "AdviceRow",
    "AnomalyRow",
    "ErrorRow",
    "LimitRow",
    "LockRow",
    "MonitorRow",
    "NoticesRow",
    "RemedyRow",
    "ServedRow",
    "StatusAnswer",
]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LockRow(_Answer):
    """No entries in a market (`*`: in all) until a time; null: until a person ends it."""

    symbol: str
    code: str
    detail: str
    author: str
    until_ms: int | None


class LimitRow(_Answer):
    """What is used of a limit; null: no limit is set."""

    name: str
    used: float
    limit: float | None


class ServedRow(_Answer):
    """A version that the registry wants served."""

    version: str
    scope: str
    stage: Stage
    proven: bool
    standing: Annotated[str, Field(description="Stage and proof in words; UNPROVEN without the gate's word.")]


class AnomalyRow(_Answer):
    """Something that is wrong now."""

    detector: str
    account: Annotated[str, Field(description="Empty: of the whole system.")]
    subject: str
    severity: Literal["info", "warning", "critical"]
    words: str
    means: str
    since_ms: int | None
    noticed_ms: int
    false_every_days: Annotated[
        float | None, Field(description="How often such a word is false; null: never by chance.")
    ]


class RemedyRow(_Answer):
    """What was done about something that was wrong; `applied`: it is in force."""

    number: int
    kind: str
    subject: str
    state: str
    reason: str
    at_ms: int
    expires_ms: int | None


class MonitorRow(_Answer):
    """Whether somebody watches; `silent` and `missing`: entries are denied, exits go on."""

    state: Literal["beats", "silent", "missing", "none"] = "none"
    age_s: Annotated[float | None, Field(description="Since its last heartbeat.")] = None
    holder: str = ""


class ErrorRow(_Answer):
    """Warnings or errors of one kind in the last hour."""

    event: str
    process: str
    level: str
    count: int
    last_ms: int


class NoticesRow(_Answer):
    """Messages to people: those that wait, and those of the last day by how they fared."""

    destinations: int = 0
    waiting: int = 0
    sent: int = 0
    held: int = 0
    failed: int = 0


class AdviceRow(_Answer):
    """What to do next, and why."""

    level: Literal["info", "warning", "critical"]
    why: str
    do: str


class StatusAnswer(_Answer):
    """One account and what surrounds it, as the database has it."""

    account: str
    mode: Literal["paper", "live"] | None
    state: str
    state_author: str
    state_reason: str
    state_ms: int | None
    breaker: str | None
    holder: str | None
    holder_for_s: float
    seen_ms: int | None
    market_ms: int | None
    currency: str | None
    equity: str | None
    cash: str | None
    day_result: float | None
    limits: tuple[LimitRow, ...]
    locks: tuple[LockRow, ...]
    unknown_orders: int
    at_ms: Annotated[int, Field(description="When this was read, wall clock.")] = 0
    headline: Annotated[
        Literal["ok", "look", "act"], Field(description="act: money is at risk now; look: today; ok: nothing to do.")
    ] = "ok"
    next: Annotated[tuple[AdviceRow, ...], Field(description="What to do, the most urgent first.")] = ()
    data_age_s: Annotated[float | None, Field(description="Since the trader closed a bar, wall clock.")] = None
    data_stale: Annotated[bool | None, Field(description="That is too long; null: nobody trades.")] = None
    positions: Annotated[int, Field(description="Markets in which something is held.")] = 0
    orders: Annotated[int, Field(description="Orders that are not over.")] = 0
    versions: Annotated[tuple[ServedRow, ...], Field(description="What the registry wants served.")] = ()
    versions_problem: Annotated[str, Field(description="Why that cannot be said; empty: it can.")] = ""
    anomalies: Annotated[tuple[AnomalyRow, ...], Field(description="Open ones, worst first.")] = ()
    remedies: Annotated[tuple[RemedyRow, ...], Field(description="In force, then the newest others.")] = ()
    monitor: MonitorRow = MonitorRow()
    errors_hour: Annotated[tuple[ErrorRow, ...], Field(description="Of the last hour, most frequent first.")] = ()
    notices: NoticesRow = NoticesRow()
