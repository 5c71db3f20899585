"""What the memory is worth: where past trades foretell, its entries do, out of sample; where nothing does, they do not.

Synthetic candles: mean-reverting coins (`REV*`, a planted edge) and coins without any (`NUL*`).
"""

from dataclasses import replace

import numpy as np
import pytest

from huracan.market import SyntheticSpec, write_synthetic
from tests.e2e.memory_value import World, correlations, foretold, world_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SHUFFLES = 19


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Ninety days of five mean-reverting and three random coins and the leader, traded ten times over by chance."""
    folder = tmp_path_factory.mktemp("value") / "candles"
    write_synthetic(folder, SyntheticSpec(), 7)
    return world_of(folder, rounds=10)


def test_where_past_trades_foretell_the_memory_does(world: World) -> None:
    """In mean-reverting coins all three entries rise with the result, each interval well above zero."""
    for found in foretold(world, world.past, "REV").values():
        assert found.low > 0.3


def test_where_nothing_foretells_it_does_not_either(world: World) -> None:
    """In coins without any edge every interval holds zero."""
    for found in foretold(world, world.past, "NUL").values():
        assert found.low < 0 < found.high


def test_with_shuffled_results_it_is_worth_nothing(world: World) -> None:
    """Of nineteen memories of the trades with each other's results none knows as much; on average they know nothing.

    Each is a fixed smooth function of the state that means nothing, and a few weeks of a few coins are few occasions: a
    single one can correlate by chance, which an interval over days alone would not show.
    """
    real = correlations(world, world.past, "REV")
    dealt = []
    for seed in range(SHUFFLES):
        order = np.random.default_rng(seed).permutation(len(world.past))
        columns = {name: getattr(world.past, name)[order] for name in ("result", "best", "worst")}
        dealt.append(correlations(world, replace(world.past, **columns), "REV"))
    mean, spread = np.mean(dealt, axis=0), np.std(dealt, axis=0)
    print(f"real {np.round(real, 3)}, shuffled {np.round(mean, 3)} +- {np.round(spread, 3)}")
    assert (np.array(real) > np.max(dealt, axis=0)).all()
    error = np.std(dealt, axis=0, ddof=1) / np.sqrt(SHUFFLES)
    assert (np.abs(mean) < 4 * error).all()
