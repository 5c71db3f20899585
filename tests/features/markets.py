"""Small universes for feature tests: gaps, late starts, stale bars, all optional inputs, and real candles."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from huracan.config import FeatureSettings
from huracan.market import Candles
from huracan.market.store import read_candles

SMALL = FeatureSettings(windows=Path(__file__).with_name("windows_small.yaml"), gap_fill_max_bars=3)
START_MS = 1_700_000_040_000 // 60_000 * 60_000
LEADER = "BTC/USDT"
K = 5

_REPOSITORY = Path(__file__).parents[2]
REAL_FOLDER = Path(os.environ.get("HURACAN_TEST_CANDLES", _REPOSITORY / "../shared/data/candles")) / "1m"
"""One-minute candles of real coins; a clone may lack them, and synthetic ones take every test too."""


def coin(symbol: str, bars: int, seed: int, *, inputs: bool = False, tick: float = 0.01) -> Candles:
    """Return one coin of a random walk with volatility clusters, jumps, stale stretches and zero-volume bars."""
    rng = np.random.default_rng(seed)
    vol = 0.001 * np.exp(0.8 * np.cumsum(rng.normal(0, 0.05, bars)) / 3)
    steps = rng.standard_t(4, (bars, 8)) * vol[:, None]
    steps[rng.random(bars) < 0.01] *= 8
    flat = rng.random(bars) < 0.08
    flat[bars // 2 : bars // 2 + 25] = True
    steps[flat] = 0.0
    path = 100.0 * np.exp(np.cumsum(steps.ravel())).reshape(bars, 8)
    path = np.maximum(np.round(path / tick), 1.0) * tick
    close = path[:, -1]
    open_ = np.concatenate([[path[0, 0]], close[:-1]])
    jump = (rng.random(bars) < 0.3) & ~flat
    open_ = np.where(jump, np.round(open_ * (1 + rng.normal(0, 0.0004, bars)) / tick) * tick, open_)
    open_ = np.where(flat, close, open_)
    high, low = np.maximum(path.max(axis=1), open_), np.minimum(path.min(axis=1), open_)
    high, low = np.where(flat, close, high), np.where(flat, close, low)
    volume = np.where(flat, 0.0, np.round(rng.lognormal(2, 1, bars), 3))
    stamps = START_MS + 60_000 * np.arange(bars)
    extra: dict[str, NDArray[np.float64]] = {}
    if inputs:
        taker = np.minimum(np.round(volume * rng.beta(3, 3, bars), 3), volume)
        extra = {
            "trades": np.where(flat, 0.0, rng.poisson(30, bars) + 1.0),
            "taker_buy_volume": taker,
            "quote_volume": volume * (high + low + close) / 3,
        }
    return Candles(symbol, "1m", stamps, open_, high, low, close, volume, **extra)


def without(candles: Candles, *spans: tuple[int, int]) -> Candles:
    """Return the candles without the bars [a, b) of each span."""
    keep = np.ones(len(candles), dtype=bool)
    for a, b in spans:
        keep[a:b] = False
    return pick(candles, keep)


def pick(candles: Candles, keep: NDArray[np.bool_]) -> Candles:
    """Return the candles where `keep` holds."""
    names = ("timestamp", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")
    columns = {name: getattr(candles, name) for name in names}
    return replace(candles, **{name: None if x is None else x[keep] for name, x in columns.items()})


def universe(bars: int = 900, seed: int = 1) -> dict[str, Candles]:
    """Return four coins: the leader, one with all inputs, one with short and long gaps, one listed late."""
    short, long = ((100, 102), (203, 204), (300, 303)), ((400, 404), (500, 540))
    all_ = [
        without(coin(LEADER, bars, seed, inputs=True), (250, 253), (600, 612)),
        coin("ADA/USDT", bars, seed + 1, inputs=True),
        without(coin("FET/USDT", bars, seed + 2, tick=0.25), *short, *long),
        without(coin("NEW/USDT", bars, seed + 3), (0, 233), (bars - 150, bars)),
    ]
    return {c.symbol: c for c in all_}


def books(candles: Mapping[str, Candles], seed: int = 5) -> dict[str, NDArray[np.float64]]:
    """Return book summaries of the coin with all inputs, absent in one stretch."""
    rng = np.random.default_rng(seed)
    rows = len(candles["ADA/USDT"])
    book = np.column_stack(
        [rng.uniform(1e-4, 1e-3, rows), rng.normal(0, 2, rows), rng.uniform(-1, 1, rows), rng.uniform(-1, 1, rows)]
    )
    book[300:340] = np.nan
    return {"ADA/USDT": book}


def real_universe(days: float) -> dict[str, Candles]:
    """Return the first days of three real coins and the leader; empty where the repository has no such folder."""
    stems = ("BTC-USDT-PERP", "ADA-USDT", "SHIB-USDT", "LINK-USDT")
    paths = [REAL_FOLDER / f"{stem}.parquet" for stem in stems]
    if not all(path.exists() for path in paths):
        return {}
    read = [read_candles(path) for path in paths]
    first = min(int(c.timestamp[0]) for c in read)
    return {c.symbol: c.between(first, first + int(days * 86_400_000)) for c in read}


HAVE_REAL = bool(REAL_FOLDER.is_dir())
SOURCES = ("synthetic", "real") if HAVE_REAL else ("synthetic",)
