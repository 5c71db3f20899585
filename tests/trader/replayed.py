"""Two made-up markets of quarter-hour candles, loaded and replayed once for all tests that look at a replay."""

import tempfile
from functools import cache
from pathlib import Path

from huracan.config import Settings, load_settings
from huracan.market import CandleStore, MarketShape, martingale
from huracan.trader.replay import Decider, Leg, ReplayData, replay_leg
from huracan.trader.replay_data import legs_of, load_replay, momentum

SYMBOLS = ("ADA/USDT", "BTC/USDT")
BARS = 1_700
"""The machines are warm after 1,362 bars, a day has 96."""
DAY = 16
"""The last day that is whole, counted from the first."""
RULES = {
    "trading.decision_interval_bars": 1,
    "trading.hold_bars": 4,
    "trading.distance_min_bps": 20.0,
    "trading.cap_bps": 20,
    "trading.maker_life_bars": 2,
    "trading.maker_tries": 2,
}
SEED = 5

# A stop lies two standard deviations of a bar away: some are reached in the bar in which they were placed.


def settings(**changes: object) -> Settings:
    """Return settings that decide at each bar; `changes` are dotted keys with two underscores for the dot."""
    return load_settings(None, {**RULES, **{name.replace("__", "."): value for name, value in changes.items()}}, {})


def write_candles(root: Path) -> Path:
    """Write the candles as a store and return the folder of their timeframe."""
    store = CandleStore(root)
    for seed, symbol in enumerate(SYMBOLS):
        shape = MarketShape(symbol, "15m", notional_per_bar=20_000.0)
        store.write(martingale(shape, BARS, seed=seed, sigma_bps=30.0))
    return root / "15m"


@cache
def data() -> ReplayData:
    """Return the last whole day of both markets."""
    with tempfile.TemporaryDirectory() as folder:
        return load_replay(write_candles(Path(folder)), settings(), (), None, 1)


def trend() -> Decider:
    """Return decisions that change often."""
    return momentum(data(), bars=3)


@cache
def legs() -> tuple[Leg, Leg]:
    """Return the day traded maker-first and taker-only."""
    maker, taker = (replay_leg(data(), kernel, trend(), SEED) for kernel in legs_of(data().kernel))
    return maker, taker
