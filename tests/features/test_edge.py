"""EDGE: the published example, a simulated market with a known spread, and the rolled form against the definition."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.features.edge import MOMENTS, edge_from_moments, edge_moments, edge_squared
from tests.features.oracle import daily_edge

# The first ten rows of the authors' example data (bidask, `ohlc.csv`); their signed estimate is published with them.
PUBLISHED = np.array(
    [
        [1.00240075994025, 1.00935878365403, 0.976061138469904, 0.976061138469904],
        [0.929743096395543, 0.929774737723069, 0.928919694164385, 0.929774737723069],
        [0.943911414384193, 0.968140794511406, 0.943911414384193, 0.968140794511406],
        [0.977605378856722, 0.977605378856722, 0.977605378856722, 0.977605378856722],
        [0.961535370407048, 0.99982474278851, 0.961535370407048, 0.986215329667607],
        [0.982409003083975, 0.992213437101346, 0.982409003083975, 0.992213437101346],
        [1.03435413274433, 1.03435413274433, 1.03435413274433, 1.03435413274433],
        [1.0201424300403, 1.04025465277235, 1.0201424300403, 1.03219266262805],
        [1.03650094499406, 1.03650094499406, 1.03650094499406, 1.03650094499406],
        [1.05368509087896, 1.05368509087896, 1.02605242183949, 1.02798086837104],
    ]
).T
PUBLISHED_SPREAD = -0.016889917516422


def simulate(bars: int, trades: int, spread: float, seed: int, sigma: float = 0.02) -> tuple[NDArray[np.float64], ...]:
    """Return OHLC of prices that bounce between bid and ask around a random walk."""
    rng = np.random.default_rng(seed)
    mid = np.exp(np.cumsum(rng.normal(0, sigma / trades**0.5, bars * trades)))
    side = rng.choice([-1.0, 1.0], bars * trades)
    price = (mid * (1 + side * spread / 2)).reshape(bars, trades)
    return price[:, 0].copy(), price.max(axis=1), price.min(axis=1), price[:, -1].copy()


def rolled(o: NDArray[np.float64], h: NDArray[np.float64], lo: NDArray[np.float64], c: NDArray[np.float64]) -> float:
    """Return the squared spread from summed moments."""
    logs = [np.log(x) for x in (o, h, lo, c)]
    sums = np.zeros(MOMENTS)
    for i in range(1, len(o)):
        edge_moments(*(x[i] for x in logs), logs[1][i - 1], logs[2][i - 1], logs[3][i - 1], sums)
    return edge_from_moments(sums, float(len(o) - 1))


def test_published_example() -> None:
    """The authors' first ten rows give their signed estimate to all published digits."""
    assert daily_edge(*PUBLISHED) == pytest.approx(PUBLISHED_SPREAD, abs=1e-15)


@pytest.mark.parametrize("spread", [0.002, 0.01, 0.03])
def test_known_spread_is_found(spread: float) -> None:
    """On 20,000 simulated bars the estimate is within a tenth of the true spread (0.2 % at the smallest)."""
    found = daily_edge(*simulate(20_000, 20, spread, seed=1, sigma=0.01))
    assert found == pytest.approx(spread, rel=0.1)


def test_without_a_spread_estimates_scatter_around_zero() -> None:
    """Signed squared estimates of a market without a spread average to nothing, and some are negative."""
    found = np.array([daily_edge(*simulate(1_440, 10, 0.0, seed=s, sigma=0.001)) for s in range(40)])
    signed = found * np.abs(found)
    assert abs(signed.mean()) < 3 * signed.std() / 40**0.5
    assert (found < 0).any()
    assert (found > 0).any()


def test_summed_moments_are_the_definition() -> None:
    """The rolling form agrees with the two-pass definition, thin bars of two trades among them."""
    for trades in (2, 3, 30):
        ohlc = simulate(500, trades, 0.004, seed=trades)
        assert rolled(*ohlc) == pytest.approx(edge_squared(*ohlc), rel=1e-8, abs=1e-14)


def test_hand_computed_example() -> None:
    """Four bars in which every product can be written down give the value of the formula."""
    o = np.exp(np.array([0.0, 0.01, 0.00, 0.02]))
    h = np.exp(np.array([0.02, 0.03, 0.02, 0.03]))
    lo = np.exp(np.array([-0.01, 0.00, -0.01, 0.00]))
    c = np.exp(np.array([0.01, 0.01, 0.01, 0.01]))
    # r1 = m - o, r2 = o - m', r3 = m - c', r4 = c' - m', r5 = o - c'; tau = 1 and all phi = 1 but o = l of no bar.
    r1, r2 = np.array([0.005, 0.005, -0.005]), np.array([0.005, -0.015, 0.015])
    r3, r4, r5 = np.array([0.005, -0.005, 0.005]), np.array([0.005, -0.005, 0.005]), np.array([0.0, -0.01, 0.01])
    x1 = -2 * (r1 - r1.mean()) * r2 - 2 * (r3 - r3.mean()) * r4
    x2 = -2 * (r1 - r1.mean()) * r5 - 2 * (r5 - r5.mean()) * r4
    wanted = (x2.var() * x1.mean() + x1.var() * x2.mean()) / (x1.var() + x2.var())
    assert edge_squared(o, h, lo, c) == pytest.approx(wanted, rel=1e-12)


def test_nothing_to_estimate_is_nan() -> None:
    """Fewer than three bars, or prices that never move, give NaN and not a spread of zero."""
    still = np.full(50, 2.0)
    assert math.isnan(daily_edge(still, still, still, still))
    assert math.isnan(daily_edge(*(x[:2] for x in PUBLISHED)))
    assert math.isnan(rolled(still, still, still, still))


def test_opens_at_the_last_close_give_exactly_zero() -> None:
    """Candles whose open always equals the last close carry no second moment: the estimate is 0, not noise."""
    o, h, lo, c = simulate(300, 10, 0.01, seed=9)
    o = np.concatenate([c[:1], c[:-1]])
    h, lo = np.maximum(h, o), np.minimum(lo, o)
    assert daily_edge(o, h, lo, c) == 0.0
