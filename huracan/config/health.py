"""The section of health: how often the monitor looks, how rarely it may be wrong, and what it may do by itself."""

from typing import Annotated

from pydantic import Field

from huracan.config.base import PositiveFloat, Section

__all__ = ["HealthSettings"]


class HealthSettings(Section):
    """The monitor and what follows from what it sees."""

    interval_s: Annotated[float, Field(ge=0.1)] = Field(5.0, description="Seconds between two looks of the monitor.")
    false_alarm_days: PositiveFloat = Field(
        365.0, description="Days between two false alarms of a version's charts together, on average."
    )
