"""Nearest trades: those of a plain search by the same rules, known before, not of the same coin's same hours."""

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.patterns.neighbours import DAY_MS, nearest
from tests.patterns.worlds import BASE_MS, START_MS

PURGE_MS = 60 * BASE_MS
K = 32


def search(
    points: NDArray[np.float32],
    close_ms: NDArray[np.int64],
    coin: int,
    trades: NDArray[np.float32],
    exit_ms: NDArray[np.int64],
    coins: NDArray[np.int64],
    keep: int = K,
    purge_ms: int = PURGE_MS,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Run the compiled search over trades float32[N, 32] in the order of their exits."""
    found = np.zeros((len(points), keep), np.int64)
    square, count = np.full((len(points), keep), np.inf, np.float32), np.zeros(len(points), np.int64)
    across = np.ascontiguousarray(trades.T)
    nearest(
        points, close_ms, coin, across, exit_ms + 2 * BASE_MS, exit_ms, coins, BASE_MS, purge_ms, found, square, count
    )
    return found, square, count


def plainly(
    point: NDArray[np.float32],
    close_ms: int,
    coin: int,
    trades: NDArray[np.float32],
    exit_ms: NDArray[np.int64],
    coins: NDArray[np.int64],
) -> list[int]:
    """Return the neighbours of one state by sorting all trades; float32 sums in the order of the axes."""
    away = np.zeros(len(trades), np.float32)
    for axis in range(trades.shape[1]):
        away += (trades[:, axis] - point[axis]) ** 2
    open_to = exit_ms + 2 * BASE_MS <= close_ms
    ended = exit_ms + BASE_MS
    own = (coins == coin) & ((ended > close_ms - PURGE_MS) | (exit_ms // DAY_MS >= (close_ms - 1) // DAY_MS))
    order = np.lexsort((np.arange(len(trades)), away))
    return [int(row) for row in order if open_to[row] and not own[row]][:K]


def some(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return (points, exits, coins) of trades of four coins within five days, several ending in one bar."""
    rng = np.random.default_rng(seed)
    exit_ms = np.sort(START_MS + rng.integers(0, 5 * 1440, count) * BASE_MS)
    return rng.standard_normal((count, 32)).astype(np.float32), exit_ms, rng.integers(0, 4, count)


@pytest.mark.parametrize("coin", [-1, 0, 3])
def test_the_neighbours_are_those_of_a_plain_search(coin: int) -> None:
    """2,000 trades, more than a block; asked at random closes, before the first trade and after the last."""
    trades, exit_ms, coins = some(2_000, 1)
    rng = np.random.default_rng(2)
    points = rng.standard_normal((80, 32)).astype(np.float32)
    close_ms = START_MS + rng.integers(-100, 6 * 1440, 80) * BASE_MS
    found, square, count = search(points, close_ms, coin, trades, exit_ms, coins)
    for row in range(80):
        expected = plainly(points[row], int(close_ms[row]), coin, trades, exit_ms, coins)
        assert found[row, : count[row]].tolist() == expected
        assert (np.diff(square[row, : count[row]]) >= 0).all()
    assert count.min() == 0
    assert count.max() == K


def test_a_trade_counts_from_its_close_and_one_bar_on() -> None:
    """At the close of its last bar it is not a candidate yet, one bar later it is."""
    trades, one = np.zeros((1, 32), np.float32), np.zeros(1, np.int64)
    exit_ms = np.array([START_MS])
    close_ms = START_MS + np.array([1, 2, 3]) * BASE_MS
    _, _, count = search(np.zeros((3, 32), np.float32), close_ms, -1, trades, exit_ms, one)
    assert count.tolist() == [0, 1, 1]


def test_the_same_coins_last_hold_and_day_are_left_out() -> None:
    """Its own trades count once they ended a hold before, and not on the day itself; another coin's count at once."""
    noon = START_MS + 12 * 60 * BASE_MS
    exit_ms = np.array([START_MS - 30 * BASE_MS, START_MS + 60 * BASE_MS, noon - 40 * BASE_MS])
    trades, own = np.zeros((3, 32), np.float32), np.zeros(3, np.int64)
    point = np.zeros((1, 32), np.float32)

    def asked(close_ms: int, coin: int) -> list[int]:
        found, _, count = search(point, np.array([close_ms]), coin, trades, exit_ms, own)
        return sorted(found[0, : count[0]].tolist())

    assert asked(noon, -1) == [0, 1, 2]
    assert asked(noon, 0) == [0]  # the others ended today
    assert asked(START_MS, 0) == []  # yesterday, and within a hold
    assert asked(START_MS + 30 * BASE_MS, 0) == []  # today, and yesterday's is still within a hold
    assert asked(START_MS + 31 * BASE_MS, 0) == [0]
    midnight = START_MS + DAY_MS
    assert asked(midnight, 0) == [0]  # the bar that closes at midnight is the day's
    assert asked(midnight + BASE_MS, 0) == [0, 1, 2]


def test_a_hold_of_days_leaves_out_the_same_coins_last_days() -> None:
    """With a longest hold of two days a trade counts two days after its last bar's close, not on the next day."""
    exit_ms = np.array([START_MS])
    trades, own = np.zeros((1, 32), np.float32), np.zeros(1, np.int64)
    free = START_MS + BASE_MS + 2 * DAY_MS
    close_ms = np.array([START_MS + DAY_MS + BASE_MS, free - BASE_MS, free])
    _, _, count = search(np.zeros((3, 32), np.float32), close_ms, 0, trades, exit_ms, own, purge_ms=2 * DAY_MS)
    assert count.tolist() == [0, 0, 1]


def test_equally_near_trades_come_in_the_order_they_were_known() -> None:
    """Forty trades at one point: the first 32."""
    trades, coins = np.ones((40, 32), np.float32), np.zeros(40, np.int64)
    exit_ms = START_MS + np.arange(40) * BASE_MS
    found, _, count = search(np.zeros((1, 32), np.float32), np.array([START_MS + DAY_MS]), -1, trades, exit_ms, coins)
    assert found[0, : count[0]].tolist() == list(range(32))


def test_later_trades_change_nothing() -> None:
    """The search over all trades, and over those known by then only, is the same bit for bit."""
    trades, exit_ms, coins = some(1_500, 5)
    now = int(exit_ms[700] + 2 * BASE_MS)
    points = np.random.default_rng(3).standard_normal((20, 32)).astype(np.float32)
    close_ms = np.full(20, now)
    known = exit_ms + 2 * BASE_MS <= now
    whole = search(points, close_ms, 1, trades, exit_ms, coins)
    part = search(points, close_ms, 1, trades[known], exit_ms[known], coins[known])
    for ours, theirs in zip(whole, part, strict=True):
        assert np.array_equal(ours, theirs)
