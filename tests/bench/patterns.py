"""The nearest past trades: look-ups a second at 10 k and 1 M trades against an exact scan in numpy, and a history."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from huracan.patterns import PatternMemory
from tests.bench.harness import Measurement, repeat
from tests.patterns.worlds import DAY_MS, START_MS, fitted, ground, random_outcomes

DAYS, COINS, COIN = 110, 20, "C3/USDT"
LATE_MS = START_MS + (DAYS + 2) * DAY_MS
LOOKED_UP = {10_000: 400, 1_000_000: 8}
HISTORY_ROWS = 160_000


def measure() -> list[Measurement]:
    """Measure single look-ups beside numpy's, both on one core, then a whole history as of each of its closes."""
    found = []
    for trades, times in LOOKED_UP.items():
        memory = fitted(random_outcomes(trades, 1, days=DAYS, coins=COINS))
        found.append(_look_ups(memory, "10k" if trades == 10_000 else "1m", times))
        if trades == 10_000:
            found.append(_history(memory))
    return found


def _look_ups(memory: PatternMemory, size: str, times: int) -> Measurement:
    rows, points = ground(COIN, times, 9, days=DAYS).market, memory.points
    plain_rates: list[float] = []

    def ours() -> float:
        plain_rates.append(_rate(rows, lambda state: _scan(memory, points, state)))
        return _rate(rows, lambda state: memory.neighbours(state, LATE_MS, COIN))

    ours()
    plain_rates.clear()
    value, spread, repeats = repeat(ours)
    plain = sorted(plain_rates)[len(plain_rates) // 2]
    note = f"{len(memory)} trades; numpy {plain:,.0f}/s"
    return Measurement(f"neighbours_{size}", value, "states/s", repeats, spread, 1, {"numpy-scan": value / plain}, note)


def _history(memory: PatternMemory) -> Measurement:
    rows = ground(COIN, HISTORY_ROWS, 9, days=DAYS + 2)  # one row a minute

    def ours() -> float:
        begun = time.perf_counter()
        memory.history(rows.market, rows.close_ms, COIN)
        return time.perf_counter() - begun

    value, spread, repeats = repeat(ours)
    return Measurement("memory_history", value, "s", repeats, spread, 1, {}, f"{HISTORY_ROWS} rows, 10 k trades")


def _rate(rows: NDArray[np.float32], look_up: Callable[[NDArray[np.float32]], object]) -> float:
    begun = time.perf_counter()
    for state in rows:
        look_up(state)
    return len(rows) / (time.perf_counter() - begun)


def _scan(memory: PatternMemory, points: NDArray[np.float32], state: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the 32 nearest of all trades, as one writes it in numpy; it leaves nothing out."""
    away = points - memory.embedding.points(state[None, :])[0]
    square = np.einsum("ij,ij->i", away, away)
    nearest = np.argpartition(square, 32)[:32]
    return nearest[np.argsort(square[nearest])]
