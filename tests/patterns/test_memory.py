"""The memory as a whole: planted set-ups are told apart, the future changes nothing, batch is live, bytes are bytes."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from huracan.errors import ArtefactError
from huracan.patterns import MEMORY_SIZE, Outcomes, PatternMemory
from tests.patterns.worlds import (
    BASE_MS,
    DAY_MS,
    HOLD_BARS,
    LAYOUT,
    SCALER,
    START_MS,
    fitted,
    ground,
    outcomes_of,
    random_outcomes,
    states,
)

WIN_RATE = {"A": 0.7, "B": 0.4}
SHIFT = {"A": 1.0, "B": -1.0}
LATE_MS = START_MS + 45 * DAY_MS


def planted(seed: int, shuffled: bool = False) -> PatternMemory:
    """Return a memory of 3,000 trades each of two set-ups that win 70 % and 40 %, 1 R a time; or of chance."""
    rng = np.random.default_rng(seed)
    market = np.concatenate([states(3_000, seed + 1, SHIFT["A"]), states(3_000, seed + 2, SHIFT["B"])])
    rate = np.repeat([WIN_RATE["A"], WIN_RATE["B"]], 3_000)
    result = np.where(rng.random(6_000) < rate, 1.0, -1.0)
    if shuffled:
        rng.shuffle(result)
    exit_ms = START_MS + rng.integers(0, 40 * 1440, 6_000) * BASE_MS
    order = np.argsort(exit_ms, kind="stable")
    coins = np.array([f"C{n}/USDT" for n in range(6_000)])
    return fitted(outcomes_of(market[order], exit_ms[order], result[order], coins[order]))


def asked(memory: PatternMemory, setup: str) -> np.ndarray:
    """Return float64[10], the mean of what the memory says of 400 fresh states of a set-up."""
    found = memory.history(states(400, 99, SHIFT[setup]), np.full(400, LATE_MS), "NEW/USDT")
    return found.astype(np.float64).mean(axis=0)


@pytest.mark.parametrize("setup", ["A", "B"])
def test_a_planted_setup_is_known_by_its_win_rate(setup: str) -> None:
    """The shrunk rate and the mean result are the set-up's own, to the noise of its trades."""
    memory = planted(1)
    found = asked(memory, setup)
    base = (float((memory.outcomes.result > 0).sum()) + 1) / (len(memory) + 2)
    number = found[4] * 32
    expected = number / (number + 10) * (WIN_RATE[setup] - base)
    assert number > 12
    assert found[1] == pytest.approx(expected, abs=0.03)
    assert found[0] == pytest.approx(2 * WIN_RATE[setup] - 1, abs=0.08)
    assert found[2] < found[0] - 0.2


def test_shuffled_outcomes_take_all_value_away() -> None:
    """With results dealt out at random the two set-ups look the same: the value was in the results, not the states."""
    real, chance = planted(1), planted(1, shuffled=True)
    assert asked(real, "A")[1] - asked(real, "B")[1] > 0.15
    assert abs(asked(chance, "A")[1] - asked(chance, "B")[1]) < 0.03


def test_live_is_batch_bit_for_bit() -> None:
    """Each row asked alone, by the whole state, by a memory that travelled as bytes: the same ten numbers."""
    memory = fitted(random_outcomes(1_500, 7))
    rows = ground("C0/USDT", 300, 5)
    whole = memory.history(rows.market, rows.close_ms, rows.symbol)
    there = PatternMemory.from_bytes(memory.to_bytes(), LAYOUT)
    sent = pickle.loads(pickle.dumps(memory))  # noqa: S301 - as Ray sends it to a replica
    assert whole[:, 4].any()
    for row in range(300):
        state = np.concatenate([rows.market[row], np.full(28, 7, np.float32)])
        for one in (memory, there, sent):
            assert np.array_equal(one.entries(state, int(rows.close_ms[row]), rows.symbol), whole[row])
    backwards = memory.history(rows.market[::-1], rows.close_ms[::-1], rows.symbol)
    assert np.array_equal(backwards[::-1], whole)


def test_trades_that_come_later_change_nothing() -> None:
    """As of every close the memory of all trades says what the memory of those known by then says."""
    outcomes = random_outcomes(1_500, 7)
    memory = fitted(outcomes)
    rows = ground("C1/USDT", 200, 5)
    whole = memory.history(rows.market, rows.close_ms, rows.symbol)
    for row in range(0, 200, 20):
        now = int(rows.close_ms[row])
        part = PatternMemory(outcomes.until(now), memory.embedding, HOLD_BARS, memory._middle, memory._grid)
        assert np.array_equal(part.entries(rows.market[row], now, rows.symbol), whole[row])
    garbage = replace(
        outcomes,
        result=np.where(outcomes.known_ms > rows.close_ms[100], 50.0, outcomes.result),
        market=np.where((outcomes.known_ms > rows.close_ms[100])[:, None], 3.0, outcomes.market).astype(np.float32),
    )
    other = PatternMemory(garbage, memory.embedding, HOLD_BARS, memory._middle, memory._grid)
    found = other.history(rows.market, rows.close_ms, rows.symbol)
    assert np.array_equal(found[:101], whole[:101])
    assert not np.array_equal(found[101:], whole[101:])


