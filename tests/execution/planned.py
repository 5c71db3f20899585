"""The planner against the Decimal venue of the parity tests, message by message, without any network between them."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

import numpy as np

from huracan.execution.commands import Cancel as CancelCommand
from huracan.execution.grid import Grid
from huracan.execution.planner import Child, Close, Leg, Place, Planner, Role
from huracan.execution.positions import Position
from huracan.execution.results import ClosedTrade
from huracan.trading import ExitReason, Tape
from huracan.trading.accounting import observe
from huracan.trading.settings import View
from huracan.trading.venue_law import Bar, Terms
from huracan.venue.orders import OcoRequest, OrderKind, OrderRequest, RejectCode, VenueStatus, VenueTrade
from huracan.venue.orders import Side as OrderSide
from tests.parity.convert import START_QUOTE, make_market, make_rules, make_tape
from tests.parity.differential import FORCED, UNIT, Case, KernelRun
from tests.parity.ledger import ReferenceTrade
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
from tests.parity.observe import COMPARED
from tests.parity.session import DIGITS, missing_at_decisions
from tests.parity.venue import Balance, DecimalVenue

KINDS = {OrderKind.FOK: Kind.FOK, OrderKind.POST_ONLY: Kind.POST_ONLY, OrderKind.MARKET: Kind.MARKET}
LEGS = {Kind.UPPER_LEG: Leg.ABOVE, Kind.STOP_LEG: Leg.BELOW}
ENDINGS = {
    Ending.FILLED: VenueStatus.FILLED,
    Ending.CANCELED: VenueStatus.CANCELED,
    Ending.EXPIRED: VenueStatus.EXPIRED,
}
REFUSALS = {
    Refusal.WOULD_MATCH: RejectCode.WOULD_MATCH,
    Refusal.LIMIT_CROSSES: RejectCode.WOULD_MATCH,
    Refusal.STOP_CROSSES: RejectCode.STOP_WOULD_TRIGGER,
}
ROUNDS_MAX = 50


def terms_of(tape: Tape, case: Case, row: int) -> Terms:
    """Return the venue's terms on the day of a bar, scaled as the kernel scales them."""
    instrument, costs, day, scale = tape.instrument, tape.costs, int(tape.day[row]), case.cost_scale
    return Terms(
        spread=int(np.rint(costs.spread[day] * scale)),
        impact=float(costs.impact[day]) * scale,
        maker_ppm=int(np.rint(instrument.fee_maker_ppm * scale)),
        taker_ppm=int(np.rint(instrument.fee_taker_ppm * scale)),
        fee_in_quote=instrument.fee_in_quote,
        step_units=instrument.step_units,
        quote_num=instrument.quote_ratio.numerator,
        quote_den=instrument.quote_ratio.denominator,
        share_num=case.settings.share_num,
        share_den=case.settings.share_den,
        kappa=case.settings.stop_slip_range_frac,
    )


def close_of(tape: Tape, case: Case, row: int) -> Close:
    """Return a closed bar as the planner takes it."""
    stake = tape.instrument.stake_ticks_steps(case.settings.stake_quote)
    view = View(
        float(tape.sigma[row]),
        int(tape.costs.qcap[int(tape.day[row])]),
        stake,
        tape.instrument.min_notional_ticks_steps,
    )
    return Close(Bar(*tape.bars[row].tolist()), terms_of(tape, case, row), view)


def reference_trade(trade: ClosedTrade, base_ms: int) -> ReferenceTrade:
    """Return a closed trade in the units of the parity tests."""
    tick, step = trade.tick, trade.step
    return ReferenceTrade(
        entry_bar=trade.entry_ms // base_ms,
        exit_bar=trade.exit_ms // base_ms,
        quantity_in=trade.quantity_in * step,
        quantity_out=trade.quantity_out * step,
        money_in=trade.value_in * tick * step,
        money_out=trade.value_out * tick * step,
        fee_base=trade.fee_base * UNIT,
        fee_quote=trade.fee_quote * UNIT,
        dust_in=trade.dust_in * UNIT,
        dust_out=trade.dust_out * UNIT,
        reason=trade.reason.name.lower(),
        high=trade.high * tick,
        low=trade.low * tick,
    )


