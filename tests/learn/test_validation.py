import math

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.learn.validation import TradingValidation, daily_score
from huracan.policy import Policy
from huracan.trading import Action, Lanes, legal_actions
from tests.learn.worlds import DAY_MS, small_dataset


class Always:
    """Enters whenever it may and holds on; or never trades."""

    def __init__(self, trades: bool) -> None:
        self._action = Action.ENTER_LONG_NORMAL if trades else Action.DO_NOTHING

    def act(self, states: np.ndarray) -> np.ndarray:
        """Return the wanted action where it is legal, else HOLD or DO_NOTHING."""
        legal = legal_actions(states)
        fallback = np.where(legal[:, Action.HOLD], Action.HOLD, Action.DO_NOTHING)
        return np.where(legal[:, self._action], self._action, fallback).astype(np.int64)


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> TradingValidation:
    """The last four days of three coins."""
    dataset = small_dataset(tmp_path_factory.mktemp("validation") / "candles")
    start = dataset.summary.start_ms
    tapes = dataset.fold_tapes(dataset.fit(start, start + 14 * DAY_MS, 1))
    return TradingValidation(lambda: tapes, dataset.kernel, None, start + 15 * DAY_MS, start + 19 * DAY_MS)


def test_doing_nothing_earns_exactly_nothing(validation: TradingValidation) -> None:
    """No trade, no cost, and every day of the window counts."""
    score = validation.score(Always(trades=False))
    assert (score.objective, score.daily_mean_quote, score.daily_error_quote, score.trades) == (0, 0, 0, 0)
    assert score.days == 4


def test_the_daily_results_add_up_to_the_final_equity(validation: TradingValidation) -> None:
    """Mean times days is what the lanes hold at the end, all coins together; costs make it negative here."""
    policy: Policy = Always(trades=True)
    score = validation.score(policy)
    tapes = list(validation.tapes())
    total, trades = 0.0, 0
    for index, tape in enumerate(tapes):
        stamps = tape.bars[:, 0] * validation.kernel.base_ms
        first, stop = np.searchsorted(stamps, (validation.start_ms, validation.end_ms))
        lanes = Lanes(tapes, validation.kernel, 1, record=True)
        start = tape.rows[np.searchsorted(tape.rows, first)]
        lanes.reset(*(np.array([value]) for value in (0, index, start, stop, True)))
        while not (lanes.terminated[0] or lanes.truncated[0]):
            lanes.step(policy.act(lanes.obs))
        total += float(lanes.equity[0])
        trades += len(lanes.trades())
    assert score.daily_mean_quote * score.days == pytest.approx(total)
    assert score.trades == trades > 20
    assert score.objective == pytest.approx(score.daily_mean_quote - score.daily_error_quote)
    assert score.daily_mean_quote < 0


def test_bars_after_the_window_are_never_seen(validation: TradingValidation) -> None:
    """Garbage after the end changes nothing: the judge cannot touch a test bar."""
    before = validation.score(Always(trades=True))

    def spoiled() -> list:
        result = []
        for tape in validation.tapes():
            stop = int(np.searchsorted(tape.bars[:, 0] * validation.kernel.base_ms, validation.end_ms))
            features = tape.features.copy()
            features[tape.rows >= stop] = 1e6
            tape = tape.with_features(features)
            tape.bars[stop:, 1:5] *= 3
            result.append(tape)
        return result

    kept = [tape.bars.copy() for tape in validation.tapes()]
    again = TradingValidation(spoiled, validation.kernel, None, validation.start_ms, validation.end_ms)
    try:
        assert again.score(Always(trades=True)) == before
    finally:
        for tape, bars in zip(validation.tapes(), kept, strict=True):
            tape.bars[:] = bars


def test_a_window_without_decisions_is_one_clear_line(validation: TradingValidation) -> None:
    """Before the first candle there is nothing to judge."""
    empty = TradingValidation(validation.tapes, validation.kernel, None, 0, DAY_MS)
    with pytest.raises(DataError, match="validation_frac"):
        empty.score(Always(trades=False))


def test_the_objective_is_mean_minus_one_standard_error() -> None:
    """Known answer by hand: days 1, 3, 5."""
    score = daily_score(np.array([1.0, 3.0, 5.0]), trades=4)
    assert score.daily_mean_quote == 3
    assert score.daily_error_quote == pytest.approx(2 / math.sqrt(3))
    assert score.objective == pytest.approx(3 - 2 / math.sqrt(3))
    assert daily_score(np.array([2.0]), 1).objective == 2
