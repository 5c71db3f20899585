"""One coin: what a bar feeds, when inputs count as there, and what lies between two rows."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.features import windows_for
from huracan.features.machines.coin import (
    BAR_COLUMNS,
    IN_LEADER,
    coin_age,
    coin_emit,
    coin_flat_bar,
    coin_last_return,
    coin_return_over,
    coin_sigma,
    coin_template,
    coin_update,
)
from tests.features.markets import SMALL

W = windows_for("1m", SMALL.windows)
MONDAY_MS = 1_704_067_200_000
"""2024-01-01 00:00 UTC."""
DAY_MS = 86_400_000
NO_BOOK = np.full(4, np.nan)


def bar(log_close: float, volume: float = 2.0, quote: float = math.nan, flow: float = math.nan) -> NDArray[np.float64]:
    """Return a bar without a body, 1 % wide; `flow` stands for the trade count and the taker volume."""
    close = math.exp(log_close)
    out = np.full(BAR_COLUMNS, np.nan)
    out[:8] = close, close * 1.005, close * 0.995, close, volume, quote, flow, flow
    return out


def emit(
    s: NDArray[np.float64], at: NDArray[np.int64], close_ms: int = MONDAY_MS, book: NDArray[np.float64] = NO_BOOK
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return a row and what was available."""
    out, available = np.zeros(52), np.zeros(4, dtype=np.bool_)
    coin_emit(s, at, close_ms, book, out, available)
    return out, available


def test_the_week_goes_round_once_from_monday() -> None:
    """Monday 00:00 UTC is the top of the circle, Tuesday 18:00 a quarter on, Thursday 12:00 the bottom."""
    s, at = coin_template(W)
    for n, (days, wanted) in enumerate(((0.0, (0.0, 1.0)), (1.75, (1.0, 0.0)), (3.5, (0.0, -1.0)), (7.0, (0.0, 1.0)))):
        coin_update(s, at, n, bar(4.6))
        out, _ = emit(s, at, MONDAY_MS + int(days * DAY_MS))
        assert out[50:52] == pytest.approx(wanted, abs=1e-12)


def test_the_regime_reads_the_return_since_the_last_row() -> None:
    """Four bars with a net move of two sigma since the last row are one standard deviation; the first row has none."""
    s, at = coin_template(W)
    for n, x in enumerate((0.0, 0.001)):
        coin_update(s, at, n, bar(x))
    assert emit(s, at)[0][25] == 0.0
    for n, x in enumerate((0.002, 0.003, 0.002, 0.003)):
        coin_update(s, at, 2 + n, bar(x))
    assert coin_sigma(s, at) == pytest.approx(0.001, rel=1e-9)
    out, _ = emit(s, at)
    assert out[25] == pytest.approx(1.0, rel=1e-9)
    assert out[26] == out[8] == pytest.approx(0.0, abs=1e-9)  # equal moves: every span knows the same volatility


def test_inputs_are_available_when_their_windows_are_full() -> None:
    """Eight bars fill the taker window, nine that of the trades; the book counts bar by bar; the leader is not ours."""
    s, at = coin_template(W)
    book, seen = np.array([0.001, 0.0, 0.0, 0.0]), []
    for n in range(9):
        coin_update(s, at, n, bar(0.001 * (n % 2), flow=1.0))
        seen.append(emit(s, at, book=book if n == 7 else NO_BOOK)[1].tolist())
    assert seen[6:] == [[False] * 4, [False, True, True, False], [True, True, False, False]]
    available = np.zeros(4, dtype=np.bool_)
    available[IN_LEADER] = True
    coin_update(s, at, 9, bar(0.0))
    coin_emit(s, at, MONDAY_MS, NO_BOOK, np.zeros(52), available)
    assert available[IN_LEADER]


def test_quote_volume_that_is_absent_is_volume_at_the_typical_price() -> None:
    """A coin without quote volume is fed volume (h + l + c) / 3; with the same number given it is the same state."""
    (told, at), (guessed, _) = coin_template(W), coin_template(W)
    for n, x in enumerate((0.0, 0.002, 0.001)):
        typical = bar(x)[1:4].sum() / 3
        coin_update(told, at, n, bar(x, quote=2.0 * typical))
        coin_update(guessed, at, n, bar(x))
    assert guessed == pytest.approx(told, rel=1e-12)
    coin_update(told, at, 3, bar(0.0, quote=200.0))
    coin_update(guessed, at, 3, bar(0.0))
    assert abs(emit(told, at)[0][28] - emit(guessed, at)[0][28]) > 0.01


def test_a_flat_bar_is_fed_like_any_other() -> None:
    """It stands at the last close with nothing traded, adds to the age and has no return."""
    s, at = coin_template(W)
    for n, x in enumerate((0.0, 0.001, 0.003)):
        coin_update(s, at, n, bar(x, flow=1.0))
    assert coin_last_return(s, at) == pytest.approx(0.002)
    flat = np.zeros(BAR_COLUMNS)
    coin_flat_bar(s, at, math.exp(0.003), flat)
    assert flat[:8].tolist() == [math.exp(0.003)] * 4 + [0.0] * 4
    assert np.isnan(flat[8:]).all()
    coin_update(s, at, 3, flat)
    assert (coin_age(s, at), coin_last_return(s, at)) == (4.0, 0.0)
    assert coin_return_over(s, at, 2) == pytest.approx(0.002)
    assert math.isnan(coin_return_over(s, at, 4))
