"""How long nothing happened: a wait that shadow's own waits make implausible."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError

__all__ = ["Waiting"]

DAY_MS: Final = 86_400_000
TAIL: Final = 0.02
BEYOND_MIN: Final = 20
WAITS_MIN: Final = 50
SURE: Final = 1.645
"""Standard errors by which the tail's mean is taken to be longer than it was seen: it is known from few waits."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Waits between one end of a trade and the next.

    The longest fiftieth of them, twenty at least, is taken to be exponential (the excess over a high threshold of a law
    without a heavy tail; Pickands 1975 with shape 0), with a mean that is on the safe side.

    Attributes:
        limit_ms: a longer wait alarms.
        usual_ms: median wait.
        false_every_days: days between false alarms, on average, at least.
    """

    limit_ms: int
    usual_ms: int
    false_every_days: float

    @classmethod
    def of(cls, time_ms: npt.NDArray[np.int64], false_every_days: float) -> "Waiting":
        """Return the law of the waits of a reference.

        Args:
            time_ms: int64[N], when it happened, not falling.
            false_every_days: days between false alarms.

        Raises:
            InvariantError: fewer than 50 waits.
        """
        waits = np.diff(time_ms).astype(np.float64)
        if len(waits) < WAITS_MIN:
            raise InvariantError(f"{len(waits)} waits are no reference of waits, {WAITS_MIN} are needed")
        tail = max(TAIL, BEYOND_MIN / len(waits))
        edge = float(np.quantile(waits, 1.0 - tail))
        beyond = waits[waits > edge] - edge
        excess = float(beyond.mean()) * (1.0 + SURE / math.sqrt(len(beyond))) if len(beyond) else 0.0
        per_day = len(waits) / max(1e-9, float(time_ms[-1] - time_ms[0]) / DAY_MS)
        often = max(1.0, tail * per_day * false_every_days)
        limit = max(edge + excess * math.log(often), float(waits.max()))
        return cls(math.ceil(limit), round(float(np.median(waits))), false_every_days)

    def over(self, last_ms: int, now_ms: int) -> bool:
        """Return whether the wait since something last happened is longer than chance makes it."""
        return now_ms - last_ms > self.limit_ms
