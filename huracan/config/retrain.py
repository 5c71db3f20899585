"""The section of the daily cycle: what it downloads, when it searches anew, and how far it may promote."""

from typing import Annotated, Literal

from pydantic import Field

from huracan.config.base import PositiveFloat, PositiveInt, Section

__all__ = ["RetrainSettings"]


class RetrainSettings(Section):
    """The daily cycle; it uses candles up to 00:00 UTC of its day, whoever downloads more meanwhile."""

    download: bool = Field(True, description="Ask the exchange for new candles first; `false`: the folder as it is.")
    start: str | None = Field(None, description="First day downloaded, ISO 8601, UTC; none: the listing.")
    stale_max_days: PositiveFloat = Field(2.0, description="Oldest end of the newest candles, before the cycle's day.")
    warm_start: bool = Field(
        True, description="Go on from the newest version that fits, with its rules; `false`: search and train anew."
    )
    search_every_days: Annotated[int, Field(ge=0)] = Field(
        7, description="A version whose search is this old is not gone on from: search and train anew."
    )
    afresh_on_request: bool = Field(
        True, description="A cycle that drift or decay asked for searches and trains anew, whatever fits."
    )
    env_steps: PositiveInt | None = Field(
        None, description="Training length per fold and seed after a warm start; none: `ppo.env_steps`."
    )
    promote_to: Literal["nothing", "shadow", "champion"] = Field(
        "champion", description="Highest stage to which the cycle moves a version that the gate passes."
    )
