"""The reference's actor trades on the paper exchange over its requests and user stream, bar by bar in lock-step."""

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from huracan.paper import PaperAccount, PaperMarket, RateLimits
from huracan.trading import Instrument
from huracan.trading.costs import make_cost_table
from tests.paper.world import World
from tests.parity.actor import Actor
from tests.parity.convert import START_QUOTE, TIMEFRAME_OF_MS, make_market, make_rules, pays_in_quote
from tests.parity.differential import Case
from tests.parity.ledger import Ledger, ReferenceTrade
from tests.parity.messages import (
    Accepted,
    Cancel,
    Command,
    Ended,
    Ending,
    Event,
    Fill,
    Kind,
    PlaceOco,
    Refusal,
    Refused,
    Side,
)
from tests.parity.session import DIGITS, decide, missing_at_decisions

REFUSALS = {
    "Order would immediately match and take.": Refusal.WOULD_MATCH,
    "The relationship of the prices for the orders is not correct.": Refusal.LIMIT_CROSSES,
    "Stop price would trigger immediately.": Refusal.STOP_CROSSES,
}
ENDINGS = {"FILLED": Ending.FILLED, "EXPIRED": Ending.EXPIRED, "CANCELED": Ending.CANCELED}
NO_LIMITS = RateLimits(weight_1m=10**9, orders_10s=10**9, orders_1d=10**9)


@dataclass(slots=True)
class ExchangeRun:
    """What the actor made of a case on the exchange."""

    trades: list[ReferenceTrade]
    counts: Counter[str]
    quote: Decimal
    base: Decimal
    venue_trades: int
    held: bool


@dataclass(slots=True)
class Wire:
    """Turns the actor's commands into requests and the user stream's reports into its events."""

    world: World
    symbol: str
    kinds: dict[str, Kind] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def submit(self, actor: Actor, command: Command) -> list[Event]:
        """Send one command; return what the venue had to say at once."""
        if isinstance(command, Cancel):
            self._cancel(self.names[command.cid])
            return self.events()
        name = f"h{actor.counts['entry']}-{command.cid}"
        self.names[command.cid] = name
        reply = self._place(name, command)
        events = self.events()
        if reply is not None:
            return [*events, Refused(command.cid, REFUSALS[reply])]
        return events

    def _send(self, method: str, path: str, **params: Any) -> str | None:
        """Send a request; return the message of a refusal."""
        reply = self.world.send(method, path, symbol=self.symbol, **params)
        body = json.loads(reply.body)
        return None if reply.status == 200 else str(body["msg"])

    def _cancel(self, name: str) -> None:
        listed = self.kinds.get(f"{name}a") is Kind.UPPER_LEG
        path, key = ("orderList", "listClientOrderId") if listed else ("order", "origClientOrderId")
        refused = self._send("DELETE", f"/api/v3/{path}", **{key: name})
        assert refused in (None, "Unknown order sent."), refused

    def _place(self, name: str, command: Any) -> str | None:
        if isinstance(command, PlaceOco):
            self.kinds |= {f"{name}a": Kind.UPPER_LEG, f"{name}b": Kind.STOP_LEG}
            self.numbers |= {f"{name}a": command.cid, f"{name}b": command.cid}
            return self._send(
                "POST",
                "/api/v3/orderList/oco",
                side="SELL",
                quantity=f"{command.quantity:f}",
                listClientOrderId=name,
                aboveType="LIMIT_MAKER",
                abovePrice=f"{command.limit:f}",
                aboveClientOrderId=f"{name}a",
                belowType="STOP_LOSS",
                belowStopPrice=f"{command.stop:f}",
                belowClientOrderId=f"{name}b",
            )
        self.kinds[name], self.numbers[name] = command.kind, command.cid
        kind = {Kind.FOK: "LIMIT", Kind.POST_ONLY: "LIMIT_MAKER", Kind.MARKET: "MARKET"}[command.kind]
        return self._send(
            "POST",
            "/api/v3/order",
            side=command.side.value,
            type=kind,
            quantity=f"{command.quantity:f}",
            price=None if command.price is None else f"{command.price:f}",
            timeInForce="FOK" if command.kind is Kind.FOK else None,
            newClientOrderId=name,
        )

    def events(self) -> list[Event]:
        """Return what the user stream has said since the last call."""
        out: list[Event] = []
        for event in self.world.exchange.drain():
            if event.account is not None and event.payload["e"] == "executionReport":
                out += self._report(event.payload)
        return out

    def _report(self, report: dict[str, Any]) -> list[Event]:
        name = report["C"] or report["c"]
        kind, number = self.kinds[name], self.numbers[name]
        if report["x"] == "NEW":
            return [Accepted(number)]
        if report["x"] == "TRADE":
            asset = "quote" if report["N"] == "USDT" else "base"
            price, quantity = Decimal(report["L"]), Decimal(report["l"])
            fill: Event = Fill(number, kind, Side[report["S"]], price, quantity, Decimal(report["n"]), asset)
            return [fill, Ended(number, Ending.FILLED)] if report["X"] == "FILLED" else [fill]
        if kind in (Kind.UPPER_LEG, Kind.STOP_LEG):
            return []  # the pair ends by the leg that fills, or by the actor's own cancel
        return [Ended(number, ENDINGS[report["X"]])]


