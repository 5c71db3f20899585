"""A thousand coins in one decision round: every state, decision and verdict is right; its time is `make bench`'s.

The candles go through the feed's follower one close at a time; what it makes of them is held against the batch.
"""

from pathlib import Path

import numpy as np
import pytest

from huracan.config import FeatureSettings
from huracan.features import MARKET_SIZE, apply_fit, compute_raw
from huracan.risk.live import Approval, DenialCode, Denied
from huracan.trading import Action
from tests.bench.markets import LEADER
from tests.bench.round import INTERVAL, World

ROUNDS = 2


def check(world: World, coins: int, eager: int) -> None:
    """Hold every round of a world against the batch and against what its versions want."""
    raw = compute_raw(world.candles, FeatureSettings(), INTERVAL, LEADER)
    features = {symbol: apply_fit(world.fit, rows) for symbol, rows in raw.items()}
    wanting = sorted(world.candles)[:eager]
    most = world.open_trades_max
    rounds = 0
    for one in world.rounds():
        said = one.decisions
        assert said.symbols == tuple(sorted(world.candles))
        assert one.states.shape == (coins, 80)
        for row, symbol in enumerate(said.symbols):
            at = int(np.searchsorted(raw[symbol].row_close_ms, one.close.close_ms))
            assert int(raw[symbol].row_close_ms[at]) == one.close.close_ms
            assert one.states[row, :MARKET_SIZE].tobytes() == features[symbol][at].tobytes(), symbol
        entering = [s for s, a in zip(said.symbols, said.action, strict=True) if a == Action.ENTER_LONG_NORMAL]
        assert entering == wanting
        assert sorted(one.verdicts) == wanting
        approved = [symbol for symbol, verdict in one.verdicts.items() if isinstance(verdict, Approval)]
        denied = [verdict for verdict in one.verdicts.values() if isinstance(verdict, Denied)]
        assert approved == wanting[:most]
        assert {verdict.code for verdict in denied} <= {DenialCode.OPEN_TRADES}
        assert len(denied) == max(0, eager - most)
        rounds += 1
    assert rounds == ROUNDS


def test_a_round_of_a_few_coins(tmp_path: Path) -> None:
    """Five coins of which two have versions of their own that always enter."""
    check(World(5, ROUNDS, tmp_path, eager=2), 5, 2)


@pytest.mark.slow
def test_a_round_of_a_thousand_coins(tmp_path: Path) -> None:
    """Sixty want to enter, fifty may be open: the states are the batch's bit for bit, the first fifty by name may."""
    check(World(1_000, ROUNDS, tmp_path, eager=60), 1_000, 60)
