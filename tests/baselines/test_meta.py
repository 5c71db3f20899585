"""The meta model leaves out the entries that lose, of planted truth, and none where it knows nothing."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from huracan.baselines import Entries, MetaPolicy, train_meta
from huracan.baselines.meta import COLUMNS
from huracan.features.layout import S_COST, S_HMM_TREND, S_IS_LONG, S_RET_60, STATE_SIZE
from huracan.policy import Decision, check_policy
from huracan.trading import Action, legal_actions

DAY_MS = 86_400_000


def entries_of(count: int, seed: int, skill: float) -> Entries:
    """Return trades whose chance of winning 1 R (or losing 0.8 R) hangs on one market entry and the confidence."""
    rng = np.random.default_rng(seed)
    states = rng.standard_normal((count, STATE_SIZE)).astype(np.float32)
    confidence = rng.uniform(0.3, 0.9, count).astype(np.float32).astype(np.float64)
    chance = expit(skill * (1.5 * states[:, S_RET_60] + 4.0 * (confidence - 0.6)))
    result = np.where(rng.random(count) < chance, 1.0, -0.8)
    entry_ms = np.sort(rng.integers(0, 60 * DAY_MS, count))
    return Entries(states, confidence, entry_ms, entry_ms + rng.integers(1, DAY_MS // 2, count), result)


def test_the_entries_that_it_keeps_win_more_often() -> None:
    """On unseen trades of the same truth: most that lose are left out, and what is kept earns more in all."""
    model, unseen = train_meta(entries_of(1_500, 1, 1.0)), entries_of(4_000, 2, 1.0)
    kept = model.keeps(unseen.states, unseen.confidence)
    won = unseen.result > 0
    assert model.auc is not None
    assert model.auc > 0.7
    assert won[kept].mean() > won.mean() + 0.15
    assert unseen.result[kept].sum() > unseen.result.sum() + 100
    assert model.break_even == pytest.approx(0.8 / 1.8)


def test_trades_of_chance_teach_nothing_that_earns() -> None:
    """Over ten null records the mean gain by leaving out is zero within three standard errors, win for win."""
    gains = []
    for seed in range(10):
        model, unseen = train_meta(entries_of(400, 100 + seed, 0.0)), entries_of(2_000, 200 + seed, 0.0)
        kept = model.keeps(unseen.states, unseen.confidence)
        gains.append(unseen.result[kept].mean() - unseen.result.mean() if kept.any() else 0.0)
    assert abs(np.mean(gains)) < 3 * np.std(gains, ddof=1) / np.sqrt(10) + 0.005


def test_what_cannot_be_learnt_from_leaves_nothing_out() -> None:
    """Too few trades, one outcome, states that are not finite: every entry is made and the reason is told."""
    whole = entries_of(400, 3, 1.0)
    holed = whole.states.copy()
    holed[5, S_RET_60] = np.nan
    for entries, reason in (
        (entries_of(150, 3, 1.0), "150 closed trades of earlier folds, at least 200"),
        (replace(whole, result=np.full(400, -1.0)), "0 wins and"),
        (replace(whole, states=holed), "NaN or infinity"),
        (Entries.none(), "0 closed trades"),
    ):
        model = train_meta(entries)
        assert model.forest is None
        assert reason in model.reason
        assert model.keeps(entries.states, entries.confidence).all()


def test_only_trades_known_at_a_moment_count() -> None:
    """What closes later is left out; adding it changes nothing."""
    entries = entries_of(600, 4, 1.0)
    early = entries.until(30 * DAY_MS)
    assert 0 < len(early) < 600
    assert early.known_ms.max() <= 30 * DAY_MS
    more = Entries.joined([entries, entries_of(100, 5, 1.0), Entries.none()])
    late = more.known_ms > 30 * DAY_MS
    assert len(more.until(30 * DAY_MS)) == len(more) - np.count_nonzero(late)


def test_entries_made_by_a_windows_own_constants_take_no_part() -> None:
    """Trades of several folds are learnt from: what a fit defines would mean something else in each."""
    assert S_HMM_TREND not in COLUMNS
    assert S_COST in COLUMNS
    assert COLUMNS.size == 47


class _Eager:
    """Buys wherever it may, sure by the first market entry."""

    nets = ()

    def decide(self, states: NDArray[np.float32]) -> Decision:
        legal = legal_actions(states)
        action = np.where(legal[:, 2], 2, np.where(legal[:, 5], 5, 0)).astype(np.int64)
        probs = legal / legal.sum(axis=1, keepdims=True)
        sure = np.clip(0.6 + 0.1 * states[:, 0], 0, 1).astype(np.float32)
        return Decision(action, np.log(sure), probs.astype(np.float32), sure, sure)


def test_a_filtered_policy_keeps_the_contract_and_all_but_its_entries() -> None:
    """Exits, waits and kept entries stand; an entry that is left out becomes DO_NOTHING with its own probability."""
    policy = MetaPolicy(_Eager(), train_meta(entries_of(1_000, 6, 1.0)))  # type: ignore[arg-type]
    check_policy(policy)
    states = np.random.default_rng(7).standard_normal((500, STATE_SIZE)).astype(np.float32)
    states[:, S_IS_LONG:] = 0.0
    states[::5, S_IS_LONG] = 1.0
    plain, filtered = _Eager().decide(states), pickle.loads(pickle.dumps(policy)).decide(states)  # noqa: S301
    changed = plain.action != filtered.action
    assert 50 < np.count_nonzero(changed) < 400
    assert (plain.action[changed] == Action.ENTER_LONG_NORMAL).all()
    assert (filtered.action[changed] == Action.DO_NOTHING).all()
    np.testing.assert_array_equal(filtered.confidence[changed], plain.probs[changed, 0])
    np.testing.assert_array_equal(filtered.confidence[~changed], plain.confidence[~changed])
