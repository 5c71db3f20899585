"""An order-level spot exchange over candles, all money in Decimal; it knows orders and balances, no positions."""

import math
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from enum import IntEnum

from tests.parity.messages import (
    Accepted,
    BookCost,
    Cancel,
    Candle,
    Command,
    Ended,
    Ending,
    Event,
    Fill,
    Kind,
    PlaceOco,
    PlaceOrder,
    Refusal,
    Refused,
    Side,
)
from tests.parity.rule_errors import NO_ERRORS, Errors, RuleError

CENT_OF_CENT = Decimal("1e-8")


class Phase(IntEnum):
    """Phases of one bar."""

    WINDOW = 0
    BUYS = 1
    STOPS = 2
    SELLS = 3
    CLOSED = 4


@dataclass(frozen=True, slots=True)
class VenueRules:
    """Everything the exchange knows about one market beside its candles."""

    tick: Decimal
    step: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    fee_in_quote: bool
    share: tuple[int, int]
    stop_slip: float


@dataclass(slots=True)
class Resting:
    """An order on the book; an OCO is one entry with an upper limit and a stop."""

    cid: int
    side: Side
    quantity: Decimal
    limit: Decimal
    stop: Decimal | None
    lot: Decimal
    bar_no: int
    phase: Phase
    filled: Decimal = Decimal(0)
    stop_alive: bool = True

    @property
    def open_quantity(self) -> Decimal:
        """What is still to be filled."""
        return self.quantity - self.filled


@dataclass(slots=True)
class Balance:
    """One asset of the account; neither part may ever be negative."""

    free: Decimal
    locked: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """Free and locked together."""
        return self.free + self.locked

    def move(self, free: Decimal, locked: Decimal = Decimal(0)) -> None:
        """Add to both parts; an overdraft is a broken invariant."""
        self.free += free
        self.locked += locked
        assert min(self.free, self.locked) >= 0, f"overdraft: {self}"


