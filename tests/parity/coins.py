"""Three coins, and rules by which they are traded often: on them the live stack is held against shadow.

Real candles where the folder exists, made-up ones always.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from huracan.market import Candles, MarketShape, martingale, open_folder
from tests.parity.histories import candle_folder
from tests.parity.live import Case, Eager

__all__ = ["COINS", "DAY_MS", "FIRST_DAY", "HOUR_MS", "MAKER", "PAST_DAYS", "QUICK", "case_of", "history"]

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
COINS = ("ADA/USDT", "ICP/USDT", "SHIB/USDT")
"""A coarse tick, thin volume, a price of 1e-5."""
PAST_DAYS = 10
QUICK: Mapping[str, Any] = {
    "data.timeframe": "1m",
    "trading.decision_interval_bars": 1,
    "trading.hold_bars": 15,
    "trading.stop_sigmas": 0.8,
    "trading.target_sigmas": 0.9,
    "trading.distance_min_bps": 15.0,
    "trading.cap_bps": 10,
    "execution.lease_ttl_s": 20.0,
    "risk.breaker_triggers": [],
}
"""Rules under which a position is short and ends in every way; a breaker that trips would be no parity."""
MAKER: Mapping[str, Any] = {
    "trading.entry": "maker",
    "trading.exit": "maker",
    "trading.maker_life_bars": 3,
    "trading.maker_tries": 2,
}
FIRST_DAY = 40
"""Days into the history at whose noon trading begins."""


@cache
def history(symbol: str) -> Candles:
    """Return a coin's candles: real ones, or made-up ones where there are none."""
    folder = candle_folder()
    if folder is not None:
        return open_folder(folder).read(symbol)
    price = {"ADA/USDT": 0.85, "ICP/USDT": 5.0, "SHIB/USDT": 0.5}[symbol]
    shape = MarketShape(symbol, "1m", price=price, price_decimals=4, notional_per_bar=200_000.0)
    return martingale(shape, (FIRST_DAY + 4) * 1_440, seed=len(symbol), kind="heavy")


def case_of(hours: float, policy: Eager | None = None, **settings: Any) -> Case:
    """Return a case of three coins."""
    start_ms = max(int(history(symbol).timestamp[0]) for symbol in COINS) // DAY_MS * DAY_MS + FIRST_DAY * DAY_MS
    start_ms += 12 * HOUR_MS
    end_ms = start_ms + int(hours * HOUR_MS)
    candles = {symbol: history(symbol).between(start_ms - PAST_DAYS * DAY_MS, end_ms) for symbol in COINS}
    return Case(candles, start_ms, {**QUICK, **settings}, policy or Eager(3, 30))
