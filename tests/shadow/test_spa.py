"""SPA: its size without skill, its power in spite of a loud column, and that its deviation is the bootstrap's own."""

import numpy as np
import pytest
from arch.bootstrap import SPA

from huracan.errors import EvidenceError
from huracan.shadow.spa import DayDraws, _deviation, draw_days, spa_test

Rng = np.random.Generator


def draws(days: int, seed: int = 1, block: float = 3.0, resamples: int = 500) -> DayDraws:
    """Return resamples of some days."""
    return draw_days(days, block, resamples, seed)


def fat(rng: Rng, days: int, count: int) -> np.ndarray:
    """Return days of heavy tails, correlated across columns, deviation about 1."""
    common = rng.standard_t(5, (days, 1))
    return (0.6 * common + 0.8 * rng.standard_t(5, (days, count))) / np.sqrt(5 / 3)


def test_without_skill_it_rejects_as_often_as_its_level_says() -> None:
    """20 columns without skill over 250 days, 400 markets: 5 % are rejected, within 3 standard errors and a half."""
    seed = 21
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    rejected = np.mean([spa_test(fat(rng, 250, 20), draws(250, at)).p_consistent <= 0.05 for at in range(400)])
    assert 0.01 < rejected < 0.09


def test_a_column_with_skill_is_found_and_named() -> None:
    """One of 20 earns 0.3 deviations a day: found; its own p-value is small, the others' are not."""
    days = fat(np.random.default_rng(22), 400, 20)
    days[:, 4] += 0.3
    found = spa_test(days, draws(400))
    assert found.p_consistent < 0.01
    assert found.p_of[4] == found.p_consistent
    assert np.sort(found.p_of)[1] > 0.05
    assert found.p_lower <= found.p_consistent <= found.p_upper


def test_a_loud_column_does_not_hide_it() -> None:
    """A column of ten times the noise: the studentised test finds the quiet good one, that of arch does not."""
    rng = np.random.default_rng(23)
    days = rng.standard_normal((300, 2))
    days[:, 0] += 0.25
    days[:, 1] *= 10.0
    assert spa_test(days, draws(300)).p_consistent < 0.01
    plain = SPA(np.zeros(300), -days, block_size=3, reps=500, studentize=True, seed=1)
    plain.compute()
    assert plain.pvalues["consistent"] > 0.05


def test_columns_that_lose_much_do_not_weaken_the_test() -> None:
    """The consistent recentring drops 50 hopeless columns; the upper one pays for them."""
    rng = np.random.default_rng(24)
    days = rng.standard_normal((300, 51))
    days[:, 1:] -= 1.0
    days[:, 0] += 0.15
    found = spa_test(days, draws(300))
    alone = spa_test(days[:, :1], draws(300))
    assert found.p_consistent == pytest.approx(alone.p_consistent, abs=0.005)
    assert found.p_upper > found.p_consistent


def test_the_deviation_is_that_of_the_bootstrap_itself() -> None:
    """The closed form equals the spread of very many resampled means, for independent and for autocorrelated days."""
    rng = np.random.default_rng(25)
    noise = rng.standard_normal((200, 2))
    for at in range(1, 200):
        noise[at, 1] += 0.5 * noise[at - 1, 1]
    drawn = draws(200, block=5.0, resamples=20_000).counts @ noise / 200
    expected = drawn.std(axis=0) * np.sqrt(200)
    assert _deviation(noise - noise.mean(axis=0), 5.0) == pytest.approx(expected, rel=0.02)
    assert _deviation(noise - noise.mean(axis=0), 1.0) == pytest.approx(noise.std(axis=0))


def test_a_policy_that_is_its_benchmark_does_not_beat_it() -> None:
    """No difference at all: p is 1, beside a column that differs too."""
    assert spa_test(np.zeros((50, 1)), draws(50)).p_consistent == 1.0
    beside = np.zeros((50, 2))
    beside[:, 1] = np.random.default_rng(26).standard_normal(50) + 1.0
    assert spa_test(beside, draws(50)).p_of[0] == 1.0


def test_resamples_hold_whole_days() -> None:
    """Each resample has as many days as the record, drawn in runs of the mean length."""
    counts = draws(100, block=4.0).counts
    assert (counts.sum(axis=1) == 100).all()
    assert draws(100, seed=1).counts.tolist() == draws(100, seed=1).counts.tolist()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.ones((7, 1)), "7 days of 1 columns, at least 8"),
        (np.full((50, 1), np.nan), "not finite"),
        (np.full((50, 1), 2.0), "constant at 2 a day"),
    ],
)
def test_what_cannot_be_tested_is_refused(table: np.ndarray, message: str) -> None:
    """Too few days, NaN, a difference that never varies."""
    with pytest.raises(EvidenceError, match=message):
        spa_test(table, draws(len(table)))
