"""Rolling walk-forward windows over UTC days, with purge and embargo between training and test.

All folds share one geometry: a training window of `train_days` ends where its test window of `test_days` begins; test
windows are contiguous and the last one ends with the history. From the end of every training window `purge + embargo`
bars are cut: the purge is the longest time that a training label (a trade) can reach forward, the embargo is a distance
for serial correlation. Training never lies after its test, so nothing else has to be purged.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huracan.config import WalkForwardSettings
from huracan.env import Window as EpisodeWindow
from huracan.errors import DataError

__all__ = [
    "DAY_MS",
    "Dropout",
    "Fold",
    "History",
    "Window",
    "usable_history",
    "validation_split",
    "walk_forward_splits",
]

DAY_MS = 86_400_000
TEST_HISTORY_FRAC = 1 / 8
EMBARGO_TRAIN_FRAC = 0.01
MEMBER_TRAIN_MIN_FRAC = 0.5
TRAIN_MIN_HOLDS = 4


@dataclass(frozen=True, slots=True)
class Window(EpisodeWindow):
    """A half-open stretch of time [start_ms, end_ms), ms since the epoch, UTC, compared with bar open times."""

    @property
    def days(self) -> float:
        """Return the length in days."""
        return (self.end_ms - self.start_ms) / DAY_MS

    def bar_range(self, timestamp: npt.NDArray[np.int64]) -> tuple[int, int]:
        """Return the bar indices [first, stop) whose open times, int64[T] increasing, lie in the window."""
        first, stop = np.searchsorted(timestamp, (self.start_ms, self.end_ms))
        return int(first), int(stop)


@dataclass(frozen=True, slots=True)
class History:
    """What a symbol can contribute: [start_ms, end_ms) from its first usable bar to the end of its last one."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Dropout:
    """A symbol that is not part of a fold, and why."""

    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fold:
    """One step of the walk-forward.

    Attributes:
        index: 0 for the oldest fold.
        train: bars that fitting and training may touch; purge and embargo are already cut off its end.
        test: bars that are traded in shadow, whole UTC days.
        purge_bars: bars cut for trades that would reach into the test.
        embargo_bars: bars cut beyond the purge.
        symbols: members, sorted.
        dropped: symbols without enough history for this fold, sorted.
    """

    index: int
    train: Window
    test: Window
    purge_bars: int
    embargo_bars: int
    symbols: tuple[str, ...]
    dropped: tuple[Dropout, ...]


def usable_history(timestamp: npt.NDArray[np.int64], ready: npt.NDArray[np.bool_], bar_ms: int) -> History:
    """Return the stretch from the first bar whose feature machines are warm to the end of the last bar.

    Args:
        timestamp: int64[T] open times, ms UTC.
        ready: bool[T], True where every feature window is full enough.
        bar_ms: length of a bar in ms.

    Raises:
        DataError: no bar is ready.
    """
    if not ready.any():
        raise DataError(f"no bar of {timestamp.size} is past the warm-up of the features; give a longer history")
    return History(int(timestamp[int(np.argmax(ready))]), int(timestamp[-1]) + bar_ms)


def walk_forward_splits(
    histories: Mapping[str, History],
    settings: WalkForwardSettings,
    *,
    bar_ms: int,
    hold_bars: int,
    execution_delay_bars: int = 1,
) -> tuple[Fold, ...]:
    """Lay the folds over the days on which at least half of the symbols have usable history.

    With `test_days` None a test window is an eighth of that history; with `train_days` None the training windows are
    all that the test windows leave. A symbol is a member of a fold when it covers the whole test window and at least
    half of the training window.

    Args:
        histories: usable history by symbol.
        settings: number of folds, days, embargo.
        bar_ms: length of a base bar in ms.
        hold_bars: longest holding time that the rules, or a search over them, allow a trade, in bars.
        execution_delay_bars: bars between a decision and its first fill.

    Raises:
        DataError: no symbol, or the history is too short for the folds asked for; the message has the figures.
    """
    if not histories:
        raise DataError("walk-forward: no symbol has usable history; check the candle folder and the quality report")
    start_day, end_day = _calendar(histories)
    history_days = end_day - start_day
    test_days, train_days = _lengths(history_days, settings)
    if train_days <= 0:
        raise DataError(
            f"walk-forward: {settings.folds} test windows of {test_days} days leave nothing of {history_days} usable "
            "days to train on; give a longer history or lower walk_forward.folds or test_days"
        )
    purge = hold_bars + execution_delay_bars + 1
    embargo = settings.embargo_bars
    if embargo is None:
        embargo = math.ceil(EMBARGO_TRAIN_FRAC * train_days * DAY_MS / bar_ms)
    gap_ms = (purge + embargo) * bar_ms
    _check_lengths(history_days, train_days, test_days, gap_ms, settings.folds, bar_ms, hold_bars)
    folds = []
    for index in range(settings.folds):
        test_start = (end_day - (settings.folds - index) * test_days) * DAY_MS
        test = Window(test_start, test_start + test_days * DAY_MS)
        train = Window(test_start - train_days * DAY_MS, test_start - gap_ms)
        members, dropped = _membership(histories, train, test)
        if not members:
            raise DataError(
                f"walk-forward: no symbol covers fold {index}; {dropped[0].symbol}: {dropped[0].reason}; "
                "use fewer folds or shorter windows (walk_forward.folds, train_days, test_days)"
            )
        folds.append(Fold(index, train, test, purge, embargo, members, dropped))
    return tuple(folds)


