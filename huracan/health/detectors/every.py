"""All detectors of an account, each at its own pace."""

from typing import Final

from sqlalchemy import Engine

from huracan.config import Settings
from huracan.health.detector import Detector, Paced
from huracan.health.detectors.groups import GroupCharts, VersionGroups
from huracan.health.detectors.orders import Orders
from huracan.health.detectors.silence import Silence
from huracan.health.detectors.versions import VersionCharts
from huracan.health.history import History
from huracan.health.stored import Shadows, Watched

__all__ = ["detectors_of"]

CHARTS_S: Final = 300.0
"""Seconds between two looks at trades: they close by the hour, and reading them costs more than a turn."""


def detectors_of(engine: Engine, account: str, settings: Settings) -> tuple[Detector, ...]:
    """Return every detector that looks at an account's rows; nothing is read before the first look.

    Args:
        engine: of the database.
        account: its name.
        settings: in force.
    """
    shadows, days = Shadows(engine), settings.health.false_alarm_days
    past = History(engine, account, whole=False)
    return (
        Silence(engine, account),
        Paced(Orders(engine, account, days, past), CHARTS_S),
        Paced(VersionCharts(Watched(engine, account, days, shadows, past), account, days), CHARTS_S),
        Paced(GroupCharts(VersionGroups(engine, account, shadows, past), account), CHARTS_S),
    )
