"""One market's run of the reference: venue and actor exchange messages bar by bar, phase by phase."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from tests.parity.actor import Actor, TraderRules
from tests.parity.ledger import Ledger, ReferenceTrade
from tests.parity.messages import BookCost, Candle, Command, Event
from tests.parity.observe import StateRules, position_state
from tests.parity.rule_errors import NO_ERRORS, Errors, RuleError
from tests.parity.script import Decider
from tests.parity.venue import Balance, DecimalVenue, VenueRules

DIGITS = 50


@dataclass(frozen=True, slots=True)
class Market:
    """What the reference is given of one market: exact candles, one row of costs and a sigma per bar."""

    symbol: str
    candles: Sequence[Candle]
    costs: Sequence[BookCost]
    sigma: Sequence[float]


@dataclass(frozen=True, slots=True)
class ReferenceRules:
    """The whole rule book of one run; `interval`: a decision every that many bars of the UTC grid."""

    venue: VenueRules
    trader: TraderRules
    state: StateRules
    interval: int
    start_quote: Decimal


@dataclass(slots=True)
class ReferenceRun:
    """What came out: trades, balances, how often each path was taken, and one entry per close looked at.

    Attributes:
        closes: rows of the closes: the decisions, or all of them in a run that looks at every close.
        due: whether a decision fell there.
        states: `position_state` there.
        equity: marked result there, and once more at the end.
    """

    trades: list[ReferenceTrade]
    closes: list[int] = field(default_factory=list)
    due: list[bool] = field(default_factory=list)
    states: list[NDArray[np.float32]] = field(default_factory=list)
    equity: list[Decimal] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    quote: Decimal = Decimal(0)
    base: Decimal = Decimal(0)
    venue_trades: int = 0
    held: bool = False


def missing_at_decisions(candles: Sequence[Candle], interval: int) -> dict[int, int]:
    """Return the rows at whose close a decision is due, each with the bars missing since the decision before.

    Due is a point of the UTC grid, or the next existing close when its own bar is missing.
    """
    due: dict[int, int] = {}
    missing, before = 0, candles[0].bar_no - 1
    for i, candle in enumerate(candles):
        missing += candle.bar_no - before - 1
        if (candle.bar_no + 1) // interval > (before + 1) // interval:
            due[i], missing = missing, 0
        before = candle.bar_no
    return due


def deliver(venue: DecimalVenue, actor: Actor, events: Iterable[Event]) -> None:
    """Hand events to the actor and its answers to the venue until both are silent."""
    queue = list(events)
    while queue:
        for command in actor.on_event(queue.pop(0)):
            queue += submit(venue, actor, command)


def submit(venue: DecimalVenue, actor: Actor, command: Command) -> list[Event]:
    """Send one command; the venue's least fill is part of the market's rules for this entry."""
    lot = actor.plan.lot if actor.plan is not None else actor.rules.step
    return venue.submit(command, lot)


def play_bar(venue: DecimalVenue, actor: Actor, candle: Candle, cost: BookCost, commands: list[Command]) -> None:
    """Run P0 to P4 of one bar with the commands of the close before it."""
    actor.on_window(candle.bar_no)
    venue.open_window(candle, cost)
    for command in commands:
        deliver(venue, actor, submit(venue, actor, command))
    phases = [venue.match_buys, venue.match_stops, venue.match_sells]
    if RuleError.BUYS_AFTER_STOPS in venue.errors:
        phases = [venue.match_stops, venue.match_buys, venue.match_sells]
    if RuleError.TARGET_BEFORE_STOP in venue.errors:
        phases = [venue.match_buys, venue.match_sells, venue.match_stops]
    for match in phases:
        deliver(venue, actor, match())
    venue.close()


def run_reference(
    market: Market,
    rules: ReferenceRules,
    script: Decider,
    start: int,
    stop: int,
    sold_at_end: bool,
    every_close: bool = False,
    errors: Errors = NO_ERRORS,
) -> ReferenceRun:
    """Trade bars `start` (first decision) to `stop` (exclusive) by the script and return everything observable.

    With `every_close` risk may force an exit at any close, not at decisions only.
    """
    with localcontext(prec=DIGITS):
        venue = DecimalVenue(rules.venue, Balance(rules.start_quote), Balance(Decimal(0)), errors)
        actor = Actor(rules.trader, Ledger(rules.trader.step, errors), errors)
        run = ReferenceRun(actor.ledger.trades)
        due = missing_at_decisions(market.candles, rules.interval)
        commands: list[Command] = []
        for i in range(start, stop):
            candle, cost = market.candles[i], market.costs[i]
            if i > start:
                play_bar(venue, actor, candle, cost, commands)
            actor.on_close(candle, cost)
            if i == stop - 1:
                break
            if i in due or every_close:
                look(market, rules, actor, venue, run, i)
                run.due.append(i in due)
                decide(market, script, actor, i, due.get(i))
            commands = actor.commands()
        if sold_at_end:
            venue.open_final_book()
            for command in actor.finish():
                deliver(venue, actor, submit(venue, actor, command))
            venue.close()
        finish(run, venue, actor, rules, market.candles[stop - 1])
    return run


def look(market: Market, rules: ReferenceRules, actor: Actor, venue: DecimalVenue, run: ReferenceRun, i: int) -> None:
    """Record what the actor sees at the close of row i."""
    candle, cost = market.candles[i], market.costs[i]
    run.closes.append(i)
    run.states.append(position_state(actor, candle, cost, market.sigma[i], rules.state))
    run.equity.append(venue.quote.total - rules.start_quote + venue.base.total * candle.close)


def decide(market: Market, script: Decider, actor: Actor, i: int, missing: int | None) -> None:
    """Ask the script and tell the actor; bars `missing` before a decision forbid entries, None: no decision is due."""
    candle = market.candles[i]
    action, forced = script.act(candle.bar_no, actor.busy)
    if missing is None:
        if forced:
            actor.decide(0, forced, candle, market.costs[i], market.sigma[i], False)
        return
    may_enter = missing == 0 and not script.denies(candle.bar_no)
    actor.decide(action, forced, candle, market.costs[i], market.sigma[i], may_enter)


def finish(run: ReferenceRun, venue: DecimalVenue, actor: Actor, rules: ReferenceRules, last: Candle) -> None:
    """Compare the actor's ledger with the venue's account, which it never saw, and copy the outcome."""
    if not actor.errors:
        assert actor.ledger.base == venue.base.total, "the actor's base is not the venue's"
        assert rules.start_quote + actor.ledger.quote_flow == venue.quote.total, "the actor's quote is not the venue's"
    run.counts = actor.counts
    run.equity.append(venue.quote.total - rules.start_quote + venue.base.total * last.close)
    run.quote, run.base = venue.quote.total, venue.base.total
    run.venue_trades, run.held = venue.trades, actor.held
