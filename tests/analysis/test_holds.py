"""What came after an exit, to the tick, and hold curves: flat at the cost on martingales, rising where holding pays."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from huracan.analysis.cases import Case, cases_of
from huracan.analysis.held_out import ERROR
from huracan.analysis.holds import curve_of, curves_by, hold_bars_grid, hold_values, post_exit
from huracan.analysis.paths import path_of
from huracan.market import MarketShape, martingale
from huracan.shadow import DAY_MS
from tests.analysis.worlds import MINUTE_MS, START, case, flat_path, ramp, shadow_world, with_closes
from tests.shadow.worlds import rules, tape_of


def _cases(trades: object, paths: dict, kernel: object) -> list[Case]:
    return [found for found in cases_of(trades, paths, kernel) if found is not None]


def test_known_answers_behind_an_exit() -> None:
    """Hold 120: horizons 10, 40, 120 and 240 bars; up 100 ticks over 50 bars, then down 300 over 100."""
    path = with_closes(flat_path(bars=600), ramp((260, 10_000), (310, 10_100), (410, 9_800), bars=600))
    found = post_exit(case(path, leave=10_000.0))
    assert found.horizon_bars == (10, 40, 120, 240)
    assert found.move_bps == pytest.approx((20.0, 80.0, -110.0, -200.0))
    assert found.mfe_bps == pytest.approx((21.0, 81.0, 101.0, 101.0))
    assert found.mae_bps == pytest.approx((-1.0, -1.0, -114.0 + 3.0, -201.0), abs=3.1)
    assert found.tracked_bars == 240
    assert found.high_bars == 50
    assert found.low_bars == 150
    assert found.missed_bps == pytest.approx(101.0)  # until bar 320, the end of the hold


def test_the_end_of_the_data_is_a_stated_gap() -> None:
    """What lies behind the last candle is unknown, not zero; what can be said is said."""
    found = post_exit(case(flat_path(bars=280), leave=10_000.0))
    assert [value is None for value in found.move_bps] == [False, True, True, True]
    assert found.tracked_bars == 19
    assert found.missed_bps is None
    last = post_exit(case(flat_path(bars=261), leave=10_000.0))
    assert set(last.move_bps) == {None}
    assert (last.tracked_bars, last.high_bars, last.low_bars) == (0, 0, 0)


def test_a_hole_behind_the_exit_is_a_stated_gap() -> None:
    """Thirty missing bars around a horizon: that one is unknown, the later ones are not."""
    path = flat_path(bars=600)
    kept = np.delete(np.arange(600), np.arange(262, 292))
    cut = replace(
        path,
        **{
            name: getattr(path, name)[kept]
            for name in ("number", "open", "high", "low", "close", "sigma", "spread", "impact", "high_vol", "trend")
        },
    )
    found = post_exit(case(cut, leave=10_000.0))
    assert [value is None for value in found.move_bps] == [True, False, False, False]


def test_the_grid_follows_the_hold() -> None:
    """From a twelfth to twice the longest hold, no length twice."""
    assert hold_bars_grid(720)[0] == 60
    assert hold_bars_grid(720)[-1] == 1_440
    assert hold_bars_grid(2) == (1, 2, 3, 4)


def test_a_value_is_the_close_less_what_it_costs() -> None:
    """Half the spread of one tick, two fees of 10 bp, and the impact of the size."""
    path = replace(with_closes(flat_path(), ramp((200, 10_000), (300, 10_200))), impact=np.full(400, 0.5))
    values = hold_values([case(path, entry=10_001.0)], np.array([16]), (50, 100, 300))
    expected = 1e4 * ((10_100 - 1 - 2) * 0.999**2 / 10_001 - 1)
    assert values[0, 0] == pytest.approx(expected)
    assert np.isnan(values[0, 2])


def test_on_a_martingale_the_curve_is_flat_at_the_cost() -> None:
    """Every point's interval holds the mean cost of the trades, and no hold is proven to pay."""
    trades, tapes, kernel, _ = shadow_world(coins=3, days=12)
    found = _cases(trades, {tape.symbol: path_of(tape, kernel.base_ms) for tape in tapes}, kernel)
    lengths = hold_bars_grid(kernel.hold_bars)
    values = hold_values(found, trades.steps_in, lengths)
    purge_ms = lengths[-1] * kernel.base_ms
    curve = curve_of(values, trades.entry_time, lengths, purge_ms=purge_ms, claims=1, resamples=400, level=0.98, seed=1)
    cost_bps = 1e4 * np.mean([one.cost / one.entry for one in found])
    assert not curve.proven
    for point in curve.points:
        assert point.low is not None
        assert point.high is not None
        assert point.low <= -cost_bps <= point.high