def test_the_same_coins_same_day_is_nobodys_neighbour() -> None:
    """Trades of the coin itself that ended within a hold or on the day are not asked; as another coin's they are."""
    outcomes = random_outcomes(1_500, 7)
    memory = fitted(outcomes)
    rows = ground("C0/USDT", 200, 5)
    near = 0
    for row in range(50, 200, 5):
        now = int(rows.close_ms[row])
        own = memory.neighbours(rows.market[row], now, "C0/USDT")
        for trade in own:
            if outcomes.symbol[trade] == "C0/USDT":
                near += 1
                assert outcomes.exit_ms[trade] + BASE_MS <= now - HOLD_BARS * BASE_MS
                assert outcomes.exit_ms[trade] // DAY_MS < (now - 1) // DAY_MS
    assert near > 20


def test_an_empty_memory_is_none_and_a_young_one_says_zero() -> None:
    """Nothing traded, or too little for a tenth of the rows: no memory. Before its fifth trade a memory says zeros."""
    rows = [ground("C0/USDT", 400, 5), ground("X/USDT", 400, 6)]
    assert PatternMemory.fit(Outcomes.none(LAYOUT, BASE_MS), rows, SCALER, HOLD_BARS) is None
    late = outcomes_of(states(50, 1), LATE_MS - DAY_MS * 6 + np.arange(50) * BASE_MS, np.ones(50))
    assert PatternMemory.fit(late, rows, SCALER, HOLD_BARS) is None
    assert PatternMemory.fit(random_outcomes(50, 1), [], SCALER, HOLD_BARS) is None
    memory = fitted(random_outcomes(500, 7))
    early = memory.entries(states(1, 1)[0], START_MS, "C0/USDT")
    assert early.tolist() == [0.0] * MEMORY_SIZE
    assert early.dtype == np.float32


def test_novelty_is_the_quantile_of_training() -> None:
    """Over the training rows themselves it is spread evenly; far from everything it is 1."""
    memory = fitted(random_outcomes(3_000, 7), rows=2_000)
    rows = ground("X/USDT", 2_000, 6)
    found = memory.history(rows.market, rows.close_ms, rows.symbol)
    novelty = found[found[:, 4] > 0, 5]
    assert novelty.mean() == pytest.approx(0.5, abs=0.05)
    assert np.quantile(novelty, 0.9) == pytest.approx(0.9, abs=0.05)
    far = memory.entries(np.full(52, 5, np.float32), LATE_MS, "X/USDT")
    assert far[5] == 1.0


def test_the_same_memory_gives_the_same_bytes() -> None:
    """Fitted twice, or read back: one hash; another trade, hold or window: another one."""
    outcomes = random_outcomes(800, 7)
    memory = fitted(outcomes)
    assert fitted(outcomes).sha256 == memory.sha256
    assert PatternMemory.from_bytes(memory.to_bytes(), LAYOUT).to_bytes() == memory.to_bytes()
    assert fitted(random_outcomes(800, 8)).sha256 != memory.sha256
    assert fitted(outcomes, rows=390).sha256 != memory.sha256


def test_a_memory_of_another_layout_is_refused() -> None:
    """The line names both layouts and says to train again."""
    data = fitted(random_outcomes(800, 7)).to_bytes()
    with pytest.raises(ArtefactError, match=r"another feature layout \(77\) than .* \(78\).*train again"):
        PatternMemory.from_bytes(data, 78)


@pytest.mark.parametrize("damage", ["empty", "cut", "foreign", "unordered", "trades"])
def test_damaged_bytes_are_refused(damage: str) -> None:
    """Nothing, half of it, another kind of block, columns that contradict each other, or trades alone."""
    data = fitted(random_outcomes(800, 7)).to_bytes()
    if damage == "unordered":
        swapped = fitted(random_outcomes(800, 7))
        swapped.outcomes.exit_ms[[0, -1]] = swapped.outcomes.exit_ms[[-1, 0]]
        data = swapped.to_bytes()
    wrong = {"empty": b"", "cut": data[: len(data) // 2], "foreign": b"\x02\0\0\0\0\0\0\0{}", "unordered": data}
    wrong["trades"] = random_outcomes(800, 7).to_bytes()
    with pytest.raises(ArtefactError, match=r"no memory of trades|without their memory"):
        PatternMemory.from_bytes(wrong[damage], LAYOUT)
