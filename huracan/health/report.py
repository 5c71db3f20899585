"""Everything that detectors have to say about an account at once, for a person to read."""

from dataclasses import dataclass

from sqlalchemy import Engine

from huracan.health.detector import Blind, look_at
from huracan.health.detectors.groups import GroupCharts, VersionGroups
from huracan.health.detectors.orders import Orders
from huracan.health.detectors.silence import Silence
from huracan.health.detectors.versions import VersionCharts
from huracan.health.groups import GroupHealth
from huracan.health.history import History
from huracan.health.own import OwnReading
from huracan.health.stored import Shadows, VersionWatch, Watched
from huracan.memory.health import Anomaly

__all__ = ["HealthReport", "OrderHealth", "VersionGroup", "read_report"]


@dataclass(frozen=True, slots=True)
class VersionGroup:
    """A group's health, and whose it is."""

    version: str
    health: GroupHealth


@dataclass(frozen=True, slots=True)
class OrderHealth:
    """A figure of the account's orders; no reading: its first weeks are not over, or it does not vary."""

    name: str
    reading: OwnReading | None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The word on an account.

    Attributes:
        versions: every version that has decided for it, the newest first, with its charts, inputs and predictions.
        groups: patterns, coins and regimes of them.
        orders: fill rate and latencies.
        anomalies: what is wrong now.
        blind: detectors that could not look.
    """

    versions: tuple[VersionWatch, ...]
    groups: tuple[VersionGroup, ...]
    orders: tuple[OrderHealth, ...]
    anomalies: tuple[Anomaly, ...]
    blind: tuple[Blind, ...]


def read_report(engine: Engine, account: str, now_ms: int, false_alarm_days: float = 365.0) -> HealthReport:
    """Look at everything once.

    Args:
        engine: of the database.
        account: its name.
        now_ms: wall clock, ms UTC.
        false_alarm_days: days between two false alarms of a version's charts together, and of each other detector.

    Raises:
        DatabaseError: the server fails.
    """
    shadows, past = Shadows(engine), History(engine, account)
    watched = Watched(engine, account, false_alarm_days, shadows, past)
    groups, orders = VersionGroups(engine, account, shadows, past), Orders(engine, account, false_alarm_days, past)
    charts = VersionCharts(watched, account, false_alarm_days)
    found = look_at((Silence(engine, account), charts, GroupCharts(groups, account), orders), now_ms)
    return HealthReport(
        versions=watched.read(now_ms),
        groups=tuple(
            VersionGroup(version, one)
            for version, (_, _, healths) in groups.read(at_ms=now_ms).items()
            for one in healths
        ),
        orders=tuple(OrderHealth(name, reading) for name, reading in orders.readings(now_ms).items()),
        anomalies=found.anomalies,
        blind=found.blind,
    )
