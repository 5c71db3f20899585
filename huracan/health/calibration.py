"""Does confidence still tell winners from losers as it did in shadow?

In shadow the chance to win is fitted to confidence, log(p / (1 - p)) = a + b c. Each later trade scores
(won - p(c)) (c - mean c): its mean is 0 while the fit holds, and falls when the confident trades win less and the
doubtful ones more than then (the score of b). That all win less is the win rate's business: it moves no score.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError

__all__ = ["Calibration"]

Floats = npt.NDArray[np.float64]
STEPS: Final = 50
RIDGE: Final = 1e-3
SLOPE_ERRORS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fit.

    Attributes:
        level, slope: a and b, of confidence in deviations from its mean.
        mean, deviation: of confidence in shadow.
        tells: the slope is above zero by two of its errors: confidence told something.
    """

    level: float
    slope: float
    mean: float
    deviation: float
    tells: bool

    @classmethod
    def of(cls, confidence: Floats, won: npt.NDArray[np.bool_]) -> "Calibration":
        """Fit by Newton's method with a ridge of 0.001 on the slope.

        Raises:
            InvariantError: confidence does not vary, or all trades end alike.
        """
        deviation = float(confidence.std())
        if deviation < 1e-9 or not 0 < int(won.sum()) < len(won):
            raise InvariantError("confidence or outcomes that do not vary can be fitted to nothing")
        mean = float(confidence.mean())
        z, y = (confidence - mean) / deviation, won.astype(np.float64)
        rows = np.stack([np.ones(len(z)), z], axis=1)
        found = np.zeros(2)
        for _ in range(STEPS):
            p = 1.0 / (1.0 + np.exp(-(rows @ found)))
            weight = p * (1.0 - p)
            hessian = (rows * weight[:, None]).T @ rows + np.diag([0.0, RIDGE])
            step = np.linalg.solve(hessian, rows.T @ (y - p) - np.array([0.0, RIDGE]) * found)
            found = found + step
            if float(np.abs(step).max()) < 1e-10:
                break
        error = float(np.sqrt(np.linalg.inv(hessian)[1, 1]))
        return cls(float(found[0]), float(found[1]), mean, deviation, bool(found[1] > SLOPE_ERRORS * error))

    def chance(self, confidence: Floats) -> Floats:
        """Return the fitted chance to win."""
        z = (confidence - self.mean) / self.deviation
        return np.asarray(1.0 / (1.0 + np.exp(-(self.level + self.slope * z))), np.float64)

    def scores(self, confidence: Floats, won: npt.NDArray[np.bool_]) -> Floats:
        """Return each trade's score, in deviations of confidence."""
        z = (confidence - self.mean) / self.deviation
        return np.asarray((won - self.chance(confidence)) * z, np.float64)
