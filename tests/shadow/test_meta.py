"""What meta-labelling would change is the difference of two shadow runs on the same days, with its interval."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.baselines import Flat, MetaModel, Momentum
from huracan.shadow import shadow_block
from huracan.shadow.meta import MetaOutcome, entries_of, summarise_meta
from huracan.trading import ExitReason
from huracan.trees import Platt
from tests.shadow.test_assess import SETTINGS
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of

KERNEL = rules()
TAPES = wild_world(KERNEL, coins=3, days=6)
NOTHING = MetaModel(None, Platt(0.0, 0.0), 0.0, 3, 1, None, None, "3 closed trades")
LEARNT = replace(NOTHING, learnt=300, auc=0.6, brier=0.2, reason="")


def _result(policy: object, fold: int):
    window = window_of(TAPES, 1 + 2 * fold, 2)
    return shadow_block(policy, TAPES, window, KERNEL, LIMITS, name="x", fold=fold)  # type: ignore[arg-type]


def test_a_fold_that_taught_nothing_is_left_out() -> None:
    """One fold without a model, one in which every losing entry is left out: only the second one's days count."""
    plain = [_result(Momentum(), 0), _result(Momentum(), 1)]
    found = summarise_meta(
        plain, [MetaOutcome(NOTHING, None), MetaOutcome(LEARNT, _result(Flat(), 1))], SETTINGS, seed=1
    )
    assert found.days == 2
    assert found.net_without == pytest.approx(plain[1].daily.sum())
    assert (found.net_with, found.trades_with, found.precision_with) == (0.0, 0, None)
    own = plain[1].trades.where(plain[1].trades.reason != ExitReason.END_OF_DATA)
    assert found.trades_without == len(own)
    assert found.precision_without == pytest.approx(np.mean(own.net > 0))
    assert found.day_difference is not None
    assert found.day_difference.estimate == pytest.approx(-plain[1].daily.mean())
    assert found.earns == (found.day_difference.low > 0)
    assert [(row.fold, row.learnt, row.reason) for row in found.folds] == [(0, 3, "3 closed trades"), (1, 300, "")]


def test_without_any_model_there_is_no_difference() -> None:
    """No day, no interval, nothing earned."""
    found = summarise_meta([_result(Momentum(), 0)], [MetaOutcome(NOTHING, None)], SETTINGS, seed=1)
    assert (found.days, found.day_difference, found.earns) == (0, None, False)


def test_what_is_learnt_from_are_trades_that_the_market_ended() -> None:
    """Results in R, known at the close of the exit's bar; those that the end of the data cut off say nothing."""
    result = _result(Momentum(), 0)
    entries = entries_of(result, KERNEL.base_ms)
    kept = result.trades.where(result.trades.reason != ExitReason.END_OF_DATA)
    assert len(entries) == len(kept) < len(result.trades)
    np.testing.assert_array_equal(entries.known_ms, kept.exit_ms + 60_000)
    np.testing.assert_allclose(entries.result * kept.risk_frac * kept.notional_in, kept.net)
    np.testing.assert_array_equal(entries.states, kept.entry_state)
