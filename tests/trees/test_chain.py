"""A rule over labels takes one position at a time, and its threshold is chosen for what it would have earned."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.shadow import shadow_block
from huracan.trading import Action
from huracan.trees import chain_of, choose_threshold, daily_net, label_entries
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of
from tests.trees.worlds import DAY_MS, START_MS, end_of, made_labels, truth


def test_an_entry_waits_for_the_exit_of_the_one_before() -> None:
    """Positions from bar 0 to 4 and 4 to 6; what is wanted at bar 2 comes too early, at bar 4 in time."""
    labels = made_labels(4, 1, 0.0, coins=1)
    labels = replace(labels, bar=np.array([0, 2, 4, 8]), exit_bar=np.array([4, 9, 6, 9]))
    assert chain_of(labels, np.array([True, True, True, False])).rows.tolist() == [0, 2]
    assert chain_of(labels, np.array([False, True, True, True])).rows.tolist() == [1]


class _Script:
    """Enters one stake where the first market entry is above 1, and never sells."""

    def act(self, states: np.ndarray) -> np.ndarray:
        enter = states[:, 0] > 1.0
        busy = states[:, 62] > 0
        free = (states[:, 79] == 0) & ~busy & (states[:, 72:74] < 1).all(axis=1)
        wait = np.where(busy, int(Action.HOLD), int(Action.DO_NOTHING))
        return np.where(free & enter, int(Action.ENTER_LONG_NORMAL), wait)


def test_a_chain_is_what_shadow_trades() -> None:
    """A rule of the state, through the lanes and along its labels: the same entries, exits and results."""
    kernel = rules(fee_asset="quote")
    tapes = wild_world(kernel)
    window = window_of(tapes, 1, 4)
    wide = LIMITS._replace(wallet=1e9, daily_loss=1e9)
    traded = shadow_block(_Script(), tapes, window, kernel, wide, name="script", fold=0).trades
    closed, cut = traded.where(traded.reason != 7), traded.where(traded.reason == 7)
    labels = label_entries(tapes, kernel, window.start_ms - kernel.base_ms, window.end_ms, wide)
    wanted = labels.market[:, 0] > 1.0
    for coin, entry, end in zip(cut.coin, cut.entry_ms, cut.exit_ms, strict=True):  # their entries have no label
        wanted &= (labels.coin != coin) | (labels.close_ms < entry) | (labels.close_ms > end)
    chain = chain_of(labels, wanted)
    assert len(closed) > 50
    order = np.lexsort((closed.entry_ms, closed.coin))
    np.testing.assert_array_equal(labels.net[chain.rows], closed.net[order])
    daily = daily_net(labels, chain, window.start_ms, window.end_ms)
    assert daily.size == 4
    assert daily.sum() == pytest.approx(closed.net.sum())


def test_the_threshold_is_that_of_the_true_edge() -> None:
    """With the planted chance itself as score an entry pays above 0, and with noise of a losing game none does."""
    labels = made_labels(6_000, 2, 1.5)
    edge = truth(labels.market, 1.5) - 0.9 / 1.9
    chosen = choose_threshold(labels, edge)
    assert 0.0 <= chosen < 0.3
    total = labels.net[chain_of(labels, edge > chosen).rows].sum()
    assert total >= labels.net[chain_of(labels, edge > 0.0).rows].sum() > 0
    assert choose_threshold(labels, np.full(len(labels), -0.1)) == np.inf
    losing = replace(labels, net=-np.abs(labels.net))
    assert choose_threshold(losing, edge) == np.inf


def test_days_are_those_of_the_exits() -> None:
    """Every result lands on the UTC day in which its position ended."""
    labels = made_labels(2_000, 3, 0.0)
    chain = chain_of(labels, np.ones(len(labels), np.bool_))
    daily = daily_net(labels, chain, START_MS, end_of(labels))
    days = (labels.end_ms[chain.rows] - 1 - START_MS) // DAY_MS
    for day in range(daily.size):
        assert daily[day] == pytest.approx(labels.net[chain.rows][days == day].sum())
