"""The exact identity of a closed trade, in whole numbers: gross move - spread - slippage - fees = net, exactly.

With V in ticks x steps, q in steps, p = V_out / q_out, u the step in 1e-8 coin and S, L spread and slippage paid:

    gross = q_in p - V_in + S + L      what the move would have given had every fill met its reference price
    net   = gross - S - L - (fee in coin) p / u - (fee in quote) = V_out - V_in + (change of dust) p / u - fee in quote

Each term times q_out u and the denominators of the grid is a whole number, so the difference of both sides is either 0
or a fault of the books.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from huracan.errors import InvariantError
from huracan.memory import TradeRows

__all__ = ["Grid", "Identity", "check_identity", "grid_of", "identity_of"]

_TICK_UNITS = 10**12
_STEP_UNITS = 10**8


@dataclass(frozen=True, slots=True)
class Grid:
    """The market's grid as whole numbers: tick in 1e-12 quote, step in 1e-8 coin."""

    tick_e12: int
    step_e8: int

    @property
    def worth_e8(self) -> Fraction:
        """Return one tick x step in 1e-8 quote."""
        return Fraction(self.tick_e12 * self.step_e8, _TICK_UNITS)


@dataclass(frozen=True, slots=True)
class Parts:
    """One trade in whole numbers: `error` is 0 when the identity holds; the others in 1e-8 quote, exact."""

    error: int
    gross: Fraction
    fees: Fraction
    net: Fraction


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """The identity of N trades.

    Attributes:
        error: per trade, left side minus right side of the identity, whole units of no dimension; 0 when it holds.
        net: float64[N], the exact net result, rounded once, quote currency.
        others: float64[N], what the stored result has beyond the integers: fees in a third asset, <= 0.
    """

    error: tuple[int, ...]
    net: NDArray[np.float64]
    others: NDArray[np.float64]


def grid_of(trades: TradeRows, rows: NDArray[np.int64]) -> Grid:
    """Return the grid of one market from its trades' prices and integers.

    Raises:
        InvariantError: prices and integers of the trades do not share one grid.
    """
    steps, value = trades.steps_in[rows], trades.tick_steps_in[rows]
    largest = int(np.argmax(steps))
    step_e8 = round(float(trades.quantity[rows][largest]) / int(steps[largest]) * _STEP_UNITS)
    tick_e12 = round(float(trades.entry_price[rows][largest]) * int(steps[largest]) / int(value[largest]) * _TICK_UNITS)
    price = value / steps * (tick_e12 / _TICK_UNITS)
    quantity = steps * (step_e8 / _STEP_UNITS)
    wrong = (np.abs(price - trades.entry_price[rows]) > 1e-9 * price) | (
        np.abs(quantity - trades.quantity[rows]) > 1e-9 * quantity
    )
    if min(step_e8, tick_e12) < 1 or wrong.any():
        row = int(rows[int(np.argmax(wrong))])
        raise InvariantError(
            f"trade {trades.seq[row]} of {trades.policy[row]} on {trades.symbol[row]}: price "
            f"{trades.entry_price[row]!r} and quantity {trades.quantity[row]!r} "
            f"do not lie on the grid of its market; do not trust this run"
        )
    return Grid(tick_e12, step_e8)


def identity_of(
    grid: Grid,
    steps: tuple[int, int],
    value: tuple[int, int],
    fee: tuple[int, int],
    dust: tuple[int, int],
    spread: int,
    slippage: int,
) -> "Parts":
    """Return the exact parts of one trade.

    Args:
        grid: of its market.
        steps: bought and sold.
        value: paid and received, ticks x steps.
        fee: in coin and in quote, 1e-8.
        dust: carried in and out, 1e-8 coin.
        spread: paid to the half-spreads, ticks x steps.
        slippage: beyond the touch, ticks x steps.
    """
    worth = grid.worth_e8
    num, den = worth.numerator, worth.denominator
    scale = steps[1] * grid.step_e8  # every term below is times steps[1] * step_e8 * den
    gross = ((steps[0] * value[1] - value[0] * steps[1]) + (spread + slippage) * steps[1]) * num * grid.step_e8
    costs = (spread + slippage) * num * scale + fee[0] * value[1] * num + fee[1] * den * scale
    net = (value[1] - value[0]) * num * scale + (dust[1] - dust[0]) * value[1] * num - fee[1] * den * scale
    fees = fee[0] * value[1] * num + fee[1] * den * scale
    whole = scale * den
    return Parts(gross - costs - net, Fraction(gross, whole), Fraction(fees, whole), Fraction(net, whole))


def check_identity(trades: TradeRows) -> Identity:
    """Return the identity of every trade, and hold that it is exact.

    Raises:
        InvariantError: a trade's parts do not add up to its net in whole numbers, its stored result is not what the
            integers give, or its spread and slippage are no multiples of the grid.
    """
    error = [0] * len(trades)
    net, others = np.zeros(len(trades)), np.zeros(len(trades))
    for symbol in np.unique(trades.symbol).tolist():
        rows = np.flatnonzero(trades.symbol == symbol).astype(np.int64)
        grid = grid_of(trades, rows)
        worth = float(grid.worth_e8) * 1e-8
        for row in rows.tolist():
            spread, slippage = (round(-float(part[row]) / worth) for part in (trades.spread_part, trades.slippage_part))
            exact = identity_of(
                grid,
                (int(trades.steps_in[row]), int(trades.steps_out[row])),
                (int(trades.tick_steps_in[row]), int(trades.tick_steps_out[row])),
                (int(trades.fee_base_e8[row]), int(trades.fee_quote_e8[row])),
                (int(trades.dust_in_e8[row]), int(trades.dust_out_e8[row])),
                spread,
                slippage,
            )
            error[row], net[row] = exact.error, float(exact.net / _STEP_UNITS)
            allowed = max(1e-9, 1e-12 * float(trades.entry_price[row] * trades.quantity[row]))
            off = max(
                abs(-spread * worth - float(trades.spread_part[row])),
                abs(-slippage * worth - float(trades.slippage_part[row])),
                abs(float(exact.gross / _STEP_UNITS) - float(trades.price_part[row])),
            )
            third = float(trades.net[row]) - net[row]
            unpaid = float(trades.fee[row]) + float(exact.fees / _STEP_UNITS) - third
            foreign = abs(third) > allowed and trades.mode[row] != "shadow"
            if exact.error or off > allowed or abs(unpaid) > allowed or (abs(third) > allowed and not foreign):
                raise InvariantError(
                    f"trade {trades.seq[row]} of {trades.policy[row]} on {symbol}: gross move less costs differs from "
                    f"net by {exact.error} units, the stored parts by up to {max(off, abs(unpaid), abs(third))!r}; the "
                    "books are wrong, do not trust this run"
                )
            others[row] = third if foreign else 0.0
    return Identity(tuple(error), net, others)
