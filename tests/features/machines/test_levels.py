"""VWAP distance and Donchian position, worked out by hand."""

import math

import numpy as np
import pytest

from huracan.features import windows_for
from huracan.features.machines.levels import levels_emit, levels_init, levels_update
from tests.features.markets import SMALL

W = windows_for("1m", SMALL.windows)


def test_levels_by_hand_after_others_left_the_window() -> None:
    """1 unit at 100 and 3 at 110 by turns have VWAP 107.5; wider extremes and huge trades before them are forgotten."""
    s, out = levels_init(W), np.zeros(52)
    for _ in range(20):
        levels_update(s, 9.0, 1.0, 1e6, 2e8)
    for n in range(W.level):
        volume, quote = (1.0, 100.0) if n % 2 else (3.0, 330.0)
        levels_update(s, 4.8 if n == 5 else 4.7, 4.4 if n == 9 else 4.6, volume, quote)
    levels_emit(s, 4.7, 0.01, out)
    assert out[22] == pytest.approx((4.7 - math.log(107.5)) / (0.01 * math.sqrt(W.level)), rel=1e-9)
    assert out[23] == pytest.approx(2 * (4.7 - 4.4) / (4.8 - 4.4) - 1, rel=1e-12)


def test_levels_are_bounded_and_zero_where_there_is_no_level() -> None:
    """A far close is 5 deviations and the channel's edge; without trades or width there is nothing to stand on."""
    s, out = levels_init(W), np.zeros(52)
    levels_update(s, 4.6, 4.6, 0.0, 0.0)
    levels_emit(s, 4.6, 0.01, out)
    assert out[[22, 23]].tolist() == [0.0, 0.0]
    levels_update(s, 4.8, 4.4, 1.0, math.exp(4.6))
    for close, wanted in ((9.0, [5.0, 1.0]), (1.0, [-5.0, -1.0])):
        levels_emit(s, close, 0.01, out)
        assert out[[22, 23]].tolist() == wanted
