"""Planner: a slot and its working orders in, the orders to send and cancel out; pure, one market of one account.

The trader law decides at closed bars, the accounting law books the venue's trades, and the planner sees to it that the
orders at the venue become those that the slot stands for:

| slot | order at the venue |
|---|---|
| mode TAKER, FALLBACK | buy `want`, FOK at `cap` |
| mode SENT, RESTING | buy `want`, post-only at `limit` |
| steps held, no exit | OCO of all steps: limit at `target`, stop at `stop` |
| exit mode SENT, RESTING | OCO of all steps: limit at `exit_limit`, stop at `stop` |
| exit mode MARKET, armed | sell all steps at market |

At most one entry and one sell are alive; another one is sent only when the venue has said that the one before is
terminal. An order that nobody knows about counts as alive.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

from huracan.errors import ConfigError
from huracan.execution.commands import ENTRIES, Cancel, Child, Close, Command, Leg, Place, Role, Stage
from huracan.execution.ids import child_id
from huracan.execution.positions import Position
from huracan.execution.results import ClosedTrade, closed_trade
from huracan.trading import Action, ExitReason
from huracan.trading.accounting import mark_bar
from huracan.trading.settings import Rules
from huracan.trading.slot import (
    ENTRY_FALLBACK,
    ENTRY_REFUSED,
    ENTRY_RESTING,
    ENTRY_SENT,
    ENTRY_TAKER,
    EXIT_MARKET,
    EXIT_NONE,
    EXIT_RESTING,
    EXIT_SENT,
)
from huracan.trading.trader_law import (
    act,
    cancel_entry,
    force_exit,
    least_lot,
    levels,
    order_size,
    send_market_exit,
    tend,
)
from huracan.venue.orders import OcoRequest, OrderKind, OrderRequest, RejectCode, Side, VenueStatus, VenueTrade

__all__ = ["SENDS_PER_BAR", "Planner"]

SENDS_PER_BAR: Final = 8
"""Sells (brackets, market exits) and repeated entries that may be sent between two closes; more wait for the next."""
_REFUSED_EXIT_SENDS: Final = 3  # so that a refused market exit is tried three times a bar
_RETIRED_MAX: Final = 256
_ORDERED: Final = (ENTRY_SENT, ENTRY_RESTING, ENTRY_TAKER, ENTRY_FALLBACK)


_REASON_OF_LEG: Final = {
    Leg.ABOVE: ExitReason.TAKE_PROFIT,
    Leg.BELOW: ExitReason.STOP_LOSS,
    Leg.SINGLE: ExitReason.NONE,
}


@dataclass(slots=True)
class Planner:
    """The state machine of one market; every method is a fact that arrives, `plan` says what follows from it.

    Attributes:
        position: slot and what stands beside it.
        rules: the kernel's rules; a position without a stop at the venue is not traded.
        entry, sale: the living children.
        retired: children given up as terminal whose fills may still come, newest last, by key.
        close: the last closed bar; None before the first.
        muted: nothing may be at the venue: everything is cancelled and nothing is sent.
        entries_blocked: no entry is sent (REDUCING); what is at work is cancelled.
        still: market time waits for us: an order of the last close is not late after a restart.
        kept_bar: number of the bar up to which the position has kept house, as the store has it; -1: none.
    """

    position: Position
    rules: Rules
    entry: Child | None = None
    sale: Child | None = None
    retired: dict[str, Child] = field(default_factory=dict)
    close: Close | None = None
    muted: bool = False
    entries_blocked: bool = False
    still: bool = False
    kept_bar: int = -1
    _sends: int = 0
    _trades: list[ClosedTrade] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.rules.stops:
            raise ConfigError("trading.stops_enabled is off: a live position needs its stop at the venue; turn it on")

    # ---- what is known ----------------------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Return whether the venue's word on every order is known; else no new entry may be decided."""
        return all(child is None or child.stage is Stage.OPEN for child in (self.entry, self.sale))

    @property
    def idle(self) -> bool:
        """Return whether nothing is held, wanted or at the venue."""
        position = self.position
        return self.entry is None and self.sale is None and not position.open and int(position.slot.want) == 0

    @property
    def may_enter(self) -> bool:
        """Return whether an entry may be decided: flat in the books, and no order whose fate is unknown.

        An entry given up at the same close may still rest; it is cancelled before the new one is sent.
        """
        flat = not self.position.open and int(self.position.slot.want) == 0 and self.sale is None
        return flat and self.settled and not self.muted and not self.entries_blocked

    @property
    def protected(self) -> bool:
        """Return whether the venue has confirmed the bracket's stop."""
        return self.sale is not None and self.sale.role is Role.BRACKET and self.sale.stage is not Stage.SENT

    def child(self, key: str) -> Child | None:
        """Return a child, alive or retired."""
        alive = next((child for child in (self.entry, self.sale) if child is not None and child.key == key), None)
        return alive or self.retired.get(key)

    def take_trades(self) -> tuple[ClosedTrade, ...]:
        """Return the trades closed since the last call."""
        trades, self._trades = tuple(self._trades), []
        return trades

    def preview(self, action: int) -> tuple[int, int, int] | None:
        """Return (steps, cap, stop) of what an ENTER would want at the last close, in steps and ticks; None: nothing.

        The same functions of the trader law size and price it when it is decided.
        """
        assert self.close is not None, "a decision needs a close"
        bar, view = self.close.bar, self.close.view
        steps = int(order_size(action, bar.close, view))
        if not math.isfinite(view.sigma) or steps < int(least_lot(bar.close, view)):
            return None
        stop, _, cap = levels(bar.close, view.sigma, self.rules)
        return steps, int(cap), int(stop)

    # ---- a close ----------------------------------------------------------------------------------------------

    def on_close(self, close: Close) -> None:
        """Keep house at a closed bar whose fills are booked: excursions, the closed trade, deadlines, the watch.

        Each bar once: the last close comes again after a restart, and what was booked since belongs to the next bar.
        """
        slot, bar = self.position.slot, close.bar
        self.close = close
        self._sends = 0
        if bar.number > self.kept_bar:
            self._keep_house(close)
        elif not self.still and self.entry is None and int(slot.mode) in (ENTRY_TAKER, ENTRY_FALLBACK):
            self.give_up_entry()  # the close comes again after a restart: its window is over
        self.kept_bar = max(self.kept_bar, bar.number)

    def _keep_house(self, close: Close) -> None:
        position, slot, bar = self.position, self.position.slot, close.bar
        position.attribute(bar, close.terms)
        if position.held and not self._stranded(close):
            mark_bar(slot, bar)
        elif position.open and self.entry is None and self.sale is None and int(slot.want) == 0:
            self._book_trade()
        if int(slot.mode) in (ENTRY_TAKER, ENTRY_FALLBACK) and int(slot.want) > 0:
            cancel_entry(slot, position.grid.step_units)  # its window is over; a fill that turns up late is managed
        if position.held or int(slot.want) > 0:
            tend(slot, bar, close.terms, self.rules)
        if position.held and not self.protected and bar.low <= int(slot.stop) and int(slot.exit_mode) != EXIT_MARKET:
            send_market_exit(slot, int(slot.reason) or int(ExitReason.STOP_LOSS))

    def arm(self) -> None:
        """Let the market exit go out: its close has come, and what was to be decided there is decided."""
        self.position.armed = int(self.position.slot.exit_mode) == EXIT_MARKET

    def decide(self, action: int, entry_intent: str, exit_intent: str) -> bool:
        """Obey a legal action at the last close; what is not legal is its no-op. Returns whether an entry is wanted.

        Args:
            action: the policy's, already approved by risk.
            entry_intent: id of the intent, for an ENTER.
            exit_intent: id under which the sells of the position are numbered, for an ENTER.
        """
        assert self.close is not None, "a decision needs a close"
        position, slot = self.position, self.position.slot
        if action in ENTRIES and not self.may_enter:
            return False
        if action == Action.EXIT and not self._has_wish:
            return False
        entered = bool(act(slot, self.close.bar, self.close.terms, self.close.view, self.rules, action))
        if entered:
            position.begin(entry_intent, exit_intent)
        self.arm()
        return entered

    def force(self, reason: ExitReason) -> None:
        """Obey risk or the operator at once: no entry, and what is held goes to market."""
        if not self._has_wish:
            return
        force_exit(self.position.slot, int(reason), self.position.grid.step_units)
        self.arm()

    def give_up_entry(self) -> None:
        """Stop wanting the rest of the entry: it cannot or must not be sent."""
        if int(self.position.slot.want) > 0:
            cancel_entry(self.position.slot, self.position.grid.step_units)

    # ---- the venue's facts ------------------------------------------------------------------------------------

    def on_open(self, key: str) -> None:
        """Note that the venue has the child on its book (also after a cancel that did not happen)."""
        child, slot = self._alive(key), self.position.slot
        if child is None:
            return
        self._replace(replace(child, stage=Stage.OPEN))
        if child.role is Role.ENTRY and int(slot.mode) == ENTRY_SENT and self._current:
            slot.mode = ENTRY_RESTING
        if int(slot.exit_mode) == EXIT_SENT and self._sells_at(child, int(slot.exit_limit)):
            slot.exit_mode = EXIT_RESTING

    def on_fill(self, key: str, leg: Leg, trade: VenueTrade) -> None:
        """Book one trade of a child, alive or not; the venue's trades are never dropped."""
        child, position = self.child(key), self.position
        assert child is not None, f"{key} is no child of {trade.symbol}"
        if child.role is Role.ENTRY:
            self._book_entry_fill(child, trade)
        else:
            position.book_sell(trade, _REASON_OF_LEG[leg])
        filled = replace(child, filled=child.filled + position.grid.steps(trade.quantity))
        if self._alive(key) is None:
            self.retired[key] = filled
        else:
            self._replace(filled)

    def _book_entry_fill(self, child: Child, trade: VenueTrade) -> None:
        """Book a bought trade; one that comes after its trade was closed is sold again at once."""
        position, slot = self.position, self.position.slot
        assert isinstance(child.request, OrderRequest)
        forgotten = int(slot.ref) == 0
        if forgotten:
            position.restore_levels(position.entry_levels)
        position.book_buy(trade, resting=child.request.kind is OrderKind.POST_ONLY)
        if forgotten and self._alive(child.key) is None:
            send_market_exit(slot, int(ExitReason.RISK_EXIT))
            position.armed = True

    def on_end(self, key: str, status: VenueStatus) -> None:
        """Retire a child that the venue calls terminal and whose trades are all booked."""
        child, slot = self._alive(key), self.position.slot
        if child is None:
            return
        self._retire(child)
        if child.role is not Role.ENTRY or not self._current:
            return
        if int(slot.mode) in (ENTRY_TAKER, ENTRY_FALLBACK):
            self.give_up_entry()
        elif child.stage is not Stage.CANCELING and status is not VenueStatus.FILLED:
            slot.mode = ENTRY_REFUSED  # taken off the book by the venue: the attempt waits out its life

    def on_refused(self, key: str, code: RejectCode) -> None:
        """Retire a child that the venue definitely did not take, and do what the contract says of it."""
        child, slot = self._alive(key), self.position.slot
        if child is None:
            return
        self._retire(child)
        if child.role is Role.BRACKET:
            self._bracket_refused(code)
        elif child.role is Role.EXIT:
            self._sends += _REFUSED_EXIT_SENDS
        elif self._current:
            if code is RejectCode.WOULD_MATCH and int(slot.mode) in (ENTRY_SENT, ENTRY_RESTING):
                slot.mode = ENTRY_REFUSED
            else:
                self.give_up_entry()

    def _bracket_refused(self, code: RejectCode) -> None:
        """Without a bracket there is no position: what is held goes to market now."""
        slot, position = self.position.slot, self.position
        if not position.held:
            return
        current = int(slot.reason)
        if code is RejectCode.STOP_WOULD_TRIGGER:
            reason = current if current >= ExitReason.RISK_EXIT else int(ExitReason.STOP_LOSS)
        elif code is RejectCode.WOULD_MATCH:
            reason = current or int(ExitReason.TAKE_PROFIT)
        else:
            reason = current or int(ExitReason.RISK_EXIT)
        send_market_exit(slot, reason)
        position.armed = True

    def on_never_arrived(self, key: str) -> None:
        """Retire a child that the venue provably never had; the slot still wants it and may send another."""
        child = self._alive(key)
        if child is None:
            return
        self._retire(child)
        if child.role is Role.ENTRY and self._current:
            self.position.attempt = -1

    def forget_unwritten(self, written: int) -> None:
        """Want an entry again that a process planned and died over before it was written down, if time waits for us.

        Args:
            written: number after the highest one among the entry's children that are written down.
        """
        position = self.position
        planned = position.sequence.get(position.entry_intent, 0)
        if self.still and self.entry is None and self._current and planned > written:
            position.attempt = -1

    # ---- what follows -----------------------------------------------------------------------------------------

    def plan(self) -> tuple[Command, ...]:
        """Return the commands that bring the venue's orders towards the slot's, cancels first; each is given once."""
        commands = [*self._plan_cancels(), *self._plan_sale(), *self._plan_entry()]
        return tuple(commands)

    def _plan_cancels(self) -> list[Command]:
        commands: list[Command] = []
        for child in (self.entry, self.sale):
            if child is None or child.stage is not Stage.OPEN:
                continue
            stays = self._entry_stays() if child.role is Role.ENTRY else self._sale_stays(child)
            if not stays:
                self._replace(replace(child, stage=Stage.CANCELING))
                commands.append(Cancel(child.key, isinstance(child.request, OcoRequest)))
        return commands

    def _entry_stays(self) -> bool:
        slot = self.position.slot
        if self.muted or self.entries_blocked or int(slot.want) == 0:
            return False
        return int(slot.mode) in _ORDERED and self._current

    def _sale_stays(self, child: Child) -> bool:
        position, slot = self.position, self.position.slot
        if self.muted or not position.held:
            return False
        if int(slot.exit_mode) == EXIT_MARKET:
            return child.role is Role.EXIT or not position.armed
        whole = position.grid.steps(child.request.quantity) - child.filled == position.sellable
        spent = self._sends >= SENDS_PER_BAR  # no pair may be taken off that cannot be replaced
        return (whole or spent) and self._sells_at(child, self._upper())

    def _sells_at(self, child: Child, upper: int) -> bool:
        grid, request = self.position.grid, child.request
        if not isinstance(request, OcoRequest):
            return False
        return grid.ticks(request.target) == upper and grid.ticks(request.stop) == int(self.position.slot.stop)

    def _upper(self) -> int:
        slot = self.position.slot
        return int(slot.target) if int(slot.exit_mode) == EXIT_NONE else int(slot.exit_limit)

    @property
    def _attempt(self) -> int:
        """Return the number of the attempt that the slot wants now."""
        slot = self.position.slot
        return int(slot.deadline) if int(slot.mode) in (ENTRY_SENT, ENTRY_RESTING) else -2 - int(slot.placed)

    @property
    def _current(self) -> bool:
        """Return whether the last entry sent is the one that the slot still wants."""
        return int(self.position.slot.want) > 0 and self.position.attempt == self._attempt

    def _plan_entry(self) -> list[Command]:
        position, slot = self.position, self.position.slot
        wanted = int(slot.want) > 0 and int(slot.mode) in (ENTRY_TAKER, ENTRY_FALLBACK, ENTRY_SENT)
        if not wanted or self.entry is not None or self.muted or self.entries_blocked:
            return []
        if self._attempt == position.attempt or self._sends >= SENDS_PER_BAR:
            return []
        kind = OrderKind.POST_ONLY if int(slot.mode) == ENTRY_SENT else OrderKind.FOK
        price = position.grid.price(slot.limit if kind is OrderKind.POST_ONLY else slot.cap)
        position.attempt, position.entry_levels = self._attempt, position.levels
        cid, quantity = self._next_id(position.entry_intent), position.grid.quantity(slot.want)
        request = OrderRequest(cid, position.grid.symbol, Side.BUY, kind, quantity, price)
        self.entry = Child(cid, request, position.entry_intent, Role.ENTRY)
        return self._sent(self.entry)

    def _plan_sale(self) -> list[Command]:
        position, slot = self.position, self.position.slot
        if self.sale is not None or self.muted or not position.held or self._sends >= SENDS_PER_BAR:
            return []
        grid, steps, intent = position.grid, position.sellable, position.exit_intent
        if int(slot.exit_mode) != EXIT_MARKET and self._upper() <= int(slot.stop):  # no pair can be built around it
            send_market_exit(slot, int(slot.reason) or int(ExitReason.STOP_LOSS))
            position.armed = True
        if int(slot.exit_mode) == EXIT_MARKET:
            if not position.armed:
                return []
            cid = self._next_id(intent)
            order = OrderRequest(cid, grid.symbol, Side.SELL, OrderKind.MARKET, grid.quantity(steps), None)
            self.sale = Child(cid, order, intent, Role.EXIT)
            return self._sent(self.sale)
        target, stop = grid.price(self._upper()), grid.price(slot.stop)
        ids = (self._next_id(intent), self._next_id(intent), self._next_id(intent))
        pair = OcoRequest(*ids, grid.symbol, grid.quantity(steps), target, stop)
        self.sale = Child(pair.list_cid, pair, intent, Role.BRACKET)
        return self._sent(self.sale)

    def _sent(self, child: Child) -> list[Command]:
        self._sends += 1
        return [Place(child.request, child.intent, child.role)]

    def _next_id(self, intent: str) -> str:
        assert intent, f"{self.position.grid.symbol}: an order without an intent"
        number = self.position.sequence.get(intent, 0)
        self.position.sequence[intent] = number + 1
        return child_id(intent, number)

    # ---- helpers ----------------------------------------------------------------------------------------------

    @property
    def _has_wish(self) -> bool:
        """Return whether the slot holds or wants anything; a sold trade that is not booked yet must not be cleared."""
        return self.position.held or int(self.position.slot.want) > 0

    def _stranded(self, close: Close) -> bool:
        """Return whether what is left is worth less than the least order: dust is reported, not chased."""
        worth = self.position.sellable * close.bar.close
        return self.sale is None and self._sold_out and worth < close.view.min_notional

    @property
    def _sold_out(self) -> bool:
        """Return whether an exit has been decided and no entry can add to the position."""
        slot = self.position.slot
        return self.entry is None and int(slot.want) == 0 and int(slot.exit_mode) == EXIT_MARKET

    def _book_trade(self) -> None:
        assert self.close is not None
        if int(self.position.slot.quantity_out) > 0:
            self._trades.append(closed_trade(self.position))
            self.position.learn(self.close.terms)
        self.position.clear()
        if self.position.held:
            self.position.park()

    def _alive(self, key: str) -> Child | None:
        return next((child for child in (self.entry, self.sale) if child is not None and child.key == key), None)

    def _replace(self, child: Child) -> None:
        if child.role is Role.ENTRY:
            self.entry = child
        else:
            self.sale = child

    def _retire(self, child: Child) -> None:
        if child.role is Role.ENTRY:
            self.entry = None
        else:
            self.sale = None
        self.retired[child.key] = child
        while len(self.retired) > _RETIRED_MAX:
            self.retired.pop(next(iter(self.retired)))
