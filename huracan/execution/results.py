"""Closed trades of live trading: the integers of the slot, as the trade memory stores them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from huracan.errors import InvariantError
from huracan.execution.positions import Position
from huracan.memory import TradeRows
from huracan.trading import ExitReason
from huracan.trading.instruments import UNITS_PER_COIN

__all__ = ["ClosedTrade", "Decision", "closed_trade", "trade_rows"]


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """One closed position; integers are the slot's, in ticks, steps and 1e-8 as `huracan.trading.Trades` has them.

    Attributes:
        symbol: ccxt symbol.
        entry_intent: intent whose entry opened it.
        reason: why it was sold.
        action: the ENTER action.
        decision_ms, entry_ms, exit_ms: open times of the bars of decision, first and last fill, ms UTC.
        requested: steps asked for.
        quantity_in, quantity_out: steps bought and sold.
        value_in, value_out: ticks x steps paid and received.
        fee_base, fee_quote: fees in coin and in quote, 1e-8; < 0 for rebates.
        fee_others: fees in other assets.
        dust_in, dust_out: coins held before the first and after the last fill, 1e-8.
        ref, stop, target: levels frozen at the decision, ticks.
        high, low: excursions of closed candles and fills, ticks.
        spread, slippage: paid to the half-spread and beyond the touch, ticks x steps.
        tick, step: the market's grid.
    """

    symbol: str
    entry_intent: str
    reason: ExitReason
    action: int
    decision_ms: int
    entry_ms: int
    exit_ms: int
    requested: int
    quantity_in: int
    quantity_out: int
    value_in: int
    value_out: int
    fee_base: int
    fee_quote: int
    fee_others: tuple[tuple[str, Decimal], ...]
    dust_in: int
    dust_out: int
    ref: int
    stop: int
    target: int
    high: int
    low: int
    spread: int
    slippage: int
    tick: Decimal
    step: Decimal

    @property
    def entry_price(self) -> Decimal:
        """Return the average price paid, quote currency."""
        return self.value_in * self.tick / self.quantity_in

    @property
    def exit_price(self) -> Decimal:
        """Return the average price received, quote currency."""
        return self.value_out * self.tick / self.quantity_out

    @property
    def mfe_frac(self) -> Decimal:
        """Return the best excursion from the entry price, a fraction >= 0."""
        return max(Decimal(0), self.high * self.tick / self.entry_price - 1)

    @property
    def mae_frac(self) -> Decimal:
        """Return the worst excursion from the entry price, a fraction <= 0."""
        return min(Decimal(0), self.low * self.tick / self.entry_price - 1)

    @property
    def risk_frac(self) -> Decimal:
        """Return the distance from the decision's close to the stop, a fraction of the entry price."""
        return (self.ref - self.stop) * self.tick / self.entry_price

    def fee(self, rates: Mapping[str, Decimal]) -> Decimal:
        """Return all fees in quote currency, >= 0 unless rebates prevail; those in coin at the exit price.

        Args:
            rates: quote currency per unit of each other asset that paid a fee.

        Raises:
            InvariantError: a rate is missing.
        """
        total = (self.fee_base * self.exit_price + self.fee_quote) / UNITS_PER_COIN
        for asset, amount in self.fee_others:
            if asset not in rates:
                raise InvariantError(f"{self.symbol}: no rate for fees in {asset}; give its price in quote currency")
            total += amount * rates[asset]
        return total

    def net(self, rates: Mapping[str, Decimal]) -> Decimal:
        """Return the result after all fees, quote currency; `rates` as in `fee`."""
        worth = self.tick * self.step
        change = Decimal(self.dust_out - self.dust_in) / UNITS_PER_COIN + Decimal(self.fee_base) / UNITS_PER_COIN
        return (self.value_out - self.value_in) * worth + change * self.exit_price - self.fee(rates)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What is known of the decision that entered: float32[80] state, regime (-1 unknown), confidence in [0, 1].

    `layout` identifies the features behind the state (`huracan.patterns.state_layout`), 0 when unknown.
    """

    state: NDArray[np.float32]
    regime: int
    confidence: float
    layout: int = 0


def closed_trade(position: Position) -> ClosedTrade:
    """Return the trade of a position of which nothing more can be sold.

    Raises:
        InvariantError: nothing was sold, or the coins do not add up.
    """
    slot, grid = position.slot, position.grid
    if not position.open or int(slot.quantity_out) == 0:
        raise InvariantError(f"{grid.symbol}: no trade to close, {slot.quantity_out} steps were sold")
    bought, sold = int(slot.quantity_in) * grid.step_units, int(slot.quantity_out) * grid.step_units
    if bought - sold - int(slot.fee_base) != int(slot.coins) - int(slot.dust_in):
        raise InvariantError(f"{grid.symbol}: bought {bought}, sold {sold}, fee {slot.fee_base}: coins {slot.coins}")
    number = {"decision_ms": slot.placed, "entry_ms": slot.first_fill, "exit_ms": position.exit_bar}
    same = ("action", "requested", "quantity_in", "quantity_out", "value_in", "value_out", "fee_base", "fee_quote")
    more = ("dust_in", "ref", "stop", "target", "high", "low", "spread", "slippage")
    return ClosedTrade(
        symbol=grid.symbol,
        entry_intent=position.entry_intent,
        reason=ExitReason(int(slot.reason)),
        fee_others=tuple(sorted(position.others.items())),
        dust_out=int(slot.coins),
        tick=grid.tick,
        step=grid.step,
        **{name: int(bar) * position.base_ms for name, bar in number.items()},
        **{name: int(slot[name]) for name in (*same, *more)},
    )


def trade_rows(
    trades: Sequence[ClosedTrade],
    decisions: Sequence[Decision],
    rates: Mapping[str, Decimal],
    policy: str,
    account: str,
    mode: str,
    first_seq: int = 0,
) -> TradeRows:
    """Return closed trades as the trade memory stores them, in the order given.

    Args:
        trades: closed trades.
        decisions: what entered each of them.
        rates: as `ClosedTrade.fee` takes them.
        policy: version that decided.
        account: account traded in.
        mode: "paper" or "live".
        first_seq: number of the first trade within its block.
    """
    count = len(trades)
    assert len(decisions) == count, "one decision per trade"
    worth = [trade.tick * trade.step for trade in trades]
    fees = [float(-trade.fee(rates)) for trade in trades]
    nets = [float(trade.net(rates)) for trade in trades]
    spreads = [float(-trade.spread * one) for trade, one in zip(trades, worth, strict=True)]
    slippages = [float(-trade.slippage * one) for trade, one in zip(trades, worth, strict=True)]
    prices = [net - fee - a - b for net, fee, a, b in zip(nets, fees, spreads, slippages, strict=True)]

    def ints(values: Sequence[int]) -> NDArray[np.int64]:
        return np.array(values, np.int64)

    def texts(value: str) -> NDArray[np.str_]:
        return np.full(count, value)

    return TradeRows(
        policy=texts(policy),
        account=texts(account),
        symbol=np.array([trade.symbol for trade in trades], np.str_),
        mode=texts(mode),
        side=texts("long"),
        exit_reason=np.array([trade.reason.name.lower() for trade in trades], np.str_),
        fold=np.zeros(count, np.int64),
        seq=np.arange(first_seq, first_seq + count, dtype=np.int64),
        action=ints([trade.action for trade in trades]),
        regime=ints([decision.regime for decision in decisions]),
        entry_time=ints([trade.entry_ms for trade in trades]),
        exit_time=ints([trade.exit_ms for trade in trades]),
        entry_price=np.array([float(trade.entry_price) for trade in trades]),
        exit_price=np.array([float(trade.exit_price) for trade in trades]),
        quantity=np.array([float(trade.quantity_in * trade.step) for trade in trades]),
        price_part=np.array(prices, np.float64),
        spread_part=np.array(spreads, np.float64),
        slippage_part=np.array(slippages, np.float64),
        fee=np.array(fees, np.float64),
        net=np.array(nets, np.float64),
        mfe_frac=np.array([float(trade.mfe_frac) for trade in trades]),
        mae_frac=np.array([float(trade.mae_frac) for trade in trades]),
        risk_frac=np.array([float(trade.risk_frac) for trade in trades]),
        confidence=np.array([decision.confidence for decision in decisions], np.float64),
        steps_in=ints([trade.quantity_in for trade in trades]),
        steps_out=ints([trade.quantity_out for trade in trades]),
        tick_steps_in=ints([trade.value_in for trade in trades]),
        tick_steps_out=ints([trade.value_out for trade in trades]),
        fee_base_e8=ints([trade.fee_base for trade in trades]),
        fee_quote_e8=ints([trade.fee_quote for trade in trades]),
        dust_in_e8=ints([trade.dust_in for trade in trades]),
        dust_out_e8=ints([trade.dust_out for trade in trades]),
        high_ticks=ints([trade.high for trade in trades]),
        low_ticks=ints([trade.low for trade in trades]),
        layout=ints([decision.layout for decision in decisions]),
        entry_state=np.array([decision.state for decision in decisions], np.float32).reshape(count, 80),
    )
