"""Small hand-made histories that the market's tests damage in one way each."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from huracan.market import Candles, MarketShape, Rows, martingale

START_MS = 1_749_600_000_000  # 2025-06-11T00:00:00Z
MINUTE_MS = 60_000


def columns(bars: int = 500, step_ms: int = MINUTE_MS, start_ms: int = START_MS) -> dict[str, np.ndarray]:
    """Return sound columns, `timestamp` in ms, as writable arrays."""
    close = 100.0 + np.sin(np.arange(bars) / 7.0)
    open_ = np.concatenate(([100.0], close[:-1]))[:bars]
    return {
        "timestamp": start_ms + step_ms * np.arange(bars),
        "open": open_,
        "high": np.maximum(open_, close) + 0.1,
        "low": np.minimum(open_, close) - 0.1,
        "close": close,
        "volume": np.full(bars, 5.0),
    }


def rows(found: dict[str, np.ndarray]) -> Rows:
    """Return columns as rows of a file."""
    return Rows(found["timestamp"], {name: values for name, values in found.items() if name != "timestamp"})


def write(path: Path, found: dict[str, object]) -> Path:
    """Write columns as they are, sound or not; an integer `timestamp` stays an integer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(found), path)
    return path


def market(bars: int = 600, symbol: str = "ADA/USDT", timeframe: str = "1m", seed: int = 1) -> Candles:
    """Return a sound synthetic market with all optional columns."""
    return martingale(MarketShape(symbol, timeframe, silent_frac=0.05), bars, seed)
