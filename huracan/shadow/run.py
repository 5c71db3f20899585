"""One policy over one test window: greedy decisions, one account per coin, every trade and every day's result.

The lanes are the stretches of `huracan.shadow.stretches`; what happens in them is the kernel's business alone.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from huracan.baselines import Pace, RandomPolicy
from huracan.errors import InvariantError
from huracan.policy import CERTAIN, Policy, Sureness
from huracan.shadow.collect import Confidences, Confident, collect_trades
from huracan.shadow.splits import DAY_MS, Window
from huracan.shadow.stretches import Stretch, open_lanes, stretches
from huracan.shadow.trades import TradeTable
from huracan.trading import KernelSettings, Lanes, Limits, Tape

__all__ = ["RandomResult", "ShadowResult", "join_blocks", "random_block", "shadow_block"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ShadowResult:
    """What a policy did in one test window.

    Attributes:
        policy: name.
        fold: index of the walk-forward fold.
        window: the test window, whole UTC days.
        symbols: C coins, sorted.
        day_ms: int64[D], start of each UTC day of the window.
        pnl: float64[D, C], change of each coin's net liquidation value over the day, quote currency, costs included.
        trades: all closed trades.
        pace: counts of decisions, one row per lane.
        bars: bars of the window over all coins.
        wall_s: time spent deciding and trading.
    """

    policy: str
    fold: int
    window: Window
    symbols: tuple[str, ...]
    day_ms: Ints
    pnl: Floats
    trades: TradeTable
    pace: Pace
    bars: int
    wall_s: float

    @property
    def daily(self) -> Floats:
        """Return float64[D], the portfolio's net result per day: the sum over coins."""
        return self.pnl.sum(axis=1)


@dataclass(frozen=True, slots=True)
class RandomResult:
    """Random policies of equal trade rate on the lanes of a judged policy.

    Attributes:
        pnl: float64[B, D], daily net result of each copy over the coins of the block.
        trades: int64[B], closed trades of each copy.
    """

    pnl: Floats
    trades: Ints

    @staticmethod
    def joined(blocks: "Sequence[RandomResult]") -> "RandomResult":
        """Return the copies summed over coin blocks: copy b of one block goes with copy b of the others."""
        return RandomResult(
            np.sum([block.pnl for block in blocks], axis=0), np.sum([block.trades for block in blocks], axis=0)
        )


def shadow_block(
    policy: Policy,
    tapes: Sequence[Tape],
    window: Window,
    kernel: KernelSettings,
    limits: Limits,
    *,
    name: str,
    fold: int,
    sureness: Sureness = CERTAIN,
) -> ShadowResult:
    """Trade every coin in its own account, deciding greedily.

    Args:
        policy: decides for all lanes at once.
        tapes: coins with the features of the fold's fit, sorted by symbol.
        window: the test window.
        kernel: the rules the tapes were built with.
        limits: the account's limits behind state 72-75.
        name: of the policy, in the result and in messages.
        fold: index of the fold.
        sureness: what is made of a policy's confidence; an entry that is not sure enough is left out.

    Raises:
        DataError: a coin has no warm bar in the window.
        InvariantError: a trade's parts do not add up, or an equity is not finite.
    """
    lanes_of = stretches(tapes, window, kernel.base_ms)
    lanes = open_lanes(tapes, lanes_of, kernel, limits)
    pace, confidences = Pace(len(lanes_of)), Confidences()
    confident = policy if isinstance(policy, Confident) else None  # asked once: protocol checks cost a step's time
    begun = time.perf_counter()
    live = ~(lanes.terminated | lanes.truncated)
    while live.any():
        if confident is not None:
            decision = sureness.of_decision(confident.decide(lanes.obs), lanes.obs)
            actions = sureness.kept(decision.action, decision.confidence)
            confidences.note(lanes.bar, actions, decision.confidence)
        else:
            actions = policy.act(lanes.obs)
        pace.observe(lanes.obs, actions, live)
        lanes.step(actions)
        np.logical_or(lanes.terminated, lanes.truncated, out=live)
        np.logical_not(live, out=live)
    wall_s = time.perf_counter() - begun
    day_ms, pnl = daily_pnl(lanes, lanes_of, len(tapes), window, name)
    trades = collect_trades(lanes.trades(), tapes, kernel, confidences)
    symbols = tuple(tape.symbol for tape in tapes)
    trades.check_identity(name, symbols)
    bars = sum(stretch.stop - stretch.start - 1 for stretch in lanes_of)
    return ShadowResult(name, fold, window, symbols, day_ms, pnl, trades, pace, bars, wall_s)


