"""Compiles every numba function once, so that a first command need not wait: `python -m huracan.env.warm`.

A tiny market goes the whole way, features, fit, tapes and lanes, in the shapes and types that real runs use. With
`--check` nothing is compiled: it prints the first function that the cache lacks, or nothing when all of it loads.
"""

import os
import sys
import time

import numpy as np
from numba.core import event

from huracan.config import EnvSettings, load_settings
from huracan.env.dataset import Dataset
from huracan.env.episodes import Window
from huracan.env.vector import TradingVectorEnv
from huracan.features import MARKET_SIZE, Bar, FeatureStream
from huracan.features.blocks import decision_closes, first_pass, second_pass
from huracan.market import CandleSet, MarketShape, martingale
from huracan.patterns import Outcomes
from huracan.trading import Lanes
from huracan.trees import Forest

__all__ = ["first_missing", "warm"]

BARS = 1_200
STEPS = 30


def warm() -> float:
    """Compile or load every compiled function; return the seconds it took."""
    begun = time.perf_counter()
    settings = load_settings(environ={})
    symbols = ("AAA/USDT", "BTC/USDT")
    candles = {
        symbol: martingale(MarketShape(symbol=symbol, timeframe="1d"), BARS, seed=index, sigma_bps=300.0)
        for index, symbol in enumerate(symbols)
    }
    dataset = Dataset.build(CandleSet("1d", symbols, "BTC/USDT", candles, ()), settings, "warm-up")
    context = next(iter(dataset.raw.values())).context
    closes = decision_closes((one.timestamp for one in candles.values()), context)
    first = first_pass(context, symbols, candles, {}, closes)
    second_pass(first.raw, closes, [first.returns])
    window = Window(dataset.summary.start_ms, dataset.summary.end_ms)
    fit = dataset.fit(window.start_ms, window.end_ms, seed=1)
    memory = dataset.remembering(_past(dataset)).memory(fit)
    assert memory is not None, "trades before every row are known to all of them"
    tapes = dataset.fold_tapes(fit, memory)
    env = TradingVectorEnv(tapes, dataset.kernel, EnvSettings(num_envs=4), window, seed=1)
    env.reset()
    for step in range(STEPS):
        env.step(np.full(4, 2 if step % 3 == 0 else 5))
    recording = Lanes(tapes, dataset.kernel, 1, record=True, every_bar=True)
    start = int(tapes[0].rows[tapes[0].ready[tapes[0].rows]][0])
    one = np.zeros(1, np.int64)
    recording.reset(one, one, one + start, one + start + 20, np.ones(1, np.bool_))
    while not recording.terminated[0]:
        recording.step(np.full(1, 2))
    recording.trades()
    no = np.zeros(0, np.int64)
    single = np.array([0, 1], np.int64)
    Forest(MARKET_SIZE, single - single, single, no, np.zeros(0), no, no, np.zeros(1), "").score(
        np.zeros((1, MARKET_SIZE), np.float32)
    )
    stream = FeatureStream(fit)
    stream.push({symbols[0]: Bar(1.0, 1.0, 1.0, 1.0, 1.0)}, window.end_ms)
    return time.perf_counter() - begun


def _past(dataset: Dataset) -> Outcomes:
    """Return a few closed trades, all of them at the beginning."""
    count, raw = 8, next(iter(dataset.raw.values()))
    first = int(np.argmax(raw.ready)) + np.arange(count)
    return Outcomes.of(
        layout=dataset.layout,
        base_ms=dataset.kernel.base_ms,
        layouts=np.full(count, dataset.layout),
        symbol=np.full(count, "CCC/USDT"),
        entry_ms=raw.timestamp[first],
        exit_ms=raw.timestamp[first + 1],
        net_frac=np.full(count, 0.01),
        mfe_frac=np.full(count, 0.02),
        mae_frac=np.full(count, -0.02),
        risk_frac=np.full(count, 0.02),
        market=np.zeros((count, MARKET_SIZE), np.float32),
    )


def first_missing() -> str | None:
    """Return the first function that a warm pass of this new process would compile; None: the cache has them all."""
    with event.install_listener("numba:compile", _StopAtFirst()):
        try:
            warm()
        except _Missing as missing:
            return str(missing)
    return None


class _Missing(Exception):
    """A function is about to be compiled: the cache does not hold it."""


class _StopAtFirst(event.Listener):
    """Ends a pass where it begins to compile."""

    def on_start(self, event: event.Event) -> None:
        function = event.data["dispatcher"].py_func
        raise _Missing(f"{function.__module__}.{function.__qualname__}")

    def on_end(self, event: event.Event) -> None:
        pass


def main() -> None:
    """Warm the cache, or say what it lacks."""
    if "--check" in sys.argv[1:]:
        print(first_missing() or "")
        return
    print(f"compiled code ready in {warm():.1f} s ({os.environ['NUMBA_CACHE_DIR']})", file=sys.stderr)


if __name__ == "__main__":
    main()
