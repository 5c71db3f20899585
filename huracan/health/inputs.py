"""Does a version still see what it was judged on? The market entries of its entries' states, held against shadow's."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from huracan.features import CATALOGUE, MARKET_SIZE
from huracan.health.drift import discoveries, kolmogorov_smirnov
from huracan.memory import TradeRows

__all__ = ["InputDrift", "input_drifts"]

TRADES_MIN: Final = 50
RATE: Final = 0.01
"""Of the inputs that are named, at most so many are named for nothing, on average (Benjamini & Hochberg 1995)."""


@dataclass(frozen=True, slots=True)
class InputDrift:
    """One input that is distributed otherwise than in shadow.

    Attributes:
        entry: its place in the state.
        name: of the feature.
        distance: largest difference of the two distribution functions, 0 to 1.
        p_value: probability of as much if nothing had changed, with effective numbers of observations.
        observed, claimed: medians now and in shadow.
    """

    entry: int
    name: str
    distance: float
    p_value: float
    observed: float
    claimed: float


def input_drifts(shadow: TradeRows, trades: TradeRows) -> tuple[InputDrift, ...]:
    """Return the market entries whose distribution at entries has changed, the most changed first.

    Args:
        shadow: closed trades of the version's shadow.
        trades: of the version since.

    Returns:
        None of them with fewer than 50 trades on either side, or where the states are of another feature layout.
    """
    now, then = _states(trades), _states(shadow)
    if min(len(now), len(then)) < TRADES_MIN or set(trades.layout.tolist()) - set(shadow.layout.tolist()) - {0}:
        return ()
    entries = [entry for entry in range(MARKET_SIZE) if np.ptp(then[:, entry]) > 0 or np.ptp(now[:, entry]) > 0]
    found = [kolmogorov_smirnov(then[:, entry], now[:, entry]) for entry in entries]
    called = discoveries(np.array([one.p_value for one in found]), RATE)
    rows = [
        InputDrift(
            entry=entry,
            name=CATALOGUE[entry].name,
            distance=drift.statistic,
            p_value=drift.p_value,
            observed=float(np.median(now[:, entry])),
            claimed=float(np.median(then[:, entry])),
        )
        for entry, drift, named in zip(entries, found, called, strict=True)
        if named
    ]
    return tuple(sorted(rows, key=lambda row: -row.distance))


def _states(rows: TradeRows) -> np.ndarray:
    order = np.argsort(rows.entry_time, kind="stable")
    return rows.entry_state[order, :MARKET_SIZE].astype(np.float64)
