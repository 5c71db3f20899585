"""The trader of the reference: closed candles, decisions and venue events in, commands out."""

import math
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from tests.parity.ledger import Ledger
from tests.parity.messages import (
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

RANK = {"policy_exit": 0, "time_limit": 1, "take_profit": 2, "stop_loss": 3, "risk_exit": 4, "kill_switch": 5}
ENTRIES = (1, 2, 3)
EXIT = 4


@dataclass(frozen=True, slots=True)
class TraderRules:
    """The trader's settings: lengths in bars, prices and money in quote currency, distances as fractions."""

    tick: Decimal
    step: Decimal
    stake: Decimal
    min_notional: Decimal
    hold: int
    stop_sigmas: float
    target_sigmas: float
    distance_min: float
    cap_bps: int
    maker_entry: bool
    maker_exit: bool
    life: int
    tries: int
    fallback_taker: bool
    exit_life: int


@dataclass(slots=True)
class Entry:
    """An entry at work: what is still wanted, at which cap, and the attempt now standing at the venue."""

    want: Decimal
    cap: Decimal
    maker: bool
    limit: Decimal
    deadline: int
    tries: int
    placed: int
    cid: int | None = None
    send: bool = True


@dataclass(slots=True)
class Exit:
    """An exit at work: a working upper leg (`limit`), or a market order for the next window (`limit` None)."""

    reason: str
    limit: Decimal | None
    deadline: int
    placed: int
    send: bool = True


@dataclass(slots=True)
class Plan:
    """Levels frozen at the decision."""

    ref: Decimal
    stop: Decimal
    target: Decimal
    lot: Decimal


@dataclass(slots=True)
class Actor:
    """One market's trader; it never sees the venue's insides and never looks past a closed candle."""

    rules: TraderRules
    ledger: Ledger
    errors: Errors = NO_ERRORS
    plan: Plan | None = None
    entry: Entry | None = None
    exit: Exit | None = None
    oco: int | None = None
    stopped: bool = False
    bar_no: int = 0
    rows: int = 0
    cids: int = 0
    cancels: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def held(self) -> bool:
        """Whether a position is open."""
        return self.ledger.open

    @property
    def busy(self) -> bool:
        """Whether only EXIT and HOLD mean anything."""
        return self.held or self.entry is not None

    @property
    def now(self) -> int:
        """What deadlines are measured in: the number of the bar, so that missing bars count."""
        return self.rows if RuleError.DEADLINE_COUNTS_ROWS in self.errors else self.bar_no

    # ---- at a close -------------------------------------------------------------------------------------------

    def on_close(self, candle: Candle, cost: BookCost) -> None:
        """(b) Excursions and housekeeping of a closed bar, after its fills were booked."""
        self.bar_no = candle.bar_no
        self.rows += 1
        self.ledger.see(candle)
        close_bid = candle.close - cost.spread // 2 * self.rules.tick
        if self.held:
            self._watch_position(candle)
        if self.entry is not None:
            self._watch_entry(candle, close_bid)

    def _watch_position(self, candle: Candle) -> None:
        assert self.plan is not None
        held_bars = candle.bar_no - self.ledger.entry_bar + 1
        hold = self.rules.hold + (1 if RuleError.HOLD_ONE_BAR_LONGER in self.errors else 0)
        if candle.close >= self.plan.target:
            self._exit_at_market("take_profit")
        elif held_bars >= hold:
            self._exit_at_market("time_limit")
        elif self.exit is not None and self.exit.limit is not None and self.now >= self.exit.deadline:
            self._exit_at_market(self.exit.reason)

    def _exit_at_market(self, reason: str) -> None:
        """Sell at the next open; a reason once set stays unless risk or the kill switch overrides it."""
        if self.exit is None:
            self.exit = Exit(reason, None, 0, self.bar_no)
        else:
            if RANK[reason] >= RANK["risk_exit"] and RANK[reason] > RANK[self.exit.reason]:
                self.exit.reason = reason
            if self.exit.limit is not None:
                self.exit.limit, self.exit.send = None, True
        self._drop_entry()

    def _watch_entry(self, candle: Candle, close_bid: Decimal) -> None:
        """Void an entry whose bracket the market has left; else renew the attempt whose life is over."""
        assert self.entry is not None
        assert self.plan is not None
        entry = self.entry
        through = close_bid <= self.plan.stop and RuleError.NO_VOID_THROUGH_STOP not in self.errors
        if through or candle.close >= self.plan.target:
            self.counts["entry voided"] += 1
            self._drop_entry()
        elif self.now >= entry.deadline:
            self._renew_entry(entry, close_bid)

    def _renew_entry(self, entry: Entry, close_bid: Decimal) -> None:
        self._retire(entry)
        if entry.tries < self.rules.tries:
            entry.tries += 1
            entry.limit = min(close_bid, entry.cap)
            entry.deadline = self.now + self.rules.life
            entry.send = True
            self.counts["re-peg"] += 1
        elif self.rules.fallback_taker:
            entry.maker, entry.send = False, True
            self.counts["fallback"] += 1
        else:
            self.counts["gave up"] += 1
            self.entry = None

    def _drop_entry(self) -> None:
        if self.entry is not None:
            self._retire(self.entry)
            self.entry = None

    def _retire(self, entry: Entry) -> None:
        """Remember the standing attempt for the cancels of this close."""
        if entry.cid is not None:
            self.cancels.append(entry.cid)
            entry.cid = None

    # ---- decision ---------------------------------------------------------------------------------------------

    def decide(self, action: int, forced: int, candle: Candle, cost: BookCost, sigma: float, may_enter: bool) -> None:
        """(c) Turn an action into intents; what the mask forbids is a no-op. `forced`: 0 none, 1 risk, 2 kill."""
        if forced:
            self.force("kill_switch" if forced == 2 else "risk_exit")
        elif action == EXIT and self.busy:
            self._policy_exit(candle, cost)
        elif action in ENTRIES and not self.busy:
            if may_enter:
                self._enter(action, candle, cost, sigma)
            else:
                self.counts["denied"] += 1
        elif (action in ENTRIES) == self.busy or action == EXIT:
            self.counts["illegal"] += 1

    def force(self, reason: str) -> None:
        """Risk's word: drop the entry, sell what is held."""
        self._drop_entry()
        if self.held:
            self._exit_at_market(reason)

    def _policy_exit(self, candle: Candle, cost: BookCost) -> None:
        self._drop_entry()
        if not self.held or self.exit is not None:
            return
        if self.rules.maker_exit:
            close_ask = candle.close + (cost.spread - cost.spread // 2) * self.rules.tick
            self.exit = Exit("policy_exit", close_ask, self.now + self.rules.exit_life, candle.bar_no)
        else:
            self._exit_at_market("policy_exit")

    def _enter(self, multiple: int, candle: Candle, cost: BookCost, sigma: float) -> None:
        """Size and levels from the decision's close alone; an order the market or the table forbids is void."""
        rules, close = self.rules, candle.close
        close_bid = close - cost.spread // 2 * rules.tick
        steps = int(rules.stake * multiple / (2 * close * rules.step))
        if RuleError.QCAP_IGNORED not in self.errors:
            steps = min(steps, cost.qcap)
        ref_ticks = int(close / rules.tick)
        distance = max(sigma * math.sqrt(rules.hold), rules.distance_min)
        stop = close - math.ceil(rules.stop_sigmas * distance * ref_ticks) * rules.tick
        target = close + math.ceil(rules.target_sigmas * distance * ref_ticks) * rules.tick
        cap = close + ref_ticks * rules.cap_bps // 10000 * rules.tick
        lot = self.lot_at(close)
        if not math.isfinite(sigma) or steps * rules.step < lot or close_bid <= stop:
            self.counts["entry refused by trader"] += 1
            return
        self.plan = Plan(close, stop, target, lot)
        limit, deadline = min(close_bid, cap), self.now + rules.life
        self.entry = Entry(steps * rules.step, cap, rules.maker_entry, limit, deadline, 1, self.bar_no)
        self.counts["entry"] += 1

    def lot_at(self, price: Decimal) -> Decimal:
        """Least order worth sending: two steps, and twice the least notional, in base currency."""
        step = self.rules.step
        if RuleError.LOT_ONE_STEP in self.errors:
            return step
        return max(2, math.ceil(2 * self.rules.min_notional / (price * step))) * step

    # ---- orders -----------------------------------------------------------------------------------------------

    def commands(self) -> list[Command]:
        """(d) What to send into the next window: cancels, sells, buys."""
        out: list[Command] = [Cancel(cid) for cid in self.cancels]
        self.cancels = []
        if self.exit is not None and self.exit.send:
            self.exit.send = False
            if self.oco is not None:
                out.append(Cancel(self.oco))
                self.oco = None
            out.append(self._market() if self.exit.limit is None else self._bracket())
        if self.entry is not None and self.entry.send:
            entry = self.entry
            entry.send, entry.cid = False, self._cid()
            kind, price = (Kind.POST_ONLY, entry.limit) if entry.maker else (Kind.FOK, entry.cap)
            out.append(PlaceOrder(entry.cid, Side.BUY, kind, entry.want, price))
        return out

    def on_event(self, event: Event) -> list[Command]:
        """(a) Book what the venue says and answer at once where the contract demands it."""
        if isinstance(event, Fill):
            return self._on_fill(event)
        if isinstance(event, Refused):
            return self._on_refusal(event)
        if isinstance(event, Ended) and event.how is not Ending.CANCELED:
            return self._on_end(event)
        return []

    def _on_fill(self, fill: Fill) -> list[Command]:
        self.counts[f"fill {fill.kind.name}"] += 1
        if fill.kind is Kind.STOP_LEG:
            self.stopped = True
        self.ledger.book(fill, self.bar_no)
        if fill.side is Side.BUY:
            assert self.entry is not None
            self.entry.want -= fill.quantity
            self._levels_from_fill(fill)
            if fill.kind is Kind.POST_ONLY:
                self.counts["partial maker fill"] += self.entry.want > 0
                if self.entry.want == 0:
                    self.entry = None
                return self._renew_bracket()
        elif fill.kind is Kind.UPPER_LEG and self.ledger.sellable > 0:
            self.counts["partial upper leg"] += 1
            if RuleError.PARTIAL_TARGET_RESTS not in self.errors:
                self._exit_at_market("take_profit")
        return []

    def _levels_from_fill(self, fill: Fill) -> None:
        if RuleError.LEVELS_FROM_FILL in self.errors and self.plan is not None:
            shift = fill.price - self.plan.ref
            self.plan.stop, self.plan.target = self.plan.stop + shift, self.plan.target + shift
            self.plan.ref = fill.price

    def _on_end(self, event: Ended) -> list[Command]:
        entry_ended = self.entry is not None and event.cid == self.entry.cid
        if entry_ended:
            self.entry = None
            self.counts["FOK expired"] += event.how is Ending.EXPIRED
            return self._renew_bracket() if event.how is Ending.FILLED else []
        if self.ledger.open and self.ledger.sellable == 0:
            self._close()
        return []

    def _close(self) -> None:
        reason = "stop_loss" if self.stopped else "take_profit" if self.exit is None else self.exit.reason
        self.ledger.close_if_flat(reason, self.bar_no)
        self.counts[reason] += 1
        self.exit, self.oco, self.stopped = None, None, False
        self._drop_entry()

    def _on_refusal(self, event: Refused) -> list[Command]:
        self.counts[f"refused {event.why.name}"] += 1
        if event.why is Refusal.WOULD_MATCH:
            assert self.entry is not None
            self.entry.cid = None
            return []
        self.oco = None
        if event.why is Refusal.STOP_CROSSES:
            self.stopped = True
        if self.exit is None:
            self._exit_at_market("stop_loss")
        assert self.exit is not None
        self.exit.limit, self.exit.send = None, False
        return [self._market()]

    def _renew_bracket(self) -> list[Command]:
        cancel: list[Command] = [] if self.oco is None else [Cancel(self.oco)]
        return [*cancel, self._bracket()]

    def _bracket(self) -> PlaceOco:
        assert self.plan is not None
        limit = self.plan.target if self.exit is None or self.exit.limit is None else self.exit.limit
        self.oco = self._cid()
        return PlaceOco(self.oco, self.ledger.sellable, limit, self.plan.stop)

    def _market(self) -> PlaceOrder:
        return PlaceOrder(self._cid(), Side.SELL, Kind.MARKET, self.ledger.sellable)

    def _cid(self) -> int:
        self.cids += 1
        return self.cids

    # ---- episode ----------------------------------------------------------------------------------------------

    def on_window(self, bar_no: int) -> None:
        """The next bar opens: what is booked from now on belongs to it."""
        self.bar_no = bar_no

    def finish(self) -> list[Command]:
        """End of the data: drop the entry and sell what is held at the close book."""
        self._drop_entry()
        if self.held:
            self.exit = Exit("end_of_data", None, 0, self.bar_no)
        return self.commands()