def paper_market_of(case: Case) -> PaperMarket:
    """Return the case's market for the exchange, its costs scaled as the reference scales them, cut at the end."""
    market, scale = case.market, case.cost_scale
    instrument = Instrument(
        symbol=f"{market.symbol.split('/')[0]}/USDT",
        tick=market.tick,
        step=market.step,
        min_notional=market.min_notional,
        fee_maker_ppm=int(np.rint(case.settings.fee_maker_ppm * scale)),
        fee_taker_ppm=int(np.rint(case.settings.fee_taker_ppm * scale)),
        fee_in_quote=pays_in_quote(market, case.settings),
    )
    costs = make_cost_table(
        instrument.symbol,
        market.day_ms,
        np.rint(market.spread * scale).astype(np.int64),
        market.qcap,
        market.impact * scale,
    )
    bars = np.ascontiguousarray(market.bars[: case.stop])
    return PaperMarket(instrument, TIMEFRAME_OF_MS[market.base_ms], market.base_ms, bars, costs)


def trade_on_exchange(case: Case, seed: int = 1) -> ExchangeRun:
    """Let the actor trade the case on a lock-step exchange and compare its ledger with the exchange's account."""
    listed = paper_market_of(case)
    account = PaperAccount("anna", "the-key", "the-secret", {"USDT": START_QUOTE})
    settings = case.settings
    world = World(
        [listed],
        [account],
        seed,
        start_ms=int(listed.bars[case.start, 0] + 1) * listed.base_ms,
        share_num=settings.share_num,
        share_den=settings.share_den,
        stop_slip_range_frac=settings.stop_slip_range_frac,
        limits=NO_LIMITS,
        streams=(),
    )
    wire = Wire(world, listed.venue_symbol)
    rules = make_rules(case.market, settings, case.cost_scale)
    market = make_market(case.market, case.cost_scale)
    with localcontext(prec=DIGITS):
        actor = Actor(rules.trader, Ledger(rules.trader.step))
        due = missing_at_decisions(market.candles, rules.interval)
        commands: list[Command] = []
        for i in range(case.start, case.stop):
            candle, cost = market.candles[i], market.costs[i]
            if i > case.start:
                actor.on_window(candle.bar_no)
                play_bar(wire, actor, commands)
            actor.on_close(candle, cost)
            if i == case.stop - 1:
                break
            if i in due or case.every_close:
                decide(market, case.script, actor, i, due.get(i))
            commands = actor.commands()
        assert world.exchange.ended
        if case.sold_at_end:
            for command in actor.finish():
                deliver(wire, actor, wire.submit(actor, command))
        free_base, free_quote = world.money(listed.base), world.money("USDT")
        quote, base = sum(free_quote), sum(free_base)
        assert actor.ledger.base == base, "the actor's base is not the exchange's"
        assert START_QUOTE + actor.ledger.quote_flow == quote, "the actor's quote is not the exchange's"
    trades = world.exchange.trades("anna")
    return ExchangeRun(actor.ledger.trades, actor.counts, quote, base, len(trades), actor.held)


def play_bar(wire: Wire, actor: Actor, commands: list[Command]) -> None:
    """Send the commands of the last close into the window, then ack through the bar."""
    for command in commands:
        deliver(wire, actor, wire.submit(actor, command))
    before = wire.world.exchange.now_ms
    wire.world.step()
    deliver(wire, actor, wire.events())
    stage = wire.world.exchange.stage
    if stage is not None and stage.stage == "fills":
        wire.world.step()
        deliver(wire, actor, wire.events())
    assert wire.world.exchange.now_ms > before


def deliver(wire: Wire, actor: Actor, events: list[Event]) -> None:
    """Hand events to the actor and its answers to the exchange until both are silent."""
    queue = list(events)
    while queue:
        for command in actor.on_event(queue.pop(0)):
            queue += wire.submit(actor, command)
