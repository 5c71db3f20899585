"""What the memory is worth on given candles: `python -m tests.e2e.memory_value FOLDER`.

Coins are entered by chance, the first 60 % of the days remember, and what the memory says at each later entry is held
against what became of it. Chance enters everywhere, so that what is measured is the memory and no policy.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from huracan.clock import MarketClock
from huracan.config import load_settings
from huracan.env import Dataset
from huracan.features import FeatureFit
from huracan.features.layout import MEMORY_SLICE, S_IS_LONG, S_KNN_LOWER, S_KNN_MEAN_R, S_KNN_WIN, S_ORDER_AGE
from huracan.patterns import Outcomes, PatternMemory, outcomes_of_rows
from huracan.shadow import COIN_ACCOUNT, DAY_MS, Window, shadow_block, trade_rows
from huracan.trading import Action, Limits

TRAIN_FRAC, WARM_DAYS = 0.6, 9
RESAMPLES, ROUNDS = 400, 6
ASKED = {"mean": S_KNN_MEAN_R, "win rate": S_KNN_WIN, "lower bound": S_KNN_LOWER}


class Chance:
    """Enters one decision in seven, and leaves the rest to stop, target and time."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def act(self, states: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the actions of all lanes."""
        busy = (states[:, S_IS_LONG] > 0) | (states[:, S_ORDER_AGE] != 0)
        enter = self._rng.random(len(states)) < 0.15
        chosen = np.where(enter, Action.ENTER_LONG_NORMAL, Action.DO_NOTHING)
        return np.where(busy, Action.HOLD, chosen).astype(np.int64)


@dataclass(frozen=True)
class World:
    """Markets, what was traded in them by chance, and the window that remembers."""

    dataset: Dataset
    fit: FeatureFit
    past: Outcomes


@dataclass(frozen=True)
class Correlation:
    """Rank correlation of an entry with the results of later trades, with its 95 % interval over whole days."""

    value: float
    low: float
    high: float


def world_of(folder: Path, rounds: int = ROUNDS) -> World:
    """Return the markets of a folder, traded `rounds` times over by chance."""
    settings = load_settings(None, {"data.folder": folder}, environ={})
    dataset = Dataset.load(settings, MarketClock(4_000_000_000_000))
    start_ms = (dataset.summary.start_ms // DAY_MS + WARM_DAYS) * DAY_MS
    end_ms = dataset.summary.end_ms // DAY_MS * DAY_MS
    cut_ms = start_ms + int((end_ms - start_ms) // DAY_MS * TRAIN_FRAC) * DAY_MS
    fit = dataset.fit(start_ms, cut_ms, 7)
    tapes, limits, parts = dataset.fold_tapes(fit), Limits.of(settings.risk), []
    for seed in range(rounds):
        window = Window(start_ms, end_ms)
        found = shadow_block(Chance(seed), tapes, window, dataset.kernel, limits, name="chance", fold=0)
        rows = trade_rows(found, COIN_ACCOUNT, dataset.layout)
        kept = rows.rows(np.flatnonzero(rows.exit_reason != "end_of_data").tolist())
        parts.append(outcomes_of_rows(kept, dataset.layout, dataset.kernel.base_ms))
    return World(dataset, fit, parts[0].joined(parts[1:]))


def foretold(world: World, past: Outcomes, coins: str = "") -> dict[str, Correlation]:
    """Return how each entry of a memory of `past` goes with the results of later trades in coins named so."""
    said, late = late_entries(world, past, coins)
    result, day = world.past.result[late], world.past.entry_ms[late] // DAY_MS
    days = [np.flatnonzero(day == one) for one in np.unique(day)]
    rng = np.random.default_rng(1)
    draws = [np.concatenate([days[i] for i in rng.integers(0, len(days), len(days))]) for _ in range(RESAMPLES)]
    found = {}
    for name, entry in ASKED.items():
        column = said[:, entry - MEMORY_SLICE.start]
        again = [float(spearmanr(column[rows], result[rows])[0]) for rows in draws]
        low, high = np.quantile(again, (0.025, 0.975))
        one = Correlation(float(spearmanr(column, result)[0]), float(low), float(high))
        found[name] = one
        print(
            f"{coins or 'all'} {name}: {one.value:+.3f} [{low:+.3f}, {high:+.3f}], "
            f"{len(late)} of {len(world.past)} trades, {len(days)} days"
        )
    return found


def correlations(world: World, past: Outcomes, coins: str = "") -> list[float]:
    """Return the rank correlation of each entry with the results of later trades in coins named so."""
    said, rows = late_entries(world, past, coins)
    result = world.past.result[rows]
    return [float(spearmanr(said[:, entry - MEMORY_SLICE.start], result)[0]) for entry in ASKED.values()]


def late_entries(world: World, past: Outcomes, coins: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return what a memory of `past` says of the trades after its window in `coins`, and their rows."""
    memory = world.dataset.remembering(past).memory(world.fit)
    assert memory is not None
    chosen = np.array([name.startswith(coins) for name in world.past.symbol.tolist()])
    late = np.flatnonzero(chosen & (world.past.entry_ms >= world.fit.end_ms))
    return entries_of(memory, world.past, late.tolist()), late


def entries_of(memory: PatternMemory, trades: Outcomes, rows: Sequence[int]) -> NDArray[np.float32]:
    """Return float32[n, 10], what the memory said at the decision of each trade: the close before its entry bar."""
    chosen = np.asarray(rows)
    said = np.zeros((len(chosen), MEMORY_SLICE.stop - MEMORY_SLICE.start), np.float32)
    for symbol in np.unique(trades.symbol[chosen]):
        mine = np.flatnonzero(trades.symbol[chosen] == symbol)
        said[mine] = memory.history(trades.market[chosen[mine]], trades.entry_ms[chosen[mine]], str(symbol))
    return said


if __name__ == "__main__":
    measured = world_of(Path(sys.argv[1]))
    foretold(measured, measured.past)
