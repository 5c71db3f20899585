"""How many false alarms all detectors together may raise when nothing is wrong, by what they are set to."""

from dataclasses import dataclass
from typing import Final

__all__ = ["FAMILIES", "Family", "stated_a_year"]

YEAR_DAYS: Final = 365.0


@dataclass(frozen=True, slots=True)
class Family:
    """Detectors that share one false alarm in `health.false_alarm_days`.

    Attributes:
        detectors: by name, or what they have in common.
        each: of what there is one such family: a version that decides, an account, or the database with all processes.
    """

    detectors: str
    each: str


FAMILIES: Final = (
    Family("the eight charts of a version", "version"),
    Family("feature_drift", "version"),
    Family("prediction_entries", "version"),
    Family("prediction_decisions", "version"),
    Family("fill_rate and the four latencies", "account"),
    Family("error_burst", "database"),
)
"""Silence, resources and the monitor about itself are plain limits, without chance; groups have no rate: of those that
are ever called one in twenty is called for nothing, however long they are watched."""


def stated_a_year(false_alarm_days: float, versions: int = 1, accounts: int = 1) -> float:
    """Return false alarms a year of everything together, on average at most.

    Args:
        false_alarm_days: `health.false_alarm_days`.
        versions: that decide, of all accounts.
        accounts: that are traded.
    """
    many = {"version": versions, "account": accounts, "database": 1}
    return sum(many[family.each] for family in FAMILIES) * YEAR_DAYS / false_alarm_days
