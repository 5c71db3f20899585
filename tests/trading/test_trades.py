"""Trades: conservation and the exact split of the result."""

import numpy as np
import pytest

from huracan.trading import ExitReason
from tests.trading.markets import CALM, random_tape, script, settings_of
from tests.trading.test_lanes import CONFIGS, dice, lanes_over, run


@pytest.mark.parametrize("config", CONFIGS)
def test_every_trade_conserves_coins_and_splits_its_result_exactly(config: dict[str, object]) -> None:
    """q_in step = q_out step + fee + change of dust in integers; price + spread + slippage + fee = net to 1e-9."""
    settings = settings_of(**{"decision_interval_bars": 2, "stake_amount": 1_237.0, **config})
    trades = run(lanes_over([random_tape(s, settings) for s in range(6)], settings, list(range(6))), dice(1, 600, 6))
    assert len(trades) > 100
    left = trades.quantity_in * 1_000_000
    assert np.array_equal(left, trades.quantity_out * 1_000_000 + trades.fee_base + trades.dust_out - trades.dust_in)
    parts = trades.price_part + trades.spread_part + trades.slippage_part + trades.fee
    assert np.abs(parts - trades.net).max() < 1e-9
    by_prices = trades.quantity * (trades.exit_price - trades.entry_price) + trades.fee
    assert np.abs(by_prices - trades.net).max() < 1e-9
    assert (trades.fee <= 0).all()
    assert (trades.spread_part <= 0).all()
    assert (trades.slippage_part <= 0).all()


def test_the_sum_of_results_is_the_equity_of_the_account() -> None:
    """Without dust (fees in quote) exactly, lane by lane."""
    settings = settings_of(fee_asset="quote")
    lanes = lanes_over([random_tape(s, settings) for s in range(3)], settings, [0, 1, 2])
    trades = run(lanes, dice(2, 600, 3))
    for lane in range(3):
        assert trades.net[trades.lane == lane].sum() == pytest.approx(float(lanes.equity[lane]), abs=1e-8)


def test_a_trade_by_hand() -> None:
    """Bought 1,000 at 10,001, a step kept as fee, 999 sold at 10,049, fee 0.1 % in quote; mids 10,000 and 10,050."""
    trades = script([CALM, CALM, (10_050, 10_050, 10_050, 10_050, 1)], [2, 4]).trades()
    fee = 1 * 10_049 * 1e-4 + 999 * 10_049 * 1e-7
    assert trades.fee[0] == pytest.approx(-fee, abs=1e-12)
    assert trades.spread_part[0] == pytest.approx(-1_999e-4, abs=1e-12)
    assert trades.slippage_part[0] == 0
    assert trades.net[0] == pytest.approx(1_000 * 48 * 1e-4 - fee, abs=1e-9)
    assert trades.price_part[0] == pytest.approx(trades.net[0] + fee + 1_999e-4, abs=1e-9)
    assert (trades.quantity[0], trades.entry_price[0], trades.exit_price[0]) == pytest.approx((10.0, 100.01, 100.49))
    assert (trades.reason[0], trades.action[0], trades.ref[0]) == (ExitReason.POLICY_EXIT, 2, 10_000)
    assert (trades.entry_ms[0], trades.exit_ms[0], trades.decision_ms[0]) == (60_000, 120_000, 0)


def test_trades_come_by_lane_then_time() -> None:
    """Lanes close trades in turns; the columns are sorted."""
    settings = settings_of()
    trades = run(lanes_over([random_tape(s, settings) for s in range(4)], settings, [2, 0, 3, 1]), dice(3, 600, 4))
    keys = list(zip(trades.lane.tolist(), trades.exit_ms.tolist(), strict=True))
    assert keys == sorted(keys)
    assert set(trades.tape[trades.lane == 2].tolist()) == {3}


def test_no_trades_are_empty_columns() -> None:
    """A run that never trades."""
    trades = script([CALM] * 3, [0]).trades()
    assert len(trades) == 0
    assert trades.entry_state.shape == (0, 80)
