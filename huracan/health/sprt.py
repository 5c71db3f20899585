"""Wald's sequential test of a win rate: as few trades as the two errors allow, and what it costs, exactly.

After each trade the log likelihood ratio moves by ln(p1 / p0) for a win and ln((1 - p1) / (1 - p0)) for a loss. It ends
at A = ln((1 - beta) / alpha), the rate is the bad one, or at B = ln(beta / (1 - alpha)), it is the good one, and begins
again there: a watch never ends.
"""

import math
from dataclasses import dataclass

from huracan.errors import InvariantError

__all__ = ["RateTest"]


@dataclass(frozen=True, slots=True)
class RateTest:
    """A test of `good` against `bad`.

    Attributes:
        good: win rate that is claimed, p0.
        bad: lower rate that must be noticed, p1.
        alpha: probability of calling the good rate bad, about.
        beta: probability of calling the bad rate good, about.
    """

    good: float
    bad: float
    alpha: float = 0.01
    beta: float = 0.05

    def __post_init__(self) -> None:
        """Refuse rates and errors that make no test."""
        if not 0.0 < self.bad < self.good < 1.0 or not (0.0 < self.alpha < 0.5 and 0.0 < self.beta < 0.5):
            raise InvariantError(f"no test: rates {self.good}, {self.bad}, errors {self.alpha}, {self.beta}")

    @property
    def upper(self) -> float:
        """Return A."""
        return math.log((1.0 - self.beta) / self.alpha)

    @property
    def lower(self) -> float:
        """Return B."""
        return math.log(self.beta / (1.0 - self.alpha))

    @property
    def win(self) -> float:
        """Return what a win adds; negative."""
        return math.log(self.bad / self.good)

    @property
    def loss(self) -> float:
        """Return what a loss adds; positive."""
        return math.log((1.0 - self.bad) / (1.0 - self.good))

    def expected_trades(self, rate: float) -> float:
        """Return Wald's approximation of the mean number of trades, at one of the two rates.

        E0[n] = ((1 - a) B + a A) / E0[step], E1[n] = (b B + (1 - b) A) / E1[step].
        """
        step = rate * self.win + (1.0 - rate) * self.loss
        wrong = self.alpha if rate == self.good else 1.0 - self.beta
        return ((1.0 - wrong) * self.lower + wrong * self.upper) / step
