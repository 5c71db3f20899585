"""What came after the exit, and what longer or shorter holds of the same entries would have given.

The hold curve values every entry at the closes after it, whatever its stop, target or policy did: paid is the trade's
own average price, received the close less half the spread and the impact of the trade's size, both less the fee of a
taking order. Where the price is a martingale it is flat at minus the cost. Its intervals draw whole days. They are one
length's each, so that the highest of their bounds proves nothing: the best hold is found on early days, and proven by
later ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.analysis.cases import Case
from huracan.analysis.days import DayBlocks
from huracan.analysis.held_out import held_out
from huracan.analysis.paths import MarketPath, horizons

__all__ = ["HoldCurve", "HoldPoint", "PostExit", "curve_of", "curves_by", "hold_bars_grid", "hold_values", "post_exit"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_GRID_OF_THE_HOLD = (1 / 12, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1.0, 4 / 3, 5 / 3, 2.0)


@dataclass(frozen=True, slots=True)
class PostExit:
    """Where the price went after an exit, basis points of the exit price; None where the candles end or have a hole.

    Attributes:
        horizon_bars: how far behind the bar of the exit.
        move_bps: close at each horizon against the exit price.
        mfe_bps, mae_bps: best (>= 0) and worst (<= 0) price up to each horizon.
        tracked_bars: how many bars behind the exit the candles go, at most the longest horizon.
        high_bars, low_bars: bars to the best and the worst price tracked, 0 when there is none beyond the exit.
        missed_bps: best price behind the exit and within the longest hold from the entry, >= 0; None: not known.
    """

    horizon_bars: tuple[int, ...]
    move_bps: tuple[float | None, ...]
    mfe_bps: tuple[float | None, ...]
    mae_bps: tuple[float | None, ...]
    tracked_bars: int
    high_bars: int
    low_bars: int
    missed_bps: float | None


@dataclass(frozen=True, slots=True)
class HoldPoint:
    """Mean net result, basis points, of all entries held for so many bars; with the interval over days."""

    bars: int
    trades: int
    mean_bps: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class HoldCurve:
    """The curve over a set of trades.

    Attributes:
        points: by length of the hold.
        best_bars: length whose lower bound is highest on the early days; None: too few trades or days to find one.
        proven: whether it pays on the later days too (`huracan.analysis.held_out`).
    """

    points: tuple[HoldPoint, ...]
    best_bars: int | None
    proven: bool


def post_exit(case: Case) -> PostExit:
    """Follow the price behind a trade's exit over the horizons of its rules."""
    path, steps = case.path, horizons(case.hold_bars)
    begin, left = case.last + 1, case.leave
    number = int(path.number[case.last])
    moves: list[float | None] = []
    best: list[float | None] = []
    worst: list[float | None] = []
    for bars in steps:
        at = path.known_at(number + bars)
        if at is None:
            for column in (moves, best, worst):
                column.append(None)
            continue
        span = slice(begin, at + 1)
        moves.append(_bps(float(path.close[at]), left))
        best.append(max(0.0, _bps(float(path.high[span].max(initial=0)), left)))
        worst.append(min(0.0, _bps(float(path.low[span].min(initial=2**62)), left)))
    end = path.upto(number + steps[-1])
    span = slice(begin, end + 1)
    high_bars = low_bars = 0
    if end >= begin:
        top, bottom = begin + int(np.argmax(path.high[span])), begin + int(np.argmin(path.low[span]))
        high_bars = int(path.number[top]) - number if path.high[top] > left else 0
        low_bars = int(path.number[bottom]) - number if path.low[bottom] < left else 0
    return PostExit(
        horizon_bars=steps,
        move_bps=tuple(moves),
        mfe_bps=tuple(best),
        mae_bps=tuple(worst),
        tracked_bars=int(path.number[end]) - number,
        high_bars=high_bars,
        low_bars=low_bars,
        missed_bps=_missed(path, case, begin),
    )


