"""Skill against luck: trades beside random entries of the same number, coins and rules, traded by the same kernel.

The random entries are drawn from the warm decisions of each coin between its first and last entry. One pool answers
three questions: how unusual a single result is (p-value), how far all results together lie above chance (difference of
the means, with interval and p-value of days drawn in blocks: trades of one day share its luck), and how much of that is
left after shrinkage: a difference d with standard error e keeps the share max(0, 1 - e^2 / d^2), which is nothing when
noise alone gives as much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student_t

from huracan.analysis.days import DayBlocks
from huracan.analysis.replay import Entries, replay
from huracan.shadow import DAY_MS
from huracan.trading import KernelSettings, Limits, Tape

__all__ = ["Pool", "Skill", "random_pool", "skill_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
POOL_PER_TRADE = 10
POOL_MIN, POOL_MAX = 200, 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Random entries: coin number, entry time and result of each, NaN results left out."""

    tape: Ints
    time_ms: Ints
    net_bps: Floats
    net_r: Floats

    def p_values(self, tape: Ints, net_r: Floats) -> Floats:
        """Return (1 + random entries of the coin that did as well) / (1 + their number); NaN where there are none."""
        found = np.full(len(tape), np.nan)
        for coin in np.unique(tape[tape >= 0]).tolist():
            null = np.sort(self.net_r[(self.tape == coin) & np.isfinite(self.net_r)])
            mine = np.flatnonzero((tape == coin) & np.isfinite(net_r))
            if len(null):
                as_good = len(null) - np.searchsorted(null, net_r[mine], side="left")
                found[mine] = (1.0 + as_good) / (1.0 + len(null))
        return found


@dataclass(frozen=True, slots=True)
class Skill:
    """What entries and exits earned beyond chance, basis points of the value bought, per trade.

    Attributes:
        trades, random: how many of each.
        mean_bps, random_bps: their means, each coin weighted by its trades.
        difference_bps: between them; with the interval `low` to `high`, None on too few days.
        shrunk_bps: what is left of the difference after shrinkage.
        p_value: share of draws of days that leave nothing beyond chance, widened for few days; None like the interval.
        level: of the interval.
    """

    trades: int
    random: int
    mean_bps: float
    random_bps: float
    difference_bps: float
    low: float | None
    high: float | None
    shrunk_bps: float
    p_value: float | None
    level: float


def random_pool(entries: Entries, tapes: Sequence[Tape], kernel: KernelSettings, limits: Limits, seed: int) -> Pool:
    """Trade random entries of the coins, spans and sizes of the given ones."""
    rng = np.random.default_rng(seed)
    tape, row, action = [], [], []
    for coin in np.unique(entries.tape[entries.tape >= 0]).tolist():
        mine, market = entries.tape == coin, tapes[coin]
        first, last = int(entries.row[mine].min()), int(entries.row[mine].max())
        able = market.rows[(market.rows >= first) & (market.rows <= last) & market.ready[market.rows]]
        if not len(able):
            continue
        count = int(np.clip(POOL_PER_TRADE * mine.sum(), POOL_MIN, POOL_MAX))
        tape.append(np.full(count, coin, np.int64))
        row.append(rng.choice(able, count))
        action.append(rng.choice(entries.action[mine], count))
    none = np.zeros(0, np.int64)
    drawn = Entries(*(np.concatenate([none, *column]) for column in (tape, row, action)))
    done = replay(drawn, tapes, kernel, limits)
    kept = np.isfinite(done.net_bps)
    numbers = np.array([int(tapes[t].bars[r, 0]) for t, r in zip(drawn.tape[kept], drawn.row[kept], strict=True)])
    return Pool(drawn.tape[kept], (numbers.astype(np.int64) + 1) * kernel.base_ms, done.net_bps[kept], done.net_r[kept])


def skill_of(
    tape: Ints, time_ms: Ints, net_bps: Floats, pool: Pool, *, resamples: int, level: float, seed: int
) -> Skill | None:
    """Return what trades earned beyond chance, None when no coin has both.

    Args:
        tape: int64[N], coin number of each trade.
        time_ms: int64[N], entries.
        net_bps: float64[N].
        pool: random entries of the same coins.
        resamples: draws of days.
        level: of the interval.
        seed: of the draws.
    """
    coins = sorted(set(np.unique(tape).tolist()) & set(np.unique(pool.tape).tolist()))
    mine = np.isin(tape, coins)
    if not mine.any():
        return None
    tape, time_ms, net_bps = tape[mine], time_ms[mine], net_bps[mine]
    share = {coin: float(np.mean(tape == coin)) for coin in coins}
    size = {coin: float(np.mean(pool.tape == coin)) for coin in coins}
    weight = np.array([share[c] / size[c] if c in size else 0.0 for c in pool.tape.tolist()])
    random_bps = float(np.average(pool.net_bps, weights=weight))
    difference = float(net_bps.mean()) - random_bps
    times = np.concatenate([time_ms, pool.time_ms])
    centred = np.concatenate([net_bps - net_bps.mean(), np.zeros(len(pool.time_ms))])
    blocks = DayBlocks(times, centred, resamples=resamples, level=level, seed=seed)
    drawn = blocks.draws(net_bps, time_ms) - (
        blocks.draws(pool.net_bps * weight, pool.time_ms) / blocks.draws(weight, pool.time_ms)
    )
    days = len(np.unique(time_ms // DAY_MS))
    bounds = blocks.bounds(drawn) if days > 1 else None
    known = drawn[np.isfinite(drawn)]
    error = np.inf if bounds is None else float(known.std())
    kept = max(0.0, 1.0 - (error / difference) ** 2) if difference else 0.0
    return Skill(
        trades=len(tape),
        random=len(pool.tape),
        mean_bps=float(net_bps.mean()),
        random_bps=random_bps,
        difference_bps=difference,
        low=None if bounds is None else bounds[0],
        high=None if bounds is None else bounds[1],
        shrunk_bps=kept * difference,
        p_value=None if bounds is None else _as_good(known, days),
        level=level,
    )


def _as_good(drawn: Floats, days: int) -> float:
    """Return how often drawn days leave nothing beyond chance, widened for few days as intervals are (Hesterberg)."""
    share = (1 + np.count_nonzero(drawn <= 0.0)) / (1 + len(drawn))
    return float(student_t.sf(norm.isf(share) * np.sqrt((days - 1) / days), days - 1))
