"""Scripted decisions from a counter generator: the same bar gives the same draw, whoever asks and how often."""

from dataclasses import dataclass
from typing import Protocol

MASK64 = (1 << 64) - 1
DO_NOTHING, SMALL, NORMAL, LARGE, EXIT, HOLD = range(6)


def mix64(x: int) -> int:
    """Return SplitMix64's finaliser of x, 64 bits (Steele, Lea, Flood 2014)."""
    x = (x + 0x9E3779B97F4A7C15) & MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK64
    return x ^ (x >> 31)


class Decider(Protocol):
    """Whoever decides at a close."""

    def act(self, bar_no: int, busy: bool) -> tuple[int, int]:
        """Return (action, forced) of this bar; forced is 0 none, 1 risk exit, 2 kill switch."""

    def denies(self, bar_no: int) -> bool:
        """Return whether the account forbids entries at this close."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Decisions written down: action and forced by bar number; elsewhere HOLD or DO_NOTHING."""

    by_bar: dict[int, tuple[int, int]]

    def act(self, bar_no: int, busy: bool) -> tuple[int, int]:
        """Return what was written for this bar."""
        return self.by_bar.get(bar_no, (HOLD if busy else DO_NOTHING, 0))

    def denies(self, bar_no: int) -> bool:
        """Return False: nothing is forbidden."""
        return False


@dataclass(frozen=True, slots=True)
class Script:
    """A random trader; rates are probabilities per decision.

    Attributes:
        seed: stream of the counter generator.
        enter: rate of entries while flat.
        leave: rate of EXIT while in a position or with an order at work.
        wild: rate of actions that the mask forbids, which must be no-ops.
        force: rate of forced exits, one in four by the kill switch.
        deny: rate of closes at which the account forbids entries.
    """

    seed: int
    enter: float = 0.4
    leave: float = 0.05
    wild: float = 0.03
    force: float = 0.002
    deny: float = 0.05

    def draw(self, bar_no: int, stream: int) -> float:
        """Return the uniform of one bar and stream, [0, 1)."""
        return mix64(mix64(mix64(self.seed) ^ bar_no) ^ stream) / 2.0**64

    def denies(self, bar_no: int) -> bool:
        """Return whether the account forbids entries at this close."""
        return self.draw(bar_no, 5) < self.deny

    def act(self, bar_no: int, busy: bool) -> tuple[int, int]:
        """Return (action, forced) of this bar; forced is 0 none, 1 risk exit, 2 kill switch."""
        forced = 0
        if self.draw(bar_no, 0) < self.force:
            forced = 2 if self.draw(bar_no, 1) < 0.25 else 1
        size = SMALL + int(3 * self.draw(bar_no, 2))
        pick = self.draw(bar_no, 3)
        if self.draw(bar_no, 4) < self.wild:
            return (size if busy else (EXIT if pick < 0.5 else HOLD)), forced
        if busy:
            return (EXIT if pick < self.leave else HOLD), forced
        return (size if pick < self.enter else DO_NOTHING), forced
