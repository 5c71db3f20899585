"""The markets every measurement runs on: seeded martingales, so that the figures need no data folder."""

from dataclasses import dataclass

from huracan.config import load_settings
from huracan.env.dataset import Dataset
from huracan.env.episodes import Window
from huracan.features import FeatureFit
from huracan.market import Candles, CandleSet, MarketShape, martingale
from huracan.trading import KernelSettings, Tape

LEADER = "BTC/USDT"


@dataclass(frozen=True, slots=True)
class BenchMarket:
    """Tapes with features and the window they can be traded in."""

    kernel: KernelSettings
    tapes: tuple[Tape, ...]
    window: Window
    fit: FeatureFit


def martingales(coins: int, bars: int) -> dict[str, Candles]:
    """Return `coins` minute markets of `bars` bars, the first named as the leader."""
    names = [LEADER, *(f"C{index:02d}/USDT" for index in range(1, coins))]
    return {name: martingale(MarketShape(symbol=name), bars, seed=(7, index)) for index, name in enumerate(names)}


def bench_market(coins: int, bars: int, interval: int) -> BenchMarket:
    """Return markets with fitted features and a decision every `interval` bars."""
    settings = load_settings(overrides={"trading.decision_interval_bars": interval}, environ={})
    candles = martingales(coins, bars)
    found = CandleSet("1m", tuple(sorted(candles)), LEADER, candles, ())
    dataset = Dataset.build(found, settings, "bench")
    start_ms, end_ms = dataset.summary.start_ms, dataset.summary.end_ms
    fit = dataset.fit(start_ms, end_ms, seed=1)
    return BenchMarket(dataset.kernel, tuple(dataset.fold_tapes(fit)), Window(start_ms, end_ms), fit)
