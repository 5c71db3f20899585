"""The monitor about itself: sides on which it is deaf or blind, and what it has lost."""

from collections.abc import Mapping, Sequence
from typing import Final

from huracan.memory.health import Anomaly

__all__ = ["SelfCheck"]

_PATIENCE_MS: Final = 300_000
"""A restart of what is asked takes less than five minutes; what lasts longer does not mend itself."""

_TOLD_MS: Final = 3_600_000
"""A loss is over when it happens; it is told for an hour after the last."""


class SelfCheck:
    """`Detector` of what its own turns came to; plain limits, in which no chance is involved."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], int] = {}
        self._problems: dict[tuple[str, str], str] = {}
        self._lost, self._lost_ms = 0, 0

    @property
    def names(self) -> frozenset[str]:
        """Return what it may say."""
        return frozenset({"detector_blind", "source_deaf", "samples_lost"})

    def note(self, now_ms: int, blind: Mapping[str, str], deaf: Mapping[str, str], lost: int) -> None:
        """Take in what a turn came to.

        Args:
            now_ms: wall clock.
            blind: detectors that could not look, and why.
            deaf: sources that did not answer, and why.
            lost: samples lost since the start.
        """
        found = {("detector_blind", name): why for name, why in blind.items()}
        found |= {("source_deaf", name): why for name, why in deaf.items()}
        self._since = {key: self._since.get(key, now_ms) for key in found}
        self._problems = found
        if lost > self._lost:
            self._lost, self._lost_ms = lost, now_ms

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """See `Detector`."""
        means = {
            "detector_blind": "what it watches may go wrong unseen",
            "source_deaf": "what it knows is not measured",
        }
        found = []
        for key, since_ms in self._since.items():
            if now_ms - since_ms < _PATIENCE_MS:
                continue
            found.append(
                Anomaly(
                    detector=key[0],
                    account="",
                    subject=key[1],
                    severity="warning",
                    words=f"no answer of {key[1]} for {(now_ms - since_ms) / 6e4:.0f} minutes: {self._problems[key]}",
                    means=means[key[0]],
                    since_ms=since_ms,
                    noticed_ms=now_ms,
                    delay="5 minutes",
                )
            )
        if self._lost and now_ms - self._lost_ms < _TOLD_MS:
            found.append(
                Anomaly(
                    detector="samples_lost",
                    account="",
                    subject="",
                    severity="warning",
                    words=f"{self._lost} samples, anomalies or errors were lost: neither disk nor Postgres took them",
                    means="there is a hole in what is known; look at the disk under HURACAN_HOME",
                    since_ms=self._lost_ms,
                    noticed_ms=now_ms,
                    observed=float(self._lost),
                    claimed=0.0,
                    unit="samples",
                    delay="one turn",
                )
            )
        return found
