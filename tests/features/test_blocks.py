"""A universe computed block by block is the universe computed at once, to the last bit."""

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.features import RawFeatures, compute_raw
from huracan.features.batch import context_for
from huracan.features.blocks import blocks_of, decision_closes, first_pass, second_pass
from huracan.market import Candles
from tests.features.markets import LEADER, SMALL, K, books, coin, without

NAMES = ("timestamp", "sigma", "ready", "segment", "rows", "values", "available", "log_close")


def _universe() -> dict[str, Candles]:
    """Five coins: gaps short, long and over decisions, a late start, an early end, inputs here and not there."""
    gaps = [(57, 63), (100, 101), (118, 122), (240, 300)]
    coins = [
        without(coin(LEADER, 1_700, 21, inputs=True), (400, 401), (900, 950)),
        without(coin("ADA/USDT", 1_700, 22), *gaps),
        coin("DOT/USDT", 1_700, 23, inputs=True).between(0, 1_700_000_040_000 + 60_000 * 1_203),
        without(coin("ETH/USDT", 1_700, 24, inputs=True), (0, 333), (1_499, 1_502)),
        coin("FET/USDT", 1_700, 25),
    ]
    return {one.symbol: one for one in coins}


def in_blocks(
    coins: dict[str, Candles], k: int, leader: str | None, size: int, book: dict[str, np.ndarray]
) -> dict[str, RawFeatures]:
    """Compute a universe in blocks, each from what it is given alone."""
    context = context_for(coins, SMALL, k, leader)
    closes = decision_closes((one.timestamp for one in coins.values()), context)
    blocks = blocks_of(context.universe, size)
    seen = [{s: coins[s] for s in {*block, *([leader] if leader else [])}} for block in blocks]
    first = [
        first_pass(context, block, mine, {s: book[s] for s in mine if s in book}, closes)
        for block, mine in zip(blocks, seen, strict=True)
    ]
    done = [second_pass(one.raw, closes, [other.returns for other in first]) for one in first]
    return {raw.symbol: raw for block in done for raw in block}


@pytest.mark.parametrize("leader", [LEADER, None])
@pytest.mark.parametrize("k", [1, K, 60])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_blocks_are_the_whole(size: int, k: int, leader: str | None) -> None:
    """Whatever the size of the blocks, the interval and the leader; every array, and what is known of the context."""
    coins = _universe()
    book = books(coins)
    whole = compute_raw(coins, SMALL, k, leader, book)
    found = in_blocks(coins, k, leader, size, book)
    assert sorted(found) == sorted(whole)
    for symbol, wanted in whole.items():
        assert found[symbol].context == wanted.context
        assert len(wanted.rows) > 15
        for name in NAMES:
            assert getattr(found[symbol], name).tobytes() == getattr(wanted, name).tobytes(), (symbol, name)


def test_a_close_that_was_left_out_is_found() -> None:
    """Returns that do not belong to the rows are refused, not ranked."""
    coins = _universe()
    context = context_for(coins, SMALL, K, LEADER)
    closes = decision_closes((one.timestamp for one in coins.values()), context)
    first = first_pass(context, context.universe, coins, {}, closes)
    with pytest.raises(InvariantError, match="not among the universe's"):
        second_pass(first.raw, closes[:-1], [first.returns])
