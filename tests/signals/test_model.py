"""The records between feed, signals and execution pass through a pickle, as Ray sends them, unchanged."""

import pickle
from decimal import Decimal

import numpy as np

from huracan.signals.model import FitRows, MarketClose
from huracan.venue.klines import Kline


def test_a_close_travels_unchanged() -> None:
    """What a process receives of a close is what the other one sent, prices to the last digit."""
    rows = FitRows(
        np.arange(104, dtype=np.float32).reshape(2, 52),
        np.array([True, False]),
        np.zeros(2, np.float32),
        np.array([1e-3, np.nan]),
        np.array([True, False]),
    )
    one = Decimal("0.00001234")
    bar = Kline(60_000, one, one, one, one, Decimal(5), Decimal("0.0000617"), 3, Decimal(2))
    close = MarketClose(120_000, False, ("A/USDT", "B/USDT"), {"A/USDT": bar}, {"": rows}, 120_050)
    got = pickle.loads(pickle.dumps(close))  # noqa: S301 - our own bytes
    assert got.bars == close.bars
    assert got.fits[""].market.tobytes() == rows.market.tobytes()
    assert got.fits[""].sigma.tobytes() == rows.sigma.tobytes()
