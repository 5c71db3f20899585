"""A market's path: where a time lies, what is known when, and what of it a fit's regimes are."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.analysis.paths import GAP_BARS_MAX, horizons, path_of
from tests.analysis.worlds import MINUTE_MS, START, flat_path, shadow_world


def test_places_are_exact_or_minus_one() -> None:
    """A time on the grid with a bar gets its index; before, behind, between and off the grid there is none."""
    path = replace(flat_path(bars=5), number=START + np.array([0, 1, 4, 5, 6]))
    times = (START + np.array([0, 1, 2, 4, 7, -1])) * MINUTE_MS
    assert path.place(times).tolist() == [0, 1, -1, 2, -1, -1]
    assert path.place(times + 1).tolist() == [-1] * 6


def test_a_price_stands_for_a_moment_only_near_it() -> None:
    """Up to five missing bars the close before stands in; beyond, and behind the data's end, nothing does."""
    path = replace(flat_path(bars=3), number=START + np.array([0, 1, 1 + GAP_BARS_MAX + 2]))
    assert path.known_at(START + 1 + GAP_BARS_MAX) == 1
    assert path.known_at(START + 2 + GAP_BARS_MAX) is None
    assert path.known_at(START + 3 + GAP_BARS_MAX) == 2
    assert path.known_at(START + 4 + GAP_BARS_MAX) is None
    assert path.known_at(START - 1) is None


@pytest.mark.parametrize(
    ("hold", "found"), [(720, (60, 240, 720, 1_440)), (24, (2, 8, 24, 48)), (10, (1, 3, 10, 20)), (1, (1, 1, 1, 2))]
)
def test_horizons_follow_the_timeframe(hold: int, found: tuple[int, ...]) -> None:
    """Minute bars: 1, 4, 12 and 24 hours; daily ones: 1, 3, 10 and 20 days."""
    assert horizons(hold) == found


def test_a_path_is_its_tape() -> None:
    """Prices, sigma and costs are the tape's; a regime is that of the last decision; without a fit it is unknown."""
    _, tapes, kernel, _ = shadow_world(coins=1, days=1)
    tape = tapes[0]
    path = path_of(tape, kernel.base_ms)
    assert (np.column_stack([path.number, path.open, path.high, path.low, path.close]) == tape.bars[:, :5]).all()
    warm = np.flatnonzero(tape.ready)[50]
    decision = int(tape.rows[tape.rows <= warm][-1])
    row = int(np.flatnonzero(tape.rows == decision)[0])
    assert path.high_vol[warm] == tape.features[row, 25]
    assert path.trend[warm] == tape.features[row, 26]
    assert np.isnan(path.sigma[0])
    assert path.taker_frac == pytest.approx(0.001)
    assert np.isnan(path_of(tape, kernel.base_ms, regimes=False).high_vol).all()
