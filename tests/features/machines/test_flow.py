"""Trade counts, taker imbalance and volume buckets, worked out by hand."""

import math

import numpy as np
import pytest

from huracan.features import windows_for
from huracan.features.machines.flow import (
    flow_emit,
    flow_flat,
    flow_init,
    flow_taker_ready,
    flow_trades_ready,
    flow_update,
    taker_imbalance,
)
from tests.features.markets import SMALL

W = windows_for("1m", SMALL.windows)


def test_taker_imbalance_by_hand() -> None:
    """Bars of volume 10 and 30 with 10 and 15 bought: 1 over the last two is (25 - 15) / 40."""
    s, out = flow_init(W), np.zeros(52)
    for _ in range(8):
        flow_update(s, 10.0, 5.0, 10.0)
    flow_update(s, 30.0, 5.0, 15.0)
    assert taker_imbalance(s, 1) == 0.0
    assert taker_imbalance(s, 2) == pytest.approx(10 / 40)
    flow_update(s, 0.0, 0.0, 0.0)
    assert taker_imbalance(s, 1) == 0.0
    flow_emit(s, out)
    keep = (1 - 2 / (W.slow + 1)) ** np.arange(10)
    assert out[29] == pytest.approx(math.log((8 * 5.0 / 9) / (5.0 * keep[1:].sum() / keep.sum())), rel=1e-9)
    flow_update(s, 10.0, math.nan, math.nan)
    flow_emit(s, out)
    assert not out[[29, 33, 34, 35, 41]].any()


def test_volume_buckets_see_one_sided_trade() -> None:
    """All buys fill buckets of imbalance 1; a bar of 100 buckets at once is bounded work; balanced trade is 0."""
    out = np.zeros(52)
    for share, wanted in ((1.0, 1.0), (0.0, 1.0), (0.5, 0.0), (0.75, 0.5)):
        s = flow_init(W)
        for _ in range(60):
            flow_update(s, 10.0, 5.0, 10.0 * share)
        flow_emit(s, out)
        assert out[41] == pytest.approx(wanted, abs=1e-9)
    flow_update(s, 1e6, 5.0, 1e6)
    flow_emit(s, out)
    assert out[41] == pytest.approx(1.0, abs=1e-2)


def test_each_input_is_ready_after_its_own_window_and_a_break_starts_it_anew() -> None:
    """Trades need 9 bars and taker volume 8; one absent value of one input leaves the other alone."""
    s = flow_init(W)
    ready = []
    for n in range(1, 20):
        flow_update(s, 10.0, math.nan if n == 10 else 5.0, 4.0)
        ready.append((flow_trades_ready(s), flow_taker_ready(s)))
    trades = [n == 9 or n == 19 for n in range(1, 20)]
    taker = [n >= 8 for n in range(1, 20)]
    assert ready == list(zip(trades, taker, strict=True))


def test_a_flat_bar_has_no_trade_where_there_was_an_input_and_none_where_there_was_not() -> None:
    """The stand-in of a missing bar carries 0 trades beside an absent taker volume, as the coin's bars did."""
    s, bar = flow_init(W), np.full(12, 7.0)
    flow_update(s, 10.0, 5.0, math.nan)
    flow_flat(s, bar)
    assert bar[6] == 0.0
    assert math.isnan(bar[7])
    assert (np.delete(bar, [6, 7]) == 7.0).all()
