"""What must not matter: the future, a restart, the step length, illegal actions, the neighbours, doing nothing."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.features.layout import S_DAY_PNL, S_DRAWDOWN
from huracan.trading import Action, KernelSettings, Lanes, Tape, legal_actions
from tests.property.harness import NO_LIMITS, Dice, Played, play, same_runs, same_trades, start_lanes
from tests.property.markets import wild_tape, wild_tapes, with_interval

SEEDS = range(8)


def garbage_after(tape: Tape, last: int, seed: int) -> Tape:
    """Return the tape with every price, volume, sigma and later day's cost after row `last` replaced by noise."""
    rng = np.random.default_rng(seed)
    bars, sigma = tape.bars.copy(), tape.sigma.copy()
    later = len(bars) - last - 1
    prices = np.sort(rng.integers(50, 10 * int(bars[:, 2].max()), (later, 4)), axis=1)
    bars[last + 1 :, 1], bars[last + 1 :, 4] = prices[:, 1], prices[:, 2]
    bars[last + 1 :, 2], bars[last + 1 :, 3] = prices[:, 3], prices[:, 0]
    bars[last + 1 :, 5] = rng.integers(0, 10**6, later)
    sigma[last + 1 :] = rng.uniform(1e-4, 0.1, later)
    days = np.arange(len(tape.costs.spread)) > tape.day[last]
    costs = replace(
        tape.costs,
        spread=np.where(days, rng.integers(1, 500, len(days)), tape.costs.spread),
        qcap=np.where(days, rng.integers(0, 10**6, len(days)), tape.costs.qcap),
        impact=np.where(days, rng.uniform(0, 10, len(days)), tape.costs.impact),
    )
    return replace(tape, bars=bars, sigma=sigma, costs=costs)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_future_does_not_reach_back(seed: int) -> None:
    """Everything after a decision's bar replaced by garbage: states, rewards, slots and trades to it are identical."""
    tape, settings = wild_tape(seed)
    row = len(tape.rows) * 2 // 3
    other = garbage_after(tape, int(tape.rows[row]), seed)
    steps = row - 1  # the first decision is row 1
    runs = [play(start_lanes([one], settings), Dice(np.array([seed])), steps) for one in (tape, other)]
    assert int(runs[0].bars[-1][0]) < tape.rows[row]
    same_runs(*runs)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restart_in_the_middle_changes_nothing(seed: int) -> None:
    """Bytes saved and restored into new lanes mid-run: the rest of the run is the same bit for bit."""
    tape, settings = wild_tape(seed)
    dice = Dice(np.array([seed]))
    whole = play(start_lanes([tape], settings), dice)
    half = len(whole.states) // 2
    before = start_lanes([tape], settings)
    first = play(before, dice, half)
    after = Lanes([tape], settings, 1, record=True, limits=NO_LIMITS)
    after.restore(before.snapshot())
    second = play(after, dice)
    assert len(first.trades) + len(second.trades) == len(whole.trades)
    for name in ("states", "rewards", "equity", "slots", "bars"):
        joined = getattr(first, name) + getattr(second, name)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(joined, getattr(whole, name), strict=True)), name
    for name in ("entry_bar", "exit_bar", "value_in", "value_out", "reason", "net", "high", "low", "entry_state"):
        joined = np.concatenate([getattr(first.trades, name), getattr(second.trades, name)])
        assert joined.tobytes() == getattr(whole.trades, name).tobytes(), name


def only_on_grid(dice: Dice, interval: int) -> "Dice":
    """Return a chooser that acts at the closes of the coarse grid alone."""

    class OnGrid(Dice):
        def __call__(self, states: np.ndarray, bar_no: np.ndarray) -> np.ndarray:
            wait = np.where(legal_actions(states)[:, Action.HOLD], Action.HOLD, Action.DO_NOTHING)
            return np.where((bar_no + 1) % interval == 0, Dice.__call__(self, states, bar_no), wait)

    return OnGrid(dice.seeds, dice.enter, dice.leave)


