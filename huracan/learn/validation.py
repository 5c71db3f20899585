"""How a candidate is judged during a search: greedy trading, net of all costs, of a window it was not trained on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from huracan.errors import DataError
from huracan.policy import Policy
from huracan.trading import KernelSettings, Lanes, Limits, Tape

__all__ = ["TradingValidation", "Validation", "ValidationScore", "daily_score"]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class ValidationScore:
    """What a policy earned on a validation window.

    Attributes:
        objective: daily mean minus one standard error; higher is better.
        daily_mean_quote: mean net result of all coins together per UTC day, quote currency.
        daily_error_quote: its standard error, days taken as independent.
        days: number of days.
        trades: closed trades.
        daily_quote: net result of each day of the window, which the promotion gate weighs; none when unknown.
    """

    objective: float
    daily_mean_quote: float
    daily_error_quote: float
    days: int
    trades: int
    daily_quote: tuple[float, ...] = ()


class Validation(Protocol):
    """Judges a policy; picklable, since it travels to trials."""

    def score(self, policy: Policy) -> ValidationScore:
        """Return what `policy` earns greedily on the validation window."""
        ...


@dataclass(frozen=True, slots=True)
class TradingValidation:
    """Every coin traded through the kernel over [start_ms, end_ms), one account per coin.

    Attributes:
        tapes: returns the markets, features applied.
        kernel: the trading rules.
        limits: the account's limits, as in training.
        start_ms: first bar, ms UTC.
        end_ms: end, exclusive; open positions are sold there.
    """

    tapes: Callable[[], Sequence[Tape]]
    kernel: KernelSettings
    limits: Limits | None
    start_ms: int
    end_ms: int

    def score(self, policy: Policy) -> ValidationScore:
        """Return what `policy` earns greedily; coins without a decision in the window are left out.

        Raises:
            DataError: no coin has a decision in the window.
        """
        tapes = [tape.between(*self._span(tape)) for tape in self.tapes()]
        plan = [(index, *found) for index, tape in enumerate(tapes) if (found := self._bars(tape)) is not None]
        if not plan:
            raise DataError(
                f"no coin has a decision in the validation window [{self.start_ms}, {self.end_ms}) ms; give a longer "
                "history or change search.validation_frac"
            )
        tape, start, stop = (np.array(column, np.int64) for column in zip(*plan, strict=True))
        count = len(plan)
        lanes = Lanes(tapes, self.kernel, count, record=True, limits=self.limits)
        lanes.reset(np.arange(count), tape, start, stop, np.ones(count, np.bool_))
        while not (lanes.terminated | lanes.truncated).all():
            lanes.step(policy.act(lanes.obs))
        first_day, last_day = self.start_ms // DAY_MS, (self.end_ms - 1) // DAY_MS
        equity = np.zeros(last_day - first_day + 1)
        for lane in range(count):
            day_ms, value = lanes.equity_curve(lane)
            equity += _carried(day_ms // DAY_MS - first_day, value, len(equity))
        return daily_score(np.diff(equity, prepend=0.0), len(lanes.trades()))

    def _span(self, tape: Tape) -> tuple[int, int]:
        """Return the bars [first, stop) of the window."""
        open_ms = tape.bars[:, 0] * self.kernel.base_ms
        first, stop = np.searchsorted(open_ms, (self.start_ms, self.end_ms))
        return int(first), int(stop)

    def _bars(self, tape: Tape) -> tuple[int, int] | None:
        """Return (first decision's bar, end bar) of a market inside the window, None if it has no room for a trade."""
        first, stop = self._span(tape)
        rows = tape.rows[(tape.rows >= first) & (tape.rows < stop - 1)]
        rows = rows[tape.ready[rows]]
        return (int(rows[0]), stop) if rows.size else None


def daily_score(daily_quote: npt.NDArray[np.float64], trades: int) -> ValidationScore:
    """Return the score of daily net results float64[D], D >= 1; with one day the error is unknown and counts as 0."""
    mean = float(daily_quote.mean())
    days = len(daily_quote)
    error = float(daily_quote.std(ddof=1)) / math.sqrt(days) if days > 1 else 0.0
    return ValidationScore(mean - error, mean, error, days, trades, tuple(daily_quote.tolist()))


def _carried(day: npt.NDArray[np.int64], value: npt.NDArray[np.float64], days: int) -> npt.NDArray[np.float64]:
    """Return float64[days]: each day's last known value, 0 before the first; `day` increases."""
    known = np.searchsorted(day, np.arange(days), side="right")
    return np.concatenate([[0.0], value])[known]
