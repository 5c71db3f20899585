"""The supervised opponent trades what its training window taught it, through the same kernel, or stays flat."""

import pickle
from dataclasses import replace

import numpy as np

from huracan.baselines import TreePolicy, paths_of_school, school, train_opponent
from huracan.policy import check_policy
from huracan.shadow import shadow_block
from huracan.trading import ExitReason, Tape
from huracan.trees import chain_of, label_entries
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of
from tests.trees.worlds import FIT, fitted, made_labels

KERNEL = rules(fee_asset="quote")
WIDE = LIMITS._replace(wallet=1e9, daily_loss=1e9)


def _told(tapes: list[Tape]) -> list[Tape]:
    """Put the outcome of every entry, blurred, into the first market entry: a market whose future can be learnt."""
    rng = np.random.default_rng(3)
    found = []
    for tape in tapes:
        labels = label_entries([tape], KERNEL, 0, 2**60, WIDE)
        features = tape.features.copy()
        rows = np.searchsorted(tape.rows, labels.bar)
        features[rows, 0] = 2.0 * labels.won + rng.standard_normal(rows.size)
        found.append(tape.with_features(features))
    return found


def test_a_market_that_can_be_learnt_is_won() -> None:
    """Trained on four days of planted features it earns on the two days after them, by entries its labels know of."""
    tapes = _told(wild_world(KERNEL, coins=4, days=8))
    train, test = window_of(tapes, 0, 4), window_of(tapes, 5, 2)
    schooling = school(tapes, KERNEL, train.start_ms, train.end_ms, WIDE, FIT)
    policy = train_opponent(schooling)
    assert not policy.never_enters
    assert policy.model is not None
    assert policy.model.facts.auc > 0.8
    traded = shadow_block(policy, tapes, test, KERNEL, WIDE, name="lightgbm", fold=0).trades
    closed, cut = traded.where(traded.reason != ExitReason.END_OF_DATA), traded.where(traded.reason == 7)
    assert len(closed) > 50
    assert closed.net.sum() > 0
    assert np.mean(closed.net > 0) > 0.6
    labels = label_entries(tapes, KERNEL, test.start_ms - KERNEL.base_ms, test.end_ms, WIDE)
    wanted = policy.model.edge(labels.market) > policy.model.threshold
    for coin, entry, end in zip(cut.coin, cut.entry_ms, cut.exit_ms, strict=True):
        wanted &= (labels.coin != coin) | (labels.close_ms < entry) | (labels.close_ms > end)
    np.testing.assert_allclose(closed.net.sum(), labels.net[chain_of(labels, wanted).rows].sum(), rtol=1e-9)


def test_noise_at_full_costs_is_not_traded() -> None:
    """With features that say nothing no entry pays out of fold: the opponent is flat, and says what it saw."""
    tapes = wild_world(KERNEL, coins=3, days=6)
    train, test = window_of(tapes, 0, 4), window_of(tapes, 5, 1)
    policy = train_opponent(school(tapes, KERNEL, train.start_ms, train.end_ms, WIDE, FIT))
    assert policy.never_enters
    assert policy.model is not None
    assert abs(policy.model.facts.auc - 0.5) < 0.1
    traded = shadow_block(policy, tapes, test, KERNEL, WIDE, name="lightgbm", fold=0)
    assert len(traded.trades) == 0
    assert traded.pnl.sum() == 0.0


def test_the_opponent_never_sees_its_test() -> None:
    """Other candles and features behind the training window change no byte of the model."""
    tapes = _told(wild_world(KERNEL, coins=3, days=6))
    train = window_of(tapes, 0, 4)
    changed = []
    for tape in tapes:
        bars, features = tape.bars.copy(), tape.features.copy()
        bars[bars[:, 0] * KERNEL.base_ms >= train.end_ms, 1:5] *= 2
        features[(tape.bars[tape.rows, 0] + 1) * KERNEL.base_ms > train.end_ms] = 9.0
        changed.append(replace(tape, bars=bars, features=features))
    honest, other = (
        train_opponent(school(world, KERNEL, train.start_ms, train.end_ms, WIDE, FIT)).model
        for world in (tapes, changed)
    )
    assert honest is not None
    assert other is not None
    assert honest.to_files() == other.to_files()


def test_what_cannot_be_learnt_from_is_a_reason() -> None:
    """Too short a window and rules without exits make a flat opponent with one clear line."""
    tapes = wild_world(KERNEL, coins=1)
    train = window_of(tapes, 0, 1)
    short = school(tapes, KERNEL, train.start_ms, train.start_ms + 4 * 3_600_000, WIDE, FIT)
    policy = train_opponent(short)
    assert policy.never_enters
    assert "at least 200 are needed" in policy.reason
    assert paths_of_school(short) is None
    bare = school(tapes, replace(KERNEL, stops_enabled=False), train.start_ms, train.end_ms, WIDE, FIT)
    assert "stops_enabled" in train_opponent(bare).reason
    assert paths_of_school(bare) is None
    states = np.zeros((3, 80), np.float32)
    assert policy.act(states).tolist() == [0, 0, 0]


def test_it_keeps_the_contract_of_a_policy() -> None:
    """Legal actions, rows for themselves, nothing changed; also after it travelled to another process."""
    policy = TreePolicy(replace(fitted(made_labels(2_000, 1, 1.5)).model, threshold=0.0))
    check_policy(policy)
    there = pickle.loads(pickle.dumps(policy))  # noqa: S301
    states = np.random.default_rng(2).standard_normal((200, 80)).astype(np.float32)
    states[:, 62:] = 0.0
    np.testing.assert_array_equal(there.act(states), policy.act(states))
    assert 0 < np.count_nonzero(policy.act(states)) < 200
