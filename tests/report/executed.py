"""Two small replays written by hand, with figures that can be worked out on paper.

Prices are in USDT, a coin is about 100. Three entries are decided, at the closes of bars 0, 4 and 8:

| entry | wanted at | maker-first | taker-only |
|---|---|---|---|
| A | 2 at 100.00 | 1 at 99.99 in bar 1, rest pegged anew: 1 at 100.09 in bar 3 | 2 at 100.05 in bar 1 |
| B | 1 at 100.50 | refused, pegged anew, no fill, then takes 1 at 100.80 in bar 7 | 1 at 100.65 in bar 5 |
| C | 1 at 101.00 | no fill, given up | 1 at 101.05 in bar 9 |

A maker-first entry is over after 5 bars. Every fee is 10 bp: of the coins bought, of the money for 2 coins sold at
101.00 in bar 10.
"""

from dataclasses import replace
from decimal import Decimal

import numpy as np

from huracan.config import TradingSettings
from huracan.execution.model import Draft, EventLog, Fill, Order, OrderEvent, Status, Trigger
from huracan.report.execution import Statistics, measure_execution
from huracan.report.execution_model import ExecutionReport
from huracan.trader.replay import EntryWish, Leg, ReplayData, ReplayMarket
from huracan.trading import resolve_settings
from huracan.venue.orders import OrderKind, Side
from tests.execution.samples import closed_trades
from tests.paper.world import BASE_MS, START_MS, market

SYMBOL = "AAA/USDT"
OPENS = (10_000, 10_002, 9_995, 10_010, 10_030, 10_060, 10_050, 10_070, 10_090, 10_102, 10_100, 10_100, 10_100, 10_100)
CLOSES = (10_000, 9_995, 10_010, 10_030, 10_050, 10_060, 10_070, 10_090, 10_100, 10_000, 10_100, 10_100, 10_100, 10_150)
STATISTICS = Statistics(resamples=200, level=0.95, seed=1)


def close_ms(bar: int) -> int:
    """Return when a bar closes."""
    return START_MS + (bar + 1) * BASE_MS


def replay_data() -> ReplayData:
    """Return the market, 14 minutes of it."""
    bars = [
        (first, max(first, last) + 15, min(first, last) - 15, last, 1_000_000)
        for first, last in zip(OPENS, CLOSES, strict=True)
    ]
    paper = market(bars)
    kernel = resolve_settings(TradingSettings(decision_interval_bars=1, maker_life_bars=2, maker_tries=2), "1m")
    listed = ReplayMarket(paper, np.full(len(bars), 1e-4))
    return ReplayData((listed,), kernel, close_ms(0), close_ms(len(bars) - 1))


class _Ledger:
    """Collects orders with their ends and fills."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.events: list[OrderEvent] = []
        self.fills: list[Fill] = []

    def order(
        self,
        wish: str,
        kind: OrderKind,
        sent: int,
        ended: int,
        status: Status,
        price: str | None = None,
        filled: tuple[str, str] | None = None,
        side: Side = Side.BUY,
        reason: str = "",
    ) -> None:
        """Add an order sent at the close of one bar and ended in another, there filled (coins, price) or not."""
        cid = f"{wish}-{len(self.orders)}"
        draft = Draft(
            cid, wish, SYMBOL, side, kind, Decimal(2), None if price is None else Decimal(price), None, None,
            close_ms(sent),
        )  # fmt: skip
        coins, paid = (Decimal(0), Decimal(0)) if filled is None else map(Decimal, filled)
        venue_id = None if status is Status.REJECTED else "7"
        at_ms = START_MS + ended * BASE_MS + 100
        self.orders.append(Order(draft, status, venue_id=venue_id, filled=coins, reason=reason))
        self.events.append(OrderEvent(cid, 1, Trigger.SUBMIT, status, at_ms))
        if filled is not None:
            buying = side is Side.BUY
            fee = coins / 1_000 if buying else coins * paid / 1_000
            number = str(len(self.fills) + 1)
            maker = kind is OrderKind.POST_ONLY
            asset = "AAA" if buying else "USDT"
            self.fills.append(Fill(SYMBOL, number, cid, side, coins, paid, fee, asset, maker, at_ms))

    def sale(self) -> None:
        """Sell two coins at 101.00 in bar 10."""
        self.order("s", OrderKind.MARKET, 9, 10, Status.FILLED, None, ("2", "101.00"), Side.SELL)

    def leg(self, maker: bool, trades: int = 2, **changes: object) -> Leg:
        """Return the leg."""
        log = EventLog(tuple(self.orders), tuple(self.events), tuple(self.fills), (), (), {}, {}, {})
        wishes = tuple(
            EntryWish(name, SYMBOL, close_ms(bar), Decimal(coins))
            for name, bar, coins in (("a", 0, 2), ("b", 4, 1), ("c", 8, 1))
        )
        rows = replace(closed_trades("replay", trades), symbol=np.full(trades, SYMBOL))
        kernel = replace(replay_data().kernel, maker_entry=maker)
        return replace(Leg(kernel, wishes, log, rows, 1, 30, 0.5), **changes)  # type: ignore[arg-type]


def maker_leg() -> Leg:
    """Return the maker-first leg."""
    ledger = _Ledger()
    rest, take = OrderKind.POST_ONLY, OrderKind.FOK
    ledger.order("a", rest, 0, 1, Status.CANCELED, "99.99", ("1", "99.99"))
    ledger.order("a", rest, 2, 3, Status.FILLED, "100.09", ("1", "100.09"))
    ledger.order("b", rest, 4, 5, Status.REJECTED, "100.49", reason="WOULD_MATCH: Order would immediately match")
    ledger.order("b", rest, 5, 6, Status.CANCELED, "100.59")
    ledger.order("b", take, 6, 7, Status.FILLED, "100.90", ("1", "100.80"))
    ledger.order("c", rest, 8, 9, Status.CANCELED, "99.00")
    ledger.sale()
    return ledger.leg(maker=True)


def taker_leg() -> Leg:
    """Return the taker-only leg."""
    ledger = _Ledger()
    for name, sent, coins, price in (("a", 0, "2", "100.05"), ("b", 4, "1", "100.65"), ("c", 8, "1", "101.05")):
        ledger.order(name, OrderKind.FOK, sent, sent + 1, Status.FILLED, "102", (coins, price))
    ledger.sale()
    return ledger.leg(maker=False)


def idle_leg(maker: bool) -> Leg:
    """Return a leg in which nothing was wanted."""
    return _Ledger().leg(maker, trades=0, entries=(), open_at_end=0)


def sample_execution() -> ExecutionReport:
    """Return the report of both legs."""
    return measure_execution(replay_data(), maker_leg(), taker_leg(), STATISTICS, "<candles>", "three by hand")


def idle_execution() -> ExecutionReport:
    """Return the report of a day on which nothing was wanted."""
    return measure_execution(replay_data(), idle_leg(True), idle_leg(False), STATISTICS, "candles", "none")
