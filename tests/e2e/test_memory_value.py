"""What the memory is worth: where past trades foretell, its entries do, out of sample; where nothing does, they do not.

Random entries on synthetic candles, in mean-reverting coins (`REV*`, a planted edge) and in coins without any (`NUL*`),
are remembered by a window; the entries of later trades, asked as of their decisions, are held against their results.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from huracan.clock import MarketClock
from huracan.config import load_settings
from huracan.env import Dataset
from huracan.features import FeatureFit
from huracan.features.layout import MEMORY_SLICE, S_IS_LONG, S_KNN_LOWER, S_KNN_MEAN_R, S_KNN_WIN, S_ORDER_AGE
from huracan.market import SyntheticSpec, write_synthetic
from huracan.patterns import Outcomes, PatternMemory, outcomes_of_rows
from huracan.shadow import COIN_ACCOUNT, DAY_MS, Window, shadow_block, trade_rows
from huracan.trading import Action, Limits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TRAIN_FRAC, WARM_DAYS = 0.6, 9
RESAMPLES, SHUFFLES = 400, 19
ASKED = {"mean": S_KNN_MEAN_R, "win rate": S_KNN_WIN, "lower bound": S_KNN_LOWER}


class Coin:
    """Enters one decision in seven by chance, and leaves the rest to stop, target and time."""

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


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Ninety days of five mean-reverting and four random coins, traded ten times over by chance."""
    folder = tmp_path_factory.mktemp("value") / "candles"
    write_synthetic(folder, SyntheticSpec(), 7)
    settings = load_settings(None, {"data.folder": folder}, environ={})
    dataset = Dataset.load(settings, MarketClock(4_000_000_000_000))
    start_ms = (dataset.summary.start_ms // DAY_MS + WARM_DAYS) * DAY_MS
    end_ms = dataset.summary.end_ms // DAY_MS * DAY_MS
    cut_ms = start_ms + int((end_ms - start_ms) // DAY_MS * TRAIN_FRAC) * DAY_MS
    fit = dataset.fit(start_ms, cut_ms, 7)
    tapes = dataset.fold_tapes(fit)
    limits, parts = Limits.of(settings.risk), []
    for seed in range(10):
        window = Window(start_ms, end_ms)
        found = shadow_block(Coin(seed), tapes, window, dataset.kernel, limits, name="chance", fold=0)
        rows = trade_rows(found, COIN_ACCOUNT, dataset.layout)
        kept = rows.rows(np.flatnonzero(rows.exit_reason != "end_of_data").tolist())
        parts.append(outcomes_of_rows(kept, dataset.layout, dataset.kernel.base_ms))
    return World(dataset, fit, parts[0].joined(parts[1:]))


def foretold(world: World, past: Outcomes, coins: str) -> dict[str, tuple[float, float, float]]:
    """Return (rank correlation, 95 % interval over days) of each entry with the results of later trades in `coins`."""
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
        found[name] = (float(spearmanr(column, result)[0]), float(low), float(high))
        print(f"{coins} {name}: {found[name][0]:+.3f} [{low:+.3f}, {high:+.3f}], {len(late)} trades, {len(days)} days")
    return found


def late_entries(world: World, past: Outcomes, coins: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return what a memory of `past` says of the trades after its window in `coins`, and their rows."""
    memory = world.dataset.remembering(past).memory(world.fit)
    assert memory is not None
    chosen = np.array([name.startswith(coins) for name in world.past.symbol.tolist()])
    late = np.flatnonzero(chosen & (world.past.entry_ms >= world.fit.end_ms))
    return entries_of(memory, world.past, late), late


def entries_of(memory: PatternMemory, trades: Outcomes, rows: Sequence[int]) -> NDArray[np.float32]:
    """Return float32[n, 10], what the memory said at the decision of each trade: the close before its entry bar."""
    chosen = np.asarray(rows)
    said = np.zeros((len(chosen), MEMORY_SLICE.stop - MEMORY_SLICE.start), np.float32)
    for symbol in np.unique(trades.symbol[chosen]):
        mine = np.flatnonzero(trades.symbol[chosen] == symbol)
        said[mine] = memory.history(trades.market[chosen[mine]], trades.entry_ms[chosen[mine]], str(symbol))
    return said


def test_where_past_trades_foretell_the_memory_does(world: World) -> None:
    """In mean-reverting coins all three entries rise with the result, each interval above zero."""
    for correlation, low, _ in foretold(world, world.past, "REV").values():
        assert low > 0
        assert correlation > 0.1


def test_where_nothing_foretells_it_does_not_either(world: World) -> None:
    """In coins without any edge every interval holds zero."""
    for _, low, high in foretold(world, world.past, "NUL").values():
        assert low < 0 < high


def test_with_shuffled_results_it_is_worth_nothing(world: World) -> None:
    """Of nineteen memories of the trades with each other's results none knows as much; on average they know nothing.

    Each is a fixed smooth function of the state that means nothing, and a few weeks of a few coins are few occasions: a
    single one can correlate by chance, which an interval over days alone would not show.
    """
    real = correlations(world, world.past)
    dealt = []
    for seed in range(SHUFFLES):
        order = np.random.default_rng(seed).permutation(len(world.past))
        columns = {name: getattr(world.past, name)[order] for name in ("result", "best", "worst")}
        dealt.append(correlations(world, replace(world.past, **columns)))
    mean, spread = np.mean(dealt, axis=0), np.std(dealt, axis=0)
    print(f"real {np.round(real, 3)}, shuffled {np.round(mean, 3)} +- {np.round(spread, 3)}")
    assert (np.array(real) > np.max(dealt, axis=0)).all()
    error = np.std(dealt, axis=0, ddof=1) / np.sqrt(SHUFFLES)
    assert (np.abs(np.mean(dealt, axis=0)) < 4 * error).all()


def correlations(world: World, past: Outcomes) -> list[float]:
    """Return the rank correlation of each entry with the results of later trades in mean-reverting coins."""
    said, rows = late_entries(world, past, "REV")
    return [
        float(spearmanr(said[:, entry - MEMORY_SLICE.start], world.past.result[rows])[0]) for entry in ASKED.values()
    ]
