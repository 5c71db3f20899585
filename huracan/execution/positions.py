"""The live position of one market: the kernel's slot, booked from the venue's trades by the accounting law."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from huracan.errors import InvariantError
from huracan.execution.grid import Grid
from huracan.trading import ExitReason
from huracan.trading.account import ACCOUNT_SIZE, MEAN, TRADES, VARIANCE, learn_trade
from huracan.trading.accounting import attribute, buy, clear_trade, holds, is_open, sell, sellable
from huracan.trading.slot import ENTRY_NONE, SLOT, Slot
from huracan.trading.stepping import result_in_risk
from huracan.trading.trader_law import send_market_exit
from huracan.trading.venue_law import Bar, Terms, best_ask, best_bid
from huracan.venue.orders import Side, VenueTrade

__all__ = ["LEVELS", "Levels", "Position", "Unattributed"]

LEVELS: Final = ("ref", "lot", "stop", "target", "placed", "requested", "action")
"""Slot fields frozen at the decision; a fill that comes after the entry was given up needs them again."""

_HEALTH: Final = (MEAN, VARIANCE, TRADES)
_INTENTS_KEPT = 8  # whose numbering is remembered, for fills that come late

Levels = tuple[int, ...]
"""Values of `LEVELS`."""


@dataclass(frozen=True, slots=True)
class Unattributed:
    """A taking fill whose bar has not closed yet: its cost against the bar's open is known only then.

    Attributes:
        number: bar_no of the fill.
        buy: side.
        stop: a stop's fill, measured against the lower of open and stop level.
        price: ticks.
        steps: quantity.
    """

    number: int
    buy: bool
    stop: bool
    price: int
    steps: int


@dataclass(slots=True)
class Position:
    """One market's slot and what live trading must remember beside it; survives a restart as bytes.

    Attributes:
        grid: the market's grid.
        base_ms: length of a bar; a trade belongs to the bar of its time.
        slot: the kernel's position record, changed in place.
        entry_intent: id of the entry at work or of the position's entry, "" when idle.
        exit_intent: id under which the position's sells are numbered.
        sequence: children sent so far, by intent id.
        attempt: number of the last entry sent: `slot.deadline` of a resting one, -2 - `slot.placed` of a taking one,
            -1 before the first.
        entry_levels: levels under which it was sent.
        armed: the market exit may go out (its close has come, or a refused bracket demands it now).
        exit_bar: bar_no of the last sell.
        others: fees of the open trade in assets that are neither base nor quote.
        waiting: taking fills not yet attributed.
        parked: coins too few to be sold by the venue's least order value, 1e-8; they join the next trade.
        account: float64[1, ACCOUNT_SIZE] of which the law writes mean, variance and number of the results of closed
            trades: state entry 78. It stands here because it must move in the transaction that closes a trade.
    """

    grid: Grid
    base_ms: int
    slot: Slot = field(default_factory=lambda: np.zeros(1, SLOT).view(np.recarray)[0])
    entry_intent: str = ""
    exit_intent: str = ""
    sequence: dict[str, int] = field(default_factory=dict)
    attempt: int = -1
    entry_levels: Levels = ()
    armed: bool = False
    exit_bar: int = 0
    others: dict[str, Decimal] = field(default_factory=dict)
    waiting: list[Unattributed] = field(default_factory=list)
    parked: int = 0
    account: NDArray[np.float64] = field(default_factory=lambda: np.zeros((1, ACCOUNT_SIZE)))

    @property
    def held(self) -> bool:
        """Return whether at least one whole step is held."""
        return bool(holds(self.slot, self.grid.step_units))

    @property
    def open(self) -> bool:
        """Return whether a trade has begun and is not in the books yet."""
        return bool(is_open(self.slot))

    @property
    def sellable(self) -> int:
        """Return the whole steps held."""
        return int(sellable(self.slot, self.grid.step_units))

    @property
    def levels(self) -> Levels:
        """Return the levels frozen at the decision."""
        return tuple(int(self.slot[name]) for name in LEVELS)

    def restore_levels(self, levels: Levels) -> None:
        """Put the levels of a given-up entry back, for a fill that came late."""
        for name, value in zip(LEVELS, levels, strict=True):
            self.slot[name] = value

    def begin(self, entry_intent: str, exit_intent: str) -> None:
        """Start a trade: its orders are numbered under two new intents."""
        self.entry_intent, self.exit_intent = entry_intent, exit_intent
        self.sequence = dict(list(self.sequence.items())[-_INTENTS_KEPT:])
        self.attempt, self.armed, self.exit_bar, self.others = -1, False, 0, {}

    def book_buy(self, trade: VenueTrade, resting: bool) -> None:
        """Book a bought venue trade of the entry; fills beyond what was wanted are kept, the venue is right."""
        if trade.side is not Side.BUY:
            raise InvariantError(f"{trade.symbol}: trade {trade.trade_id} is no buy")
        slot, number, (price, steps) = self.slot, trade.time_ms // self.base_ms, self._measure(trade)
        paid_base, paid_quote = self._fees(trade)
        if not self.open:
            slot.coins += self.parked
            self.parked = 0
        buy(slot, number, price, steps, paid_base, paid_quote, self.grid.step_units)
        if resting:
            slot.maker_fill = number
        else:
            self.waiting.append(Unattributed(number, True, False, price, steps))
        if slot.want <= 0:
            slot.want = 0
            slot.mode = ENTRY_NONE

    def book_sell(self, trade: VenueTrade, leg: ExitReason) -> None:
        """Book a sold venue trade; `leg` is TAKE_PROFIT or STOP_LOSS for a leg of the bracket, else NONE.

        A leg that fills decides the exit: the rest of the entry is given up, what remains goes to market.
        """
        if trade.side is not Side.SELL:
            raise InvariantError(f"{trade.symbol}: trade {trade.trade_id} is no sell")
        slot, number, (price, steps) = self.slot, trade.time_ms // self.base_ms, self._measure(trade)
        paid_base, paid_quote = self._fees(trade)
        sell(slot, price, steps, paid_quote, self.grid.step_units)
        slot.coins -= paid_base  # a discount token that is the coin itself
        slot.fee_base += paid_base
        self.exit_bar = max(self.exit_bar, number)
        if leg is ExitReason.TAKE_PROFIT:
            send_market_exit(slot, int(slot.reason) or int(leg))
            return
        if leg is ExitReason.STOP_LOSS:
            outranked = int(slot.reason) >= ExitReason.RISK_EXIT
            send_market_exit(slot, int(slot.reason) if outranked else int(leg))
        self.waiting.append(Unattributed(number, False, leg is ExitReason.STOP_LOSS, price, steps))

    def attribute(self, bar: Bar, terms: Terms) -> None:
        """Split the cost of the taking fills of a closed bar into half-spread and slippage, against its open.

        A fill of another bar (its candle is missing) has no open to be measured against and counts as neither.
        """
        for fill in self.waiting:
            if fill.number != bar.number:
                continue
            mid = min(bar.open, int(self.slot.stop)) if fill.stop else bar.open
            touch = best_ask(mid, terms) if fill.buy else best_bid(mid, terms)
            attribute(self.slot, fill.steps, fill.price, touch, mid)
        self.waiting = [fill for fill in self.waiting if fill.number > bar.number]

    @property
    def health(self) -> tuple[float, float, float]:
        """Return mean, variance and number of the results of closed trades, in units of their risk."""
        mean, variance, trades = self.account[0, list(_HEALTH)].tolist()
        return mean, variance, trades

    def learn(self, terms: Terms) -> None:
        """Take the trade that is about to be cleared into the health of the market."""
        if int(self.slot.ref) > int(self.slot.stop):  # whatever was bought without levels has no risk to measure by
            learn_trade(self.account, 0, result_in_risk(self.slot, terms))

    def clear(self) -> None:
        """Forget the closed trade; coins, cash, fees and the numbering of orders stay."""
        clear_trade(self.slot)
        self.armed, self.exit_bar, self.others = False, 0, {}

    def park(self) -> None:
        """Set aside what cannot be sold alone, so that the market counts as flat."""
        self.parked += int(self.slot.coins)
        self.slot.coins = 0

    def to_bytes(self) -> bytes:
        """Return the whole position: the slot's bytes, then what stands beside it as JSON."""
        beside = {
            "entry_intent": self.entry_intent,
            "exit_intent": self.exit_intent,
            "sequence": self.sequence,
            "attempt": self.attempt,
            "entry_levels": self.entry_levels,
            "armed": self.armed,
            "exit_bar": self.exit_bar,
            "others": {asset: str(amount) for asset, amount in self.others.items()},
            "parked": self.parked,
            "health": self.health,
            "waiting": [[fill.number, fill.buy, fill.stop, fill.price, fill.steps] for fill in self.waiting],
        }
        return self.slot_bytes + json.dumps(beside, sort_keys=True).encode()

    @property
    def slot_bytes(self) -> bytes:
        """Return the slot alone, as the kernel's snapshots have it."""
        return bytes(self.slot.tobytes())

    @classmethod
    def from_bytes(cls, data: bytes, grid: Grid, base_ms: int) -> "Position":
        """Return the position saved by `to_bytes`.

        Raises:
            InvariantError: the bytes are not those of a position.
        """
        size = SLOT.itemsize
        try:
            beside: dict[str, Any] = json.loads(data[size:])
            slot = np.frombuffer(data[:size], SLOT).copy().view(np.recarray)[0]
            account = np.zeros((1, ACCOUNT_SIZE))
            account[0, list(_HEALTH)] = beside.get("health", (0.0, 0.0, 0.0))
            return cls(
                grid=grid,
                base_ms=base_ms,
                slot=slot,
                account=account,
                entry_intent=beside["entry_intent"],
                exit_intent=beside["exit_intent"],
                sequence=beside["sequence"],
                attempt=beside["attempt"],
                entry_levels=tuple(beside["entry_levels"]),
                armed=beside["armed"],
                exit_bar=beside["exit_bar"],
                others={asset: Decimal(amount) for asset, amount in beside["others"].items()},
                parked=beside["parked"],
                waiting=[Unattributed(*row) for row in beside["waiting"]],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InvariantError(f"{grid.symbol}: {len(data)} bytes are no saved position: {error}") from error

    def _measure(self, trade: VenueTrade) -> tuple[int, int]:
        price, steps = self.grid.ticks(trade.price), self.grid.steps(trade.quantity)
        if price < 1 or steps < 1:
            raise InvariantError(f"{trade.symbol}: trade {trade.trade_id} of {trade.quantity} at {trade.price}")
        return price, steps

    def _fees(self, trade: VenueTrade) -> tuple[int, int]:
        """Return the commission as (1e-8 coin, 1e-8 quote), < 0 for a rebate; of a third asset both are 0."""
        if trade.commission_asset == self.grid.base:
            return self.grid.units(trade.commission), 0
        if trade.commission_asset == self.grid.quote:
            return 0, self.grid.units(trade.commission)
        paid = self.others.get(trade.commission_asset, Decimal(0)) + trade.commission
        if trade.commission:
            self.others[trade.commission_asset] = paid
        return 0, 0
