"""The section of remedies: which anomaly leads to what, and how much may be done without a person."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from huracan.config.base import Fraction, PositiveFloat, PositiveInt, Section

__all__ = ["RemediesSettings", "RemedyKind", "RemedyRule"]

RemedyKind = Literal[
    "pause_coin",
    "pause_pattern",
    "raise_confidence",
    "reduce_size",
    "reducing",
    "halt",
    "roll_back",
    "restart_feed",
    "restart_replica",
]
_SIZES = (0.5, 1.0)


class RemedyRule(Section):
    """One line of the table: an anomaly, and what is done about it."""

    detector: str = Field(min_length=1, description="Name of the detector; `*` stands for any characters.")
    remedy: RemedyKind = Field(description="What is done.")
    severity: Literal["info", "warning", "critical"] = Field(
        "critical", description="Anomalies at least as severe as this."
    )
    mode: Literal["dry_run", "act"] = Field("dry_run", description="`dry_run`: write down what would be done.")
    value: float | None = Field(
        None,
        description="raise_confidence: least confidence of an entry; reduce_size: largest size, 0.5 or 1.0 stakes.",
    )
    after_s: Annotated[float, Field(ge=0)] = Field(0.0, description="The anomaly must have lasted so long, seconds.")
    lasts_min: PositiveFloat = Field(
        60.0, description="Expiry of a restriction, minutes; while its anomaly lasts the expiry is put off."
    )

    def __str__(self) -> str:
        value = "" if self.value is None else f" {self.value:g}"
        after = f" after {self.after_s:g} s" if self.after_s else ""
        return f"{self.detector} ({self.severity}){after}: {self.remedy}{value} ({self.mode})"

    @model_validator(mode="after")
    def _of_the_remedy(self) -> Self:
        """Refuse a value that its remedy does not have, and a remedy without the value that it needs."""
        if self.remedy == "raise_confidence":
            if self.value is None or not 0.0 < self.value < 1.0:
                raise ValueError("raise_confidence needs a value between 0 and 1")
        elif self.remedy == "reduce_size":
            if self.value not in _SIZES:
                raise ValueError("reduce_size needs a value, 0.5 or 1.0: larger entries are made that small")
        elif self.value is not None:
            raise ValueError(f"{self.remedy} has no value")
        return self


class RemediesSettings(Section):
    """What the monitor may do by itself; everything here only tightens. See docs/remedies.md."""

    dry_run: bool = Field(
        False, description="Do nothing at all, whatever the rules say; write down what would be done."
    )
    rules: tuple[RemedyRule, ...] = Field(
        (
            RemedyRule(detector="feed_silent", remedy="reducing", mode="act", after_s=60.0),
            RemedyRule(detector="disk_full", remedy="reducing", mode="act"),
            RemedyRule(detector="feed_silent", remedy="restart_feed", after_s=120.0, lasts_min=10.0),
            RemedyRule(detector="feed_silent", severity="warning", remedy="pause_coin", lasts_min=60.0),
            RemedyRule(detector="coin_degraded", severity="warning", remedy="pause_coin", lasts_min=1_440.0),
            RemedyRule(detector="pattern_degraded", severity="warning", remedy="pause_pattern", lasts_min=1_440.0),
            RemedyRule(detector="result", severity="warning", remedy="reduce_size", value=0.5, lasts_min=1_440.0),
            RemedyRule(detector="win_rate", severity="warning", remedy="reduce_size", value=0.5, lasts_min=1_440.0),
            RemedyRule(detector="slippage", severity="warning", remedy="reduce_size", value=0.5, lasts_min=240.0),
            RemedyRule(
                detector="prediction_*", severity="warning", remedy="raise_confidence", value=0.6, lasts_min=1_440.0
            ),
            RemedyRule(detector="version_degraded", severity="warning", remedy="roll_back", after_s=86_400.0),
            RemedyRule(detector="result", severity="warning", remedy="roll_back", after_s=86_400.0),
        ),
        description="Which anomaly leads to which remedy, in this order; every line that fits counts.",
    )
    per_hour: PositiveInt = Field(3, description="Times that one kind of remedy is applied to an account in an hour.")
    flap_count: PositiveInt = Field(
        3, description="The same remedy begun anew so often within `flap_hours` is not begun again."
    )
    flap_hours: PositiveFloat = Field(6.0, description="Window in which a flapping remedy is looked for, hours.")
    undone_hours: PositiveFloat = Field(
        24.0, description="What a person has undone is left so while its anomaly goes on, hours."
    )
    coins_paused_max_frac: Fraction = Field(
        0.5, description="Share of an account's coins that may be paused; more than that is a matter of REDUCING."
    )
    escalate: bool = Field(
        True, description="A restriction that a critical anomaly needs and a limit refuses becomes REDUCING."
    )
    confidence_max: Fraction = Field(0.9, description="Highest threshold that a remedy may set.")
    retrain_after_h: PositiveFloat = Field(
        24.0, description="Drift or decay that has lasted so long asks for a retraining, hours."
    )
    retrain_every_h: PositiveFloat = Field(72.0, description="At most one such request of a scope in so long, hours.")
    retrain_on: tuple[str, ...] = Field(
        ("drift", "feature_drift", "prediction_*", "result", "win_rate", "version_degraded", "pattern_degraded"),
        description="Detectors whose anomalies ask for a retraining; `*` stands for any characters.",
    )
