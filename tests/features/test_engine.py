"""The engine: chunks do not matter, a snapshot is the whole state, and what does not follow on is refused."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.errors import ConfigError, InvariantError
from huracan.features import FeatureContext, windows_for
from huracan.features.engine import Engine, EngineBlock
from tests.features.markets import SMALL, coin

W = windows_for("1m", SMALL.windows)
CONTEXT = FeatureContext(W, 4, ("ADA/USDT", "FET/USDT"), "ADA/USDT", 2)


def cube(bars: int) -> NDArray[np.float64]:
    """Return float64[C, 2, 12] bars with some of the second coin's missing."""
    out = np.full((bars, 2, 12), np.nan)
    for n in range(2):
        c = coin("ADA/USDT", bars, 40 + n, inputs=True)
        columns = (c.open, c.high, c.low, c.close, c.volume, c.quote_volume, c.trades, c.taker_buy_volume)
        for i, x in enumerate(columns):
            out[:, n, i] = x
    out[100:102, 1] = out[150:155, 1] = np.nan
    return out


def run(engine: Engine, bars: NDArray[np.float64], cuts: list[int], start: int = 0) -> list[EngineBlock]:
    """Feed the bars in pieces."""
    edges = [start, *cuts, len(bars)]
    return [engine.advance(1_000 + a, bars[a:b]) for a, b in pairwise(edges)]


def gathered(blocks: list[EngineBlock]) -> tuple[bytes, ...]:
    """Return what the blocks yielded, one after another."""
    sigma = np.concatenate([b.sigma for b in blocks])
    ready = np.concatenate([b.ready for b in blocks])
    values = [np.concatenate([b.values[n, : b.row_count[n]] for b in blocks]) for n in range(2)]
    return sigma.tobytes(), ready.tobytes(), *(v.tobytes() for v in values)


def test_pieces_do_not_matter() -> None:
    """One call, calls of one bar and calls of odd lengths yield the same bytes."""
    bars = cube(300)
    whole = gathered(run(Engine(CONTEXT), bars, []))
    assert gathered(run(Engine(CONTEXT), bars, [1, 7, 101, 152, 299])) == whole
    assert gathered(run(Engine(CONTEXT), bars, list(range(1, 300)))) == whole


def test_a_snapshot_is_the_whole_state() -> None:
    """An engine restored from bytes inside a gap goes on as the one that wrote them."""
    bars = cube(300)
    first = Engine(CONTEXT)
    head = first.advance(1_000, bars[:152])
    saved = first.snapshot()
    second = Engine(CONTEXT)
    second.restore(saved)
    tails = [gathered([e.advance(1_152, bars[152:])]) for e in (first, second)]
    assert tails[0] == tails[1]
    assert head.row_count.sum() > 50


def test_only_what_follows_on_is_taken() -> None:
    """Bars that skip, repeat or have another shape, and snapshots of another universe, are refused."""
    engine, bars = Engine(CONTEXT), cube(20)
    engine.advance(1_000, bars)
    for number in (1_019, 1_021):
        with pytest.raises(InvariantError, match="follow"):
            engine.advance(number, bars)
    with pytest.raises(InvariantError, match="shape"):
        engine.advance(1_020, bars[:, :1])
    other = Engine(FeatureContext(W, 4, ("ADA/USDT",), None, 2))
    for bad in (engine.snapshot(), other.snapshot()[:-8], b"{}\n"):
        with pytest.raises(ConfigError, match="does not fit"):
            other.restore(bad)


@pytest.mark.parametrize(
    ("universe", "leader", "interval", "word"),
    [
        ((), None, 1, "universe"),
        (("B", "A"), None, 1, "sorted"),
        (("A",), "B", 1, "leader"),
        (("A",), None, 0, "least 1"),
    ],
)
def test_a_context_that_contradicts_itself_is_refused(
    universe: tuple[str, ...], leader: str | None, interval: int, word: str
) -> None:
    """No coin, unsorted coins, a leader from elsewhere, an interval of nothing."""
    with pytest.raises(ConfigError, match=word):
        FeatureContext(W, interval, universe, leader, 5)
