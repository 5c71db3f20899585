"""The counts of a run: folds, intervals and blocks are the product's own, and nonsense is refused in one line."""

from typing import Any

import pytest

from huracan.config import Settings, load_settings
from huracan.errors import ConfigError, HuracanError
from huracan.plan.workload import Size, workload_of

SIZE = Size(coins=20, days=111, timeframe="1m", trades_per_day=4.0)


def settings(**values: Any) -> Settings:
    """Return the default settings with some changed, `section__key`."""
    return load_settings(overrides={name.replace("__", "."): value for name, value in values.items()}, environ={})


def test_the_real_candles_of_three_folds_are_counted_as_they_are_trained() -> None:
    """111 days of minutes, 20 coins: 13 test days a fold, as the walk-forward cuts them, two blocks of ten coins."""
    found = workload_of(settings(), SIZE)
    assert found.bars == 20 * 111 * 1_440
    assert (found.folds, found.test_days, found.test_bars) == (3, 13, 13 * 1_440)
    assert found.interval == 15
    assert found.intervals == (15, 60)
    assert (found.blocks, found.block_coins) == (2, 10)
    assert found.train_bars < (111 - 3 * 13) * 1_440
    assert found.search_bars + found.validation_bars < found.train_bars
    assert found.trades == 20 * 4.0 * 13 * 3
    assert found.trainings == 9
    assert found.policies == 1 + 3 + found.rules + 2
    assert found.train_steps == 37 * 8_192
    assert found.network == 1.0


def test_what_is_searched_and_how_wide_the_network_is_counts() -> None:
    """Without a search: no trial and one interval; a policy a coin: as many versions; twice as wide: about 3.5x."""
    bare = workload_of(settings(search__num_samples=0), SIZE)
    assert bare.trials == 0
    assert bare.trial_steps == 0
    assert bare.intervals == (15,)
    own = workload_of(settings(shadow__per_coin_policies=True), SIZE)
    assert own.scopes == own.blocks == 20
    assert own.trainings == 3 * 20 * 3
    wide = workload_of(settings(policy__hidden=(512, 512)), SIZE)
    assert wide.network == pytest.approx((80 * 512 + 512**2 + 7 * 512) / (80 * 256 + 256**2 + 7 * 256))


def test_more_folds_than_eighths_get_shorter_tests_and_the_plan_says_so() -> None:
    """Twelve tests of an eighth leave nothing to train on: half of the history is tested instead, in a note."""
    found = workload_of(settings(walk_forward__folds=12), Size(1_000, 365, "1m", 4.0))
    assert found.folds == 12
    assert 150 < 12 * found.test_days <= 183
    assert any("walk_forward.test_days=15" in note for note in found.notes)
    named = settings(walk_forward__folds=12, walk_forward__test_days=10)
    assert not any("test_days" in note for note in workload_of(named, Size(1_000, 365, "1m", 4.0)).notes)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (Size(0, 365, "1m", 4.0), "--coins 0"),
        (Size(-3, 365, "1m", 4.0), "--coins -3"),
        (Size(10**9, 365, "1m", 4.0), "--coins"),
        (Size(10, 0, "1m", 4.0), "--days 0"),
        (Size(10, 365, "1m", -1.0), "--trades-per-day"),
        (Size(10, 365, "1m", float("nan")), "--trades-per-day"),
        (Size(10, 2, "1m", 4.0), "warm after"),
        (Size(10, 5, "1m", 4.0), "walk-forward"),
        (Size(10, 365, "7m", 4.0), "7m"),
    ],
)
def test_nonsense_is_refused_in_one_line(size: Size, words: str) -> None:
    """Naming the option, or what the product itself would say."""
    with pytest.raises(HuracanError, match=words) as refused:
        workload_of(settings(), size)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


def test_a_test_window_that_does_not_fit_is_refused_as_training_would() -> None:
    """What the user sets himself is not changed behind his back."""
    with pytest.raises((ConfigError, HuracanError), match="walk-forward"):
        workload_of(settings(walk_forward__folds=12, walk_forward__test_days=60), Size(10, 365, "1m", 4.0))