def hold_bars_grid(hold_bars: int) -> tuple[int, ...]:
    """Return the lengths that a hold curve looks at: from a twelfth to twice the longest hold."""
    return tuple(sorted({max(1, round(hold_bars * part)) for part in _GRID_OF_THE_HOLD}))


def hold_values(cases: Sequence[Case], steps: Ints, lengths: Sequence[int]) -> Floats:
    """Return float64[N, H], net basis points of each entry held for each length; NaN where the candles end.

    Args:
        cases: N trades.
        steps: int64[N], their quantities, lot steps.
        lengths: H lengths of the hold, bars.
    """
    values = np.full((len(cases), len(lengths)), np.nan)
    for row, case in enumerate(cases):
        path, number = case.path, int(case.path.number[case.first])
        for column, bars in enumerate(lengths):
            at = path.known_at(number + bars)
            if at is None:
                continue
            slip = float(path.impact[at]) * float(np.sqrt(steps[row]))
            received = (float(path.close[at]) - 0.5 * float(path.spread[at]) - slip) * (1.0 - path.taker_frac) ** 2
            values[row, column] = _bps(received, case.entry)
    return values


def curve_of(
    values: Floats,
    time_ms: Ints,
    lengths: Sequence[int],
    *,
    purge_ms: int,
    claims: int,
    resamples: int,
    level: float,
    seed: int,
) -> HoldCurve:
    """Return the mean of the entries by length of the hold, the same drawn days for all lengths, and the best hold.

    Only entries whose every length is known count, so that the points differ in nothing but the length.

    Args:
        values: float64[N, H], net basis points of each entry held for each length.
        time_ms: int64[N], entries.
        lengths: H lengths of the hold, bars.
        purge_ms: the longest of them; early entries this near to the later days do not choose.
        claims: how many curves are judged together; they share the chance of a false proof.
        resamples: draws of days.
        level: of the points' intervals.
        seed: of the draws.
    """
    whole = np.isfinite(values).all(axis=1)
    values, time_ms = values[whole], time_ms[whole]
    if not len(values):
        return HoldCurve((), None, False)
    blocks = DayBlocks(time_ms, values[:, -1], resamples=resamples, level=level, seed=seed)
    points = []
    for column, bars in enumerate(lengths):
        found = blocks.mean(values[:, column], time_ms)
        assert found is not None, "there are trades"
        points.append(HoldPoint(bars, found.trades, found.mean, found.low, found.high))
    columns = [values[:, column] for column in range(len(lengths))]
    best = held_out(columns, time_ms, purge_ms=purge_ms, claims=claims, resamples=resamples, seed=seed)
    best_bars = None if best.chosen is None else lengths[best.chosen]
    return HoldCurve(tuple(points), best_bars, best.status == "validated")


def curves_by(
    values: Floats,
    time_ms: Ints,
    regime: Ints,
    lengths: Sequence[int],
    *,
    purge_ms: int,
    resamples: int,
    level: float,
    seed: int,
) -> tuple[HoldCurve, Mapping[int, HoldCurve]]:
    """Return the curve of all entries, and one for each regime at entry that has a trade; all are judged together."""
    numbers = np.unique(regime).tolist()

    def curve(mine: NDArray[np.bool_]) -> HoldCurve:
        return curve_of(
            values[mine], time_ms[mine], lengths,
            purge_ms=purge_ms, claims=1 + len(numbers), resamples=resamples, level=level, seed=seed,
        )  # fmt: skip

    return curve(np.ones(len(regime), np.bool_)), {number: curve(regime == number) for number in numbers}


def _missed(path: MarketPath, case: Case, begin: int) -> float | None:
    """Return the best price after the exit while the hold could have lasted, against the exit price."""
    end = int(path.number[case.first]) + case.hold_bars
    if path.known_at(end) is None:
        return None
    later = path.high[begin : path.upto(end) + 1]
    return max(0.0, _bps(float(later.max(initial=0)), case.leave))


def _bps(price: float, against: float) -> float:
    return 1e4 * (price / against - 1.0)
