"""What a block of the state is worth is the policy with it minus itself without it, on the same days."""

from typing import Any

import numpy as np
import pytest

from huracan.features.layout import MARKET_SLICE, MEMORY_SLICE, S_LGBM_EDGE
from huracan.shadow import ShadowResult, shadow_block
from huracan.shadow.ablation import summarise_ablations, without
from huracan.trading import Action, Tape, legal_actions
from tests.shadow.test_assess import SETTINGS
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of

KERNEL = rules()


def knowing_world() -> list[Tape]:
    """Return three coins whose states foretell: entry 52 is the sign of the next two days' price, 61 is one."""
    tapes = []
    for tape in wild_world(KERNEL, coins=3, days=8):
        features = tape.features.copy()
        close = tape.bars[:, 4].astype(float)
        ahead = np.minimum(tape.rows + 1, len(close) - 1)
        features[:, MEMORY_SLICE.start] = np.sign(close[np.minimum(ahead + 30, len(close) - 1)] - close[ahead])
        features[:, S_LGBM_EDGE] = 1.0
        tapes.append(tape.with_features(features))
    return tapes


TAPES = knowing_world()


class Believer:
    """Enters when entry 52 says that the price will rise and leaves when it says otherwise; it heeds nothing else."""

    name = "believer"

    def act(self, states: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return an action of every state."""
        legal = legal_actions(states)
        up = states[:, MEMORY_SLICE.start] > 0
        held = np.where(up, int(Action.HOLD), int(Action.EXIT))
        flat = np.where(up, int(Action.ENTER_LONG_NORMAL), int(Action.DO_NOTHING))
        return np.where(legal[:, int(Action.HOLD)], held, flat).astype(np.int64)


def _traded(tapes: list[Tape] | tuple[Tape, ...], fold: int = 0) -> ShadowResult:
    window = window_of(TAPES, 1 + 3 * fold, 3)
    return shadow_block(Believer(), tapes, window, KERNEL, LIMITS, name="x", fold=fold)


def test_a_block_at_zero_leaves_the_rest_of_the_state_alone() -> None:
    """Memory is 52 to 60, tree is 61; the market and the tape that was given stay as they are."""
    (before, less) = (TAPES[0].features.copy(), without(TAPES, "memory")[0].features)
    assert (less[:, MEMORY_SLICE.start : S_LGBM_EDGE] == 0).all()
    assert (less[:, S_LGBM_EDGE] == 1).all()
    np.testing.assert_array_equal(less[:, MARKET_SLICE], before[:, MARKET_SLICE])
    np.testing.assert_array_equal(TAPES[0].features, before)
    assert (without(TAPES, "tree")[0].features[:, S_LGBM_EDGE] == 0).all()


def test_a_memory_that_foretells_is_relied_on_and_one_that_nobody_heeds_is_not() -> None:
    """The difference of the two runs day by day, with its interval; a fold without the block is left out."""
    whole = [_traded(TAPES), _traded(TAPES, 1)]
    deaf = [{"memory": _traded(without(TAPES, "memory"), fold)} for fold in (0, 1)]
    memory, tree = summarise_ablations(
        whole, [deaf[0] | {"tree": _traded(without(TAPES, "tree"))}, deaf[1]], SETTINGS, seed=1
    )
    assert (memory.block, memory.days, memory.trades_without, memory.net_without) == ("memory", 6, 0, 0.0)
    assert memory.net_with == pytest.approx(sum(result.daily.sum() for result in whole))
    assert memory.day_difference.estimate == pytest.approx(memory.net_with / 6)
    assert memory.relies
    assert not memory.misled
    assert memory.trades_with > 0
    assert (tree.block, tree.days, tree.net_with) == ("tree", 3, tree.net_without)
    assert (tree.day_difference.low, tree.day_difference.high) == (0.0, 0.0)
    assert not tree.relies
    assert not tree.misled


def test_a_policy_trained_with_neither_has_nothing_to_say() -> None:
    """No block, no line."""
    assert summarise_ablations([_traded(TAPES)], [{}], SETTINGS, seed=1) == ()
