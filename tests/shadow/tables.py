"""Hand-made trade tables for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np

from huracan.shadow.trades import TradeTable


def trade_table(rows: Sequence[Mapping[str, float]]) -> TradeTable:
    """Return trades of 1,000 quote with 2 of costs each; `rows` override single figures, `net` sets the price part."""
    columns = {
        field.name: np.zeros((len(rows), 80), np.float32)
        if field.name == "entry_state"
        else np.zeros(len(rows), getattr(TradeTable.empty(), field.name).dtype)
        for field in fields(TradeTable)
    }
    columns["seq"] = np.arange(len(rows))
    columns["notional_in"][:] = 1_000.0
    columns["spread_part"][:], columns["slippage_part"][:], columns["fee_part"][:] = -0.5, -0.25, -1.25
    for index, row in enumerate(rows):
        for name, value in row.items():
            columns[name][index] = value
    columns["price_part"] = columns["net"] + 2.0
    columns["notional_out"] = columns["notional_in"] + columns["net"] + 1.25
    return TradeTable(**columns)
