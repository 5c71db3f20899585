"""The monitor about itself: sides on which it is deaf or blind, parts of it that fail, and what it has lost."""

from collections.abc import Mapping, Sequence
from typing import Final

from huracan.memory.health import Anomaly

__all__ = ["ACTING", "SelfCheck"]

ACTING: Final = frozenset({"remedies", "writer"})
"""Parts without which nothing is done about what is seen."""

_PATIENCE_MS: Final = 300_000
"""A restart of what is asked takes less than five minutes; what lasts longer does not mend itself."""

_ACTING_MS: Final = 30_000
"""Six turns: without remedies and the writer nothing is done about anything, and a lock is not held for so long."""

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
        return frozenset({"detector_blind", "source_deaf", "part_failing", "samples_lost"})

    def note(
        self, now_ms: int, blind: Mapping[str, str], deaf: Mapping[str, str], failing: Mapping[str, str], lost: int
    ) -> None:
        """Take in what a turn came to.

        Args:
            now_ms: wall clock.
            blind: detectors that could not look, and why.
            deaf: sources that did not answer, and why.
            failing: parts of the monitor that failed, and why.
            lost: samples lost since the start.
        """
        found = {("detector_blind", name): why for name, why in blind.items()}
        found |= {("source_deaf", name): why for name, why in deaf.items()}
        found |= {("part_failing", name): why for name, why in failing.items()}
        self._since = {key: self._since.get(key, now_ms) for key in found}
        self._problems = found
        if lost > self._lost:
            self._lost, self._lost_ms = lost, now_ms

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """See `Detector`."""
        means = {
            "detector_blind": "what it watches may go wrong unseen",
            "source_deaf": "what it knows is not measured",
            "part_failing": "that part of the monitor does not do its work",
        }
        found = []
        for key, since_ms in self._since.items():
            acting = key[0] == "part_failing" and key[1] in ACTING
            if now_ms - since_ms < (_ACTING_MS if acting else _PATIENCE_MS):
                continue
            lasted = f"{(now_ms - since_ms) / 6e4:.1f} minutes"
            failed = "fails" if key[0] == "part_failing" else "does not answer"
            found.append(
                Anomaly(
                    detector=key[0],
                    account="",
                    subject=key[1],
                    severity="critical" if acting else "warning",
                    words=f"{key[1]} {failed} for {lasted}: {self._problems[key]}",
                    means="nothing is done about what is wrong" if acting else means[key[0]],
                    since_ms=since_ms,
                    noticed_ms=now_ms,
                    delay="30 seconds" if acting else "5 minutes",
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
