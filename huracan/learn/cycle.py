"""The retraining cycle as a plan: which step comes next, whatever stopped the one before; no database, no Ray.

A cycle is a row of steps, each done once. What is kept of a step is whether it is done and what it did; a step that was
running when its process died, or that failed, is simply started again, which every step must bear.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from huracan.errors import HuracanError, InvariantError

__all__ = ["STEPS", "CycleLog", "Outcome", "Work", "next_step", "run_cycle"]

STEPS: Final = (
    "health_before",
    "download",
    "quality",
    "train",
    "shadow",
    "compare",
    "analyse",
    "performance",
    "gate",
    "promote",
    "health_after",
    "report",
)
"""In the order in which one builds on another."""

Outcome = Mapping[str, Any]
"""What a step did, as JSON values: small, since it stands in one row of the database."""
Work = Callable[[], Outcome]


class CycleLog(Protocol):
    """Keeps where a cycle stands; every method is durable when it returns."""

    def states(self) -> Mapping[str, str]:
        """Return `running`, `done` or `failed` for each step that was ever started."""
        ...

    def start(self, step: str) -> None:
        """Note that a step is started, for the first time or again."""
        ...

    def done(self, step: str, wall_s: float, outcome: Outcome) -> None:
        """Note that a step is done."""
        ...

    def failed(self, step: str, wall_s: float, error: str) -> None:
        """Note that a step failed, or was interrupted."""
        ...


def next_step(states: Mapping[str, str], steps: Sequence[str] = STEPS) -> str | None:
    """Return the first step that is not done, None when all are.

    Raises:
        InvariantError: a step is unknown, or one was started before those ahead of it were done.
    """
    if unknown := set(states) - set(steps):
        raise InvariantError(f"the cycle holds steps that do not exist: {', '.join(sorted(unknown))}")
    following = next((step for step in steps if states.get(step) != "done"), None)
    if following is not None:
        behind = steps[list(steps).index(following) + 1 :]
        if early := [step for step in behind if step in states]:
            raise InvariantError(f"step {early[0]} was started although {following} is not done")
    return following


def run_cycle(log: CycleLog, works: Mapping[str, Work], steps: Sequence[str] = STEPS) -> None:
    """Do every step that is not done, one after the other; the first fault ends it, and its step is next again.

    Args:
        log: where the cycle stands.
        works: what each step does; done again after a fault or a kill, it must leave what it would have left at once.
        steps: in order.

    Raises:
        HuracanError: of the step that cannot be done, under its name.
        KeyboardInterrupt: the same command goes on.
    """
    while (step := next_step(log.states(), steps)) is not None:
        log.start(step)
        begun = time.perf_counter()
        try:
            outcome = works[step]()
        except BaseException as error:  # whatever it is, the row must not say "running"; it goes on as it came
            log.failed(step, time.perf_counter() - begun, _said(error))
            if isinstance(error, HuracanError):
                error.args = (f"{step}: {error}",)
            raise
        log.done(step, time.perf_counter() - begun, outcome)


def _said(error: BaseException) -> str:
    if isinstance(error, HuracanError):
        return str(error)
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return "interrupted; run the same command again to go on"
    return f"{type(error).__name__}: {error}"
