"""Learning is real: the share of an exactly known optimum that a policy trained by the real learner earns.

Everything between market and artefact is the product's: tapes, lanes, mask, column runner, learner, served forward.
The markets are planted (`tests/e2e/planted.py`), the score is taken on markets that training never saw.
"""

from dataclasses import replace

import numpy as np
import pytest

from huracan.env import Window
from huracan.market import LONG_FLAT, ar1_optimum, threshold_value
from tests.e2e.planted import BEST, PROBLEM, candle_markets, candle_optimum, injected_market, score, window_of
from tests.e2e.training import Recipe, learn, learn_plainly, learn_tapes

TWO_DIMENSIONS = Recipe(distractors=False, noise_sd=0.0, planted=True, markets=4, bars=60_000, env_steps=300_000)
EIGHTY_DIMENSIONS = Recipe(
    distractors=True, noise_sd=0.0, planted=True, markets=8, bars=80_000, env_steps=1_000_000, batch=8_192
)
NULL_MARKET = Recipe(distractors=True, noise_sd=30.0, planted=False, markets=4, bars=60_000, env_steps=300_000)
CANDLE_NOISE = 5.0
FRESH = 90_000
"""First seed of the markets that scores are taken on."""


def test_the_planted_optimum_is_what_the_kernel_pays() -> None:
    """The best rule, played through the lanes, earns the exact optimum within 3 standard errors, in its account too."""
    markets = [injected_market(FRESH + n, 100_000, 0.0, distractors=False) for n in range(2)]
    best = score(None, markets)
    assert best.value == pytest.approx(BEST.value, abs=1e-9)
    assert abs(best.realised - BEST.value) < 3 * best.realised_error
    assert threshold_value(PROBLEM, BEST.threshold, LONG_FLAT) == pytest.approx(ar1_optimum(PROBLEM, LONG_FLAT).value)


def test_a_noisy_market_pays_the_same_on_average() -> None:
    """Noise of 30 innovations a bar changes the spread of the result and neither its mean nor the score."""
    markets = [injected_market(FRESH + n, 100_000, 30.0, distractors=False) for n in range(2)]
    best = score(None, markets)
    assert abs(best.realised - BEST.value) < 3 * best.realised_error
    assert best.realised_error > 0.05


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_two_live_dimensions_reach_095_of_the_optimum() -> None:
    """Predictor and position alone live: one seed, 300 k steps, at least 0.95; the policy uses EXIT and HOLD."""
    found = score(learn(TWO_DIMENSIONS, 1), TWO_DIMENSIONS.make(FRESH, 2, 100_000))
    print(f"seed 1, 2 dimensions: {found.fraction:.3f}")
    assert found.fraction - 2 * found.error / BEST.value >= 0.95
    assert found.exits > 500
    assert found.holds > 10_000
    assert 0.4 < found.held_frac < 0.6


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("seed", [2, 3])
def test_two_live_dimensions_reach_095_with_other_seeds(seed: int) -> None:
    """Two more seeds, twice as long: at 300 k steps seed 3 stands at 0.951, too near the bound to build on."""
    recipe = replace(TWO_DIMENSIONS, env_steps=600_000)
    found = score(learn(recipe, seed), recipe.make(FRESH, 2, 100_000))
    print(f"seed {seed}, 2 dimensions, 600 k steps: {found.fraction:.3f}")
    assert found.fraction - 2 * found.error / BEST.value >= 0.95


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_eighty_live_dimensions_reach_090_of_the_optimum(seed: int) -> None:
    """With 61 distractors of the predictor's own persistence beside it, 1 M steps reach at least 0.90."""
    found = score(learn(EIGHTY_DIMENSIONS, seed), EIGHTY_DIMENSIONS.make(FRESH, 2, 100_000))
    print(f"seed {seed}, 80 dimensions: {found.fraction:.3f}")
    assert found.fraction >= 0.90


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_the_plain_loop_learns_the_same() -> None:
    """A PPO that shares no code with the learner reaches 0.95 too: environment and score do not lean on the learner."""
    found = score(learn_plainly(TWO_DIMENSIONS, 1), TWO_DIMENSIONS.make(FRESH, 2, 100_000))
    print(f"plain loop, 2 dimensions: {found.fraction:.3f}")
    assert found.fraction >= 0.95


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_null_market_gives_nothing_out_of_sample(seed: int) -> None:
    """Where nothing foretells the price, the account's result on fresh markets is not above zero at 2 s.e."""
    found = score(learn(NULL_MARKET, seed), NULL_MARKET.make(FRESH, 2, 100_000))
    print(f"seed {seed}, null market: {found.realised:+.3f} a bar, s.e. {found.realised_error:.3f}")
    assert found.realised < 2 * found.realised_error
    assert found.value <= 0
    assert np.isfinite(found.realised)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_from_candles_alone_070_of_the_full_optimum(seed: int) -> None:
    """No predictor in the state: the feature room finds it in the candles; at least 0.70 of the informed optimum.

    The gap has two parts: what candles cannot tell (known exactly, a Kalman filter's optimum) and what was not learnt.
    """
    markets, normaliser = candle_markets(range(100 * seed, 100 * seed + 4), 80_000, CANDLE_NOISE)
    tapes = [market.tape for market in markets]
    whole, cut = window_of(tapes), markets[0].first * 60_000
    window = Window(whole.start_ms, whole.start_ms + cut)
    policy = learn_tapes(tapes, window, normaliser, env_steps=1_000_000, batch=8_192, seed=seed)
    found = score(policy, markets)
    ceiling = candle_optimum(CANDLE_NOISE) / BEST.value
    print(f"seed {seed}: {found.fraction:.3f} of the informed optimum, candles allow {ceiling:.3f}")
    assert found.fraction >= 0.70
    assert found.fraction - 2 * found.error / BEST.value < ceiling
