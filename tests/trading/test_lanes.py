"""Lanes: episodes, steps, records and restarts; the same whatever stands beside a lane and however it is stepped."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.errors import InvariantError
from huracan.trading import KernelSettings, Lanes, Limits, Tape, Trades, legal_actions
from huracan.trading.costs import DAY_MS, make_cost_table
from tests.trading.markets import CALM, lane_over, random_tape, settings_of, tape_of

CONFIGS = [
    {},
    {"entry": "maker", "exit": "maker", "maker_life_bars": 2, "maker_tries": 2, "maker_exit_life_bars": 3},
    {"fee_asset": "quote", "hold_bars": 12, "fee_maker_ppm": 200, "fee_taker_ppm": 777},
    {"stops_enabled": False},
]
Dice = NDArray[np.float64]


def dice(seed: int, count: int, lanes: int) -> Dice:
    """Return float64[count, lanes] in [0, 1): one throw for each bar and lane."""
    return np.random.default_rng(seed).random((count, lanes))


def choose(states: NDArray[np.float32], throw: Dice) -> NDArray[np.int64]:
    """Return a legal action for each state: enters often, exits now and then."""
    legal = legal_actions(states)
    entry = np.where(throw < 0.6, 1 + (throw * 5).astype(int) % 3, 0)
    flat = np.where(legal[np.arange(len(throw)), entry], entry, 0)
    return np.where(legal[:, 5], np.where(throw < 0.08, 4, 5), flat).astype(np.int64)


def lanes_over(tapes: list[Tape], settings: KernelSettings, which: list[int], every_bar: bool = False) -> Lanes:
    """Return lanes over whole tapes, sold at their end."""
    lanes = Lanes(tapes, settings, len(which), record=True, every_bar=every_bar)
    starts, stops = [tapes[i].rows[2] for i in which], [len(tapes[i]) for i in which]
    ones = np.ones(len(which), np.bool_)
    lanes.reset(np.arange(len(which)), np.array(which), np.array(starts), np.array(stops), ones)
    return lanes


def run(lanes: Lanes, throws: Dice, seen: Callable[[Lanes], None] = lambda lanes: None) -> Trades:
    """Play until every lane is done; the throw of a lane depends on its bar alone."""
    everyone = np.arange(lanes.num_lanes)
    while not (lanes.terminated | lanes.truncated).all():
        seen(lanes)
        lanes.step(choose(lanes.obs, throws[lanes.bar, everyone]))
    return lanes.trades()


def assert_same(a: Trades, b: Trades) -> None:
    """Raise unless every column is equal bit for bit."""
    assert len(a) == len(b) > 0
    for field in fields(Trades):
        assert getattr(a, field.name).tobytes() == getattr(b, field.name).tobytes(), field.name


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_steps_of_k_bars_are_k_steps_of_one_bar(config: dict[str, object], seed: int) -> None:
    """K = 5 against acting at every fifth close: trades, slots and, at decisions, states, rewards and equity."""
    settings = settings_of(**{"decision_interval_bars": 5, **config})
    tape, throws = random_tape(seed, settings), dice(seed, 600, 1)
    slow, fast = lane_over(tape, settings, at_end=True), lane_over(tape, settings, at_end=True, every_bar=True)
    while not slow.terminated[0]:
        assert fast.due[0]
        assert fast.obs.tobytes() == slow.obs.tobytes()
        assert fast.slots.tobytes() == slow.slots.tobytes()
        assert (fast.bar[0], fast.equity[0]) == (slow.bar[0], slow.equity[0])
        action = choose(slow.obs, throws[slow.bar, [0]])
        slow.step(action)
        rewards = []
        while fast.bar[0] < slow.bar[0]:
            fast.step(action if not rewards else np.array([2]))
            rewards.append(float(fast.reward[0]))
        assert rewards[-1] == slow.reward[0]
        assert not any(rewards[:-1])
    assert fast.terminated[0]
    assert_same(slow.trades(), fast.trades())


@pytest.mark.parametrize("config", CONFIGS)
def test_a_lane_depends_on_itself_alone(config: dict[str, object]) -> None:
    """Alone, among others, twice over or in another order: the same states, rewards and trades."""
    settings = settings_of(**{"decision_interval_bars": 3, **config})
    tapes = [random_tape(seed, settings) for seed in range(4)]
    throws = dice(9, 600, 4)
    order = [3, 0, 2, 1, 0, 3]
    crowd = lanes_over(tapes, settings, order)
    crowd_trades = run(crowd, throws[:, order])
    for place, tape in enumerate(order):
        alone = lanes_over([tapes[tape]], settings, [0])
        trades = run(alone, throws[:, [tape]])
        mine = crowd_trades.lane == place
        assert len(trades) == mine.sum() > 0
        for name in ("entry_bar", "exit_bar", "reason", "value_in", "value_out", "net", "entry_state"):
            assert getattr(trades, name).tobytes() == getattr(crowd_trades, name)[mine].tobytes(), name
        assert alone.obs[0].tobytes() == crowd.obs[place].tobytes()
        assert alone.equity[0] == crowd.equity[place]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_snapshot_restores_a_run_in_the_middle(config: dict[str, object]) -> None:
    """Fresh lanes, given the bytes at step 60, go on to the same states, rewards and trades."""
    settings = settings_of(**{"decision_interval_bars": 3, **config})
    tapes, throws = [random_tape(seed, settings) for seed in range(3)], dice(4, 600, 3)
    first = lanes_over(tapes, settings, [0, 1, 2])
    steps: list[tuple[bytes, bytes]] = []
    for _ in range(60):
        first.step(choose(first.obs, throws[first.bar, np.arange(3)]))
    saved, before = first.snapshot(), len(first.trades())
    all_trades = run(first, throws, lambda lanes: steps.append((lanes.obs.tobytes(), lanes.reward.tobytes())))
    second = Lanes(tapes, settings, 3, record=True)
    second.restore(saved)
    again: list[tuple[bytes, bytes]] = []
    trades = run(second, throws, lambda lanes: again.append((lanes.obs.tobytes(), lanes.reward.tobytes())))
    assert steps == again
    assert len(all_trades) - before == len(trades) > 0
    late = np.isin(all_trades.exit_ms, trades.exit_ms)
    assert set(trades.net.tolist()) <= set(all_trades.net[late].tolist())


def test_a_snapshot_of_other_lanes_is_refused() -> None:
    """Another number of lanes is another number of bytes."""
    settings = settings_of()
    tape = tape_of([CALM] * 5, settings)
    with pytest.raises(InvariantError, match="snapshot has"):
        Lanes([tape], settings, 2).restore(Lanes([tape], settings, 3).snapshot())


def test_two_runs_are_the_same_run() -> None:
    """No hidden state, no clock, no random number."""
    settings = settings_of(decision_interval_bars=3)
    tapes, throws = [random_tape(seed, settings) for seed in range(3)], dice(4, 600, 3)
    runs = [run(lanes_over(tapes, settings, [0, 1, 2]), throws) for _ in range(2)]
    assert_same(*runs)


def test_an_illegal_action_is_its_no_op() -> None:
    """EXIT and HOLD while flat, entries while held, and numbers that are no action change nothing."""
    settings = settings_of()
    tape = tape_of([CALM] * 12, settings)
    odd, plain = lane_over(tape, settings), lane_over(tape, settings)
    for illegal, no_op in [(4, 0), (5, 0), (-1, 0), (6, 0), (2, 2), (1, 5), (3, 5), (0, 5), (99, 5), (4, 4)]:
        odd.step(np.array([illegal]))
        plain.step(np.array([no_op]))
        assert odd.snapshot() == plain.snapshot()


def test_a_mask_set_by_the_caller_denies_entries() -> None:
    """Heat at its limit in `set_account`: ENTER is DO_NOTHING; the other entries are stored as given."""
    settings = settings_of()
    lanes = lane_over(tape_of([CALM] * 4, settings), settings)
    lanes.set_account(np.array([[1.0, 0.1, -0.2, 0.3, 0.4]], np.float32))
    assert lanes.obs[0, [72, 73, 74, 75, 78]].tolist() == np.array([1.0, 0.1, -0.2, 0.3, 0.4], np.float32).tolist()
    lanes.step(np.array([2]))
    assert lanes.slots["quantity_in"][0] == 0


def test_a_load_of_the_rest_of_the_portfolio_counts_against_the_limits() -> None:
    """An exposure load of 1 masks entries for the whole episode."""
    settings = settings_of()
    tape = tape_of([CALM] * 4, settings)
    lanes = Lanes([tape], settings, 2)
    load = np.array([[0, 0, 0, 0], [0, 0, 0, 1]], np.float32)
    zeros = np.zeros(2, np.int64)
    lanes.reset(np.arange(2), zeros, zeros, np.array([4, 4]), np.zeros(2, np.bool_), load)
    lanes.step(np.array([2, 2]))
    assert lanes.slots["quantity_in"].tolist() == [1_000, 0]
    assert lanes.obs[1, 75] == 1


def test_held_back_lanes_obey_and_stay_at_their_close() -> None:
    """`advance` False: what was asked for is an order at once, counts, and meets the next bar that comes."""
    settings = settings_of()
    tape = tape_of([CALM] * 6, settings)
    lanes = Lanes([tape], settings, 2, record=True)
    zeros = np.zeros(2, np.int64)
    lanes.reset(np.arange(2), zeros, zeros, np.array([6, 6]), np.zeros(2, np.bool_))
    lanes.step(np.array([2, 2]), advance=np.array([True, False]))
    assert lanes.bar.tolist() == [1, 0]
    assert lanes.slots["quantity_in"].tolist() == [1_000, 0]
    assert lanes.next_bar_no.tolist() == [2, 1]
    assert lanes.slots["want"].tolist() == [0, 1_000]
    assert lanes.gross[1] > 0
    lanes.step(np.array([0, 0]), advance=np.array([False, True]))
    assert lanes.bar.tolist() == [1, 1]
    assert lanes.slots["quantity_in"].tolist() == [1_000, 1_000]


def test_a_done_lane_waits_for_its_reset() -> None:
    """Flags stay, reward is 0, actions are ignored; after `reset` it trades an empty account again."""
    settings = settings_of()
    lanes = lane_over(tape_of([CALM] * 3, settings), settings, at_end=True)
    lanes.step(np.array([2]))
    lanes.step(np.array([5]))
    assert lanes.terminated[0]
    assert lanes.reward[0] < 0
    assert lanes.next_bar_no[0] == -1
    equity = float(lanes.equity[0])
    lanes.step(np.array([2]))
    assert (lanes.terminated[0], lanes.reward[0], lanes.equity[0]) == (True, 0, equity)
    lanes.reset(np.array([0]), np.array([0]), np.array([0]), np.array([3]), np.array([False]))
    assert (lanes.terminated[0], lanes.equity[0], lanes.bar[0]) == (False, 0, 0)
    assert len(lanes.trades()) == 1


def test_a_fresh_lane_does_nothing_before_its_reset() -> None:
    """It counts as done."""
    settings = settings_of()
    lanes = Lanes([tape_of([CALM] * 3, settings)], settings, 1)
    lanes.step(np.array([2]))
    assert lanes.truncated[0]
    assert not lanes.slots["want"][0]


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [(1, 9, "no decision is due at bar 1"), (4, 5, "leave no bar"), (4, 99, "leave no bar")],
)
def test_an_impossible_episode_is_refused(start: int, stop: int, message: str) -> None:
    """A start between decisions, and windows without a bar or beyond the tape."""
    settings = settings_of(decision_interval_bars=5)
    lanes = Lanes([tape_of([CALM] * 10, settings)], settings, 1)
    with pytest.raises(InvariantError, match=message):
        lanes.reset(np.array([0]), np.array([0]), np.array([start]), np.array([stop]), np.array([False]))


def test_a_decision_missing_its_bar_falls_at_the_next_close_and_may_not_enter() -> None:
    """Bar 9 is missing: decided at bar 11, state 79 shows two lost bars, the entry is masked; the next one is free."""
    settings = settings_of(decision_interval_bars=5)
    numbers = [4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    tape = tape_of([CALM] * 14, settings, numbers=numbers)
    assert tape.bars[tape.rows, 0].tolist() == [4, 11, 14, 19]
    lanes = lane_over(tape, settings)
    lanes.step(np.array([0]))
    assert (lanes.bar_no[0], lanes.obs[0, 79]) == (11, 2)
    lanes.step(np.array([2]))
    assert (lanes.bar_no[0], lanes.obs[0, 79], lanes.slots["quantity_in"][0]) == (14, 0, 0)
    lanes.step(np.array([2]))
    assert lanes.slots["quantity_in"][0] == 1_000


def test_features_of_the_decision_stand_in_front_of_the_state() -> None:
    """Entries 0 to 61 are the tape's row of the last decision, in between as well."""
    settings = settings_of(decision_interval_bars=5)
    tape = tape_of([CALM] * 20, settings)
    lanes = lane_over(tape, settings, every_bar=True)
    for _ in range(6):
        row = np.searchsorted(tape.rows, lanes.bar[0], side="right") - 1
        assert lanes.obs[0, :62].tobytes() == tape.features[row].tobytes()
        lanes.step(np.array([0]))