@dataclass(slots=True)
class DecimalVenue:
    """The exchange of one market and one account; phases are entered in order, once a bar."""

    rules: VenueRules
    quote: Balance
    base: Balance
    errors: Errors = NO_ERRORS
    book: dict[int, Resting] = field(default_factory=dict)
    phase: Phase = Phase.CLOSED
    bar: Candle | None = None
    cost: BookCost | None = None
    last: Decimal = Decimal(0)
    trades: int = 0

    def open_window(self, bar: Candle, cost: BookCost) -> None:
        """P0: the book is that of the bar's open and stands still until the window is acknowledged."""
        assert self.phase is Phase.CLOSED
        self.bar, self.cost, self.phase, self.last = bar, cost, Phase.WINDOW, bar.open

    def open_final_book(self) -> None:
        """After the last bar: the book of its close, for the sale at the end of the data."""
        assert self.phase is Phase.CLOSED
        assert self.bar is not None
        self.phase, self.last = Phase.WINDOW, self.bar.close

    def close(self) -> None:
        """P4: the bar is over; nothing is taken before the next window."""
        self.phase = Phase.CLOSED
        self.check()

    def check(self) -> None:
        """Raise unless what is locked is exactly what rests, and nothing is negative."""
        buys = sum((o.open_quantity * o.limit for o in self.book.values() if o.side is Side.BUY), Decimal(0))
        sells = sum((o.open_quantity for o in self.book.values() if o.side is Side.SELL), Decimal(0))
        assert (self.quote.locked, self.base.locked) == (buys, sells), "locked funds are not those of the open orders"
        assert min(self.quote.free, self.base.free) >= 0, "negative balance"

    def submit(self, command: Command, lot: Decimal) -> list[Event]:
        """Take one command in the window, or an OCO right after a maker fill; `lot`: least partial fill or rest."""
        if isinstance(command, Cancel):
            return self._cancel(command.cid)
        if isinstance(command, PlaceOco):
            assert self.phase in (Phase.WINDOW, Phase.BUYS)
            return self._place_oco(command, lot)
        assert self.phase is Phase.WINDOW
        if command.kind is Kind.POST_ONLY:
            return self._place_post_only(command, lot)
        return self._place_taker(command)

    @property
    def bid(self) -> Decimal:
        """Best bid of the standing book: the smaller half of the spread below the last trade."""
        assert self.cost is not None
        half = self.cost.spread // 2
        if RuleError.SPREAD_HALF_SWAPPED in self.errors:
            half = self.cost.spread - half
        return self.last - half * self.rules.tick

    @property
    def ask(self) -> Decimal:
        """Best ask of the standing book."""
        assert self.cost is not None
        return self.bid + self.cost.spread * self.rules.tick

    def _cancel(self, cid: int) -> list[Event]:
        order = self.book.pop(cid)
        if order.side is Side.BUY:
            self.quote.move(order.open_quantity * order.limit, -order.open_quantity * order.limit)
        else:
            self.base.move(order.open_quantity, -order.open_quantity)
        return [Ended(cid, Ending.CANCELED)]

    def _place_oco(self, command: PlaceOco, lot: Decimal) -> list[Event]:
        if command.stop >= self.last:
            return [Refused(command.cid, Refusal.STOP_CROSSES)]
        if command.limit <= self.last and RuleError.MAKER_EXIT_NEVER_REFUSED not in self.errors:
            return [Refused(command.cid, Refusal.LIMIT_CROSSES)]
        self.base.move(-command.quantity, command.quantity)
        self._rest(command.cid, Side.SELL, command.quantity, command.limit, command.stop, lot)
        return [Accepted(command.cid)]

    def _place_post_only(self, command: PlaceOrder, lot: Decimal) -> list[Event]:
        assert command.price is not None
        assert command.side is Side.BUY
        if command.price >= self.ask and RuleError.POST_ONLY_CROSSES not in self.errors:
            return [Refused(command.cid, Refusal.WOULD_MATCH)]
        cost = command.price * command.quantity
        self.quote.move(-cost, cost)
        self._rest(command.cid, Side.BUY, command.quantity, command.price, None, lot)
        return [Accepted(command.cid)]

    def _rest(
        self, cid: int, side: Side, quantity: Decimal, limit: Decimal, stop: Decimal | None, lot: Decimal
    ) -> None:
        assert self.bar is not None
        assert cid not in self.book
        assert quantity > 0
        off_grid = quantity % self.rules.step + limit % self.rules.tick
        assert off_grid == 0, "order is off the venue's grid"
        self.book[cid] = Resting(cid, side, quantity, limit, stop, lot, self.bar.bar_no, self.phase)

    def _place_taker(self, command: PlaceOrder) -> list[Event]:
        assert command.quantity > 0
        assert command.quantity % self.rules.step == 0
        buy = command.side is Side.BUY
        parts = self.walk(self.ask if buy else self.bid, command.quantity, 1 if buy else -1)
        if command.kind is Kind.FOK:
            assert command.price is not None
            worst = max(price for price, _ in parts)
            if worst > command.price and RuleError.CAP_IGNORED not in self.errors:
                return [Ended(command.cid, Ending.EXPIRED)]
        events: list[Event] = list(self._settle(command.cid, command.kind, command.side, parts))
        return [*events, Ended(command.cid, Ending.FILLED)]

    def walk(self, touch: Decimal, quantity: Decimal, sign: int) -> list[tuple[Decimal, Decimal]]:
        """Split a taker's quantity over two neighbouring prices by the square-root law, the nearer price first."""
        assert self.cost is not None
        steps = int(quantity / self.rules.step)
        exact = self.cost.impact * math.sqrt(steps) * steps
        total = math.floor(exact) if RuleError.IMPACT_NOT_CEILED in self.errors else math.ceil(exact)
        whole, further = divmod(total, steps)
        tick = self.rules.tick
        near = max(tick, touch + sign * whole * tick)
        far = max(tick, near + sign * tick)
        if RuleError.TAKER_IS_ONE_TRADE in self.errors:
            return [(far if further else near, quantity)]
        parts = [(near, (steps - further) * self.rules.step)]
        return [*parts, (far, further * self.rules.step)] if further else parts

    def match_buys(self) -> list[Event]:
        """P1: resting buys that the bar trades through; the last trade becomes their price."""
        assert self.bar is not None
        self.phase = Phase.BUYS
        events: list[Event] = []
        for order in self._side(Side.BUY):
            quantity = self._maker_quantity(order)
            if quantity:
                events += self._fill_resting(order, Kind.POST_ONLY, quantity)
                self.last = order.limit
        return events

    def match_stops(self) -> list[Event]:
        """P2: a stop whose level was touched becomes a market sale; its upper leg goes with it."""
        assert self.bar is not None
        self.phase = Phase.STOPS
        events: list[Event] = []
        for order in self._side(Side.SELL):
            if self.bar.volume > 0 and order.stop is not None and order.stop_alive and self.bar.low <= order.stop:
                del self.book[order.cid]
                quantity = order.open_quantity
                self.base.move(quantity, -quantity)
                parts = self.walk(self._stop_touch(order.stop), quantity, -1)
                events += self._settle(order.cid, Kind.STOP_LEG, Side.SELL, parts)
                events.append(Ended(order.cid, Ending.FILLED))
        return events

    def _stop_touch(self, stop: Decimal) -> Decimal:
        assert self.bar is not None
        assert self.cost is not None
        tick, half = self.rules.tick, self.cost.spread // 2 * self.rules.tick
        if self.bar.open <= stop:
            gap = stop if RuleError.GAP_FILLS_AT_STOP in self.errors else self.bar.open
            return gap - half
        slip = math.ceil(self.rules.stop_slip * int((self.bar.high - self.bar.low) / tick))
        if RuleError.NO_STOP_SLIPPAGE in self.errors:
            slip = 0
        level = stop - half - slip * tick
        return level if RuleError.STOP_BELOW_LOW in self.errors else max(level, self.bar.low - half)

    def match_sells(self) -> list[Event]:
        """P3: resting sells accepted before the path began; a partial fill cancels the stop leg (OCO)."""
        assert self.bar is not None
        self.phase = Phase.SELLS
        events: list[Event] = []
        for order in self._side(Side.SELL):
            late = order.bar_no == self.bar.bar_no and order.phase is Phase.BUYS
            if late and RuleError.TARGET_IN_MAKER_ENTRY_BAR not in self.errors:
                continue
            quantity = self._maker_quantity(order)
            if quantity:
                if RuleError.PARTIAL_TARGET_RESTS not in self.errors:
                    order.stop_alive = False
                events += self._fill_resting(order, Kind.UPPER_LEG, quantity)
        return events

    def _side(self, side: Side) -> list[Resting]:
        sign = -1 if side is Side.BUY else 1
        return sorted((o for o in self.book.values() if o.side is side), key=lambda o: (sign * o.limit, o.cid))

    def _maker_quantity(self, order: Resting) -> Decimal:
        """What a resting limit gets of this bar: nothing unless traded through, else its share of the volume there."""
        bar, tick, step = self.bar, self.rules.tick, self.rules.step
        assert bar is not None
        if bar.volume == 0:
            return Decimal(0)
        buy = order.side is Side.BUY
        beyond = order.limit - bar.low if buy else bar.high - order.limit
        if beyond < (0 if RuleError.TOUCH_FILLS_MAKER in self.errors else tick):
            return Decimal(0)
        if RuleError.VOLUME_SHARE_IGNORED in self.errors:
            return order.open_quantity
        num, den = self.rules.share
        volume, extent = int(bar.volume / step), int((bar.high - bar.low) / tick)
        through = volume if beyond >= bar.high - bar.low else volume * int(beyond / tick) // extent
        cap = through * num // den * step
        if cap < order.lot:
            return Decimal(0)
        quantity = min(cap, order.open_quantity)
        return order.open_quantity if order.open_quantity - quantity < order.lot else quantity

    def _fill_resting(self, order: Resting, kind: Kind, quantity: Decimal) -> list[Event]:
        order.filled += quantity
        if order.side is Side.BUY:
            self.quote.move(quantity * order.limit, -quantity * order.limit)
        else:
            self.base.move(quantity, -quantity)
        events: list[Event] = list(self._settle(order.cid, kind, order.side, [(order.limit, quantity)]))
        if order.open_quantity == 0:
            del self.book[order.cid]
            events.append(Ended(order.cid, Ending.FILLED))
        return events

    def _settle(self, cid: int, kind: Kind, side: Side, parts: list[tuple[Decimal, Decimal]]) -> list[Fill]:
        """Move the money of one order's trades, each with its own commission in the asset received."""
        rate = self.rules.maker_fee if kind in (Kind.POST_ONLY, Kind.UPPER_LEG) else self.rules.taker_fee
        in_base = side is Side.BUY and not self.rules.fee_in_quote
        exact = [(quantity if in_base else price * quantity) * rate for price, quantity in parts]
        fees = [self._round_fee(fee) for fee in exact]
        if RuleError.FEE_ONCE_PER_ORDER in self.errors:
            fees = [self._round_fee(sum(exact, Decimal(0))), *(Decimal(0) for _ in exact[1:])]
        fills = []
        for (price, quantity), fee in zip(parts, fees, strict=True):
            money = price * quantity
            if side is Side.BUY:
                self.quote.move(-money - (Decimal(0) if in_base else fee))
                self.base.move(quantity - (fee if in_base else Decimal(0)))
            else:
                self.base.move(-quantity)
                self.quote.move(money - fee)
            fills.append(Fill(cid, kind, side, price, quantity, fee, "base" if in_base else "quote"))
        self.trades += len(fills)
        return fills

    def _round_fee(self, fee: Decimal) -> Decimal:
        down = RuleError.FEE_ROUNDED_DOWN in self.errors
        return fee.quantize(CENT_OF_CENT, rounding=ROUND_DOWN if down else ROUND_UP)
