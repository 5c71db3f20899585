"""The market part of the state: one machine per feature, the same code for batch and stream."""

from huracan.features.layout import HEAD_SIZE, LAYOUT, MARKET_SIZE, STATE_SIZE

__all__ = ["HEAD_SIZE", "LAYOUT", "MARKET_SIZE", "STATE_SIZE"]
