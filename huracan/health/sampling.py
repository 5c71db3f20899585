"""What it is to be sampled: somebody is asked, and answers in numbers; and how often that is."""

import math
from collections.abc import Sequence
from typing import Protocol

from huracan.health.signals import SIGNALS
from huracan.memory.health import Sample

__all__ = ["Paced", "Sampler", "sample"]


class Sampler(Protocol):
    """Somebody who can be asked."""

    @property
    def source(self) -> str:
        """Return who it is, as in `Sample.source`."""
        ...

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """Ask; what is not known is left out, never guessed.

        Args:
            now_ms: wall clock, ms UTC.

        Raises:
            HuracanError: there is no answer.
        """
        ...


def sample(now_ms: int, name: str, value: float | None, subject: str = "") -> tuple[Sample, ...]:
    """Return one sample, or none when the value is not known or is no figure.

    Raises:
        KeyError: the name is not among `SIGNALS`.
    """
    signal = SIGNALS[name]
    if value is None or not math.isfinite(value):
        return ()
    return (Sample(now_ms, signal.source, name, subject, float(value)),)


class Paced:
    """A sampler that is asked less often than at each turn.

    Args:
        sampler: who is asked.
        every_s: how often; one that did not answer is asked again at the next turn.
    """

    def __init__(self, sampler: Sampler, every_s: float) -> None:
        self._sampler, self._every_ms = sampler, round(1e3 * every_s)
        self._asked_ms: int | None = None

    @property
    def source(self) -> str:
        """Return its source."""
        return self._sampler.source

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """Ask if it is time to; see `Sampler`."""
        if self._asked_ms is not None and 0 <= now_ms - self._asked_ms < self._every_ms:
            return ()
        found = self._sampler.sample(now_ms)
        self._asked_ms = now_ms
        return found
