"""Which bars of a window are traded, and that a cut tape trades like the whole one."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.baselines import Momentum
from huracan.errors import DataError
from huracan.shadow.run import shadow_block
from huracan.shadow.stretches import cut_tape, stretches
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of

KERNEL = rules()
TAPES = wild_world(KERNEL)
WINDOW = window_of(TAPES, 1, 3)


def test_a_stretch_begins_at_a_warm_decision_and_ends_with_its_segment_or_the_window() -> None:
    """Every lane: a decision row whose features are warm, one segment, inside the window and its eve."""
    found = stretches(TAPES, WINDOW, KERNEL.base_ms)
    assert {stretch.coin for stretch in found} == {0, 1, 2}
    for stretch in found:
        tape = TAPES[stretch.coin]
        open_ms = tape.bars[:, 0] * KERNEL.base_ms
        assert stretch.start in tape.rows
        assert tape.ready[stretch.start]
        assert len(set(tape.segment[stretch.start : stretch.stop])) == 1
        assert open_ms[stretch.start] >= WINDOW.start_ms - KERNEL.base_ms
        assert open_ms[stretch.stop - 1] < WINDOW.end_ms
    assert any(TAPES[stretch.coin].bars[stretch.start, 0] * 60_000 < WINDOW.start_ms for stretch in found)


def test_a_cut_tape_gives_the_trades_and_days_of_the_whole_one() -> None:
    """What travels to a worker is a part of the tape; results are the same to the last bit."""
    cut = [cut_tape(tape, WINDOW, KERNEL.base_ms) for tape in TAPES]
    assert sum(len(tape) for tape in cut) < 0.6 * sum(len(tape) for tape in TAPES)
    whole = shadow_block(Momentum(), TAPES, WINDOW, KERNEL, LIMITS, name="m", fold=0)
    part = shadow_block(Momentum(), cut, WINDOW, KERNEL, LIMITS, name="m", fold=0)
    assert len(whole.trades) > 100
    assert np.array_equal(whole.pnl, part.pnl)
    assert np.array_equal(whole.trades.entry_state, part.trades.entry_state)
    assert np.array_equal(whole.trades.net, part.trades.net)


def test_a_coin_without_warm_features_is_refused_by_name() -> None:
    """No warm bar in the window: a DataError, not an empty result."""
    cold = replace(TAPES[1], ready=np.zeros(len(TAPES[1]), np.bool_))
    with pytest.raises(DataError, match="W1/USDT has no bar with warm features"):
        stretches([TAPES[0], cold], WINDOW, KERNEL.base_ms)
