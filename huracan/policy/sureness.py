"""How sure a decision is, and how sure an entry must be: the same for shadow, the trader and the endpoint.

A policy's confidence is the probability of its action. Of an entry it is lowered by what became of similar entries,
as the state itself has it (entries 52 to 60, `huracan.patterns.statistics`, all of them as known at that close): where
even the upper bound of the neighbours' mean result, u = 2 m - lower = m + 1.64 sqrt(v* / n) in R and net of costs, is
below break-even, and their shrunk win rate below that of all trades, confidence is multiplied by max(least, 1 + u).
So neighbours that lose a fifth of their risk at the very best leave four fifths of it; an empty memory, a version
without one, and neighbours that may be good leave all of it. A factor is never above 1.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from huracan.config import RiskSettings
from huracan.features.layout import MEMORY_SLICE, STATE_SIZE
from huracan.policy.forward import Decision
from huracan.trading import Action

__all__ = ["CERTAIN", "Sureness"]

_MEAN: Final = MEMORY_SLICE.start
_RATE: Final = _MEAN + 1
_LOWER: Final = _MEAN + 2
_COUNT: Final = _MEAN + 4
_ENTER_FIRST: Final = int(Action.ENTER_LONG_SMALL)
_ENTER_LAST: Final = int(Action.ENTER_LONG_LARGE)

States = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sureness:
    """What is made of confidence.

    Attributes:
        confidence_min: least confidence of an entry; 0: any.
        factor_min: least factor that similar entries with bad results leave of it; 1: the rule is off.
    """

    confidence_min: float = 0.0
    factor_min: float = 1.0

    @classmethod
    def of(cls, risk: RiskSettings) -> "Sureness":
        """Return the settings."""
        return cls(risk.confidence_min, risk.bad_pattern_factor_min)

    def factors(self, states: States) -> npt.NDArray[np.float64]:
        """Return float64[N], in [factor_min, 1]: what similar entries leave of the confidence of entering now.

        Args:
            states: float32[N, 80], raw.
        """
        assert states.ndim == 2, "one row a state"
        assert states.shape[1] == STATE_SIZE, "whole states"
        mean, rate, lower, count = (states[:, entry].astype(np.float64) for entry in (_MEAN, _RATE, _LOWER, _COUNT))
        upper = 2.0 * mean - lower
        bad = (count > 0.0) & (rate < 0.0) & (upper < 0.0)
        return np.where(bad, np.maximum(self.factor_min, 1.0 + upper), 1.0)

    def lowered(self, action: Ints, confidence: Floats, states: States) -> Floats:
        """Return float32[N], the confidence of decisions after what similar entries say; exits keep theirs.

        A row's value does not depend on the other rows.

        Args:
            action: int64[N].
            confidence: float32[N].
            states: float32[N, 80] that were decided on.
        """
        if self.factor_min >= 1.0:
            return confidence
        entering = (action >= _ENTER_FIRST) & (action <= _ENTER_LAST)
        less = (confidence.astype(np.float64) * self.factors(states)).astype(np.float32)
        return np.where(entering, less, confidence)

    def of_decision(self, decision: Decision, states: States) -> Decision:
        """Return the decision with its confidence lowered."""
        if self.factor_min >= 1.0:
            return decision
        return replace(decision, confidence=self.lowered(decision.action, decision.confidence, states))

    def sure(self, confidence: Floats) -> npt.NDArray[np.bool_]:
        """Return bool[N], whether each is enough for an entry, compared as float64 like `huracan.risk.sure_enough`."""
        if self.confidence_min <= 0.0:
            return np.ones(len(confidence), np.bool_)
        return confidence.astype(np.float64) >= self.confidence_min

    def kept(self, action: Ints, confidence: Floats) -> Ints:
        """Return int64[N], the actions without the entries that are not sure enough: those become DO_NOTHING."""
        if self.confidence_min <= 0.0:
            return action
        entering = (action >= _ENTER_FIRST) & (action <= _ENTER_LAST)
        return np.where(entering & ~self.sure(confidence), int(Action.DO_NOTHING), action)


CERTAIN: Final = Sureness()
"""Confidence as the policy says it, and any is enough: the default."""
