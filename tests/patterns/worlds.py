"""Closed trades and decision rows made up for tests, with what they should say known by construction."""

import numpy as np
from numpy.typing import NDArray

from huracan.env import Dataset
from huracan.features import MARKET_SIZE, STATE_SIZE, Scaler
from huracan.patterns import Outcomes, PatternMemory, WindowRows

LAYOUT = 77
BASE_MS = 60_000
DAY_MS = 86_400_000
HOLD_BARS = 60
START_MS = 20_000 * DAY_MS
SCALER = Scaler(np.zeros(STATE_SIZE, np.float32), np.ones(STATE_SIZE, np.float32), np.full(STATE_SIZE, 5, np.float32))


def outcomes_of(
    market: NDArray[np.float32],
    exit_ms: NDArray[np.int64],
    result: NDArray[np.float64],
    symbol: NDArray[np.str_] | None = None,
    hold_bars: int = 30,
) -> Outcomes:
    """Return trades with these results in R; the excursions are half an R beyond the result on either side."""
    count = len(result)
    return Outcomes.of(
        layout=LAYOUT,
        base_ms=BASE_MS,
        layouts=np.full(count, LAYOUT),
        symbol=np.array([f"C{n}/USDT" for n in range(count)]) if symbol is None else symbol,
        entry_ms=exit_ms - hold_bars * BASE_MS,
        exit_ms=exit_ms,
        net_frac=0.01 * result,
        mfe_frac=0.01 * (np.maximum(result, 0) + 0.5),
        mae_frac=0.01 * (np.minimum(result, 0) - 0.5),
        risk_frac=np.full(count, 0.01),
        market=market,
    )


def states(count: int, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    """Return float32[count, 52] standard normal market entries around `shift`."""
    return (np.random.default_rng(seed).standard_normal((count, MARKET_SIZE)) + shift).astype(np.float32)


def random_outcomes(count: int, seed: int, days: int = 40, coins: int = 6) -> Outcomes:
    """Return trades of a few coins spread over `days`, results around zero."""
    rng = np.random.default_rng(seed)
    exit_ms = START_MS + rng.integers(100, days * 1440, count) * BASE_MS
    symbol = np.array([f"C{n}/USDT" for n in rng.integers(0, coins, count)])
    return outcomes_of(
        states(count, seed + 1), exit_ms, rng.normal(0, 1, count), symbol, hold_bars=int(rng.integers(5, 50))
    )


def ground(symbol: str, count: int, seed: int, days: int = 40) -> WindowRows:
    """Return decision rows of one coin spread evenly over `days`."""
    close_ms = START_MS + (np.arange(1, count + 1) * (days * 1440 // count)) * BASE_MS
    return WindowRows(symbol, states(count, seed), close_ms.astype(np.int64))


def fitted(outcomes: Outcomes, rows: int = 400) -> PatternMemory:
    """Return a memory fitted on two coins' rows; it must not be too thin for one."""
    memory = PatternMemory.fit(outcomes, [ground("C0/USDT", rows, 5), ground("X/USDT", rows, 6)], SCALER, HOLD_BARS)
    assert memory is not None
    return memory


def past_of(dataset: Dataset, count: int = 400, seed: int = 1) -> Outcomes:
    """Return trades of a dataset's coins, spread over its history, entered on the states of its own decisions."""
    rng = np.random.default_rng(seed)
    fit = dataset.fit(dataset.summary.start_ms, dataset.summary.end_ms, 1)
    base_ms, coins = dataset.kernel.base_ms, [tape.symbol for tape in dataset.bare]
    symbol, entry_ms, market = [], [], []
    for tape in dataset.fold_tapes(fit):
        warm = np.flatnonzero(tape.ready[tape.rows])
        rows = rng.choice(warm, count // len(coins), replace=False)
        symbol += [tape.symbol] * len(rows)
        entry_ms.append((tape.bars[tape.rows[rows], 0] + 1) * base_ms)
        market.append(tape.features[rows, :MARKET_SIZE])
    entered = np.concatenate(entry_ms)
    result = rng.normal(0, 0.01, len(entered))
    return Outcomes.of(
        layout=dataset.layout,
        base_ms=base_ms,
        layouts=np.full(len(entered), dataset.layout),
        symbol=np.array(symbol),
        entry_ms=entered,
        exit_ms=entered + rng.integers(1, dataset.kernel.hold_bars, len(entered)) * base_ms,
        net_frac=result,
        mfe_frac=np.maximum(result, 0) + 0.01,
        mae_frac=np.minimum(result, 0) - 0.01,
        risk_frac=np.full(len(entered), 0.01),
        market=np.concatenate(market),
    )