def validation_split(train: Window, validation_frac: float, purge_bars: int, bar_ms: int) -> tuple[Window, Window]:
    """Cut a training window into (training, validation), whole bars, the purge between them.

    Args:
        train: window to cut.
        validation_frac: share of it, from its end, that validates, in (0, 1).
        purge_bars: bars left out before the validation window.
        bar_ms: length of a bar in ms.

    Raises:
        DataError: nothing is left to train on.
    """
    bars = (train.end_ms - train.start_ms) // bar_ms
    validation_start = train.end_ms - round(bars * validation_frac) * bar_ms
    inner_end = validation_start - purge_bars * bar_ms
    if inner_end <= train.start_ms or validation_start >= train.end_ms:
        raise DataError(
            f"a training window of {bars} bars cannot give {validation_frac:.0%} to validation and {purge_bars} bars "
            "to the purge; give a longer history or change search.validation_frac"
        )
    return Window(train.start_ms, inner_end), Window(validation_start, train.end_ms)


def _calendar(histories: Mapping[str, History]) -> tuple[int, int]:
    """Return [first, last) whole UTC days, counted from the epoch, on which at least half of the symbols are there."""
    starts = sorted(-(-history.start_ms // DAY_MS) for history in histories.values())
    ends = sorted(history.end_ms // DAY_MS for history in histories.values())
    return starts[(len(starts) - 1) // 2], ends[len(ends) // 2]


def _lengths(history_days: int, settings: WalkForwardSettings) -> tuple[int, int]:
    """Return (test, train) window lengths in whole days; the training window still contains purge and embargo."""
    if settings.test_days is None:
        test_days = max(1, math.floor(history_days * TEST_HISTORY_FRAC))
    else:
        test_days = max(1, round(settings.test_days))
    left = history_days - settings.folds * test_days
    train_days = left if settings.train_days is None else max(1, round(settings.train_days))
    return test_days, train_days


def _check_lengths(
    history_days: int, train_days: int, test_days: int, gap_ms: int, folds: int, bar_ms: int, hold_bars: int
) -> None:
    needed_train = math.ceil((gap_ms + TRAIN_MIN_HOLDS * hold_bars * bar_ms) / DAY_MS)
    needed_test = math.ceil((hold_bars + 2) * bar_ms / DAY_MS)
    needed = max(train_days, needed_train) + folds * max(test_days, needed_test)
    if train_days < needed_train or test_days < needed_test or history_days < needed:
        raise DataError(
            f"walk-forward: {history_days} usable days cannot hold {folds} folds of {train_days} training and "
            f"{test_days} test days; at least {needed} days are needed (training >= {needed_train} days with purge and "
            f"embargo of {gap_ms // bar_ms} bars, test >= {needed_test} days); give a longer history or lower "
            "walk_forward.folds, train_days, test_days, trading.hold_bars or search.hold_bars"
        )


def _membership(
    histories: Mapping[str, History], train: Window, test: Window
) -> tuple[tuple[str, ...], tuple[Dropout, ...]]:
    members, dropped = [], []
    for symbol, history in sorted(histories.items()):
        covered_ms = min(history.end_ms, train.end_ms) - max(history.start_ms, train.start_ms)
        train_frac = max(0, covered_ms) / (train.end_ms - train.start_ms)
        if history.start_ms > test.start_ms or history.end_ms < test.end_ms:
            dropped.append(Dropout(symbol, "does not cover the whole test window"))
        elif train_frac < MEMBER_TRAIN_MIN_FRAC:
            dropped.append(Dropout(symbol, f"covers {train_frac:.0%} of the training window, half is needed"))
        else:
            members.append(symbol)
    return tuple(members), tuple(dropped)
