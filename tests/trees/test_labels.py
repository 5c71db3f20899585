"""Labels are the kernel's own trades, and know nothing of what lies behind their window."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.features.layout import MARKET_SIZE
from huracan.shadow import Window, stretches
from huracan.shadow.stretches import open_lanes
from huracan.trading import Action, ExitReason, KernelSettings, Tape
from huracan.trading.trades import Trades
from huracan.trees import Labels, label_entries, uniqueness
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of
from tests.trading.markets import CALM, Ohlcv, settings_of, tape_of
from tests.trees.worlds import made_labels

ROOT = Path(__file__).parents[2]
FOREVER_MS = 2**60


def _hand(bars: list[Ohlcv], **options: object) -> Labels:
    """Return the labels of hand-made bars without fee or slippage: spread 2 ticks, stop 60 bp, target 120 bp."""
    plain = {"fee_taker_ppm": 0, "fee_maker_ppm": 0, "fee_asset": "quote", "hold_bars": 100}
    kernel = settings_of(**{**plain, **options})
    return label_entries([tape_of(bars, kernel)], kernel, 0, FOREVER_MS)


def test_a_target_a_stop_and_a_time_limit_return_what_can_be_reckoned_by_hand() -> None:
    """Ten coins bought at 100.01: sold at the target 101.20, below the stop 99.40, at the bid 99.99 after the hold."""
    up: Ohlcv = (10_000, 10_200, 10_000, 10_150, 100_000)
    down: Ohlcv = (10_000, 10_000, 9_900, 9_950, 100_000)
    target = _hand([CALM, CALM, up, *[(10_150, 10_150, 10_150, 10_150, 1_000)] * 2])
    assert target.reason[0] == ExitReason.TAKE_PROFIT
    assert target.net[0] == pytest.approx(10 * (101.20 - 100.01))
    assert target.result[0] == pytest.approx((101.20 - 100.01) / 0.60)
    assert (target.bar[0], target.exit_bar[0]) == (0, 2)
    assert (target.close_ms[0], target.end_ms[0]) == (60_000, 180_000)
    stop = _hand([CALM, CALM, down, *[(9_950, 9_950, 9_950, 9_950, 1_000)] * 2])
    assert stop.reason[0] == ExitReason.STOP_LOSS
    assert stop.net[0] == pytest.approx(10 * (99.40 - 0.01 - 0.10 - 100.01))  # half-spread, a tenth of the range
    late = _hand([CALM] * 12, hold_bars=5)
    assert late.reason[0] == ExitReason.TIME_LIMIT
    assert late.net[0] == pytest.approx(10 * (99.99 - 100.01))
    assert late.exit_bar[0] == 6


def test_a_fee_is_inside_the_label() -> None:
    """Ten basis points on either side of a position of 1,000 cost 2."""
    free, dear = _hand([CALM] * 12, hold_bars=5), _hand([CALM] * 12, hold_bars=5, fee_taker_ppm=1_000)
    assert free.net[0] - dear.net[0] == pytest.approx(1e-3 * 10 * (100.01 + 99.99))


@pytest.mark.parametrize("style", [{}, {"entry": "maker", "exit": "maker"}])
def test_a_label_is_the_trade_that_the_kernel_makes(style: dict[str, str]) -> None:
    """Every trade of a random policy that leaves its exits to the kernel equals the label of its decision, exactly."""
    kernel = rules(fee_asset="quote", **style)
    tapes = wild_world(kernel, coins=4, days=11)
    window = window_of(tapes, 0, 10)
    labels = label_entries(tapes, kernel, window.start_ms - kernel.base_ms, window.end_ms, LIMITS)
    trades = _trades_of_chance(tapes, kernel, window, seed=4)
    kept = np.flatnonzero(trades.reason != ExitReason.END_OF_DATA)
    place = {(int(c), int(b)): row for row, (c, b) in enumerate(zip(labels.coin, labels.bar, strict=True))}
    rows = np.array([place[int(trades.tape[row]), int(trades.decision_bar[row])] for row in kept])
    assert rows.size > 200, "too few trades to say anything"
    assert set(trades.reason[kept].tolist()) == {1, 2, 3}
    np.testing.assert_array_equal(labels.exit_bar[rows], trades.exit_bar[kept])
    np.testing.assert_array_equal(labels.reason[rows], trades.reason[kept])
    np.testing.assert_array_equal(labels.net[rows], trades.net[kept])
    np.testing.assert_array_equal(labels.market[rows], trades.entry_state[kept, :MARKET_SIZE])


def _trades_of_chance(tapes: list[Tape], kernel: KernelSettings, window: Window, seed: int) -> Trades:
    """Return closed trades of lanes that enter one stake at one decision of ten, and never sell themselves."""
    wide = LIMITS._replace(wallet=1e9, daily_loss=1e9)  # a losing account may go on: a label's account is fresh
    lanes_of = stretches(tapes, window, kernel.base_ms)
    lanes = open_lanes(tapes, lanes_of, kernel, wide)
    rng = np.random.default_rng(seed)
    while not (lanes.terminated | lanes.truncated).all():
        enter = rng.random(len(lanes_of)) < 0.1
        lanes.step(np.where(enter, int(Action.ENTER_LONG_NORMAL), int(Action.HOLD)))
    return lanes.trades()


def test_nothing_behind_the_window_can_change_a_label() -> None:
    """With another market behind the end of the window the labels are the same bytes, and none reaches past it."""
    kernel = rules()
    tapes = wild_world(kernel)
    window = window_of(tapes, 0, 4)
    honest = label_entries(tapes, kernel, window.start_ms, window.end_ms)
    changed = []
    for tape in tapes:
        bars = tape.bars.copy()
        late = bars[:, 0] * kernel.base_ms >= window.end_ms
        bars[late, 1:5] = 3 * bars[late, 1:5]
        changed.append(replace(tape, bars=bars))
    other = label_entries(changed, kernel, window.start_ms, window.end_ms)
    for name in ("coin", "bar", "exit_bar", "net", "result", "reason", "end_ms"):
        np.testing.assert_array_equal(getattr(honest, name), getattr(other, name))
    assert honest.end_ms.max() <= window.end_ms
    assert honest.open > 0
    assert honest.asked == len(honest) + honest.void + honest.open


@pytest.mark.parametrize(("drift", "chance"), [(0.0, 0.33333), (0.1, 0.40176)])
def test_on_a_random_walk_the_target_comes_first_as_often_as_theory_says(drift: float, chance: float) -> None:
    """P(target first) = (1 - e^(2 m SL)) / (e^(-2 m TP) - e^(2 m SL)), a stop of 1 and a target of 2 standard units."""
    kernel = settings_of(decision_interval_bars=200, hold_bars=20_000, stop_slip_range_frac=0.0)
    tapes = [tape_of(_walk(seed, drift), kernel) for seed in range(6)]
    labels = label_entries(tapes, kernel, 0, FOREVER_MS)
    assert len(labels) > 2_950
    first = labels.reason == ExitReason.TAKE_PROFIT
    assert set(labels.reason.tolist()) == {1, 2}
    assert abs(first.mean() - chance) < 3.0 * np.sqrt(chance * (1 - chance) / len(labels)) + 0.01


def _walk(seed: int, drift: float) -> np.ndarray:
    """Return bars of a walk of 10 bp a bar, drifting so many of its variances per stop distance (60 bp)."""
    rng, bars, prints, sigma = np.random.default_rng((17, seed)), 100_000, 20, 10e-4
    step = drift * sigma**2 / 60e-4 / prints + sigma / np.sqrt(prints) * rng.standard_normal(bars * prints)
    path = np.rint(1e5 * np.exp(np.cumsum(step))).astype(np.int64).reshape(bars, prints)
    before = np.concatenate([[10**5], path[:-1, -1]])
    high, low = np.maximum(path.max(1), before), np.minimum(path.min(1), before)
    return np.column_stack([before, high, low, path[:, -1], np.full(bars, 10**7)])


def test_labels_that_overlap_share_their_weight() -> None:
    """Two labels over the same four bars weigh a half; one that shares one bar of two weighs three quarters."""
    labels = made_labels(4, 1, 0.0, coins=1)
    bar, exit_bar = np.array([0, 0, 10, 11]), np.array([3, 3, 11, 12])
    weight = uniqueness(replace(labels, bar=bar, exit_bar=exit_bar))
    np.testing.assert_allclose(weight, [0.5, 0.5, 0.75, 0.75])


def test_rows_at_most_are_spread_evenly() -> None:
    """A third of the decisions is every third decision."""
    kernel = rules()
    tapes = wild_world(kernel, coins=1)
    window = window_of(tapes, 0, 4)
    whole = label_entries(tapes, kernel, window.start_ms, window.end_ms)
    few = label_entries(tapes, kernel, window.start_ms, window.end_ms, rows_max=-(-whole.asked // 3))
    assert few.asked == -(-whole.asked // 3)
    shared = np.isin(whole.bar, few.bar)
    np.testing.assert_array_equal(whole.net[shared], few.net)


def test_rules_without_exits_and_windows_without_decisions_are_refused() -> None:
    """Both refusals say what to change."""
    kernel = rules(stops_enabled=False)
    tapes = wild_world(kernel, coins=1)
    with pytest.raises(DataError, match="stops_enabled"):
        label_entries(tapes, kernel, 0, FOREVER_MS)
    with pytest.raises(DataError, match="no decision with warm features"):
        label_entries(wild_world(rules(), coins=1), rules(), 0, 1)


BELOW = ("features", "patterns", "market")


def test_no_label_is_anywhere_near_the_features() -> None:
    """No module that makes a feature imports this room or anything above it, whose arrays look forward."""
    imported: dict[str, set[str]] = {}
    for path in sorted((ROOT / "huracan" / "features").rglob("*.py")):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("huracan."):
                names.add((node.module or "").split(".")[1])
            elif isinstance(node, ast.Import):
                names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("huracan.")}
        imported[path.name] = names
    allowed = {"features", "market", "config", "errors", "logs", "clock"}
    assert {name: names - allowed for name, names in imported.items() if names - allowed} == {}
    for room in BELOW:
        for path in sorted((ROOT / "huracan" / room).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            assert "huracan.trees" not in text, path
            assert "label_entries" not in text, path


def test_each_third_label_is_that_of_every_coin() -> None:
    """Thinning keeps order and coins."""
    labels = made_labels(2_000, 1, 0.0, coins=3)
    few = labels.every(3)
    assert [few.of_coin(coin).size for coin in range(3)] == [222, 222, 222]
    np.testing.assert_array_equal(few.bar[few.of_coin(1)], labels.bar[labels.of_coin(1)][::3])