def test_cost_scale_one_is_the_plain_rule_and_two_doubles_fees_spread_and_impact() -> None:
    """Random trades, bit for bit; then one entry by hand: ask + 1 tick, fee of two steps per thousand."""
    settings = settings_of(decision_interval_bars=3)
    tape, throws = random_tape(5, settings), dice(5, 600, 1)
    plain, scaled = Lanes([tape], settings, 1, record=True), Lanes([tape], settings, 1, record=True)
    window = (np.array([0]), np.array([0]), tape.rows[:1], np.array([600]), np.array([True]))
    plain.reset(*window)
    scaled.reset(*window, cost_scale=np.array([1.0]))
    assert_same(run(plain, throws), run(scaled, throws))
    settings = settings_of()
    tape = tape_of([CALM] * 3, settings, spread=3, impact=0.01)
    lanes = Lanes([tape], settings, 1)
    lanes.reset(
        np.array([0]), np.array([0]), np.array([0]), np.array([3]), np.array([False]), cost_scale=np.array([2.0])
    )
    lanes.step(np.array([2]))
    slot = lanes.slots[0]
    assert (slot["spread"], slot["slippage"], slot["fee_base"]) == (3 * 1_000, 633, 2 * 1_000_000)


def test_the_default_account_function_fills_heat_and_exposure() -> None:
    """999 steps at 10,000, stop 60 ticks below, wallet 100,000: limits of 15 % heat and 100 % exposure."""
    settings = settings_of()
    lanes = lane_over(tape_of([CALM] * 4, settings), settings)
    lanes.step(np.array([2]))
    value = 100_000 + float(lanes.equity[0])
    assert lanes.heat[0] == pytest.approx(999 * 60 * 1e-4, rel=1e-12)
    assert lanes.gross[0] == pytest.approx(999 * 10_000 * 1e-4, rel=1e-12)
    assert lanes.obs[0, 72] == np.float32(lanes.heat[0] / (0.15 * value))
    assert lanes.obs[0, 75] == np.float32(lanes.gross[0] / value)
    assert lanes.obs[0, 74] == np.float32(float(lanes.equity[0]) / 500)


