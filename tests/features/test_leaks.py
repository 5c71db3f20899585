"""No feature sees the future, the fit sees its window only, and these checks catch a planted look-ahead."""

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.features import FeatureFit, apply_fit, compute_raw
from huracan.market import Candles
from tests.features.leaks import (
    Computed,
    assert_garbage_future,
    assert_prefix_invariant,
    assert_shuffled_future,
)
from tests.features.markets import LEADER, SMALL, SOURCES, START_MS, K, real_universe, universe

CHECKS = {
    "prefix": lambda compute, candles, cut: assert_prefix_invariant(compute, candles, cut),
    "garbage": lambda compute, candles, cut: assert_garbage_future(compute, candles, cut, seed=11),
    "shuffled": lambda compute, candles, cut: assert_shuffled_future(compute, candles, cut, seed=12),
}


def raw_rows(candles: dict[str, Candles]) -> Computed:
    """Return the raw features of every decision row."""
    leader = LEADER if LEADER in candles else "BTC/USDT:USDT"
    raw = compute_raw(candles, SMALL, K, leader)
    return {s: (r.row_close_ms, r.values) for s, r in raw.items()}


def bar_outputs(candles: dict[str, Candles]) -> Computed:
    """Return sigma, ready and segment of every bar."""
    leader = LEADER if LEADER in candles else "BTC/USDT:USDT"
    raw = compute_raw(candles, SMALL, K, leader)
    return {s: (r.timestamp + 60_000, np.column_stack([r.sigma, r.ready, r.segment])) for s, r in raw.items()}


def fitted_rows(fit: FeatureFit, candles: dict[str, Candles]) -> Computed:
    """Return the finished state entries of every decision row."""
    raw = compute_raw(candles, SMALL, K, fit.context.leader)
    return {s: (r.row_close_ms, apply_fit(fit, r)) for s, r in raw.items()}


def markets(source: str) -> tuple[dict[str, Candles], list[int]]:
    """Return candles and the cuts to try, some of them inside gaps."""
    if source == "synthetic":
        return universe(), [START_MS + 60_000 * n for n in (120, 401, 502, 503, 700)]
    candles = real_universe(1.5)
    first = min(int(c.timestamp[0]) for c in candles.values())
    return candles, [first + 60_000 * n for n in (500, 1501)]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("source", SOURCES)
def test_raw_features_do_not_see_the_future(source: str, check: str) -> None:
    """Every raw feature, sigma, ready and segment up to a cut are the same bytes whatever follows, gaps included."""
    candles, cuts = markets(source)
    for cut in cuts:
        CHECKS[check](raw_rows, candles, cut)
        if check == "prefix":
            assert_prefix_invariant(bar_outputs, candles, cut)


@pytest.mark.parametrize("check", CHECKS)
def test_fitted_features_do_not_see_the_future(check: str) -> None:
    """With the fit frozen, profiles, quantiles and the regime filter add no look-ahead either."""
    candles, cuts = markets("synthetic")
    fit = FeatureFit.fit(compute_raw(candles, SMALL, K, LEADER), START_MS, START_MS + 350 * 60_000, seed=3)
    for cut in cuts[2:]:
        CHECKS[check](lambda c: fitted_rows(fit, c), candles, cut)


@pytest.mark.parametrize("check", ["prefix", "garbage", "shuffled"])
def test_the_fit_sees_its_window_only(check: str) -> None:
    """A fit up to a cut is the same bytes whatever follows the cut: scalers, profiles, quantiles, regime model."""
    candles, _ = markets("synthetic")
    cut = START_MS + 450 * 60_000

    def fit_bytes(c: dict[str, Candles]) -> Computed:
        text = FeatureFit.fit(compute_raw(c, SMALL, K, LEADER), START_MS, cut, seed=3).to_json().encode()
        later = raw_rows(c)[LEADER]
        return {"fit": (np.full(len(text), cut), np.frombuffer(text, dtype=np.uint8)), LEADER: later}

    CHECKS[check](fit_bytes, candles, cut)


def test_the_fit_ignores_what_lies_before_its_window() -> None:
    """Rows before the window's start leave the fit as it is."""
    raw = compute_raw(universe(), SMALL, K, LEADER)
    start, end = START_MS + 300 * 60_000, START_MS + 800 * 60_000
    honest = FeatureFit.fit(raw, start, end, seed=3)
    for r in raw.values():
        early = r.row_close_ms <= start
        r.values[early] = 1e6
    assert FeatureFit.fit(raw, start, end, seed=3).to_json() == honest.to_json()


def peek_next_return(close: NDArray[np.int64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plant: the first entry is the next row's."""
    out = rows.copy()
    out[:-1, 0] = rows[1:, 0]
    return out


def peek_mean(close: NDArray[np.int64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plant: one entry is centred by the mean of the whole sample."""
    out = rows.copy()
    out[:, 8] -= rows[:, 8].mean()
    return out


def peek_smoothed(close: NDArray[np.int64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plant: a centred moving average instead of a trailing one."""
    out = rows.copy()
    out[1:-1, 23] = (rows[:-2, 23] + rows[1:-1, 23] + rows[2:, 23]) / 3
    return out


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("plant", [peek_next_return, peek_mean, peek_smoothed])
def test_a_planted_look_ahead_is_caught(plant, check: str) -> None:
    """Each check fails on a next-bar value, on whole-sample centring and on a centred average."""
    candles, cuts = markets("synthetic")

    def leaky(c: dict[str, Candles]) -> Computed:
        return {s: (close, plant(close, rows)) for s, (close, rows) in raw_rows(c).items()}

    with pytest.raises(AssertionError) as caught:
        CHECKS[check](leaky, candles, cuts[-1])
    assert "proves nothing" not in str(caught.value)
