"""Does a version still see what it was judged on? The market entries of its entries' states, held against shadow's."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from huracan.errors import InvariantError
from huracan.features import CATALOGUE, MARKET_SIZE
from huracan.health.drift import binned, discoveries_dependent, kolmogorov_smirnov, stability_index
from huracan.health.windows import DAY_MS, Part, windows_of
from huracan.memory import TradeRows

__all__ = ["InputDrift", "Inputs", "input_drifts"]

TRADES_MIN: Final = 50
DAYS_MIN: Final = 10
BACK_MAX: Final = 26
"""Windows that a drift is followed back."""


@dataclass(frozen=True, slots=True)
class InputDrift:
    """One input that is distributed otherwise than in shadow.

    Attributes:
        entry: its place in the state.
        name: of the feature.
        distance: largest difference of the two distribution functions, 0 to 1.
        stability: population stability index over tenths of shadow's.
        p_value: of the stronger of both, times two, by laws that know that days differ among themselves.
        observed, claimed: medians now and in shadow.
    """

    entry: int
    name: str
    distance: float
    stability: float
    p_value: float
    observed: float
    claimed: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """The newest window that is over.

    Attributes:
        start_ms, end_ms: of it, ms UTC; both 0 while there is none.
        since_ms: start of the first of the windows in a row in which something drifted; None when nothing does.
        trades: entered in it.
        drifts: of it, the most different first.
    """

    start_ms: int
    end_ms: int
    since_ms: int | None
    trades: int
    drifts: tuple[InputDrift, ...]


def input_drifts(
    shadow: TradeRows, trades: TradeRows, began_ms: int, now_ms: int, false_alarm_days: float = 365.0
) -> Inputs:
    """Return the market entries whose distribution at entries has changed in the newest window.

    If nothing has changed, something is named once in `false_alarm_days` (Benjamini & Yekutieli's correction, within a
    window whose level is its share of that time).

    Args:
        shadow: closed trades of the version's shadow.
        trades: of the version since.
        began_ms: when the version began to decide, ms UTC.
        now_ms: market time, ms UTC.
        false_alarm_days: days between two false words, on average.

    Returns:
        Nothing named with fewer than 50 trades on 10 days in shadow, or where the states are of another layout.
    """
    nothing = Inputs(0, 0, None, 0, ())
    days = len(np.unique(shadow.entry_time // DAY_MS))
    if len(shadow) < TRADES_MIN or days < DAYS_MIN:
        return nothing
    if set(trades.layout.tolist()) - set(shadow.layout.tolist()) - {0}:
        return nothing
    then, mine = _ordered(shadow), _ordered(trades)
    parts = windows_of(mine.entry_time, began_ms, now_ms, TRADES_MIN, false_alarm_days)
    if not parts:
        return nothing
    newest = parts[-1]
    found, since_ms = _look(then, _within(mine, newest), newest.level), None
    if found:
        since_ms = newest.start_ms
        for part in reversed(parts[-BACK_MAX:-1]):
            if not _look(then, _within(mine, part), part.level):
                break
            since_ms = part.start_ms
    return Inputs(newest.start_ms, newest.end_ms, since_ms, len(_within(mine, newest)), found)


def _look(shadow: TradeRows, trades: TradeRows, level: float) -> tuple[InputDrift, ...]:
    then, now = (rows.entry_state[:, :MARKET_SIZE].astype(np.float64) for rows in (shadow, trades))
    then_day, now_day = shadow.entry_time // DAY_MS, trades.entry_time // DAY_MS
    both = np.concatenate([then, now])
    entries = np.flatnonzero(np.ptp(both, axis=0) > 0.0).tolist()  # one that stands still elsewhere than before too
    found = []
    for entry in entries:
        try:
            distance = kolmogorov_smirnov(then[:, entry], now[:, entry])
            index = stability_index(*binned(then[:, entry], then_day, now[:, entry], now_day))
        except InvariantError:  # too few days, or a state that is not finite: nothing can be said
            return ()
        found.append((distance, index, min(1.0, 2.0 * min(distance.p_value, index.p_value))))
    named = discoveries_dependent(np.array([p_value for _, _, p_value in found]), level)
    rows = [
        InputDrift(
            entry=entry,
            name=CATALOGUE[entry].name,
            distance=distance.statistic,
            stability=index.statistic,
            p_value=p_value,
            observed=float(np.median(now[:, entry])),
            claimed=float(np.median(then[:, entry])),
        )
        for entry, (distance, index, p_value), called in zip(entries, found, named.tolist(), strict=True)
        if called
    ]
    return tuple(sorted(rows, key=lambda row: -row.distance))


def _ordered(rows: TradeRows) -> TradeRows:
    return rows.rows(np.argsort(rows.entry_time, kind="stable").tolist())


def _within(rows: TradeRows, part: Part) -> TradeRows:
    first, last = np.searchsorted(rows.entry_time, (part.start_ms, part.end_ms))
    return rows.rows(range(int(first), int(last)))
