"""The trades of a shadow run as columns in physical units, and the identity each of them must satisfy."""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError
from huracan.features.layout import S_HMM_HIGH_VOL, S_HMM_TREND, STATE_SIZE

__all__ = ["TradeTable", "regime_of", "tolerance_quote"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TradeTable:
    """Closed trades, one per row, in order of (coin, seq); money in quote currency.

    Attributes:
        coin: index into the symbols of the result.
        seq: 0-based number of the trade of its coin within the fold.
        entry_ms, exit_ms: open times of the bars of the first entry fill and of the last exit fill, ms UTC.
        hold_bars: bars from entry to exit on the market clock.
        quantity: coins bought.
        entry_price, exit_price: averages paid and received per coin.
        notional_in, notional_out: money paid and received, fees aside.
        price_part: result had every fill happened at its reference price, without any cost.
        spread_part, slippage_part, fee_part: costs, <= 0 but for price improvement.
        net: price_part + spread_part + slippage_part + fee_part.
        mfe_frac, mae_frac: best (>= 0) and worst (<= 0) excursion from the entry price, as a fraction of it.
        risk_frac: distance from the decision's close to the stop, as a fraction of the entry price.
        reason: `huracan.trading.ExitReason` code.
        action: `huracan.trading.Action` code of the entry.
        regime: `regime_of` the entry state.
        confidence: what the policy gave the entry, 0 to 1; 1 for rules.
        steps_in, steps_out: quantity bought and sold, lot steps.
        tick_steps_in, tick_steps_out: value bought and sold, ticks x steps.
        fee_base_e8, fee_quote_e8: fees, 1e-8 coin and 1e-8 quote.
        dust_in_e8, dust_out_e8: unsellable rest carried in and out, 1e-8 coin.
        high_ticks, low_ticks: extremes met while held, ticks.
        entry_state: float32[n, 80], the raw state in which the entry was decided.
    """

    coin: Ints
    seq: Ints
    entry_ms: Ints
    exit_ms: Ints
    hold_bars: Ints
    quantity: Floats
    entry_price: Floats
    exit_price: Floats
    notional_in: Floats
    notional_out: Floats
    price_part: Floats
    spread_part: Floats
    slippage_part: Floats
    fee_part: Floats
    net: Floats
    mfe_frac: Floats
    mae_frac: Floats
    risk_frac: Floats
    reason: Ints
    action: Ints
    regime: Ints
    confidence: Floats
    steps_in: Ints
    steps_out: Ints
    tick_steps_in: Ints
    tick_steps_out: Ints
    fee_base_e8: Ints
    fee_quote_e8: Ints
    dust_in_e8: Ints
    dust_out_e8: Ints
    high_ticks: Ints
    low_ticks: Ints
    entry_state: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.net.size)

    def __post_init__(self) -> None:
        for field in fields(self):
            if len(getattr(self, field.name)) != self.net.size:
                raise InvariantError(
                    f"trade column {field.name} has {len(getattr(self, field.name))} rows, net has {self.net.size}"
                )

    @classmethod
    def empty(cls) -> Self:
        """Return a table without trades."""
        return cls.concatenate([])

    @classmethod
    def concatenate(cls, tables: "list[TradeTable]") -> Self:
        """Return the rows of all tables, in their order."""
        columns: dict[str, npt.NDArray[Any]] = {}
        for field in fields(cls):
            none: npt.NDArray[Any] = np.zeros(0, np.int64 if field.type is Ints else np.float64)
            if field.name == "entry_state":
                none = np.zeros((0, STATE_SIZE), np.float32)
            columns[field.name] = np.concatenate([none, *(getattr(table, field.name) for table in tables)])
        return cls(**columns)

    def where(self, chosen: npt.NDArray[np.bool_] | Ints) -> "TradeTable":
        """Return the chosen rows."""
        return TradeTable(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def check_identity(self, policy: str, symbols: tuple[str, ...]) -> None:
        """Prove that the parts add up to the net of every trade.

        Raises:
            InvariantError: price + spread + slippage + fee differs from net by more than 1e-9 quote units (1e-12 of the
                notional when that is more), or a part is not finite.
        """
        total = self.price_part + self.spread_part + self.slippage_part + self.fee_part
        wrong = ~(np.abs(total - self.net) <= tolerance_quote(self.notional_in))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InvariantError(
                f"trade {self.seq[row]} of {policy} on {symbols[self.coin[row]]}: price {self.price_part[row]!r} + "
                f"spread {self.spread_part[row]!r} + slippage {self.slippage_part[row]!r} + fee {self.fee_part[row]!r} "
                f"is not net {self.net[row]!r}; the accounting of the kernel is broken, do not trust this run"
            )


def tolerance_quote(notional: Floats) -> Floats:
    """Return how far an identity of money may be off: 1e-9 quote units, 1e-12 of the notional above 1,000."""
    return np.maximum(1e-9, 1e-12 * notional)


def regime_of(states: npt.NDArray[np.float32]) -> Ints:
    """Return the market regime of raw states as one number: 3 * (high volatility) + (0 down, 1 sideways, 2 up).

    Args:
        states: float32[n, 80]; volatility is high when its filtered probability passes 1/2, a trend counts when
            P(up) - P(down) leaves [-1/3, 1/3].

    Returns:
        int64[n], 0 to 5.
    """
    trend = states[:, S_HMM_TREND]
    direction = 1 + (trend > 1 / 3).astype(np.int64) - (trend < -1 / 3).astype(np.int64)
    return 3 * (states[:, S_HMM_HIGH_VOL] > 0.5).astype(np.int64) + direction
