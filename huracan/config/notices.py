"""The section of notices: who is told what goes wrong, from which level on, and how often at most."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from huracan.config.base import PositiveFloat, PositiveInt, Section

__all__ = ["DestinationSettings", "NoticeSettings"]


class DestinationSettings(Section):
    """One place where notices go."""

    name: str = Field(description="What it is called in lists and logs: letters, digits, - and _.")
    url: SecretStr = Field(
        description="Where, as apprise writes it: tgram://..., slack://..., mailto://..., json://...; a secret."
    )
    level: Literal["info", "warning", "critical"] = Field("warning", description="Least level that it is told.")
    daily: bool = Field(True, description="It is told the summary of each day.")

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name) is None:
            raise ValueError("a name has 1 to 32 letters, digits, - and _")
        return name


class NoticeSettings(Section):
    """Notices: a message waits in the database until it has left."""

    destinations: tuple[DestinationSettings, ...] = Field((), description="Where notices go; none: they are kept.")
    gather_s: Annotated[float, Field(ge=0)] = Field(
        5.0, description="Seconds that a notice waits for others, so that one message tells them."
    )
    quiet_s: Annotated[float, Field(ge=0)] = Field(
        1_800.0, description="A topic is told twice in so many seconds, begin and end; what comes again is counted."
    )
    messages_per_hour: Annotated[int, Field(ge=2)] = Field(
        20, description="Messages to a destination in any hour; the last quarter is for critical ones."
    )
    remind_after_h: PositiveFloat = Field(6.0, description="Hours after which an open critical anomaly is told again.")
    send_timeout_s: PositiveFloat = Field(20.0, description="Seconds a destination has to take a message.")
    retry_base_s: PositiveFloat = Field(5.0, description="Seconds to the second try; twice as many to each next one.")
    retry_max_s: PositiveFloat = Field(900.0, description="Seconds between two tries at most.")
    give_up_after_h: PositiveFloat = Field(24.0, description="Hours after which a notice has failed.")
    keep_days: PositiveInt = Field(90, description="Days that notices are kept for `huracan notices ls`.")
    daily_hour: Annotated[int, Field(ge=0, le=23)] = Field(
        0, description="UTC hour from which on the day before is summed up."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.name for one in self.destinations]
        if len(set(names)) != len(names):
            raise ValueError("two destinations have one name")
        return self
