"""Closed trades: exact results, and rows that the trade memory accepts."""

from decimal import Decimal

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.execution.results import Decision, closed_trade, trade_rows
from huracan.trading import ExitReason
from huracan.venue.orders import Side
from tests.execution.made import trade_of
from tests.execution.test_positions import bought


def test_a_trade_by_hand() -> None:
    """10 coins at 100.00, fee 0.01 coins; 9.99 sold at 101.00, fee 1 USDT and 0.002 BNB at 600."""
    position = bought(fee="0.01")
    position.book_sell(trade_of(Side.SELL, 999, 10_100, 5, "2", "1", "USDT"), ExitReason.TAKE_PROFIT)
    position.others["BNB"] = Decimal("0.002")
    trade = closed_trade(position)
    rates = {"BNB": Decimal(600)}
    assert trade.fee(rates) == Decimal("1.01") + 1 + Decimal("1.2")
    assert trade.net(rates) == Decimal("9.99") * 101 - 1000 - 1 - Decimal("1.2")
    assert (trade.mfe_frac, trade.mae_frac) == (Decimal("0.01"), 0)
    assert trade.risk_frac == (trade.ref - trade.stop) / Decimal(10_000) > 0
    assert trade.exit_ms == 300_000
    rows = trade_rows([trade], [Decision(np.ones(80, np.float32), 2, 0.7, 99)], rates, "v1", "anna", "paper", 9)
    parts = rows.price_part + rows.spread_part + rows.slippage_part + rows.fee
    assert parts[0] == pytest.approx(rows.net[0], abs=1e-9)
    assert (float(rows.risk_frac[0]), int(rows.layout[0])) == (float(trade.risk_frac), 99)
    assert (str(rows.exit_reason[0]), int(rows.seq[0]), int(rows.regime[0])) == ("take_profit", 9, 2)


def test_a_fee_without_a_rate_is_a_fault() -> None:
    """No result is made up."""
    position = bought(fee="0.1", asset="BNB")
    position.book_sell(trade_of(Side.SELL, 1_000, trade_id="2"), ExitReason.NONE)
    with pytest.raises(InvariantError, match="BNB"):
        closed_trade(position).net({})


def test_nothing_sold_is_no_trade() -> None:
    """And neither are coins that do not add up."""
    with pytest.raises(InvariantError):
        closed_trade(bought())
    position = bought()
    position.book_sell(trade_of(Side.SELL, 1_000, trade_id="2"), ExitReason.NONE)
    position.slot.coins += 1
    with pytest.raises(InvariantError):
        closed_trade(position)
