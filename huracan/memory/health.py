"""What travels between whoever watches, whoever acts and the database: samples, anomalies, heartbeats; no SQL here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Anomaly", "Sample", "Severity"]

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One number that was measured.

    Attributes:
        at_ms: wall clock, ms UTC.
        source: who was asked: feed, trader, database, ray, host, monitor.
        name: what it is, with its unit at the end: `feed.candle_age_s`.
        subject: of whom: a symbol, a node, a version; "" where there is only one.
        value: finite.
    """

    at_ms: int
    source: str
    name: str
    subject: str
    value: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that is not as it should be, as one detector says it now; open until the detector no longer does.

    Attributes:
        detector: who says so: `win_rate`, `feed_silent`; with account and subject it names the anomaly while it lasts.
        account: of the trading account; "": of none.
        subject: version, symbol, pattern, process; "": the whole account or system.
        severity: info: worth a look; warning: look today; critical: money is at risk now.
        words: what was found, one line with its figures.
        means: what that would mean, one line.
        since_ms: when it seems to have begun, ms UTC; None: not known.
        noticed_ms: when the detector said so, ms UTC.
        observed, claimed: figures, in `unit`; None where there are none.
        unit: of both.
        false_every_days: days between two such words in which nothing is wrong; None: no chance is involved.
        delay: how long it takes until such a change is noticed, in words.
        evidence: more figures, JSON types; nothing secret.
    """

    detector: str
    account: str
    subject: str
    severity: Severity
    words: str
    means: str
    since_ms: int | None
    noticed_ms: int
    observed: float | None = None
    claimed: float | None = None
    unit: str = ""
    false_every_days: float | None = None
    delay: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
