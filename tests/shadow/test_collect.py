"""From the ledger's integers to the trade table: nothing is taken on trust."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.shadow.collect import Confidences, collect_trades
from huracan.shadow.stretches import open_lanes, stretches
from huracan.trading import Action, Trades
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of

KERNEL = rules()
TAPES = wild_world(KERNEL, coins=2)


@pytest.fixture(scope="module")
def closed() -> Trades:
    """Trades of two coins that enter whenever they may and leave at the second chance."""
    window = window_of(TAPES, 1, 2)
    lanes = open_lanes(TAPES, stretches(TAPES, window, KERNEL.base_ms), KERNEL, LIMITS)
    turn = 0
    while not (lanes.terminated | lanes.truncated).all():
        busy = lanes.obs[:, 62] > 0
        turn += 1
        lanes.step(np.where(busy, Action.EXIT if turn % 2 else Action.HOLD, Action.ENTER_LONG_SMALL))
    return lanes.trades()


def test_units_and_order(closed: Trades) -> None:
    """Coins in order, time within a coin, prices times quantity give the notional, costs are never gains."""
    table = collect_trades(closed, TAPES, KERNEL, Confidences())
    assert len(table) == len(closed) > 100
    assert (np.diff(table.coin) >= 0).all()
    assert table.quantity * table.entry_price == pytest.approx(table.notional_in)
    assert (table.fee_part < 0).all()
    assert (table.confidence == 1.0).all()
    assert (table.hold_bars >= 0).all()
    at_risk = table.risk_frac * table.entry_price * table.quantity
    steps = np.array([float(tape.instrument.tick_step_quote) for tape in TAPES])[table.coin] * table.steps_in
    order = np.lexsort((closed.entry_ms, closed.tape))
    assert at_risk == pytest.approx((closed.ref - closed.stop)[order] * steps)
    assert (at_risk > 0).all()


def test_a_net_that_the_ledger_does_not_give_stops_the_run(closed: Trades) -> None:
    """Floats shifted by 1e-8, parts included so that the identity still holds: the integers tell."""
    shifted = replace(closed, net=closed.net + 1e-8, price_part=closed.price_part + 1e-8)
    with pytest.raises(InvariantError, match="but the ledger gives"):
        collect_trades(shifted, TAPES, KERNEL, Confidences())


def test_coins_that_vanish_stop_the_run(closed: Trades) -> None:
    """One unit of 1e-8 coin unaccounted for in the fees is found."""
    with pytest.raises(InvariantError, match="unaccounted for"):
        collect_trades(replace(closed, fee_base=closed.fee_base + 1), TAPES, KERNEL, Confidences())


def test_confidences_are_found_by_lane_and_bar() -> None:
    """Entries in any order; an entry that nobody decided is a defect."""
    notes = Confidences()
    enter, wait = int(Action.ENTER_LONG_NORMAL), int(Action.DO_NOTHING)
    notes.note(np.array([10, 20]), np.array([enter, wait]), np.array([0.25, 0.5], np.float32))
    notes.note(np.array([15, 25]), np.array([wait, enter]), np.array([0.75, 0.125], np.float32))
    assert notes.of(np.array([1, 0]), np.array([25, 10])).tolist() == [0.125, 0.25]
    with pytest.raises(InvariantError, match="never made"):
        notes.of(np.array([1]), np.array([20]))
