"""The section of health: how often the monitor looks, how rarely it may be wrong, and what it may do by itself."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from huracan.config.base import PositiveFloat, Section

__all__ = ["HealthSettings"]


class HealthSettings(Section):
    """The monitor and what follows from what it sees."""

    interval_s: Annotated[float, Field(ge=0.1)] = Field(5.0, description="Seconds between two looks of the monitor.")
    monitor_expected: Literal["started", "always", "never"] = Field(
        "started",
        description="No monitor, no new risk: once one was started on the database and not stopped; always; never.",
    )
    monitor_silent_s: PositiveFloat = Field(
        30.0,
        description="Seconds without the monitor's heartbeat after which entries are denied where one is expected.",
    )
    signals_days: PositiveFloat = Field(7.0, description="Days that samples and counts of errors a minute are kept.")
    errors_days: PositiveFloat = Field(90.0, description="Days that a kind of error is kept after it came last.")
    anomalies_days: PositiveFloat = Field(400.0, description="Days that an anomaly is kept after it ended.")
    buffer_max_mb: Annotated[float, Field(ge=1)] = Field(
        256.0,
        description="Disk that waits for Postgres at most, MB; beyond it the oldest samples are given up, counted.",
    )
    errors_max_mb: Annotated[float, Field(ge=0.01)] = Field(
        16.0, description="Warnings and errors that wait for the monitor at most, MB; beyond it they are only counted."
    )
    false_alarm_days: PositiveFloat = Field(
        365.0, description="Days between two false alarms of a version's charts together, on average."
    )

    @property
    def errors_max_bytes(self) -> int:
        """Return `errors_max_mb` in bytes."""
        return round(1e6 * self.errors_max_mb)

    @model_validator(mode="after")
    def _seen_in_time(self) -> Self:
        """Refuse a monitor that would seem dead between two of its looks."""
        if self.monitor_silent_s < 2 * self.interval_s:
            raise ValueError("health.monitor_silent_s must be at least twice health.interval_s")
        return self