@pytest.mark.parametrize("seed", SEEDS)
def test_deciding_every_fifteenth_bar_is_acting_every_fifteenth_of_every_bar(seed: int) -> None:
    """K = 15 equals k = 1 that acts on the same grid, without missing bars; equity agrees at each shared close."""
    tape, settings = wild_tape(seed, decision_interval_bars=15, maker_exit_life_bars=7)
    bars = tape.bars.copy()
    bars[:, 0] = bars[0, 0] + np.arange(len(bars))
    tape = with_interval(replace(tape, bars=bars), 15)
    fine = with_interval(tape, 1)
    dice = Dice(np.array([seed]), leave=0.15)
    coarse = play(start_lanes([tape], settings), dice)
    lanes = Lanes([fine], replace(settings, decision_interval_bars=1), 1, record=True, limits=NO_LIMITS)
    lanes.reset(np.zeros(1, int), np.zeros(1, int), tape.rows[1:2], np.array([len(tape)]), np.ones(1, bool))
    every = play(lanes, only_on_grid(dice, 15))
    assert len(coarse.trades) > 3
    same_trades(coarse.trades, every.trades, but=("entry_state",))
    agree = np.setdiff1d(np.arange(80), [S_DRAWDOWN, S_DAY_PNL])
    assert np.array_equal(coarse.trades.entry_state[:, agree], every.trades.entry_state[:, agree])
    marks = {int(bar[0]): float(value[0]) for bar, value in zip(every.bars[1:], every.equity, strict=False)}
    for bar, value in zip(coarse.bars[1:], coarse.equity, strict=False):
        assert marks[int(bar[0])] == float(value[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_stepping_bar_by_bar_is_stepping_by_decisions(seed: int) -> None:
    """`every_bar` lanes give the same trades, and the same states and rewards at the decisions, gaps included."""
    tape, settings = wild_tape(seed, decision_interval_bars=5)
    dice = Dice(np.array([seed]))
    by_decision = play(start_lanes([tape], settings), dice)
    by_bar = play(start_lanes([tape], settings, every_bar=True), dice)
    same_trades(by_decision.trades, by_bar.trades)
    due = set(tape.rows.tolist())
    states = [state for bar, state in zip(by_bar.bars, by_bar.states, strict=True) if int(bar[0]) in due]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(by_decision.states, states, strict=True))
    written = [float(reward[0]) for reward in by_bar.rewards if reward[0] != 0]
    assert written == [float(reward[0]) for reward in by_decision.rewards if reward[0] != 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_illegal_action_is_its_no_op(seed: int) -> None:
    """Replacing each illegal action by DO_NOTHING or HOLD gives the same run, numbers outside the list included."""
    tape, settings = wild_tape(seed)
    wild = Dice(np.array([seed]), illegal=0.3)

    def anything(states: np.ndarray, bar_no: np.ndarray) -> np.ndarray:
        action = wild(states, bar_no)
        return np.where(bar_no % 17 == 0, np.where(bar_no % 2 == 0, -3, 99), action)

    replaced = 0

    def tamed(states: np.ndarray, bar_no: np.ndarray) -> np.ndarray:
        nonlocal replaced
        action, legal = anything(states, bar_no), legal_actions(states)
        known = (action >= 0) & (action < 6)
        fine = known & legal[np.arange(len(action)), np.where(known, action, 0)]
        replaced += int((~fine).sum())
        return np.where(fine, action, np.where(legal[:, Action.HOLD], Action.HOLD, Action.DO_NOTHING))

    same_runs(play(start_lanes([tape], settings), anything), play(start_lanes([tape], settings), tamed))
    assert replaced > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_who_never_enters_earns_exactly_nothing(seed: int) -> None:
    """DO_NOTHING, EXIT and HOLD while flat: every reward and every equity is zero, and no trade is written."""
    tape, settings = wild_tape(seed)

    def idle(states: np.ndarray, bar_no: np.ndarray) -> np.ndarray:
        return np.where(bar_no % 3 == 0, Action.DO_NOTHING, np.where(bar_no % 3 == 1, Action.EXIT, Action.HOLD))

    played = play(start_lanes([tape], settings), idle)
    assert len(played.trades) == 0
    assert not np.array(played.rewards).any()
    assert not np.array(played.equity).any()


def lane_of(played: Played, lane: int) -> tuple[list[bytes], list[bytes], bytes]:
    """Return one lane's states, rewards and trades as bytes, up to its own end."""
    chosen = played.trades.lane == lane
    columns = (played.trades.entry_bar, played.trades.exit_bar, played.trades.net, played.trades.entry_state)
    trades = b"".join(column[chosen].tobytes() for column in columns)
    running = [i for i, bars in enumerate(played.bars) if bars[lane] >= 0]
    states = [played.states[i][lane].tobytes() for i in running]
    return states, [played.rewards[i][lane].tobytes() for i in running], trades


def shared_settings(seed: int) -> KernelSettings:
    """Return the random settings of one seed."""
    return wild_tape(seed, length=50)[1]


@pytest.mark.parametrize("seed", range(3))
def test_a_lane_does_not_see_its_neighbours(seed: int) -> None:
    """Eight markets alone, together, in another order and twice over: each lane's run is the same bit for bit."""
    settings = shared_settings(seed)
    tapes = wild_tapes(8, settings, seed, length=200)
    seeds = np.arange(8) + 100 * seed
    together = play(start_lanes(tapes, settings), Dice(seeds))
    order = np.random.default_rng(seed).permutation(8)
    shuffled = play(start_lanes(tapes, settings, order.tolist()), Dice(seeds[order]))
    crowd = play(start_lanes(tapes, settings, [*range(8), *range(8)]), Dice(np.tile(seeds, 2)))
    for lane in range(8):
        alone = lane_of(play(start_lanes([tapes[lane]], settings), Dice(seeds[lane : lane + 1])), 0)
        assert lane_of(together, lane) == alone
        assert lane_of(shuffled, int(np.flatnonzero(order == lane)[0])) == alone
        assert lane_of(crowd, lane) == lane_of(crowd, lane + 8) == alone
