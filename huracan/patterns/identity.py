"""Which entries of a state similarity is judged by, and what says that two states mean the same by them."""

import hashlib
import json
from typing import Final

import numpy as np
from numpy.typing import NDArray

from huracan.features import CATALOGUE, MARKET_SIZE, WindowTable, formula_hash
from huracan.features.finish import PROFILED, QUANTILED
from huracan.features.layout import S_AVAILABLE, S_HMM_HIGH_VOL, S_HMM_TREND

__all__ = ["EMBEDDED", "state_layout"]

_OF_THE_FIT: Final = {*PROFILED, *QUANTILED, S_HMM_HIGH_VOL, S_HMM_TREND}
"""Entries computed with constants of one training window: another window's trades have them in another coordinate."""

EMBEDDED: Final[NDArray[np.int64]] = np.array(
    [index for index in range(MARKET_SIZE) if index not in _OF_THE_FIT and index != S_AVAILABLE], np.int64
)
"""int64[44]: the market entries whose meaning no fit changes. 37 says what is known, not what the market is like."""


def state_layout(windows: WindowTable) -> int:
    """Return what identifies the meaning of the embedded entries: base timeframe, windows, formulas and code.

    Returns:
        A signed 64-bit number, never 0 (which stands for a state of unknown layout).
    """
    said = [windows.base_ms, *(formula_hash(CATALOGUE[index], windows) for index in EMBEDDED)]
    digest = hashlib.sha256(json.dumps(said).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True) or 1