def random_block(
    pace: Pace,
    tapes: Sequence[Tape],
    window: Window,
    kernel: KernelSettings,
    limits: Limits,
    *,
    copies: int,
    copies_at_once: int = 20,
    seed: int,
) -> RandomResult:
    """Trade random policies at the pace of a judged one, on the same lanes and at the same costs.

    Args:
        pace: of the judged policy on exactly these tapes and window.
        tapes: coins, as for the judged policy.
        window: the test window.
        kernel: the rules.
        limits: the account's limits.
        copies: random policies, B.
        copies_at_once: copies traded in one set of lanes; bounds memory.
        seed: of the first set; the others follow.

    Raises:
        InvariantError: an equity is not finite.
    """
    lanes_of = stretches(tapes, window, kernel.base_ms)
    pnl, trades = [], []
    for first in range(0, copies, copies_at_once):
        count = min(copies_at_once, copies - first)
        # coin index of copy c is c * C + coin, so that one pass over the lanes gives every copy's days
        tiled = tuple(
            replace(stretch, coin=copy * len(tapes) + stretch.coin) for copy in range(count) for stretch in lanes_of
        )
        policy = RandomPolicy(pace, count, seed + first)
        lanes = open_lanes(tapes, tiled, kernel, limits)
        while not (lanes.terminated | lanes.truncated).all():
            lanes.step(policy.act(lanes.obs))
        _, by_coin = daily_pnl(lanes, tiled, count * len(tapes), window, "random")
        pnl.append(by_coin.reshape(-1, count, len(tapes)).sum(axis=2).T)
        closed = lanes.trades()
        trades.append(np.bincount(closed.lane // len(lanes_of), minlength=count).astype(np.int64))
    return RandomResult(np.concatenate(pnl), np.concatenate(trades))


def join_blocks(blocks: Sequence[ShadowResult]) -> ShadowResult:
    """Put the coin blocks of one policy and fold side by side, coins in the order of the blocks.

    Raises:
        InvariantError: the blocks differ in policy, fold or window.
    """
    first = blocks[0]
    tables, coins = [], 0
    for block in blocks:
        if (block.policy, block.fold, block.window) != (first.policy, first.fold, first.window):
            raise InvariantError(
                f"blocks of {first.policy} fold {first.fold} and {block.policy} {block.fold} do not fit"
            )
        tables.append(replace(block.trades, coin=block.trades.coin + coins))
        coins += len(block.symbols)
    return ShadowResult(
        policy=first.policy,
        fold=first.fold,
        window=first.window,
        symbols=tuple(symbol for block in blocks for symbol in block.symbols),
        day_ms=first.day_ms,
        pnl=np.concatenate([block.pnl for block in blocks], axis=1),
        trades=TradeTable.concatenate(tables),
        pace=Pace.joined([block.pace for block in blocks]),
        bars=sum(block.bars for block in blocks),
        wall_s=sum(block.wall_s for block in blocks),
    )


def daily_pnl(lanes: Lanes, lanes_of: Sequence[Stretch], coins: int, window: Window, name: str) -> tuple[Ints, Floats]:
    """Return (day_ms int64[D], pnl float64[D, coins]) from the lanes' equity at the end of each UTC day.

    Raises:
        InvariantError: an equity is not finite.
    """
    day_ms = np.arange(window.start_ms, window.end_ms, DAY_MS, dtype=np.int64)
    pnl = np.zeros((day_ms.size, coins))
    for lane, stretch in enumerate(lanes_of):
        days, equity = lanes.equity_curve(lane)
        if not np.isfinite(equity).all():
            raise InvariantError(f"{name}: equity of lane {lane} is not finite; do not trust this run")
        # the first close may belong to the eve of the window, where nothing was traded yet
        day = np.maximum((days - window.start_ms) // DAY_MS, 0)
        np.add.at(pnl[:, stretch.coin], day, np.diff(equity, prepend=0.0))
    return day_ms, pnl
