"""Closed trades with planted patterns: which state an entry had, and what became of it, known by construction."""

from dataclasses import replace

import numpy as np

from huracan.memory import TradeRows
from huracan.patterns.neighbours import DAY_MS
from tests.memory.samples import sample_trades

LAYOUT = 4_711
START_MS = 20_000 * DAY_MS
MINUTE_MS = 60_000
RISK_FRAC = 0.01


def planted_trades(
    means: tuple[float, ...],
    count: int,
    seed: int,
    *,
    days: int = 60,
    coins: int = 4,
    shift: float = 3.0,
    spread: float = 1.0,
    day_spread: float = 0.0,
    first_day: int = 0,
    **words: str,
) -> tuple[TradeRows, np.ndarray]:
    """Return (trades, group of each): group g has its own three entries shifted, and this mean result in R.

    Group 0 is not shifted. Results are normal around the group's mean with `spread`, and all trades of a day share a
    further normal part of `day_spread`.
    """
    rng = np.random.default_rng(seed)
    group = rng.integers(0, len(means), count)
    state = np.zeros((count, 80), np.float32)
    state[:, :52] = rng.standard_normal((count, 52))
    for number in range(1, len(means)):
        state[group == number, 3 * number : 3 * number + 3] += np.float32(shift)
    slot = rng.choice(days * 1_300, count, replace=False)  # no two trades begin in one minute
    day = slot // 1_300 + first_day
    weather = rng.normal(0, day_spread, days) if day_spread else np.zeros(days)
    result = np.array(means)[group] + rng.normal(0, spread, count) + weather[day - first_day]
    entry = START_MS + day * DAY_MS + slot % 1_300 * MINUTE_MS
    base = sample_trades(count, seed)
    price, quantity = np.full(count, 100.0), np.full(count, 2.0)
    net = result * RISK_FRAC * price * quantity
    fee, spread_part, slippage = np.full(count, -0.2), np.full(count, -0.05), np.full(count, -0.05)
    symbols = np.array([f"C{number}/USDT" for number in rng.integers(0, coins, count)])
    order = np.argsort(entry, kind="stable")
    rows = replace(
        replace(base, symbol=symbols),
        exit_reason=np.where(result > 0, "take_profit", "stop_loss"),
        regime=rng.integers(0, 6, count),
        entry_time=entry,
        exit_time=entry + rng.integers(5, 90, count) * MINUTE_MS,
        entry_price=price,
        quantity=quantity,
        price_part=net - fee - spread_part - slippage,
        spread_part=spread_part,
        slippage_part=slippage,
        fee=fee,
        net=net,
        mfe_frac=np.maximum(result, 0) * RISK_FRAC + 0.002,
        mae_frac=np.minimum(result, 0) * RISK_FRAC - 0.002,
        risk_frac=np.full(count, RISK_FRAC),
        layout=np.full(count, LAYOUT),
        entry_state=state,
        **{name: np.full(count, value) for name, value in words.items()},
    ).rows(order.tolist())
    seq = np.zeros(count, np.int64)
    for symbol in np.unique(rows.symbol):
        mine = rows.symbol == symbol
        seq[mine] = np.arange(mine.sum())
    return replace(rows, seq=seq), group[order]
