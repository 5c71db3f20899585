"""Plays scripted decisions on lanes of the kernel and keeps everything that can be compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huracan.trading import KernelSettings, Lanes, Limits, Tape, Trades, legal_actions

NO_LIMITS = Limits(wallet=1e15, heat_frac=1.0, drawdown_frac=1.0, daily_loss=1e15, exposure_frac=1.0)
"""An account whose limits never bind, so that entries depend on the market alone."""

Chooser = Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.int64]]
"""(states float32[N, 80], bar numbers int64[N]) -> actions int64[N]."""


def mix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64's finaliser of each element."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True, slots=True, eq=False)
class Dice:
    """Random legal actions: the draw depends on (seed of the lane, bar number) alone.

    Attributes:
        seeds: int64[N], one stream per lane.
        enter: rate of entries while flat.
        leave: rate of EXIT while busy.
        illegal: rate of actions drawn from all six, the mask ignored.
    """

    seeds: NDArray[np.int64]
    enter: float = 0.9
    leave: float = 0.03
    illegal: float = 0.0

    def __call__(self, states: NDArray[np.float32], bar_no: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return one action per lane."""
        key = mix64(self.seeds.astype(np.uint64)) ^ bar_no.astype(np.uint64)
        draw = mix64(key)
        u = (draw >> np.uint64(11)) / 2.0**53
        size = 1 + (mix64(draw) % np.uint64(3)).astype(np.int64)
        legal = legal_actions(states)
        flat = np.where((u < self.enter) & legal[:, 1], size, 0)
        action = np.where(legal[:, 4], np.where(u < self.leave, 4, 5), flat)
        wild = (mix64(draw + np.uint64(1)) >> np.uint64(11)) / 2.0**53 < self.illegal
        return np.where(wild, (mix64(draw + np.uint64(2)) % np.uint64(6)).astype(np.int64), action)


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What a run left behind; lists hold one entry per step, arrays inside one per lane.

    States and bars are those before the step (bar -1: the lane was done), all else those after it.
    """

    trades: Trades
    states: list[NDArray[np.float32]]
    rewards: list[NDArray[np.float32]]
    equity: list[NDArray[np.float64]]
    slots: list[NDArray[Any]]
    bars: list[NDArray[np.int64]]


def start_lanes(
    tapes: Sequence[Tape],
    settings: KernelSettings,
    tape_of_lane: Sequence[int] | None = None,
    stop: int | None = None,
    every_bar: bool = False,
) -> Lanes:
    """Return lanes over whole tapes (or up to bar `stop`), one per tape unless told, at their first decision."""
    which = list(range(len(tapes)) if tape_of_lane is None else tape_of_lane)
    lanes = Lanes(tapes, settings, len(which), record=True, every_bar=every_bar, limits=NO_LIMITS)
    lanes.reset(
        np.arange(len(which)),
        np.array(which),
        np.array([tapes[i].rows[1] for i in which]),
        np.array([len(tapes[i]) if stop is None else stop for i in which]),
        np.ones(len(which), np.bool_),
    )
    return lanes


def play(lanes: Lanes, choose: Chooser, steps: int | None = None) -> Played:
    """Step until every lane is done, or `steps` times, and record."""
    played = Played(lanes.trades(), [], [], [], [], [])
    while not (lanes.terminated | lanes.truncated).all() and (steps is None or len(played.states) < steps):
        played.bars.append(np.where(lanes.terminated | lanes.truncated, -1, lanes.bar))
        played.states.append(lanes.obs.copy())
        lanes.step(choose(lanes.obs, lanes.bar_no))
        played.rewards.append(lanes.reward.copy())
        played.equity.append(lanes.equity.copy())
        played.slots.append(lanes.slots.copy())
    return Played(lanes.trades(), *(getattr(played, f.name) for f in fields(Played)[1:]))


def trade(lanes: Lanes, choose: Chooser) -> Trades:
    """Step until every lane is done and return the trades alone."""
    while not (lanes.terminated | lanes.truncated).all():
        lanes.step(choose(lanes.obs, lanes.bar_no))
    return lanes.trades()


def same_trades(a: Trades, b: Trades, but: Sequence[str] = ()) -> None:
    """Raise unless all columns (but those named) are equal bit for bit."""
    assert len(a) == len(b)
    for field in fields(Trades):
        if field.name not in but:
            x, y = getattr(a, field.name), getattr(b, field.name)
            assert x.tobytes() == y.tobytes(), f"trades differ in {field.name}"


def same_runs(a: Played, b: Played) -> None:
    """Raise unless two runs agree in every state, reward, equity, slot and trade, bit for bit."""
    same_trades(a.trades, b.trades)
    for name in ("bars", "states", "rewards", "equity", "slots"):
        x, y = getattr(a, name), getattr(b, name)
        assert len(x) == len(y), f"{len(x)} and {len(y)} steps"
        for step, (left, right) in enumerate(zip(x, y, strict=True)):
            assert left.tobytes() == right.tobytes(), f"{name} differ at step {step}"
