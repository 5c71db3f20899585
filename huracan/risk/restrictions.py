"""Restrictions: what a remedy keeps an account from, for a while; each takes entries away, and none ever adds one.

A set of restrictions allows what each of them allows, so one more never allows more, and what one has taken away is
there again, no more and no less, as soon as its row is gone. Pure; `huracan.memory.remediations` has the rows.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from huracan.patterns.clusters import Clusters
from huracan.risk.codes import DenialCode, Denied
from huracan.trading import Action

__all__ = ["Entry", "PausedPattern", "Restriction", "RestrictionKind", "Restrictions"]

EVERY_SYMBOL: Final = "*"
_SIZES: Final[Mapping[int, float]] = {
    int(Action.ENTER_LONG_SMALL): 0.5,
    int(Action.ENTER_LONG_NORMAL): 1.0,
    int(Action.ENTER_LONG_LARGE): 1.5,
}
_STATE_BYTES: Final = 320


class RestrictionKind(StrEnum):
    """What is taken away; each value is what is stored."""

    PAUSE_COIN = "pause_coin"
    PAUSE_PATTERN = "pause_pattern"
    RAISE_CONFIDENCE = "raise_confidence"
    REDUCE_SIZE = "reduce_size"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of the decision behind an entry.

    Attributes:
        symbol: ccxt symbol.
        action: code of `Action`, an ENTER.
        policy: version that decided.
        confidence: 0 to 1.
        state: float32[80] as 320 little-endian bytes; empty where no state was decided on.
    """

    symbol: str
    action: int
    policy: str
    confidence: float
    state: bytes


@dataclass(frozen=True, slots=True, eq=False)
class PausedPattern:
    """One group of a pattern library, frozen when it was paused: a library found since renumbers nothing of it.

    Attributes:
        groups: all groups of the library: a state belongs to the nearest one.
        number: of the paused one, from 1.
        layout: of the states that the groups mean something for (`huracan.patterns.state_layout`).
    """

    groups: Clusters
    number: int
    layout: int

    def holds(self, state: bytes) -> bool:
        """Return whether a state belongs to the group."""
        row = np.frombuffer(state, "<f4").astype(np.float32)[None, :]
        return int(self.groups.of(row)[0]) + 1 == self.number


@dataclass(frozen=True, slots=True)
class Restriction:
    """One row in force.

    Attributes:
        number: of its remediation.
        kind: what is taken away.
        subject: a coin or `*`; a pattern; a version whose entries are meant, "" for all.
        value: least confidence, or largest size in stakes; None: it has none.
        until_ms: entries are kept out before this, wall clock; None: until a person undoes it.
        reason: why, one line.
        pattern: of a paused pattern; None there: it cannot be read, and denies whatever might belong to it.
    """

    number: int
    kind: RestrictionKind
    subject: str
    value: float | None
    until_ms: int | None
    reason: str
    pattern: PausedPattern | None = None

    def covers(self, entry: Entry) -> bool:
        """Return whether it speaks of entries like this one, whatever the figures are."""
        match self.kind:
            case RestrictionKind.PAUSE_COIN:
                return self.subject in (entry.symbol, EVERY_SYMBOL)
            case RestrictionKind.PAUSE_PATTERN:
                return True
            case RestrictionKind.RAISE_CONFIDENCE | RestrictionKind.REDUCE_SIZE:
                return self.subject in (entry.policy, "")

    @property
    def words(self) -> str:
        """Return it for a denial."""
        return f"remedy {self.number}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Every restriction of an account; a value, replaced at each look at the database.

    Attributes:
        rows: in force.
        layouts: of the states that each market is decided on; a market left out has states of unknown meaning.
    """

    rows: tuple[Restriction, ...] = ()
    layouts: Mapping[str, int] = field(default_factory=dict)

    def active(self, now_ms: int) -> "Restrictions":
        """Return those that have not expired, `now_ms` wall clock."""
        rows = tuple(row for row in self.rows if row.until_ms is None or now_ms < row.until_ms)
        return Restrictions(rows, self.layouts)

    def judge(self, entry: Entry | None) -> Denied | None:
        """Return why an entry is kept out, None when it is not; the first in the order of `DenialCode` names it.

        An entry of whose decision nothing is known passes only where no restriction needs to know anything.
        """
        if not self.rows:
            return None
        if entry is None or entry.action not in _SIZES:
            return _unknown("the decision behind the entry", self.rows[0])
        for kind in RestrictionKind:
            for row in self.rows:
                if row.kind is kind and row.covers(entry):
                    denied = self._denied(row, entry)
                    if denied is not None:
                        return denied
        return None

    def stepped(self, symbol: str, action: int, policy: str) -> int:
        """Return the entry that may be made instead of a larger one: the largest step that no reduced size forbids.

        Anything else is returned as it is; so is an entry when not even the smallest step is allowed, to be denied.
        """
        if action not in _SIZES:
            return action
        entry = Entry(symbol, action, policy, 1.0, b"")
        most = self._largest(entry)
        fitting = [step for step, size in _SIZES.items() if size <= most and step <= action]
        return max(fitting, default=action)

    def _largest(self, entry: Entry) -> float:
        rows = [row for row in self.rows if row.kind is RestrictionKind.REDUCE_SIZE and row.covers(entry)]
        return min((_bound(row, 0.0) for row in rows), default=math.inf)

    def _denied(self, row: Restriction, entry: Entry) -> Denied | None:
        match row.kind:
            case RestrictionKind.PAUSE_COIN:
                return Denied(DenialCode.COIN_PAUSED, math.nan, _ends(row), row.words)
            case RestrictionKind.PAUSE_PATTERN:
                return self._paused(row, entry)
            case RestrictionKind.RAISE_CONFIDENCE:
                least = _bound(row, math.inf)
                if entry.confidence >= least:  # NaN is not
                    return None
                return Denied(DenialCode.LOW_CONFIDENCE, entry.confidence, least, row.words)
            case RestrictionKind.REDUCE_SIZE:
                size, most = _SIZES[entry.action], _bound(row, 0.0)
                return None if size <= most else Denied(DenialCode.SIZE_REDUCED, size, most, row.words)

    def _paused(self, row: Restriction, entry: Entry) -> Denied | None:
        if row.pattern is None:
            return _unknown("the paused pattern", row)
        if len(entry.state) != _STATE_BYTES:
            return _unknown("the state that a paused pattern is looked for in", row)
        if self.layouts.get(entry.symbol) != row.pattern.layout:
            return _unknown("the state's feature layout, which a paused pattern has another of", row)
        if not np.isfinite(np.frombuffer(entry.state, "<f4")).all():
            return _unknown("the state, which is not finite", row)
        if not row.pattern.holds(entry.state):
            return None
        return Denied(DenialCode.PATTERN_PAUSED, math.nan, _ends(row), row.words)


def _bound(row: Restriction, unknown: float) -> float:
    return unknown if row.value is None or not math.isfinite(row.value) else row.value


def _ends(row: Restriction) -> float:
    return math.inf if row.until_ms is None else float(row.until_ms)


def _unknown(what: str, row: Restriction) -> Denied:
    return Denied(DenialCode.STATE_UNKNOWN, math.nan, math.nan, f"{what} ({row.words})")
