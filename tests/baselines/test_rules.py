"""Baselines as rules over states: legal, with hysteresis, one row at a time."""

import numpy as np
import pytest

from huracan.baselines import BuyAndHold, Flat, MeanReversion, Momentum
from huracan.features.layout import (
    S_DATA_AGE,
    S_DAY_PNL,
    S_EMA_SLOW,
    S_HEAT,
    S_IS_LONG,
    S_ORDER_AGE,
    S_RET_240,
    S_RET_1440,
)
from huracan.policy import Policy
from huracan.trading import Action, legal_actions

RULES = [Flat(), BuyAndHold(), Momentum(), MeanReversion()]


def states(rows: list[dict[int, float]]) -> np.ndarray:
    """Return raw states, 0 but for the given entries."""
    result = np.zeros((len(rows), 80), np.float32)
    for row, entries in enumerate(rows):
        for index, value in entries.items():
            result[row, index] = value
    return result


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_every_action_is_legal_and_depends_on_its_row_alone(rule: Policy) -> None:
    """On 2,000 random states: legal by the mask, unchanged by order, number and neighbours of the rows."""
    generator = np.random.default_rng(11)
    sample = generator.normal(0, 1.5, (2_000, 80)).astype(np.float32)
    sample[:, S_IS_LONG] = generator.integers(0, 2, 2_000)
    sample[:, S_ORDER_AGE] = generator.choice([0.0, 0.5, -0.5], 2_000)
    sample[:, S_DATA_AGE] = generator.choice([0.0, 1.0], 2_000)
    sample.flags.writeable = False
    actions = rule.act(sample)
    assert actions.dtype == np.int64
    assert legal_actions(sample)[np.arange(2_000), actions].all()
    assert np.array_equal(rule.act(sample[::-1])[::-1], actions)
    assert np.array_equal(np.concatenate([rule.act(sample[i : i + 1]) for i in range(50)]), actions[:50])
    assert rule.act(sample[:0]).shape == (0,)


@pytest.mark.parametrize("blocked", [{S_HEAT: 1.0}, {S_DAY_PNL: -1.0}, {S_DATA_AGE: 1.0}])
def test_no_rule_enters_against_the_mask(blocked: dict[int, float]) -> None:
    """A limit that binds or a missing bar turns every entry into DO_NOTHING."""
    wanting = states([{S_RET_1440: 3.0, S_EMA_SLOW: 1.0, **blocked}, {S_RET_240: -4.0, **blocked}])
    for rule in RULES:
        assert rule.act(wanting).tolist() == [Action.DO_NOTHING] * 2


def test_buy_and_hold_buys_once_and_keeps() -> None:
    """Flat: one stake; holding: HOLD, whatever the market does."""
    found = BuyAndHold().act(states([{}, {S_IS_LONG: 1.0, S_RET_1440: -5.0}, {S_ORDER_AGE: 0.5}]))
    assert found.tolist() == [Action.ENTER_LONG_NORMAL, Action.HOLD, Action.HOLD]


def test_flat_sells_what_it_finds() -> None:
    """Flat: nothing; holding: EXIT."""
    assert Flat().act(states([{}, {S_IS_LONG: 1.0}])).tolist() == [Action.DO_NOTHING, Action.EXIT]


def test_momentum_enters_above_its_band_keeps_inside_and_leaves_below() -> None:
    """Enter at > 0.5 with a positive EMA cross, hold down to -0.5, then exit; the cross alone does not enter."""
    flat = states([{S_RET_1440: 0.6, S_EMA_SLOW: 0.1}, {S_RET_1440: 0.4, S_EMA_SLOW: 0.1}, {S_RET_1440: 0.6}])
    assert Momentum().act(flat).tolist() == [Action.ENTER_LONG_NORMAL, Action.DO_NOTHING, Action.DO_NOTHING]
    held = states([{S_IS_LONG: 1.0, S_RET_1440: value} for value in (0.4, -0.4, -0.6)])
    assert Momentum().act(held).tolist() == [Action.HOLD, Action.HOLD, Action.EXIT]


def test_mean_reversion_buys_falls_and_sells_recoveries() -> None:
    """Enter below -1.5 standard deviations, hold until above 0, then exit."""
    flat = states([{S_RET_240: value} for value in (-1.6, -1.4, 2.0)])
    assert MeanReversion().act(flat).tolist() == [Action.ENTER_LONG_NORMAL, Action.DO_NOTHING, Action.DO_NOTHING]
    held = states([{S_IS_LONG: 1.0, S_RET_240: value} for value in (-1.4, -0.1, 0.1)])
    assert MeanReversion().act(held).tolist() == [Action.HOLD, Action.HOLD, Action.EXIT]
