"""What a detector is: it looks, and names everything that is wrong now; and how many of them are asked at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from huracan.errors import HuracanError
from huracan.memory.health import Anomaly

__all__ = ["Blind", "Detector", "Looked", "Paced", "look_at"]


class Detector(Protocol):
    """Something that can be wrong, and how it would be seen."""

    @property
    def names(self) -> frozenset[str]:
        """Return what `Anomaly.detector` may be in its answers: what whoever stores them may end when it is silent."""
        ...

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """Name everything that is wrong now; what was named before and no longer is has ended.

        Args:
            now_ms: wall clock, ms UTC.

        Raises:
            HuracanError: it cannot see, for instance because the database is away. What it said before then stands: an
                anomaly ends because somebody looked, never because nobody could.
        """
        ...


@dataclass(frozen=True, slots=True)
class Blind:
    """A detector that could not look.

    Attributes:
        names: what it speaks for; open anomalies of these names are left as they are.
        problem: why, one line.
    """

    names: frozenset[str]
    problem: str


@dataclass(frozen=True, slots=True)
class Looked:
    """The answers of many detectors.

    Attributes:
        anomalies: all that is wrong now, at most one for each account, detector and subject.
        names: what those that could look speak for; an open anomaly of such a name that is not answered has ended.
        blind: who could not look.
    """

    anomalies: tuple[Anomaly, ...]
    names: frozenset[str]
    blind: tuple[Blind, ...]


def look_at(detectors: Iterable[Detector], now_ms: int) -> Looked:
    """Ask them all; one that cannot see keeps no other from being asked.

    Args:
        detectors: any number.
        now_ms: wall clock, ms UTC.
    """
    found: dict[tuple[str, str, str], Anomaly] = {}
    seen: set[str] = set()
    blind: list[Blind] = []
    for detector in detectors:
        try:
            answers = detector.look(now_ms)
        except HuracanError as error:
            blind.append(Blind(detector.names, str(error)))
            continue
        seen |= detector.names
        for one in answers:
            found.setdefault((one.account, one.detector, one.subject), one)
    for closed in blind:
        seen -= closed.names  # a name that two speak for is known only when both could look
    return Looked(tuple(found.values()), frozenset(seen), tuple(blind))


class Paced:
    """A detector that costs more than a turn of the monitor: it looks now and then, and repeats its word in between."""

    def __init__(self, detector: Detector, every_s: float) -> None:
        self._detector = detector
        self._every_ms = 1e3 * every_s
        self._looked_ms: int | None = None
        self._answers: tuple[Anomaly, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Return its names."""
        return self._detector.names

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """Look if it is time to; a look that failed is tried again the next time."""
        due = self._looked_ms is None or not 0 <= now_ms - self._looked_ms < self._every_ms
        if due:
            self._answers = tuple(self._detector.look(now_ms))
            self._looked_ms = now_ms
        return self._answers
