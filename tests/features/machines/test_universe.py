"""All coins on one clock: who is there at a close, who owes a row, and who meets whom."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.features import FeatureContext, windows_for
from huracan.features.engine import Engine, EngineBlock
from huracan.features.machines.coin import BAR_COLUMNS, IN_LEADER
from tests.features.markets import SMALL

W = windows_for("1m", SMALL.windows)


def run(
    log_closes: Mapping[str, Sequence[float]], leader: str | None, interval: int, gap: int
) -> tuple[EngineBlock, NDArray[np.bool_]]:
    """Return what coins with these closes from bar 0 on yield, NaN where a bar is missing, and which bars exist."""
    closes = np.array([log_closes[name] for name in sorted(log_closes)]).T
    bars = np.full((*closes.shape, BAR_COLUMNS), np.nan)
    bars[:, :, :4] = np.exp(closes)[:, :, None]
    bars[:, :, 4] = np.where(np.isnan(closes), np.nan, 1.0)
    context = FeatureContext(W, interval, tuple(sorted(log_closes)), leader, gap)
    return Engine(context).advance(0, bars), ~np.isnan(closes)


def test_gaps_segments_and_rows_of_three_coins_by_hand() -> None:
    """Rows are due at bars 2, 5, 8, 11; one missing bar is bridged, two start a segment, and a missed row is made up.

    A is whole. B lacks bar 2 (due) and bars 7 and 8 (due). C begins at bar 3 and owes nothing from before.
    """
    a = [0.0] * 12
    b = [math.nan if t in (2, 7, 8) else 0.0 for t in range(12)]
    c = [math.nan if t < 3 else 0.0 for t in range(12)]
    block, there = run({"A": a, "B": b, "C": c}, None, interval=3, gap=1)
    rows = [block.row_bar[n, : block.row_count[n]].tolist() for n in range(3)]
    assert rows == [[2, 5, 8, 11], [3, 5, 9, 11], [5, 8, 11]]
    assert block.segment[:, 0].tolist() == [0] * 12
    assert block.segment[:, 1].tolist() == [0, 0, -1, 0, 0, 0, 0, -1, -1, 1, 1, 1]
    assert block.segment[:, 2].tolist() == [-1] * 3 + [0] * 9
    assert (np.isnan(block.sigma) == ~there).all()
    assert not block.ready.any()


def test_machines_are_ready_after_their_bars_and_again_after_a_reset() -> None:
    """The coin is ready from its 60th bar on, bridged bars included, and counts anew after a longer gap."""
    closes = [math.nan if t in (10, 70, 71) else 0.0 for t in range(140)]
    block, _ = run({"A": closes}, None, interval=3, gap=1)
    assert np.flatnonzero(block.ready[:, 0]).tolist() == [*range(59, 70), *range(72 + 59, 140)]


def test_every_coin_meets_the_leader_of_the_same_close() -> None:
    """The leader, last in the universe, moves +.003 and -.001 by turns; one coin moves twice as much, one against it.

    Read a bar late, the first coin's beta would be negative and the second's positive.
    """
    steps = np.where(np.arange(12) % 2 == 0, -0.001, 0.003)
    path = np.cumsum(steps)
    coins = {"A": 2 * path, "B": -path, "Z": path}
    block, _ = run({name: x.tolist() for name, x in coins.items()}, "Z", interval=12, gap=1)
    assert block.row_bar[:, 0].tolist() == [11, 11, 11]
    a, b, z = block.values[:, 0]
    assert (a[44], b[44], z[44]) == pytest.approx((2.0, -1.0, 1.0), rel=1e-9)
    assert (a[46], b[46], z[46]) == pytest.approx((1.0, -1.0, 1.0), rel=1e-9)
    assert (a[45], b[45], z[45]) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert a[42:44].tolist() == b[42:44].tolist() == z[42:44].tolist()
    assert z[43] / z[42] == pytest.approx((0.01 / math.sqrt(10)) / (0.002 / math.sqrt(2)), rel=1e-9)
    assert block.available[:, 0, IN_LEADER].all()


@pytest.mark.parametrize(("missing", "there"), [((11,), True), ((10, 11), False)])
def test_a_leader_that_is_away_longer_than_the_gap_is_not_read(missing: tuple[int, ...], there: bool) -> None:
    """With one bar bridged the leader stands in with a flat one; from the second on its entries are 0 and said so."""
    path = 0.001 * np.arange(12)
    leader = [math.nan if t in missing else x for t, x in enumerate(path)]
    block, _ = run({"A": list(2 * path), "Z": leader}, "Z", interval=12, gap=1)
    assert block.row_count.tolist() == [1, 0]
    assert bool(block.available[0, 0, IN_LEADER]) is there
    assert block.values[0, 0, 42:47].any() == there
    if there:
        own, lead = 0.02, 0.009  # ten bars, the last of the leader's flat
        assert block.values[0, 0, 44] == pytest.approx(2.0, rel=1e-9)
        assert block.values[0, 0, 45] == pytest.approx((own - 2 * lead) / (0.002 * math.sqrt(10)), rel=1e-9)


def test_ranks_and_breadth_are_those_of_the_coins_that_are_there() -> None:
    """Of three coins that rise 2, fall 1 and rise 1 the first leads; one listed too late and one away do not count."""
    t = np.arange(12) * 0.001
    late = [math.nan] * 4 + [0.0] * 8
    away = [*(5 * t[:11]), math.nan]
    coins = {"A": 2 * t, "B": -t, "C": t, "D": late, "E": away}
    block, _ = run({name: list(x) for name, x in coins.items()}, None, interval=12, gap=1)
    assert block.row_count.tolist() == [1, 1, 1, 1, 0]
    assert block.values[:4, 0, 47].tolist() == [1.0, -1.0, 0.0, 0.0]
    assert block.values[:4, 0, 48].tolist() == [0.0] * 4  # nobody has 40 bars
    assert block.values[:4, 0, 49] == pytest.approx([1 / 3] * 4)
    assert not block.available[:4, 0, IN_LEADER].any()
    assert not block.values[:4, 0, 42:47].any()
