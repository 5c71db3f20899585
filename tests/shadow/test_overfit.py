"""PBO: cases with a known answer, the band that pure noise fills, and a configuration that is really better."""

import numpy as np
import pytest

from huracan.errors import EvidenceError
from huracan.shadow.overfit import blocks_for, overfit_probability


@pytest.mark.parametrize("metric", ["mean", "sharpe"])
def test_columns_of_equal_mean_are_overfit_for_certain(metric: str) -> None:
    """Demeaned over all days, what is above average here is below it there: PBO 1, slope -1 on means."""
    noise = np.random.default_rng(1).standard_normal((1_000, 100))
    found = overfit_probability(noise - noise.mean(axis=0), 8, metric)  # type: ignore[arg-type]
    assert found.probability == 1.0
    assert found.loss_probability == 1.0
    assert (found.splits, found.blocks, found.configurations, found.days) == (70, 8, 100, 1_000)
    if metric == "mean":
        assert found.slope == pytest.approx(-1.0, abs=1e-9)


def test_the_case_by_hand() -> None:
    """Two halves, three configurations: the winner of one half is last in the other; both logits are ln(1/3)."""
    table = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [2, 2, 2.5, 2.5]]).T
    found = overfit_probability(table, 2, "mean")
    assert found.logits == pytest.approx([-1.0986, -1.0986], abs=5e-5)
    assert found.probability == 1.0
    assert found.loss_probability == 0.0


def test_the_median_itself_is_not_below_the_median() -> None:
    """Of three configurations the winner of either half ranks second in the other: omega 1/2, logit 0, PBO 0."""
    table = np.array([[3, 3, 2, 2], [2, 2, 3, 3], [1, 1, 1, 1]]).T + np.array([[0], [0.1], [0], [0.1]])
    found = overfit_probability(table, 2, "mean")
    assert found.logits == pytest.approx([0.0, 0.0])
    assert found.probability == 0.0
    even = overfit_probability(np.array([[2, 2, 1, 1], [1, 1, 2, 2]]).T, 2, "mean")
    assert even.logits == pytest.approx([np.log(0.5), np.log(0.5)])  # of two there is no median: omega 1/3
    assert even.probability == 1.0


def test_pure_noise_fills_a_band_about_a_half() -> None:
    """50 configurations of noise over 800 days, 40 markets: the mean is known to lie at 0.45, single ones anywhere."""
    seed = 11
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    found = [overfit_probability(rng.standard_normal((800, 50)), 8).probability for _ in range(40)]
    assert np.mean(found) == pytest.approx(0.45, abs=0.11)
    assert max(found) - min(found) > 0.3


def test_a_configuration_with_skill_is_not_overfit() -> None:
    """One of 50 earns 0.15 deviations a day over 1,600 days: chosen nearly always, and rightly; it seldom loses."""
    noise = np.random.default_rng(12).standard_normal((1_600, 50))
    noise[:, 7] += 0.15
    found = overfit_probability(noise)
    assert found.splits == 12_870
    assert found.probability < 0.05
    assert found.loss_probability < 0.05


def test_equally_good_configurations_look_overfit_but_do_not_lose() -> None:
    """All of 20 earn: whichever is chosen ranks anywhere, so that PBO alone would refuse them; yet none loses."""
    rng = np.random.default_rng(13)
    found = [overfit_probability(rng.standard_normal((400, 20)) + 0.3, 8) for _ in range(20)]
    assert np.mean([one.probability for one in found]) > 0.3
    assert max(one.loss_probability for one in found) < 0.01


def test_neither_scale_nor_order_matters() -> None:
    """Columns times a factor with Sharpe, or shuffled, give the same figure."""
    rng = np.random.default_rng(14)
    table = rng.standard_normal((160, 12))
    found = overfit_probability(table)
    assert overfit_probability(table * rng.uniform(1, 100, 12)).logits == pytest.approx(found.logits)
    assert overfit_probability(table[:, rng.permutation(12)]).probability == found.probability


@pytest.mark.parametrize(
    ("days", "blocks"), [(8, 0), (15, 0), (16, 8), (19, 8), (20, 10), (31, 14), (32, 16), (1_000, 16)]
)
def test_blocks_have_two_days_at_least(days: int, blocks: int) -> None:
    """As many as fit, an even number, 8 to 16."""
    assert blocks_for(days) == blocks


def test_a_configuration_that_never_traded_is_one_like_others() -> None:
    """Its ratio is 0: better than those that lose."""
    table = np.random.default_rng(15).standard_normal((200, 6)) - 1.0
    table[:, 2] = 0.0
    found = overfit_probability(table)
    assert found.probability == 0.0
    assert found.loss_probability == 1.0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.ones((100, 1)), "one configuration leaves nothing to choose"),
        (np.ones((15, 3)), "15 days of 3 configurations; at least 16"),
        (np.full((100, 3), np.nan), "3 of 3 configurations"),
    ],
)
def test_what_has_no_pbo_is_refused(table: np.ndarray, message: str) -> None:
    """One configuration, too few days, NaN."""
    with pytest.raises(EvidenceError, match=message):
        overfit_probability(table)
