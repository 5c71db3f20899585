"""Runs the kernel over one market and lists every way in which the reference disagrees with it."""

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from huracan.trading import ExitReason, KernelSettings, Lanes, Tape, Trades
from tests.parity.convert import START_QUOTE, make_market, make_rules, make_tape
from tests.parity.ledger import ReferenceTrade
from tests.parity.observe import COMPARED
from tests.parity.rule_errors import NO_ERRORS, Errors
from tests.parity.script import Decider
from tests.parity.session import ReferenceRun, run_reference
from tests.parity.wild import IntegerMarket

UNIT = Decimal("1e-8")
FORCED = (ExitReason.NONE, ExitReason.RISK_EXIT, ExitReason.KILL_SWITCH)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One market, one configuration, one script; `start` is the row of the first decision, `stop` exclusive.

    `every_close` steps the kernel bar by bar, so that risk may force an exit between decisions.
    """

    name: str
    market: IntegerMarket
    settings: KernelSettings
    script: Decider
    start: int
    stop: int
    sold_at_end: bool
    cost_scale: float = 1.0
    every_close: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class KernelRun:
    """What the kernel made of a case; one entry per close looked at, `equity` one more, `rewards` of the step after."""

    trades: list[ReferenceTrade]
    closes: list[int]
    states: NDArray[np.float32]
    equity: list[float]
    rewards: list[float]
    quote: Decimal
    base: Decimal


def run_kernel(case: Case) -> KernelRun:
    """Step one lane through the case and translate what it did into decimals."""
    tape = make_tape(case.market, case.settings)
    lanes = Lanes([tape], case.settings, 1, record=True, every_bar=case.every_close)
    one = np.zeros(1, np.int64)
    lanes.reset(
        one,
        one,
        np.array([case.start]),
        np.array([case.stop]),
        np.array([case.sold_at_end]),
        cost_scale=np.array([case.cost_scale]),
    )
    closes, states, equity, rewards = [], [], [float(lanes.equity[0])], []
    while not (lanes.terminated[0] or lanes.truncated[0]):
        bar_no = int(tape.bars[lanes.bar[0], 0])
        state = lanes.obs[0]
        closes.append(int(lanes.bar[0]))
        states.append(state[list(COMPARED)].copy())
        action, forced = case.script.act(bar_no, bool(state[62] > 0 or state[70] > 0))
        account = np.zeros((1, 5), np.float32)
        account[0, 0] = 1.0 if case.script.denies(bar_no) else 0.0
        lanes.set_account(account)
        lanes.step(np.array([action]), np.array([int(FORCED[forced])]))
        equity.append(float(lanes.equity[0]))
        rewards.append(float(lanes.reward[0]))
    grid = case.market.tick * case.market.step
    slot = lanes.slots[0]
    return KernelRun(
        trades=translate(lanes.trades(), tape),
        closes=closes,
        states=np.array(states, np.float32).reshape(-1, len(COMPARED)),
        equity=equity,
        rewards=rewards,
        quote=START_QUOTE + int(slot["cash"]) * grid - int(slot["fee"]) * UNIT,
        base=int(slot["coins"]) * UNIT,
    )


def translate(trades: Trades, tape: Tape) -> list[ReferenceTrade]:
    """Return the kernel's integer trades in the reference's units."""
    tick, step = tape.instrument.tick, tape.instrument.step
    number = tape.bars[:, 0]
    return [
        ReferenceTrade(
            entry_bar=int(number[trades.entry_bar[i]]),
            exit_bar=int(number[trades.exit_bar[i]]),
            quantity_in=int(trades.quantity_in[i]) * step,
            quantity_out=int(trades.quantity_out[i]) * step,
            money_in=int(trades.value_in[i]) * tick * step,
            money_out=int(trades.value_out[i]) * tick * step,
            fee_base=int(trades.fee_base[i]) * UNIT,
            fee_quote=int(trades.fee_quote[i]) * UNIT,
            dust_in=int(trades.dust_in[i]) * UNIT,
            dust_out=int(trades.dust_out[i]) * UNIT,
            reason=ExitReason(int(trades.reason[i])).name.lower(),
            high=int(trades.high[i]) * tick,
            low=int(trades.low[i]) * tick,
        )
        for i in range(len(trades))
    ]


def run_case(case: Case, errors: Errors = NO_ERRORS) -> ReferenceRun:
    """Trade the case by the reference, with some of its rules broken on demand."""
    return run_reference(
        make_market(case.market, case.cost_scale),
        make_rules(case.market, case.settings, case.cost_scale),
        case.script,
        case.start,
        case.stop,
        case.sold_at_end,
        case.every_close,
        errors,
    )


def differences(case: Case, kernel: KernelRun, reference: ReferenceRun) -> list[str]:
    """Return one line for the first difference of each kind; empty when the two agree wholly."""
    found = []
    pairs = list(zip(kernel.trades, reference.trades, strict=False))
    first = next((i for i, (mine, theirs) in enumerate(pairs) if mine != theirs), None)
    if first is not None:
        found.append(f"{case.name}: trade {first}\n  kernel    {pairs[first][0]}\n  reference {pairs[first][1]}")
    if len(kernel.trades) != len(reference.trades):
        found.append(f"{case.name}: {len(kernel.trades)} kernel trades, {len(reference.trades)} reference trades")
    if (kernel.quote, kernel.base) != (reference.quote, reference.base):
        found.append(
            f"{case.name}: balances kernel {kernel.quote} {kernel.base}, reference {reference.quote} {reference.base}"
        )
    if kernel.closes != reference.closes:
        found.append(f"{case.name}: decisions fall on different bars")
        return found
    states = np.array(reference.states, np.float32).reshape(-1, len(COMPARED))
    same = kernel.states.view(np.int32) == states.view(np.int32)
    if not same.all():
        row, column = (int(value[0]) for value in np.nonzero(~same))
        found.append(
            f"{case.name}: state {COMPARED[column]} at row {kernel.closes[row]}: "
            f"kernel {kernel.states[row, column]!r}, reference {states[row, column]!r}"
        )
    return found + money_differences(case, kernel, reference)


def money_differences(case: Case, kernel: KernelRun, reference: ReferenceRun) -> list[str]:
    """Compare marked equity and reward, which are floats on the kernel's side, to rounding."""
    found = []
    capital = 1.5 * float(case.settings.stake_quote)
    exact = [float(value) for value in reference.equity]
    for i, (mine, theirs) in enumerate(zip(kernel.equity, exact, strict=True)):
        if not math.isclose(mine, theirs, rel_tol=1e-12, abs_tol=1e-9 * capital):
            found.append(f"{case.name}: equity at decision {i}: kernel {mine!r}, reference {theirs!r}")
            break
    scale = math.sqrt(case.settings.decision_interval_bars)
    due = [i for i, is_due in enumerate(reference.due) if is_due]
    for i, after in zip(due, [*due[1:], len(reference.due)], strict=True):
        sigma = max(float(case.market.sigma[kernel.closes[i]]), 1e-9)
        raw = math.log1p((exact[after] - exact[i]) / capital) / (sigma * scale)
        reward = max(-case.settings.reward_clip, min(case.settings.reward_clip, raw))
        got = kernel.rewards[i:after]
        if any(got[:-1]) or not math.isclose(got[-1], reward, rel_tol=1e-6, abs_tol=1e-6):
            found.append(f"{case.name}: reward of decision at row {kernel.closes[i]}: kernel {got}, {reward!r}")
            break
    return found
