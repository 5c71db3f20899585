import math

import numpy as np
import pytest

from huracan.config import TradingSettings
from huracan.errors import DataError
from huracan.learn.validation import TradingValidation, ValidationScore, daily_score
from huracan.market import Candles
from huracan.policy import Policy
from huracan.shadow import Window, shadow_block
from huracan.shadow.trades import TradeTable
from huracan.trading import Action, Lanes, legal_actions, resolve_settings
from tests.learn.worlds import DAY_MS, small_dataset
from tests.shadow.worlds import LIMITS, tape_of


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
    assert score.daily_quote == (0.0, 0.0, 0.0, 0.0)


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
    assert score.daily_quote == (1.0, 3.0, 5.0)
    assert daily_score(np.array([2.0]), 1).objective == 2


RISE_BARS = 12
"""Of the wave below: so long prices rise after a signal."""


def wave(days: int) -> Candles:
    """Return 5-minute candles that rise 3 % in an hour, fall 5 % in the next three, and come back in four more."""
    rise, fall = np.full(RISE_BARS, 0.03 / RISE_BARS), np.full(36, -0.05 / 36)
    back = np.full(48, 0.02 / 48)
    moves = np.tile(np.concatenate([back, rise, fall]), days * 3)
    close = np.round(100.0 * np.exp(np.cumsum(moves)), 3)
    opened = np.concatenate([[100.0], close[:-1]])
    stamps = 1_735_689_600_000 + 300_000 * np.arange(len(close), dtype=np.int64)
    high, low = np.maximum(opened, close) + 0.01, np.minimum(opened, close) - 0.01
    volume = np.round(1e4 + 0.01 * (np.arange(len(close)) % 7), 2)
    return Candles("WAVE/USDT", "5m", stamps, opened, high, low, close, volume)


class OnSignal:
    """Enters at the beginning of a wave, told by state 3, and leaves the exit to the rules."""

    def act(self, states: np.ndarray) -> np.ndarray:
        """Return an entry where the wave begins, else HOLD or DO_NOTHING."""
        legal = legal_actions(states)
        rest = np.where(legal[:, Action.HOLD], Action.HOLD, Action.DO_NOTHING)
        enter = (states[:, 3] > 0) & legal[:, Action.ENTER_LONG_NORMAL]
        return np.where(enter, Action.ENTER_LONG_NORMAL, rest).astype(np.int64)


def judged(hold_bars: int) -> tuple[ValidationScore, TradeTable]:
    """Return the score, and the trades, of the rules that hold so long; stop and target are out of reach."""
    rules = TradingSettings(decision_interval_bars=3, hold_bars=hold_bars, stop_sigmas=90.0, target_sigmas=90.0)
    kernel = resolve_settings(rules, "5m")
    tape = tape_of(wave(12), kernel)
    features = np.zeros_like(tape.features)
    features[tape.rows % 96 == 47, 3] = 1.0  # the close after which a wave rises
    tape = tape.with_features(features)
    start = int(tape.bars[0, 0]) * kernel.base_ms + DAY_MS
    window = Window(start, start + 10 * DAY_MS)
    score = TradingValidation(lambda: [tape], kernel, None, window.start_ms, window.end_ms).score(OnSignal())
    return score, shadow_block(OnSignal(), [tape], window, kernel, LIMITS, name="wave", fold=0).trades


def test_the_objective_of_rules_is_what_they_earn_a_day() -> None:
    """Where prices rise for an hour and fall for three, the same policy is judged better with the shorter hold.

    Money a day, not reward or result a decision: the two compare although one of them holds four times as long.
    """
    short, long = judged(RISE_BARS), judged(48)
    for (score, trades), hold in ((short, RISE_BARS), (long, 48)):
        print(hold, score)
        assert score.trades == len(trades) == 30
        assert trades.hold_bars.max() <= hold + 1
        assert score.daily_mean_quote == pytest.approx(trades.net.sum() / 10, rel=1e-3)  # less the coin's dust
    assert short[0].objective > 20.0
    assert long[0].objective < -20.0
