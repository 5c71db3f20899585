"""Skill against luck: random trades have no skill at the stated rate, planted skill is found and not shrunk away."""

import numpy as np
import pytest

from huracan.analysis.luck import POOL_MIN, Pool, random_pool, skill_of
from huracan.analysis.replay import entries_of, replay
from huracan.shadow import DAY_MS
from tests.analysis.worlds import shadow_world
from tests.shadow.worlds import LIMITS

START = 1_750_000_000_000 // DAY_MS * DAY_MS


def _pool(rng: np.random.Generator, count: int = 2_000, days: int = 40) -> Pool:
    tape, when = rng.integers(0, 3, count), START + rng.integers(0, days * DAY_MS, count)
    net = -20.0 + 100.0 * rng.standard_normal(count) + 10.0 * tape
    return Pool(tape, when, net, net / 100.0)


def test_a_p_value_counts_random_entries_that_did_as_well() -> None:
    """(1 + as good) / (1 + all) within the coin; unknown without random entries or a result."""
    pool = Pool(np.array([0, 0, 0, 1]), np.zeros(4, np.int64), np.zeros(4), np.array([-1.0, 0.0, 1.0, 9.0]))
    found = pool.p_values(np.array([0, 0, 0, 0, 2, -1]), np.array([0.0, 2.0, -2.0, np.nan, 1.0, 1.0]))
    assert found[:3].tolist() == [0.75, 0.25, 1.0]
    assert np.isnan(found[3:]).all()


def test_random_trades_have_no_skill() -> None:
    """Drawn from the pool's own law, 60 samples: about one in ten leaves a 90 % interval, and p is uniform."""
    rng = np.random.default_rng(8)
    outside, low_p = 0, 0
    for sample in range(60):
        pool = _pool(rng)
        mine = _pool(rng, 150)
        found = skill_of(mine.tape, mine.time_ms, mine.net_bps, pool, resamples=200, level=0.9, seed=sample)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        outside += not found.low <= 0.0 <= found.high
        assert found.p_value is not None
        low_p += found.p_value <= 0.05
    print(f"seed 8: {outside} of 60 outside, {low_p} with p <= 0.05")
    assert outside <= 12
    assert low_p <= 8


@pytest.mark.parametrize(("market", "own", "traded"), [(100.0, 0.0, 12), (0.0, 60.0, 12), (0.0, 60.0, 40)])
def test_days_that_share_luck_are_no_skill(market: float, own: float, traded: int) -> None:
    """160 trades on few days, or that share luck which random entries do not: 200 samples, p <= 0.05 in about ten."""
    rng = np.random.default_rng(4)
    days, low_p = 40, 0
    for sample in range(200):
        shared, alone = market * rng.standard_normal(days), own * rng.standard_normal(days)
        pool, mine = _pool(rng), _pool(rng, 160)
        weather = shared[(pool.time_ms - START) // DAY_MS]
        pool = Pool(pool.tape, pool.time_ms, pool.net_bps + weather, pool.net_r)
        day = rng.choice(days, traded, replace=False)[rng.integers(0, traded, 160)]
        net = mine.net_bps + shared[day] + alone[day]
        found = skill_of(mine.tape, START + day * DAY_MS, net, pool, resamples=200, level=0.9, seed=sample)
        assert found is not None
        assert found.p_value is not None
        low_p += found.p_value <= 0.05
    print(f"seed 4, market {market}, own {own}, {traded} days: {low_p} of 200 with p <= 0.05")
    assert low_p <= 18


def test_one_day_proves_nothing() -> None:
    """However many trades it has: neither an interval nor a p-value."""
    rng = np.random.default_rng(8)
    pool, mine = _pool(rng), _pool(rng, 300)
    found = skill_of(mine.tape, np.full(300, START), mine.net_bps + 90.0, pool, resamples=200, level=0.9, seed=1)
    assert found is not None
    assert (found.low, found.high, found.p_value) == (None, None, None)
    assert found.shrunk_bps == 0.0


def test_planted_skill_is_found() -> None:
    """40 bp better than chance: the interval lies above zero, p is small, most of it survives shrinkage."""
    rng = np.random.default_rng(8)
    pool, mine = _pool(rng), _pool(rng, 300)
    found = skill_of(mine.tape, mine.time_ms, mine.net_bps + 40.0, pool, resamples=300, level=0.9, seed=1)
    assert found is not None
    assert found.low is not None
    assert found.low > 0.0
    assert found.p_value is not None
    assert found.p_value <= 0.01
    assert 0.6 * found.difference_bps < found.shrunk_bps < found.difference_bps
    assert found.difference_bps == pytest.approx(40.0, abs=15.0)


def test_noise_is_shrunk_to_little() -> None:
    """A difference below its standard error counts nothing."""
    rng = np.random.default_rng(2)
    pool, mine = _pool(rng), _pool(rng, 30)
    close = mine.net_bps - mine.net_bps.mean() + float(np.mean(pool.net_bps)) + 1.0
    found = skill_of(mine.tape, mine.time_ms, close, pool, resamples=300, level=0.9, seed=1)
    assert found is not None
    assert found.shrunk_bps == 0.0


def test_coins_weigh_as_they_were_traded() -> None:
    """Trades on the best coin only are compared with random entries of that coin only."""
    rng = np.random.default_rng(2)
    pool = _pool(rng)
    one = pool.tape == 2
    found = skill_of(pool.tape[one], pool.time_ms[one], pool.net_bps[one], pool, resamples=200, level=0.9, seed=1)
    assert found is not None
    assert found.random_bps == pytest.approx(float(pool.net_bps[one].mean()))
    assert skill_of(np.array([7]), np.array([START]), np.zeros(1), pool, resamples=50, level=0.9, seed=1) is None


def test_the_pool_is_traded_by_the_kernel() -> None:
    """On martingales the random policy's trades and the pool lose the same costs: no skill either way."""
    trades, tapes, kernel, _ = shadow_world(coins=2, days=6)
    entries = entries_of(trades, tapes, kernel.base_ms)
    pool = random_pool(entries, tapes, kernel, LIMITS, seed=4)
    assert len(pool.tape) >= POOL_MIN
    assert set(pool.tape.tolist()) == {0, 1}
    done = replay(entries, tapes, kernel, LIMITS)
    kept = np.isfinite(done.net_bps)
    found = skill_of(
        entries.tape[kept], trades.entry_time[kept], done.net_bps[kept], pool, resamples=300, level=0.98, seed=4
    )
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 0.0 <= found.high
    again = random_pool(entries, tapes, kernel, LIMITS, seed=4)
    assert (again.net_bps == pool.net_bps).all()
