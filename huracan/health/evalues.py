"""Evidence that may be looked at after every trade: bets against a claim, and which of many claims to give up.

A p-value that is looked at every day is wrong sooner or later, and Benjamini and Hochberg's correction holds for one
look. An e-process does not mind: it is the wealth of a bettor who wins nothing on average while the claim is true, so
that its expected value is at most 1 whenever one stops (Ville 1939; Ramdas, Grunwald, Vovk & Shafer 2023). Of many of
them, however they depend on each other, e-BH (Wang & Ramdas 2022) calls those of which at most a stated share is
called for nothing, at any moment one looks; and if nothing is wrong at all, the chance that it ever calls anything is
at most that share.

A change may come late, when the bettor has lost much: part of the wealth is kept for bets that begin later.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Bet", "called", "delay_of", "wealth_of"]

Floats = npt.NDArray[np.float64]

STAKES: Final = (0.1, 0.25, 0.5, 0.8)
"""Shares of the wealth that are bet; each has a quarter of it, for nobody knows how large a change is."""
RESTART: Final = 10
"""Observations between beginnings."""
PATHS: Final = 100
BEFORE: Final = 60
PATH: Final = 200
SEED: Final = 20_260_603


@dataclass(frozen=True, slots=True)
class Bet:
    """Where a bettor stands.

    Attributes:
        wealth: of an initial 1; the e-value.
        since: number of the observation from which on the bet that earned most was made; -1 before the first.
    """

    wealth: float
    since: int


def wealth_of(values: Floats, least: float, bound: float) -> Bet:
    """Bet against "the mean of what comes next is at least `least`, whatever has been".

    Args:
        values: float64[T], one after the other, each known before the next begins; beyond `bound` they count as it.
        least: of the hypothesis, below `bound`.
        bound: values are cut at it, upwards and downwards; the hypothesis is about cut values.
    """
    wealth, since = _followed(np.asarray(values, np.float64)[None, :], least, bound)
    return Bet(float(wealth[0, -1]) if values.size else 1.0, int(since[0]) if values.size else -1)


def delay_of(sample: Floats, least: float, bound: float, shift: float, threshold: float) -> float:
    """Return how many observations after a change the wealth passes a threshold, on average; inf when half never do.

    Sixty observations in control come before the change.

    Args:
        sample: float64[N], observations of the reference, drawn again and again.
        least: of the hypothesis.
        bound: of the bet.
        shift: by how much every observation is worse than in the reference.
        threshold: of the wealth.
    """
    rng = np.random.default_rng(SEED)
    values = rng.choice(sample, (PATHS, BEFORE + PATH))
    values[:, BEFORE:] -= shift
    passed = _followed(values, least, bound)[0][:, BEFORE:] >= threshold
    first = np.where(passed.any(axis=1), passed.argmax(axis=1) + 1, PATH)
    return float(first.mean()) if passed.any(axis=1).mean() > 0.5 else math.inf


def called(wealth: Floats, rate: float) -> npt.NDArray[np.bool_]:
    """Return which hypotheses are called wrong (e-BH): of these at most a share of `rate` is called for nothing.

    Args:
        wealth: float64[K], e-values.
        rate: the share.
    """
    values, count = np.asarray(wealth, np.float64), len(wealth)
    order = np.argsort(-values, kind="stable")
    enough = np.flatnonzero(values[order] * rate * np.arange(1, count + 1) >= count)
    found = np.zeros(count, np.bool_)
    if len(enough):
        found[order[: enough[-1] + 1]] = True
    return found


def _followed(values: Floats, least: float, bound: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return (wealth float64[P, T] after each observation, best beginning int64[P]) of P series of T observations.

    The factor of one observation is 1 + stake x, x = (least - value) / (bound - least) >= -1, whose mean is at most 1.
    """
    paths, length = values.shape
    x = (least - np.clip(values, -bound, bound)) / (bound - least)
    begins = np.arange(0, max(length, 1), RESTART)
    share = 1.0 / ((np.arange(len(begins)) + 1.0) * (np.arange(len(begins)) + 2.0))
    wealth, best = np.zeros((paths, length)), np.zeros(paths, np.int64)
    kept = 1.0 - np.cumsum(share)
    top = np.full(paths, -np.inf)
    growth = np.log1p(np.array(STAKES)[:, None, None] * x[None, :, :])
    for place, begin in enumerate(begins.tolist()):
        each = np.exp(np.minimum(np.cumsum(growth[:, :, begin:], axis=2), 500.0)).mean(axis=0)
        wealth[:, begin:] += share[place] * each
        if length:
            better = share[place] * each[:, -1] > top
            top = np.where(better, share[place] * each[:, -1], top)
            best = np.where(better, begin, best)
    if length:
        wealth += kept[np.arange(length) // RESTART][None, :]
    return wealth, best