def test_where_holding_pays_the_curve_rises() -> None:
    """A drift of 1 bp a bar: each longer hold is better, the best is the longest, and the later days prove it."""
    kernel = rules()
    tape = tape_of(martingale(MarketShape(symbol="UP/USDT"), 32 * 1_440, 3), kernel)
    drift = np.exp(1e-4 * np.arange(len(tape)))
    path = path_of(tape, kernel.base_ms)
    path = replace(
        path,
        **{name: np.rint(getattr(path, name) * drift).astype(np.int64) for name in ("open", "high", "low", "close")},
    )
    firsts = np.arange(2_000, 43_000, 97)
    cases = [
        Case(
            path,
            at,
            at + 5,
            float(path.open[at]),
            float(path.close[at + 5]),
            0.0,
            20.0,
            100.0,
            150.0,
            60,
            "policy_exit",
        )
        for at in firsts
    ]
    time_ms = path.number[firsts] * MINUTE_MS
    lengths = hold_bars_grid(60)
    values = hold_values(cases, np.ones(len(cases), np.int64), lengths)
    curve = curve_of(values, time_ms, lengths, purge_ms=7_200_000, claims=7, resamples=300, level=0.9, seed=2)
    assert [point.mean_bps for point in curve.points] == sorted(point.mean_bps for point in curve.points)
    assert curve.best_bars == 120
    assert curve.proven


def test_each_regime_has_its_own_best_hold() -> None:
    """Regime 2 gains with time, regime 0 loses with time: the curves say so."""
    time_ms = np.arange(400, dtype=np.int64) * (DAY_MS // 8) + START * MINUTE_MS
    regime = np.where(np.arange(400) % 2 == 0, 2, 0)
    rng = np.random.default_rng(1)
    slope = np.where(regime == 2, 1.0, -1.0)[:, None] * np.array([1.0, 2.0, 3.0]) * 20
    values = slope + rng.standard_normal((400, 3))
    whole, found = curves_by(values, time_ms, regime, (10, 20, 30), purge_ms=0, resamples=200, level=0.9, seed=1)
    assert {number: curve.best_bars for number, curve in found.items()} == {0: 10, 2: 30}
    assert (found[0].proven, found[2].proven, whole.proven) == (False, True, False)


def test_the_best_of_many_lengths_is_proven_by_chance_at_the_stated_rate_over_all_regimes_together() -> None:
    """250 martingales of 900 trades in six regimes and no costs: any false proof is as rare as stated.

    The highest of the lengths' own 95 % bounds lies above zero in far more of them: that is why it proves nothing.
    """
    lengths, worlds, days = (1, 2, 4, 8, 16), 250, 60
    false, by_bounds = 0, 0
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        bar = np.sort(rng.integers(0, days * 24, 900))
        price = np.concatenate(([0.0], np.cumsum(rng.standard_normal(days * 24 + 16))))
        values = np.stack([price[bar + length] - price[bar] for length in lengths], axis=1)
        regime = np.repeat(rng.integers(0, 6, days * 4), 6)[bar]  # the market's, so that trades of a moment share it
        whole, found = curves_by(
            values, START * MINUTE_MS + bar * 3_600_000, regime, lengths,
            purge_ms=16 * 3_600_000, resamples=60, level=0.9, seed=seed,
        )  # fmt: skip
        curves = [whole, *found.values()]
        false += any(curve.proven for curve in curves)
        by_bounds += any(point.low is not None and point.low > 0 for curve in curves for point in curve.points)
    upper = float(beta.ppf(0.99, false + 1, worlds - false))
    print(f"seeds 0 to {worlds - 1}: {false} false proofs, at most {upper:.3f}; by the bounds {by_bounds}")
    assert upper <= ERROR
    assert by_bounds > 2 * ERROR * worlds


@pytest.mark.parametrize(("trades", "days"), [(2, 2), (200, 9), (50, 50)])
def test_a_few_trades_or_days_prove_no_hold(trades: int, days: int) -> None:
    """However well they did, there is no best hold yet."""
    time_ms = START * MINUTE_MS + np.arange(trades) * days // trades * DAY_MS
    values = np.tile([100.0, 200.0], (trades, 1)) + np.arange(trades)[:, None] % 3
    curve = curve_of(values, time_ms, (1, 2), purge_ms=0, claims=1, resamples=50, level=0.9, seed=1)
    assert not curve.proven
    assert len(curve.points) == 2


def test_without_trades_there_is_no_curve() -> None:
    """Nothing, or nothing whose whole length is known."""
    none = np.full((3, 2), np.nan)
    empty = curve_of(none, np.zeros(3, np.int64), (1, 2), purge_ms=0, claims=1, resamples=10, level=0.9, seed=1)
    assert (empty.points, empty.best_bars, empty.proven) == ((), None, False)
