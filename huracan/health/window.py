"""The last samples in memory, for whoever looks at them at each turn: newest values, and short histories."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from huracan.memory.health import Sample

__all__ = ["Window"]

_ROWS_MAX: Final = 4_096


class Window:
    """Samples of the last minutes by name and subject.

    Args:
        keep_s: how far back; what is older is forgotten, and so is a subject that is no longer measured.
    """

    def __init__(self, keep_s: float = 900.0) -> None:
        self._keep_ms = round(1e3 * keep_s)
        self._rows: dict[str, dict[str, deque[Sample]]] = {}

    def add(self, samples: Iterable[Sample], now_ms: int) -> None:
        """Take in samples, the older before the newer, and forget what is too old."""
        for sample in samples:
            rows = self._rows.setdefault(sample.name, {}).setdefault(sample.subject, deque(maxlen=_ROWS_MAX))
            rows.append(sample)
        for name in list(self._rows):
            for subject in list(self._rows[name]):
                rows = self._rows[name][subject]
                while rows and rows[0].at_ms < now_ms - self._keep_ms:
                    rows.popleft()
                if not rows:
                    del self._rows[name][subject]
            if not self._rows[name]:
                del self._rows[name]

    def newest(self, name: str, subject: str = "") -> Sample | None:
        """Return the newest sample; None: it was not measured in the window."""
        rows = self._rows.get(name, {}).get(subject)
        return rows[-1] if rows else None

    def all_newest(self, name: str) -> Mapping[str, Sample]:
        """Return the newest sample of each subject."""
        return {subject: rows[-1] for subject, rows in self._rows.get(name, {}).items()}

    def since(self, name: str, subject: str = "", from_ms: int = 0) -> tuple[Sample, ...]:
        """Return the samples from a time on, the oldest first."""
        return tuple(row for row in self._rows.get(name, {}).get(subject, ()) if row.at_ms >= from_ms)
