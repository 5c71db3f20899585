"""Walk-forward windows: geometry, purge, embargo, membership and refusals."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from huracan.config import WalkForwardSettings, load_settings
from huracan.errors import DataError
from huracan.shadow.splits import (
    DAY_MS,
    History,
    Window,
    usable_history,
    validation_split,
    walk_forward_splits,
)

MINUTE_MS = 60_000
CONFIGS = Path(__file__).parents[2] / "configs"
FIRST_DAY = 20_250


def days(start: float, end: float) -> History:
    """Return a history that starts and ends so many days after the first one."""
    return History(round((FIRST_DAY + start) * DAY_MS), round((FIRST_DAY + end) * DAY_MS))


def test_minute_candles_of_111_days_give_three_contiguous_test_windows_at_the_end() -> None:
    """111 days of minutes after a week of warm-up: three tests of 13 days, 65 days of training before each."""
    folds = walk_forward_splits({"A": days(7, 111)}, WalkForwardSettings(), bar_ms=MINUTE_MS, hold_bars=720)
    assert [fold.test.days for fold in folds] == [13, 13, 13]
    assert folds[-1].test.end_ms == (FIRST_DAY + 111) * DAY_MS
    assert all(a.test.end_ms == b.test.start_ms for a, b in itertools.pairwise(folds))
    assert folds[0].train.start_ms == (FIRST_DAY + 7) * DAY_MS
    embargo = -(-65 * 1440 // 100)
    for fold in folds:
        assert (fold.purge_bars, fold.embargo_bars) == (722, embargo)
        assert fold.test.start_ms - fold.train.end_ms == (722 + embargo) * MINUTE_MS
        assert fold.train.end_ms - fold.train.start_ms == (65 * 1440 - 722 - embargo) * MINUTE_MS


def test_daily_candles_of_961_days_after_180_days_of_warm_up() -> None:
    """961 daily bars: three tests of 97 days, 490 days of training, 12 bars of purge and 5 of embargo."""
    folds = walk_forward_splits({"A": days(180, 961)}, WalkForwardSettings(), bar_ms=DAY_MS, hold_bars=10)
    assert [fold.test.days for fold in folds] == [97, 97, 97]
    assert [fold.train.days for fold in folds] == [490 - 17] * 3
    assert (folds[0].purge_bars, folds[0].embargo_bars) == (12, 5)


@pytest.mark.parametrize(("name", "history_days"), [("demo", 60), ("laptop", 90), ("production", 365)])
def test_every_shipped_configuration_leaves_something_to_train_on(name: str, history_days: int) -> None:
    """On the history that it is meant for: more days before each test than in it, most of the days seen once."""
    settings = load_settings(CONFIGS / f"{name}.yaml", environ={}).walk_forward
    folds = walk_forward_splits({"A": days(7, history_days)}, settings, bar_ms=MINUTE_MS, hold_bars=720)
    assert len(folds) == settings.folds
    assert all(fold.train.days > fold.test.days for fold in folds)
    assert sum(fold.test.days for fold in folds) >= history_days / 4


@given(
    history_days=st.integers(30, 400),
    folds=st.integers(1, 5),
    hold=st.integers(1, 1_440),
    embargo=st.none() | st.integers(0, 2_000),
    shift_ms=st.integers(0, DAY_MS - 1),
)
def test_training_never_comes_nearer_to_its_test_than_purge_and_embargo(
    history_days: int, folds: int, hold: int, embargo: int | None, shift_ms: int
) -> None:
    """Every fold: midnights, equal lengths, train before test by hold + delay + 1 + embargo bars, inside history."""
    history = History(FIRST_DAY * DAY_MS + shift_ms, (FIRST_DAY + history_days) * DAY_MS + shift_ms)
    settings = WalkForwardSettings(folds=folds, embargo_bars=embargo)
    try:
        result = walk_forward_splits({"A": history}, settings, bar_ms=MINUTE_MS, hold_bars=hold)
    except DataError:
        assume(False)
    for fold in result:
        assert fold.test.start_ms % DAY_MS == fold.test.end_ms % DAY_MS == fold.train.start_ms % DAY_MS == 0
        assert fold.test.start_ms - fold.train.end_ms == (hold + 2 + fold.embargo_bars) * MINUTE_MS
        assert embargo is None or fold.embargo_bars == embargo
        assert history.start_ms <= fold.train.start_ms < fold.train.end_ms
        assert fold.test.end_ms <= history.end_ms
        assert fold.train.days == pytest.approx(result[0].train.days)


def test_a_coin_without_history_drops_out_of_the_folds_it_lacks_and_is_named() -> None:
    """A late listing misses the early folds, a delisted coin the late ones, the calendar stays the majority's."""
    histories = {"A": days(0, 100), "B": days(0, 100), "C": days(0, 100), "LATE": days(60, 100), "GONE": days(0, 80)}
    folds = walk_forward_splits(histories, WalkForwardSettings(), bar_ms=MINUTE_MS, hold_bars=60)
    assert [fold.test.start_ms // DAY_MS - FIRST_DAY for fold in folds] == [64, 76, 88]
    assert folds[0].symbols == ("A", "B", "C", "GONE")
    assert folds[1].symbols == ("A", "B", "C")
    assert folds[2].symbols == ("A", "B", "C")
    assert {(drop.symbol, drop.reason.split()[0]) for drop in folds[1].dropped} == {
        ("GONE", "does"),
        ("LATE", "covers"),
    }


def test_fixed_lengths_are_taken_as_asked() -> None:
    """With train_days and test_days set, the folds use the end of the history and ignore what lies before."""
    settings = WalkForwardSettings(folds=2, train_days=30, test_days=5, embargo_bars=0)
    folds = walk_forward_splits({"A": days(0, 100)}, settings, bar_ms=MINUTE_MS, hold_bars=60)
    assert [fold.train.start_ms // DAY_MS - FIRST_DAY for fold in folds] == [60, 65]
    assert [fold.test.days for fold in folds] == [5, 5]


def test_short_history_is_refused_with_figures() -> None:
    """Nine days cannot hold three folds with a hold of twelve hours: the message says what is there and needed."""
    with pytest.raises(DataError, match=r"9 usable days cannot hold 3 folds .* at least \d+ days are needed"):
        walk_forward_splits({"A": days(0, 9)}, WalkForwardSettings(train_days=60), bar_ms=MINUTE_MS, hold_bars=720)
    with pytest.raises(DataError, match="no symbol has usable history"):
        walk_forward_splits({}, WalkForwardSettings(), bar_ms=MINUTE_MS, hold_bars=720)


def test_validation_lies_at_the_end_of_training_behind_a_purge() -> None:
    """A quarter validates, the purge before it belongs to nobody."""
    inner, validation = validation_split(Window(0, 1_000 * MINUTE_MS), 0.25, purge_bars=50, bar_ms=MINUTE_MS)
    assert inner == Window(0, 700 * MINUTE_MS)
    assert validation == Window(750 * MINUTE_MS, 1_000 * MINUTE_MS)
    with pytest.raises(DataError, match="cannot give"):
        validation_split(Window(0, 100 * MINUTE_MS), 0.25, purge_bars=80, bar_ms=MINUTE_MS)


def test_usable_history_starts_with_the_first_warm_bar() -> None:
    """Warm-up bars are nobody's training data; the last bar counts to its close."""
    timestamp = np.arange(10, dtype=np.int64) * MINUTE_MS
    ready = np.arange(10) >= 4
    assert usable_history(timestamp, ready, MINUTE_MS) == History(4 * MINUTE_MS, 10 * MINUTE_MS)
    assert Window(4 * MINUTE_MS, 8 * MINUTE_MS).bar_range(timestamp) == (4, 8)
    with pytest.raises(DataError, match="warm-up"):
        usable_history(timestamp, np.zeros(10, np.bool_), MINUTE_MS)
