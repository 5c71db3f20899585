"""The identity of every trade, and tables that stay whole."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.features.layout import S_HMM_HIGH_VOL, S_HMM_TREND
from huracan.shadow.trades import TradeTable, regime_of
from tests.shadow.tables import trade_table


def test_identity_holds_to_a_billionth_or_the_run_stops() -> None:
    """Price + spread + slippage + fee = net: 2e-6 on a trade of 1,000 is an InvariantError that names the trade."""
    table = trade_table([{"net": 1.0}, {"net": -3.0, "coin": 1}])
    table.check_identity("p", ("A", "B"))
    for column in ("price_part", "spread_part", "slippage_part", "fee_part", "net"):
        values = getattr(table, column).copy()
        values[1] += 2e-9
        with pytest.raises(InvariantError, match="trade 1 of p on B"):
            replace(table, **{column: values}).check_identity("p", ("A", "B"))


def test_identity_refuses_what_is_not_a_number() -> None:
    """NaN is not equal to anything, so it cannot pass."""
    table = trade_table([{"net": 1.0}])
    with pytest.raises(InvariantError):
        replace(table, fee_part=np.array([np.nan])).check_identity("p", ("A",))


def test_tables_concatenate_and_select() -> None:
    """Rows keep their order and types; no table at all gives the empty one."""
    first, second = trade_table([{"net": 1.0}, {"net": 2.0}]), trade_table([{"net": 3.0}])
    joined = TradeTable.concatenate([first, second])
    assert joined.net.tolist() == [1.0, 2.0, 3.0]
    assert joined.where(joined.net > 1.5).net.tolist() == [2.0, 3.0]
    assert len(TradeTable.empty()) == 0
    assert TradeTable.empty().entry_state.shape == (0, 80)
    assert TradeTable.empty().seq.dtype == np.int64


def test_columns_of_different_length_are_refused() -> None:
    """A table with a short column is a defect, found where it is made."""
    with pytest.raises(InvariantError, match="hold_bars has 0 rows"):
        replace(trade_table([{"net": 1.0}]), hold_bars=np.zeros(0, np.int64))


def test_regime_numbers() -> None:
    """Three directions, doubled by volatility."""
    states = np.zeros((6, 80), np.float32)
    states[:, S_HMM_TREND] = [-0.5, 0.0, 0.5, -0.5, 0.0, 0.5]
    states[3:, S_HMM_HIGH_VOL] = 0.9
    assert regime_of(states).tolist() == [0, 1, 2, 3, 4, 5]
