"""Closed trades as columns: the integers of the ledger, and the exact split of the result into its four parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from huracan.trading.stepping import Records
from huracan.trading.tape import NUMBER, Tape

__all__ = ["Trades"]

_UNIT = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Closed trades, one per row, in the order of (lane, exit).

    Integers are the ledger's. With ts = tick x step in quote and p_exit = value_out / quantity_out:
    quantity_in * step = quantity_out * step + fee_base + (dust_out - dust_in), exactly, and
    net = (value_out - value_in) * ts + (dust_out - dust_in) * p_exit - fee_quote
        = price_part + spread_part + slippage_part + fee.

    Attributes:
        lane: int64[n].
        tape: int64[n], index of the market.
        decision_bar: int64[n], index of the bar at whose close the entry was decided.
        entry_bar: int64[n], index of the bar of the first fill.
        exit_bar: int64[n], index of the bar of the last fill.
        decision_ms: int64[n], open time of the decision's bar, ms UTC; likewise `entry_ms`, `exit_ms`.
        entry_ms: int64[n].
        exit_ms: int64[n].
        action: int64[n], the ENTER action (its size in half stakes).
        reason: int64[n], `ExitReason`.
        requested: int64[n], steps asked for.
        quantity_in: int64[n], steps bought; likewise `quantity_out`.
        quantity_out: int64[n], steps sold.
        value_in: int64[n], ticks x steps paid; likewise `value_out`.
        value_out: int64[n], ticks x steps received.
        fee_base: int64[n], fees paid in coin, 1e-8.
        fee_quote: int64[n], fees paid in quote, 1e-8.
        dust_in: int64[n], coins held before the first fill, 1e-8; `dust_out` after the last.
        dust_out: int64[n].
        ref: int64[n], close of the decision, ticks; `stop`, `target` the levels frozen there.
        stop: int64[n].
        target: int64[n].
        high: int64[n], highest price while held (closed candles and fills), ticks; `low` the lowest.
        low: int64[n].
        price_part: float64[n], result had every fill met its reference price, quote currency.
        spread_part: float64[n], <= 0, the half-spreads paid.
        slippage_part: float64[n], <= 0, impact and stop slippage.
        fee: float64[n], <= 0, all fees; those paid in coin at p_exit.
        net: float64[n], the result; the sum of the four parts to 1e-9.
        quantity: float64[n], coins bought.
        entry_price: float64[n], average paid per coin; `exit_price` received.
        exit_price: float64[n].
        entry_state: float32[n, 80], raw state in which the entry was decided.
    """

    lane: NDArray[np.int64]
    tape: NDArray[np.int64]
    decision_bar: NDArray[np.int64]
    entry_bar: NDArray[np.int64]
    exit_bar: NDArray[np.int64]
    decision_ms: NDArray[np.int64]
    entry_ms: NDArray[np.int64]
    exit_ms: NDArray[np.int64]
    action: NDArray[np.int64]
    reason: NDArray[np.int64]
    requested: NDArray[np.int64]
    quantity_in: NDArray[np.int64]
    quantity_out: NDArray[np.int64]
    value_in: NDArray[np.int64]
    value_out: NDArray[np.int64]
    fee_base: NDArray[np.int64]
    fee_quote: NDArray[np.int64]
    dust_in: NDArray[np.int64]
    dust_out: NDArray[np.int64]
    ref: NDArray[np.int64]
    stop: NDArray[np.int64]
    target: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    price_part: NDArray[np.float64]
    spread_part: NDArray[np.float64]
    slippage_part: NDArray[np.float64]
    fee: NDArray[np.float64]
    net: NDArray[np.float64]
    quantity: NDArray[np.float64]
    entry_price: NDArray[np.float64]
    exit_price: NDArray[np.float64]
    entry_state: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.lane)

    @classmethod
    def from_records(cls, records: Records, tapes: Sequence[Tape], base_ms: int) -> Self:
        """Return the trades of closed slots, sorted by lane (stable in time).

        Args:
            records: as the kernel wrote them.
            tapes: the markets the lanes ran over.
            base_ms: length of a bar, ms.
        """
        order = np.argsort(records.lane[: records.closed[0]], kind="stable")
        field, states = records.slots[order], records.states[order]
        tape, exit_no = records.tape[order], records.exit_no[order]
        value_in, value_out = field["value_in"], field["value_out"]
        # quote per tick x step, coins per step, per row
        worth = _of_tape([float(market.instrument.tick_step_quote) for market in tapes], tape)
        step = _of_tape([float(market.instrument.step) for market in tapes], tape)
        tick = _of_tape([float(market.instrument.tick) for market in tapes], tape)
        exit_ticks = value_out / np.maximum(field["quantity_out"], 1)
        dust = (field["coins"] - field["dust_in"]) * _UNIT / step
        fee = -field["fee_base"] * _UNIT / step * exit_ticks * worth - field["fee_quote"] * _UNIT
        reference = field["quantity_in"] * exit_ticks - value_in + field["spread"] + field["slippage"]
        net = (value_out - value_in) * worth + dust * exit_ticks * worth - field["fee_quote"] * _UNIT
        return cls(
            lane=records.lane[order],
            tape=tape,
            decision_bar=_index_of(field["placed"], tape, tapes),
            entry_bar=_index_of(field["first_fill"], tape, tapes),
            exit_bar=_index_of(exit_no, tape, tapes),
            decision_ms=field["placed"] * base_ms,
            entry_ms=field["first_fill"] * base_ms,
            exit_ms=exit_no * base_ms,
            action=field["action"],
            reason=field["reason"],
            requested=field["requested"],
            quantity_in=field["quantity_in"],
            quantity_out=field["quantity_out"],
            value_in=value_in,
            value_out=value_out,
            fee_base=field["fee_base"],
            fee_quote=field["fee_quote"],
            dust_in=field["dust_in"],
            dust_out=field["coins"],
            ref=field["ref"],
            stop=field["stop"],
            target=field["target"],
            high=field["high"],
            low=field["low"],
            price_part=reference * worth,
            spread_part=-field["spread"] * worth,
            slippage_part=-field["slippage"] * worth,
            fee=fee,
            net=net,
            quantity=field["quantity_in"] * step,
            entry_price=value_in / np.maximum(field["quantity_in"], 1) * tick,
            exit_price=exit_ticks * tick,
            entry_state=states,
        )


def _of_tape(values: Sequence[float], tape: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each row's market constant, float64[n]."""
    return np.array(values, np.float64)[tape]


def _index_of(number: NDArray[np.int64], tape: NDArray[np.int64], tapes: Sequence[Tape]) -> NDArray[np.int64]:
    """Return the bar indices of bar numbers, each in its own market."""
    index = np.empty(len(number), np.int64)
    for market in np.unique(tape):
        rows = tape == market
        index[rows] = np.searchsorted(tapes[market].bars[:, NUMBER], number[rows])
    return index
