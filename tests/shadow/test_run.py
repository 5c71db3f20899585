"""One policy over one window: independent coins, whole days, every decision counted, chance at the same pace."""

import numpy as np
import pytest

from huracan.baselines import BuyAndHold, Flat, MeanReversion, Momentum
from huracan.errors import InvariantError
from huracan.policy import Ensemble, NetworkSpec, Normaliser, PolicyNet
from huracan.shadow.run import RandomResult, join_blocks, random_block, shadow_block
from huracan.trading import Action, ExitReason
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of

KERNEL = rules()
TAPES = wild_world(KERNEL)
WINDOW = window_of(TAPES, 1, 4)


def ensemble() -> Ensemble:
    """Return two untrained networks with large heads, so that they trade."""
    nets = [PolicyNet(NetworkSpec((32,), "tanh"), Normaliser.identity(), seed) for seed in (1, 2)]
    for net in nets:
        net.policy_head.weight.data *= 100.0
    return Ensemble(nets)


def test_flat_earns_nothing_and_decides_all_the_time() -> None:
    """No trade, no cost: every day is exactly 0, and each decision was DO_NOTHING."""
    result = shadow_block(Flat(), TAPES, WINDOW, KERNEL, LIMITS, name="flat", fold=0)
    assert not result.pnl.any()
    assert result.pnl.shape == (4, 3)
    assert len(result.trades) == 0
    assert result.pace.actions[Action.DO_NOTHING] == result.pace.decisions > 3_000


@pytest.mark.parametrize("policy", [Momentum(), MeanReversion(), ensemble()], ids=lambda p: type(p).__name__)
def test_days_and_trades_tell_the_same_story(policy: Momentum) -> None:
    """Daily results add up to the trades' nets but for dust; trades lie in the window, coin by coin, in order."""
    result = shadow_block(policy, TAPES, WINDOW, KERNEL, LIMITS, name="p", fold=1)
    trades = result.trades
    assert len(trades) > 50
    assert result.pnl.sum() == pytest.approx(trades.net.sum(), abs=0.5)
    assert result.daily.sum() == pytest.approx(result.pnl.sum())
    assert trades.entry_ms.min() >= WINDOW.start_ms
    assert trades.exit_ms.max() < WINDOW.end_ms
    for coin in range(3):
        own = trades.where(trades.coin == coin)
        assert own.seq.tolist() == list(range(len(own)))
        assert (own.entry_ms[1:] > own.exit_ms[:-1]).all()
    assert (trades.mfe_frac >= 0).all()
    assert (trades.mae_frac <= 0).all()
    assert result.pace.entries.sum() >= len(trades)


def test_the_days_result_is_the_days_change_of_value() -> None:
    """Cutting a window in two gives the same days, up to the forced sale where the first part ends."""
    whole = shadow_block(Momentum(), TAPES[2:], WINDOW, KERNEL, LIMITS, name="m", fold=0)
    first = shadow_block(Momentum(), TAPES[2:], window_of(TAPES, 1, 2), KERNEL, LIMITS, name="m", fold=0)
    assert np.array_equal(first.pnl[0], whole.pnl[0])
    sold = first.trades.where(first.trades.reason == ExitReason.END_OF_DATA)
    costs = -(sold.spread_part + sold.slippage_part + sold.fee_part).sum()
    assert whole.pnl[1, 0] - costs <= first.pnl[1, 0] <= whole.pnl[1, 0] + 1e-9


def test_coins_do_not_influence_each_other() -> None:
    """Three coins in one block, or each in its own and joined: the same trades, days and counts."""
    together = shadow_block(ensemble(), TAPES, WINDOW, KERNEL, LIMITS, name="e", fold=0)
    alone = [shadow_block(ensemble(), [tape], WINDOW, KERNEL, LIMITS, name="e", fold=0) for tape in TAPES]
    joined = join_blocks(alone)
    assert joined.symbols == together.symbols
    assert np.array_equal(joined.pnl, together.pnl)
    assert np.array_equal(joined.trades.coin, together.trades.coin)
    assert np.array_equal(joined.trades.net, together.trades.net)
    assert np.array_equal(joined.trades.entry_state, together.trades.entry_state)
    assert np.array_equal(joined.pace.chances, together.pace.chances)
    with pytest.raises(InvariantError, match="do not fit"):
        join_blocks([alone[0], shadow_block(Flat(), TAPES[1:2], WINDOW, KERNEL, LIMITS, name="flat", fold=0)])


def test_a_trade_remembers_the_state_and_the_confidence_it_was_entered_with() -> None:
    """Deciding again on the stored entry states gives the stored actions and confidences, bit for bit."""
    policy = ensemble()
    trades = shadow_block(policy, TAPES, WINDOW, KERNEL, LIMITS, name="e", fold=0).trades
    again = policy.decide(trades.entry_state)
    assert np.array_equal(again.action, trades.action)
    assert np.array_equal(again.confidence.astype(np.float64), trades.confidence)


def test_buy_and_hold_pays_its_costs_once_per_stretch() -> None:
    """With stops off it buys at the first open and is sold by the end of the data, nothing else."""
    kernel = rules(stops_enabled=False)
    tapes = wild_world(kernel)
    result = shadow_block(BuyAndHold(), tapes, WINDOW, kernel, LIMITS, name="hold", fold=0)
    assert (result.trades.reason == ExitReason.END_OF_DATA).all()
    assert len(result.trades) <= result.pace.chances.size
    assert (result.trades.fee_part < 0).all()


def test_random_policies_trade_at_the_pace_of_the_judged_one() -> None:
    """Their mean number of trades is the policy's within 5 %, single copies differ, the seed decides."""
    judged = shadow_block(Momentum(), TAPES, WINDOW, KERNEL, LIMITS, name="m", fold=0)
    chance = random_block(judged.pace, TAPES, WINDOW, KERNEL, LIMITS, copies=40, seed=7)
    assert chance.pnl.shape == (40, 4)
    assert chance.trades.mean() == pytest.approx(len(judged.trades), rel=0.05)
    assert len(set(chance.pnl.sum(axis=1))) == 40
    again = random_block(judged.pace, TAPES, WINDOW, KERNEL, LIMITS, copies=40, seed=7)
    assert np.array_equal(chance.pnl, again.pnl)


def test_random_copies_of_blocks_add_up() -> None:
    """Copy b of one block of coins goes with copy b of the next."""
    one = RandomResult(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 2]))
    two = RandomResult(np.array([[10.0, 20.0], [30.0, 40.0]]), np.array([5, 6]))
    joined = RandomResult.joined([one, two])
    assert joined.pnl.tolist() == [[11.0, 22.0], [33.0, 44.0]]
    assert joined.trades.tolist() == [6, 8]


def test_nobody_beats_a_martingale_after_costs() -> None:
    """On wild bars without an edge every trading policy loses about its costs: price parts near 0, costs below 0."""
    for policy in (Momentum(), MeanReversion()):
        trades = shadow_block(policy, TAPES, WINDOW, KERNEL, LIMITS, name="p", fold=0).trades
        error = trades.price_part.std(ddof=1) / np.sqrt(len(trades))
        assert abs(trades.price_part.mean()) < 3.5 * error
        assert (trades.spread_part + trades.slippage_part + trades.fee_part < 0).all()
