"""What a search tells the outside about its trials, without Ray's types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from huracan.learn.validation import ValidationScore

__all__ = ["Trial", "TrialSink"]


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate and where it stands.

    Attributes:
        name: Tune's id, unique within the search.
        status: running; done (full length, or stopped early by the scheduler); failed.
        params: hyper-parameters by dotted setting, e.g. `ppo.lr`.
        score: of the last report, mean over the seeds; None before the first.
        env_steps: per seed, learnt from so far.
        wall_s: seconds so far.
        stopped_early: whether the scheduler ended it before its full length.
    """

    name: str
    status: Literal["running", "done", "failed"]
    params: Mapping[str, float | int]
    score: ValidationScore | None
    env_steps: int
    wall_s: float
    stopped_early: bool


class TrialSink(Protocol):
    """Receives every change of every trial, in the driver's process."""

    def trial_changed(self, trial: Trial) -> None:
        """Take note of a trial that started, reported or ended."""
        ...
