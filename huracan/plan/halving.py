"""How long the trials of a search live: asynchronous successive halving among trials that differ by chance alone.

Ray's ASHA lets the n-th trial that comes to a rung go on if its objective reaches the (1 - 1/rf) quantile of the n - 1
before it, and the first always. Where the objectives are draws of one distribution, the interpolated quantile of n - 1
draws is passed with probability 1 - ((n - 2)(1 - 1/rf) + 1) / n: exact for a uniform distribution, near it for others.
Trials of a real search differ by more than chance; how much that changes their lives is not known here.
"""

import math
from dataclasses import dataclass

from huracan.errors import ConfigError

__all__ = ["Halved", "passing", "steps_per_trial"]


@dataclass(frozen=True, slots=True)
class Halved:
    """What a trial takes, on average over all of a search.

    Attributes:
        steps: environment steps of one seed.
        reports: validations of one seed.
    """

    steps: float
    reports: float


def passing(arrivals: float, factor: int) -> float:
    """Return how many of the trials that come to a rung go on, expected."""
    whole = math.floor(arrivals)
    passed = float(min(whole, 1))
    for n in range(2, whole + 1):
        passed += 1.0 - ((n - 2) * (1.0 - 1.0 / factor) + 1.0) / n
    return passed + (arrivals - whole) / factor


def steps_per_trial(trials: int, steps: int, grace: int, factor: int, batch: int) -> Halved:
    """Return what one of `trials` trials takes.

    Args:
        trials: of the search; 0: none.
        steps: full length, environment steps.
        grace: steps between two reports, and before the first rung.
        factor: one of this many goes on at each rung.
        batch: steps of an update; a report comes after whole updates.

    Raises:
        ConfigError: a figure cannot be.
    """
    if trials < 0 or min(steps, grace, batch) < 1 or factor < 2:
        raise ConfigError(f"a search of {trials} trials, {steps} steps, grace {grace} and factor {factor} cannot be")
    if trials == 0:
        return Halved(0.0, 0.0)
    grace = min(grace, steps)
    rungs = []
    at = grace
    while at < steps:
        rungs.append(at)
        at *= factor
    marks = _marks(steps, grace, batch)
    alive, before, taken, reports, waiting = float(trials), 0, 0.0, 0.0, list(rungs)
    for mark in marks:
        taken += alive * (mark - before)
        reports += alive
        before = mark
        if waiting and mark >= waiting[0] and mark < marks[-1]:
            while waiting and mark >= waiting[0]:
                waiting.pop(0)
            alive = passing(alive, factor)
    return Halved(taken / trials, reports / trials)


def _marks(steps: int, grace: int, batch: int) -> list[int]:
    """Return the steps at which a trial reports, as `run_trial` does."""
    marks = [0]
    while marks[-1] < steps:
        mark = min(marks[-1] + grace, steps)
        marks.append(marks[-1] + -(-(mark - marks[-1]) // batch) * batch)
    return marks[1:]