@dataclass
class Session:
    """One planner, one venue; `restarts` saves and reloads the position after every close."""

    case: Case
    restarts: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        case = self.case
        self.tape = make_tape(case.market, case.settings)
        self.market = make_market(case.market, case.cost_scale)
        self.grid = Grid.of(self.tape.instrument)
        self.base_ms = case.settings.base_ms
        self.venue = DecimalVenue(
            make_rules(case.market, case.settings, case.cost_scale).venue, Balance(START_QUOTE), Balance(Decimal(0))
        )
        self.planner = Planner(Position(self.grid, self.base_ms), case.settings.rules)
        self.keys: list[str] = []
        self.row = case.start
        self.fills = 0

    def exchange(self) -> None:
        """Let planner and venue talk until both are silent."""
        for _ in range(ROUNDS_MAX):
            commands = self.planner.plan()
            if not commands:
                return
            for command in commands:
                self.deliver(self.venue.submit(self.translate(command), self.lot()))
        raise AssertionError("planner and venue do not come to rest")

    def lot(self) -> Decimal:
        """Return the venue's least partial fill, which is part of the entry's decision."""
        return max(1, int(self.planner.position.slot.lot)) * self.grid.step

    def translate(self, command: Place | CancelCommand) -> Command:
        """Return the planner's command as the venue of the parity tests takes it."""
        if isinstance(command, CancelCommand):
            return Cancel(self.keys.index(command.key))
        self.counts[f"sent {command.role}"] += 1
        self.keys.append(command.key)
        number, request = len(self.keys) - 1, command.request
        if isinstance(request, OcoRequest):
            return PlaceOco(number, request.quantity, request.target, request.stop)
        assert isinstance(request, OrderRequest)
        side = Side.BUY if request.side is OrderSide.BUY else Side.SELL
        return PlaceOrder(number, side, KINDS[request.kind], request.quantity, request.price)

    def deliver(self, events: list[Event]) -> None:
        """Tell the planner what happened."""
        for event in events:
            key = self.keys[event.cid]
            if isinstance(event, Accepted):
                self.planner.on_open(key)
            elif isinstance(event, Refused):
                self.counts[f"refused {event.why.name}"] += 1
                self.planner.on_refused(key, REFUSALS[event.why])
            elif isinstance(event, Ended):
                self.planner.on_end(key, ENDINGS[event.how])
            else:
                self.counts[f"fill {event.kind.name}"] += 1
                self.planner.on_fill(key, LEGS.get(event.kind, Leg.SINGLE), self.trade(event))

    def trade(self, fill: Fill) -> VenueTrade:
        """Return a fill as the venue's trade list would show it."""
        self.fills += 1
        asset = self.grid.base if fill.asset == "base" else self.grid.quote
        resting = fill.kind in (Kind.POST_ONLY, Kind.UPPER_LEG)
        bar_ms = int(self.market.candles[self.row].bar_no) * self.base_ms
        side = OrderSide.BUY if fill.side is Side.BUY else OrderSide.SELL
        return VenueTrade(
            trade_id=str(self.fills),
            venue_id=str(fill.cid),
            symbol=self.grid.symbol,
            side=side,
            quantity=fill.quantity,
            price=fill.price,
            commission=fill.commission,
            commission_asset=asset,
            maker=resting,
            time_ms=bar_ms,
        )

    def play_bar(self, candle: Candle, cost: BookCost) -> None:
        """Run P0 to P4 of one bar."""
        self.venue.open_window(candle, cost)
        self.exchange()
        for match in (self.venue.match_buys, self.venue.match_stops, self.venue.match_sells):
            self.deliver(match())
            self.exchange_between_windows()
        self.venue.close()

    def exchange_between_windows(self) -> None:
        """Let the planner answer fills; only brackets and cancels may follow before the next close."""
        for _ in range(ROUNDS_MAX):
            commands = self.planner.plan()
            if not commands:
                return
            for command in commands:
                assert isinstance(command, CancelCommand) or command.role is Role.BRACKET, command
                self.deliver(self.venue.submit(self.translate(command), self.lot()))

    def restart(self) -> None:
        """Go through bytes, as a process that dies between two closes does."""
        before = self.planner
        position = Position.from_bytes(before.position.to_bytes(), self.grid, self.base_ms)
        self.planner = Planner(position, before.rules, self.reborn(before.entry), self.reborn(before.sale))
        self.planner.close = before.close

    @staticmethod
    def reborn(child: Child | None) -> Child | None:
        """Return a child as it is made from the rows of the store."""
        return None if child is None else Child(*(getattr(child, name) for name in Child.__slots__))


def run_planner(case: Case, restarts: bool = False) -> tuple[KernelRun, Counter[str]]:
    """Trade the case by the planner; the kernel's run must be equal in every trade, balance and state."""
    with localcontext(prec=DIGITS):
        session = Session(case, restarts)
        trades: list[ReferenceTrade] = []
        closes: list[int] = []
        states: list[np.ndarray] = []
        due = missing_at_decisions(session.market.candles, case.settings.decision_interval_bars)
        for row in range(case.start, case.stop):
            session.row = row
            if row > case.start:
                session.play_bar(session.market.candles[row], session.market.costs[row])
            close = close_of(session.tape, case, row)
            session.planner.on_close(close)
            trades += [reference_trade(trade, case.settings.base_ms) for trade in session.planner.take_trades()]
            if row == case.stop - 1:
                break
            if row in due or case.every_close:
                closes.append(row)
                states.append(look(session.planner, close))
                decide(session.planner, case, close.bar.number, states[-1], due.get(row))
            session.planner.arm()
            if restarts:
                session.restart()
        slot = session.planner.position.slot
        assert session.venue.base.total == int(slot.coins) * UNIT, "the slot's coins are not the venue's"
        counts = session.counts + Counter(trade.reason for trade in trades)
        return (
            KernelRun(
                trades=trades,
                closes=closes,
                states=np.array(states, np.float32).reshape(-1, len(COMPARED)),
                equity=[],
                rewards=[],
                quote=session.venue.quote.total,
                base=session.venue.base.total,
            ),
            counts,
        )


def look(planner: Planner, close: Close) -> np.ndarray:
    """Return the state entries that the slot decides."""
    state = np.zeros((1, 80), np.float32)
    observe(planner.position.slot, close.bar, close.terms, close.view, planner.rules, state, 0)
    return state[0, list(COMPARED)]


def decide(planner: Planner, case: Case, number: int, state: np.ndarray, missing: int | None) -> None:
    """Ask the script and tell the planner, by the mask's rules."""
    busy = bool(state[0] > 0 or state[COMPARED.index(70)] > 0)
    action, forced = case.script.act(number, busy)
    if forced:
        planner.force(ExitReason(FORCED[forced]))
    elif missing is not None:
        may_enter = missing == 0 and not case.script.denies(number)
        if busy == (action in (4, 5)) and (action in (0, 4, 5) or may_enter):
            planner.decide(action, f"{number:016x}", f"{number + 2**40:016x}")
