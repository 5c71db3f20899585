"""Three days of candles through the front door: real ones where the folder exists, synthetic ones always."""

import math
import os
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from huracan.config import TradingSettings
from huracan.market import Candles, open_folder
from huracan.market.bars import MarketShape
from huracan.market.synthetic import martingale, wild_bars
from huracan.trading import KernelSettings, build_cost_table, infer_instrument, resolve_settings
from tests.parity.wild import DAY_MS, IntegerMarket

COINS = ("BTC/USDT:USDT", "SHIB/USDT", "ICP/USDT")
"""A fine tick and fees in quote, a price of 1e-5, thin volume."""
SYNTHETIC = ("thin", "wild-1")
WARM_DAYS, TRADED_DAYS = 4, 3
FIRST_DAY = 40
"""Days into the history, so that every coin has begun."""

ROUNDINGS = Decimal(2) ** -50
"""Relative distance from the decimal grid that a float of it may have."""

CONFIGURATIONS: dict[str, TradingSettings] = {
    "taker-15-coin": TradingSettings(decision_interval_bars=15, hold_bars=240, stop_sigmas=0.75, target_sigmas=1.0),
    "taker-1-quote": TradingSettings(
        decision_interval_bars=1, hold_bars=60, fee_asset="quote", fee_taker_ppm=750, distance_min_bps=40.0, cap_bps=20
    ),
    "maker-5-coin": TradingSettings(
        decision_interval_bars=5, hold_bars=120, entry="maker", exit="maker", distance_min_bps=40.0, cap_bps=20
    ),
    "maker-1-quote": TradingSettings(
        decision_interval_bars=1,
        hold_bars=60,
        entry="maker",
        exit="maker",
        maker_life_bars=3,
        maker_tries=2,
        maker_fallback="give_up",
        fee_asset="quote",
        fee_maker_ppm=200,
        distance_min_bps=40.0,
        cap_bps=20,
        volume_share=(1, 20),
    ),
    "maker-in-15-coin": TradingSettings(
        decision_interval_bars=15, hold_bars=240, entry="maker", maker_exit_life_bars=4, stop_sigmas=0.75
    ),
}


def candle_folder() -> Path | None:
    """Return the folder of real 1-minute candles, or None on a machine that has none."""
    default = Path(__file__).parents[2].parent / "shared/data/candles"
    root = Path(os.environ.get("HURACAN_TEST_CANDLES", default))
    folder = root / "1m" if (root / "1m").is_dir() else root
    return folder if folder.is_dir() else None


def history_names() -> tuple[str, ...]:
    """Return the histories compared on every run; never empty, real coins among them where there are any."""
    return (*COINS, *SYNTHETIC) if candle_folder() else SYNTHETIC


def all_history_names() -> tuple[str, ...]:
    """Return every coin of the folder and the synthetic histories."""
    folder = candle_folder()
    return (*(open_folder(folder).symbols if folder else ()), *SYNTHETIC, "wild-2", "wild-3")


def load_history(name: str) -> Candles:
    """Return one week of 1-minute candles."""
    bars = (WARM_DAYS + TRADED_DAYS) * 1440
    if name == "thin":
        shape = MarketShape("THIN/USDT", price=7.0, price_decimals=3, volume_decimals=1, notional_per_bar=6_000.0)
        return martingale(shape, bars, seed=11, kind="heavy")
    if name.startswith("wild"):
        return wild_bars(int(name.removeprefix("wild-")), bars)
    folder = candle_folder()
    assert folder is not None
    candles = open_folder(folder).read(name)
    start = int(candles.timestamp[0]) // DAY_MS * DAY_MS + FIRST_DAY * DAY_MS
    return candles.between(start, start + (WARM_DAYS + TRADED_DAYS) * DAY_MS)


def settings_for(name: str) -> KernelSettings:
    """Return one of `CONFIGURATIONS` resolved for 1-minute bars."""
    return resolve_settings(CONFIGURATIONS[name], "1m")


@lru_cache
def load_market(name: str) -> IntegerMarket:
    """Return a history quantised by exact decimal division, with the dated costs that both sides share."""
    candles, settings = load_history(name), settings_for("taker-15-coin")
    instrument = infer_instrument(candles, settings)
    costs = build_cost_table(candles, instrument, settings)
    columns = [quantise(getattr(candles, side), instrument.tick) for side in ("open", "high", "low", "close")]
    volume = quantise(candles.volume, instrument.step)
    return IntegerMarket(
        symbol=candles.symbol,
        tick=instrument.tick,
        step=instrument.step,
        min_notional=instrument.min_notional,
        base_ms=settings.base_ms,
        bars=np.column_stack([candles.timestamp // settings.base_ms, *columns, volume]),
        sigma=ewma_sigma(candles.close),
        ready=np.ones(len(candles), np.bool_),
        day=(candles.timestamp - costs.day_ms[0]) // DAY_MS,
        day_ms=costs.day_ms,
        spread=costs.spread,
        qcap=costs.qcap,
        impact=costs.impact,
    )


def quantise(values: NDArray[np.float64], unit: Decimal) -> NDArray[np.int64]:
    """Return value / unit for decimals that went through a float; a value off the grid is an error."""
    out = np.empty(len(values), np.int64)
    for i, value in enumerate(values.tolist()):
        exact = Decimal(value) / unit
        whole = exact.to_integral_value()
        assert abs(exact - whole) <= whole * ROUNDINGS, f"{value} is no multiple of {unit}"
        out[i] = int(whole)
    return out


def ewma_sigma(close: NDArray[np.float64], span: int = 1440) -> NDArray[np.float64]:
    """Return the root of the exponentially weighted mean of squared log returns, one per bar."""
    alpha = 2.0 / (span + 1)
    variance, before = 1e-6, float(close[0])
    out = np.empty(len(close))
    for i, price in enumerate(close.tolist()):
        variance += alpha * (math.log(price / before) ** 2 - variance)
        before = price
        out[i] = math.sqrt(variance)
    return out
