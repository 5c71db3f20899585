"""The market part of the state: one machine per feature, the same code for batch and stream."""

from huracan.features.edge import daily_edge
from huracan.features.layout import HEAD_SIZE, LAYOUT, MARKET_SIZE, STATE_SIZE
from huracan.features.windows import WindowTable, windows_for

__all__ = ["HEAD_SIZE", "LAYOUT", "MARKET_SIZE", "STATE_SIZE", "WindowTable", "daily_edge", "windows_for"]
