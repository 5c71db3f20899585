"""Candles: their types, the Parquet store, resampling, the quality gate, and synthetic markets."""

from huracan.market.bars import SYNTHETIC_START_MS, MarketShape, candles_from_prints
from huracan.market.candles import OPTIONAL_COLUMNS, PRICE_COLUMNS, REQUIRED_COLUMNS, Candles
from huracan.market.store import CandleFolder, CandleStore, atomic_file, open_folder, read_candles, write_candles
from huracan.market.synthetic import MartingaleKind, martingale, wild_bars
from huracan.market.timeframes import TIMEFRAMES, stem_to_symbol, symbol_to_stem, timeframe_from_ms, timeframe_ms

__all__ = [
    "OPTIONAL_COLUMNS",
    "PRICE_COLUMNS",
    "REQUIRED_COLUMNS",
    "SYNTHETIC_START_MS",
    "TIMEFRAMES",
    "CandleFolder",
    "CandleStore",
    "Candles",
    "MarketShape",
    "MartingaleKind",
    "atomic_file",
    "candles_from_prints",
    "martingale",
    "open_folder",
    "read_candles",
    "stem_to_symbol",
    "symbol_to_stem",
    "timeframe_from_ms",
    "timeframe_ms",
    "wild_bars",
    "write_candles",
]