def test_daily_equity_is_that_of_the_last_close_of_each_day() -> None:
    """Two and a half days of half-hours: equity by day equals what the steps showed, idle lanes included."""
    settings = settings_of(decision_interval_bars=30)
    bars = np.array(
        [[10_000 + i // 40, 10_001 + i // 40, 9_999 + i // 40, 10_000 + i // 40, 10**6] for i in range(3_600)]
    )
    tape = tape_of(bars, settings, numbers=list(range(3_600)))
    for action in (0, 2):
        lanes = lane_over(tape, settings, at_end=True)
        shown = {}
        while not lanes.terminated[0]:
            lanes.step(np.array([action if lanes.obs[0, 62] == 0 else 5]))
            shown[int(lanes.bar_no[0]) // 1_440] = float(lanes.equity[0])
        days, equity = lanes.equity_curve(0)
        assert days.tolist() == [0, DAY_MS, 2 * DAY_MS]
        assert equity.tolist() == list(shown.values())
        assert (equity != 0).any() == (action == 2)


def test_daily_equity_does_not_depend_on_where_decisions_fall() -> None:
    """With k = 7 a day ends between decisions: a position, then dust alone, are marked at that day's last close."""
    settings = settings_of(decision_interval_bars=7, hold_bars=2_000)
    close = 10_000 + np.arange(5_000) % 50
    bars = np.column_stack([close, close + 1, close - 1, close, np.full(5_000, 10**6)])
    tape = tape_of(bars, settings)
    slow, fast = lane_over(tape, settings, at_end=True), lane_over(tape, settings, at_end=True, every_bar=True)
    marks = {}
    while not fast.terminated[0]:
        action = np.array([3 if fast.bar[0] < 1_000 else 4 if fast.bar[0] > 2_000 else 5])
        if fast.due[0]:
            slow.step(action)
        fast.step(action)
        marks[int(fast.bar_no[0]) // 1_440] = float(fast.equity[0])
    assert slow.slots["coins"][0] == 501_000
    assert slow.equity_curve(0)[1].tolist() == fast.equity_curve(0)[1].tolist() == list(marks.values())
    assert len(set(marks.values())) == 4


def test_each_day_has_its_own_costs() -> None:
    """The spread doubles at midnight: the window of the first bar of the day already pays it, its close before not."""
    settings = settings_of()
    tape = tape_of([CALM] * 6, settings, numbers=[1_437, 1_438, 1_439, 1_440, 1_441, 1_442])
    days = np.arange(2, dtype=np.int64) * DAY_MS
    costs = make_cost_table("HAND/USDT", days, np.array([2, 4]), np.array([10**6, 700]), np.zeros(2))
    lanes = lane_over(replace(tape, costs=costs), settings)
    for action in (2, 4, 2, 5, 4):
        lanes.step(np.array([action]))
    trades = lanes.trades()
    assert trades.value_in.tolist() == [1_000 * 10_001, 1_000 * 10_002]
    assert trades.value_out.tolist() == [999 * 9_999, 999 * 9_998]


def test_records_are_kept_only_when_asked_for() -> None:
    """Trades and curves of lanes without records are a programming error."""
    settings = settings_of()
    lanes = Lanes([tape_of([CALM] * 3, settings)], settings, 1)
    with pytest.raises(InvariantError, match="record=True"):
        lanes.trades()
    with pytest.raises(InvariantError, match="record=True"):
        lanes.equity_curve(0)


def test_records_grow_with_the_run() -> None:
    """More trades than the first room holds: none is lost."""
    settings = settings_of()
    tape = tape_of([CALM] * 1_300, settings)
    lanes = lane_over(tape, settings, limits=Limits(1e9, 1.0, 1.0, 1e9, 1.0))
    for step in range(1_200):
        lanes.step(np.array([2 if step % 2 == 0 else 4]))
    trades = lanes.trades()
    assert len(trades) == 600
    assert trades.entry_bar.tolist() == list(range(1, 1_200, 2))


def test_costs_are_scaled_within_the_range_of_exact_integers() -> None:
    """0 to 8."""
    settings = settings_of()
    lanes, zero = Lanes([tape_of([CALM] * 3, settings)], settings, 1), np.array([0])
    for scale in (-0.1, 8.1, float("nan")):
        with pytest.raises(InvariantError, match="cost_scale"):
            lanes.reset(zero, zero, zero, np.array([3]), np.array([False]), cost_scale=np.array([scale]))


def test_the_wrong_sizes_are_refused() -> None:
    """One action for each lane."""
    settings = settings_of()
    lanes = lane_over(tape_of([CALM] * 3, settings), settings)
    with pytest.raises(InvariantError, match="one entry for each of 1 lanes"):
        lanes.step(np.array([0, 0]))
