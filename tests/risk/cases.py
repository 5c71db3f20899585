"""A healthy account, one order for each way of being wrong, and the rules of the gate taken out one at a time."""

import ast
import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal as D
from types import ModuleType
from typing import Any

from huracan.risk import gate, limits, shape
from huracan.risk.live import (
    Author,
    CoinView,
    DenialCode,
    Entry,
    GateLimits,
    HaltPolicy,
    LockBook,
    OrderIntent,
    OrderRate,
    PairLock,
    Reservation,
    ReservationBook,
    Restriction,
    RestrictionKind,
    Restrictions,
    RiskLimits,
    RiskView,
    StateRow,
    TradingState,
)
from huracan.venue.orders import MarketFilters, Side
from tests.risk.groups import LAYOUT, paused, state_in

NOW = 1_750_000_020_000
MONEY = RiskLimits(
    symbol_notional_max=5_000.0,
    daily_loss_max=500.0,
    heat_max_frac=0.15,
    gross_exposure_max_frac=1.0,
    drawdown_max_frac=0.2,
    max_open_trades=3,
    daily_profit_target=900.0,
)
LIMITS = GateLimits(
    money=MONEY,
    price_age_max_ms=60_000,
    feed_age_max_s=180.0,
    clock_skew_max_ms=500.0,
    max_orders_in_flight=5,
    unwatched_max_s=30.0,
    confidence_min=0.3,
)
PERSON = Author("ann", person=True)
FILTERS = MarketFilters(
    symbol="A/USDT",
    market_id="AUSDT",
    base="A",
    quote="USDT",
    status="TRADING",
    tick=D("0.01"),
    step=D("0.001"),
    price_min=D("0.01"),
    price_max=D(1_000_000),
    quantity_min=D("0.001"),
    quantity_max=D(9_000),
    market_quantity_max=D(10),
    notional_min=D(5),
    order_types=("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS"),
    oco_allowed=True,
)
COIN = CoinView(filters=FILTERS, price=D(100), price_ms=NOW, fee_frac=D("0.001"), position=D(0), stop=None, booked=True)
HELD = replace(
    COIN, filters=replace(FILTERS, symbol="B/USDT"), price=D(200), position=D(10), stop=D(190)
)  # 2,000 at market, 100 at risk
ACTIVE = StateRow(TradingState.ACTIVE, None, "ann", "start", NOW)
VIEW = RiskView(
    now_ms=NOW,
    rate_ms=NOW,
    state=ACTIVE,
    equity=D(10_000),
    equity_peak=D(10_500),
    day_pnl=D(-100),
    cash=D(8_000),
    coins={"A/USDT": COIN, "B/USDT": HELD},
    locks=LockBook(),
    restrictions=Restrictions(),
    reservations=ReservationBook(),
    rate=OrderRate(limit=4, window_ms=10_000),
    in_flight=0,
    feed_age_s=1.0,
    skew_ms=-20.0,
    throttled_s=0.0,
    unwatched_s=5.0,
)
DECIDED = Entry("A/USDT", 2, "v1", 0.7, b"")
BUY = OrderIntent("i1", "A/USDT", Side.BUY, D(10), D(101), D(95), entry=DECIDED)
SELL = OrderIntent("i2", "B/USDT", Side.SELL, D(10), None)


def reservation(key: str = "r1", symbol: str = "B/USDT", side: Side = Side.BUY, **changes: Any) -> Reservation:
    """Return a reservation of one coin at 200, stop 190."""
    price = D(200) if side is Side.BUY else D(0)
    return replace(Reservation(key, symbol, side, D(1), price, D(190), D("0.001"), NOW), **changes)


def with_coin(view: RiskView, symbol: str = "A/USDT", **changes: Any) -> RiskView:
    """Return the view with one coin changed."""
    return replace(view, coins={**view.coins, symbol: replace(view.coins[symbol], **changes)})


def with_filters(view: RiskView, **changes: Any) -> RiskView:
    """Return the view with the demands of A's market changed."""
    return with_coin(view, filters=replace(FILTERS, **changes))


def restricted(kind: str, subject: str, value: float | None = None) -> RiskView:
    """Return the healthy account under one restriction."""
    row = Restriction(7, RestrictionKind(kind), subject, value, None, "care")
    return replace(VIEW, restrictions=Restrictions((row,)))


@dataclass(frozen=True)
class Case:
    """An order that must be denied with `code`."""

    name: str
    code: DenialCode
    view: RiskView
    intent: OrderIntent


def _rules() -> Iterator[Case]:
    """Yield at least one case a code, each broken by exactly one figure."""

    def case(name: str, code: str, view: RiskView = VIEW, intent: OrderIntent = BUY) -> Case:
        return Case(name, DenialCode(code), view, intent)

    yield case("a market of nobody", "SYMBOL_UNKNOWN", intent=replace(BUY, symbol="Z/USDT"))
    yield case("a sale in a market of nobody", "SYMBOL_UNKNOWN", intent=replace(SELL, symbol="Z/USDT"))
    yield case("no worst price", "PRICE_INVALID", intent=replace(BUY, price=None))
    for bad in (D("NaN"), D("Infinity"), D(0), D(-1), D("1E+300"), D("1E-300"), math.nan, 101.0, "101", True):
        yield case(f"price {bad!r}", "PRICE_INVALID", intent=replace(BUY, price=bad))
        yield case(f"stop {bad!r}", "PRICE_INVALID", intent=replace(BUY, stop=bad))
        yield case(f"quantity {bad!r}", "QUANTITY_INVALID", intent=replace(BUY, quantity=bad))
        yield case(f"sold quantity {bad!r}", "QUANTITY_INVALID", intent=replace(SELL, quantity=bad))
        yield case(f"sell price {bad!r}", "PRICE_INVALID", intent=replace(SELL, price=bad))
    yield case("quantity None", "QUANTITY_INVALID", intent=replace(BUY, quantity=None))
    yield case("stop at the price", "PRICE_INVALID", intent=replace(BUY, stop=D(101)))
    yield case("price between ticks", "PRICE_PRECISION", intent=replace(BUY, price=D("101.005")))
    yield case("nine decimals of price", "PRICE_PRECISION", intent=replace(BUY, price=D("101.000000001")))
    yield case("stop between ticks", "PRICE_PRECISION", intent=replace(BUY, stop=D("95.001")))
    yield case("quantity between steps", "QUANTITY_PRECISION", intent=replace(BUY, quantity=D("1.0005")))
    yield case("nine decimals of quantity", "QUANTITY_PRECISION", intent=replace(BUY, quantity=D("1.000000001")))
    yield case("sold between steps", "QUANTITY_PRECISION", intent=replace(SELL, quantity=D("1.0005")))
    yield case("price above the bounds", "PRICE_RANGE", with_filters(VIEW, price_max=D(100)))
    yield case("price below the bounds", "PRICE_RANGE", with_filters(VIEW, price_min=D(102)))
    yield case("quantity below the bounds", "QUANTITY_RANGE", with_filters(VIEW, quantity_min=D(11)))
    yield case("quantity above the bounds", "QUANTITY_RANGE", with_filters(VIEW, quantity_max=D(9)))
    large = with_coin(VIEW, "B/USDT", position=D(11))
    yield case("a market order above its bound", "QUANTITY_RANGE", large, replace(SELL, quantity=D(11)))
    yield case("too small to be taken", "MIN_NOTIONAL", intent=replace(BUY, quantity=D("0.049")))
    twice = replace(VIEW, reservations=ReservationBook((reservation("i1", "A/USDT"),)))
    yield case("an intent judged twice", "DUPLICATE", twice)
    sold = replace(VIEW, reservations=ReservationBook((reservation("i2", side=Side.SELL),)))
    yield case("a sale judged twice", "DUPLICATE", sold, replace(SELL, quantity=D(1)))
    yield case("more than is held", "OVERSOLD", intent=replace(SELL, quantity=D("10.001"), price=D(210)))
    yield case("nothing is held", "OVERSOLD", intent=replace(SELL, symbol="A/USDT"))
    selling = replace(VIEW, reservations=ReservationBook((reservation("oco", side=Side.SELL),)))
    yield case("held, but being sold already", "OVERSOLD", selling, SELL)
    for policy in HaltPolicy:
        halted = StateRow(TradingState.HALTED, policy, "ann", "fire", NOW)
        yield case(f"a buy under a halt, {policy}", "HALTED", replace(VIEW, state=halted))
    hold = StateRow(TradingState.HALTED, HaltPolicy.HOLD, "ann", "fire", NOW)
    yield case("a sale under a halt that holds", "HALTED", replace(VIEW, state=hold), SELL)
    yield case("a halt whose policy was lost", "HALTED", replace(VIEW, state=replace(hold, policy=None)), SELL)
    reducing = StateRow(TradingState.REDUCING, None, "ann", "care", NOW)
    yield case("a buy while reducing", "REDUCING", replace(VIEW, state=reducing))
    yield case(
        "more of what is held while reducing", "REDUCING", with_coin(replace(VIEW, state=reducing), position=D(1))
    )
    for symbol in ("*", "A/USDT"):
        lock = PairLock(symbol, NOW - 1, NOW + 1, "CooldownPeriod", "just sold")
        yield case(f"a lock of {symbol}", "LOCKED", replace(VIEW, locks=LockBook((lock,))))
    for symbol in ("*", "A/USDT"):
        yield case(f"a pause of {symbol}", "COIN_PAUSED", restricted("pause_coin", symbol))
    one = Restriction(8, RestrictionKind.PAUSE_PATTERN, "3/1", None, None, "care", paused(1))
    known = replace(VIEW, restrictions=Restrictions((one,), {"A/USDT": LAYOUT}))
    yield case("a paused pattern", "PATTERN_PAUSED", known, replace(BUY, entry=replace(DECIDED, state=state_in(1))))
    yield case("a raised threshold", "LOW_CONFIDENCE", restricted("raise_confidence", "", 0.71))
    yield case("a raised threshold of the version", "LOW_CONFIDENCE", restricted("raise_confidence", "v1", 0.71))
    yield case("a threshold that is not known", "LOW_CONFIDENCE", restricted("raise_confidence", "", None))
    yield case("an unsure decision", "LOW_CONFIDENCE", intent=replace(BUY, entry=replace(DECIDED, confidence=0.29)))
    yield case(
        "an unknown confidence", "LOW_CONFIDENCE", intent=replace(BUY, entry=replace(DECIDED, confidence=math.nan))
    )
    yield case("a buy that nobody decided", "LOW_CONFIDENCE", intent=replace(BUY, entry=None))
    yield case("a reduced size", "SIZE_REDUCED", restricted("reduce_size", "", 0.5))
    for status in ("HALT", "BREAK", "", None):
        yield case(f"market status {status!r}", "MARKET_CLOSED", with_filters(VIEW, status=status))
    yield case("an old candle", "STALE_DATA", with_coin(VIEW, price_ms=NOW - 60_001))
    yield case("a silent feed", "STALE_DATA", replace(VIEW, feed_age_s=180.1))
    yield case("the venue's clock ahead", "CLOCK_SKEW", replace(VIEW, skew_ms=500.0))
    yield case("the venue's clock behind", "CLOCK_SKEW", replace(VIEW, skew_ms=-30_000.0))
    yield case("the venue wants silence", "THROTTLED", replace(VIEW, throttled_s=0.1))
    yield case("nobody watches", "NO_MONITOR", replace(VIEW, unwatched_s=30.1))
    yield case("the day is lost", "DAILY_LOSS", replace(VIEW, day_pnl=D(-500)))
    yield case("the day is won", "DAILY_PROFIT", replace(VIEW, day_pnl=D(900)))
    yield case("far below the peak", "DRAWDOWN", replace(VIEW, equity_peak=D(12_500)))
    three = ReservationBook((reservation("x", "C/USDT"), reservation("y", "D/USDT")))
    coins = {**VIEW.coins, "C/USDT": COIN, "D/USDT": COIN}
    yield case("three trades are open or reserved", "OPEN_TRADES", replace(VIEW, coins=coins, reservations=three))
    yield case("the coin's notional", "SYMBOL_NOTIONAL", with_coin(VIEW, position=D(40), stop=D(99)))
    tight = with_coin(VIEW, "B/USDT", position=D(45), stop=D(199))
    yield case("all notionals", "GROSS_EXPOSURE", tight)
    yield case("all stops", "HEAT", with_coin(VIEW, "B/USDT", stop=D(50)))
    yield case("all stops, one of them missing", "HEAT", with_coin(VIEW, "B/USDT", stop=None))
    yield case("an entry without a stop", "HEAT", with_coin(VIEW, "B/USDT", stop=D(140)), replace(BUY, stop=None))
    yield case("no cash", "BALANCE", replace(VIEW, cash=D(1_011)))
    spent = replace(VIEW, cash=D("1211.20"), reservations=ReservationBook((reservation(at_ms=NOW - 60_000),)))
    yield case("cash that a working order may need", "BALANCE", spent)
    assert VIEW.rate is not None
    fast = replace(VIEW.rate, sent_ms=(NOW - 9_999, NOW - 9_999, NOW, NOW))
    yield case("too many orders in the window", "ORDER_RATE", replace(VIEW, rate=fast))
    yield case("too many orders without an answer", "ORDERS_IN_FLIGHT", replace(VIEW, in_flight=5))


def _unknown() -> Iterator[Case]:
    """Yield the healthy account with one figure taken away at a time: every field of every part, every kind of bad."""
    unknown = DenialCode.STATE_UNKNOWN
    for field in fields(RiskView):
        if field.name == "coins":
            continue
        kinds = (
            [None]
            if field.name in ("state", "locks", "rate", "reservations", "restrictions")
            else [None, math.nan, math.inf, "1"]
        )
        if field.name in ("equity", "equity_peak", "day_pnl", "cash"):
            kinds += [D("NaN"), D("sNaN"), D("-Infinity"), D("1E+99"), 10_000.0]
        for bad in kinds:
            yield Case(f"{field.name} {bad!r}", unknown, replace(VIEW, **{field.name: bad}), BUY)
    for name in ("in_flight", "throttled_s", "feed_age_s", "unwatched_s"):
        yield Case(f"{name} below zero", unknown, replace(VIEW, **{name: -1}), BUY)
    yield Case("equity of zero", unknown, replace(VIEW, equity=D(0)), BUY)
    yield Case("a peak below equity", unknown, replace(VIEW, equity_peak=D(9_999)), BUY)
    numbers = [None, D("NaN"), D("Infinity"), D("1E+99"), math.nan, 1.0]
    for symbol in ("A/USDT", "B/USDT"):
        for name, kinds in {
            "price": [*numbers, D(0), D(-1)],
            "fee_frac": [*numbers, D(-1), D(1)],
            "position": [*numbers, D(-1)],
            "stop": [*numbers[1:], D(-1)],
            "booked": [False, None] if symbol == "A/USDT" else [],
        }.items():
            for bad in kinds:
                yield Case(f"{name} {bad!r} of {symbol}", unknown, with_coin(VIEW, symbol, **{name: bad}), BUY)
    for bad in (None, math.nan, "now"):
        yield Case(f"price_ms {bad!r}", unknown, with_coin(VIEW, price_ms=bad), BUY)
    for name in ("tick", "step", "price_min", "price_max", "quantity_min", "quantity_max", "notional_min"):
        yield Case(f"filter {name} NaN", unknown, with_filters(VIEW, **{name: D("NaN")}), BUY)
    for name in ("tick", "step"):
        yield Case(f"filter {name} of zero", unknown, with_filters(VIEW, **{name: D(0)}), BUY)
    yield Case("filter market_quantity_max NaN", unknown, with_filters(VIEW, market_quantity_max=D("NaN")), BUY)
    for name in ("quantity", "filled", "price", "fee_frac"):
        rows = (replace(reservation(), **{name: D("NaN")}),)
        yield Case(f"reservation with {name} NaN", unknown, replace(VIEW, reservations=ReservationBook(rows)), BUY)
    lost = replace(VIEW, reservations=ReservationBook((reservation("r", "Z/USDT"),)))
    yield Case("a reservation in a market of nobody", unknown, lost, BUY)
    bought = replace(VIEW, reservations=ReservationBook((reservation("r", "B/USDT"),)))
    unpriced = with_coin(bought, "B/USDT", position=D(0), price=None)
    yield Case("a coin being bought without a price", unknown, unpriced, BUY)
    for bad in (None, D("NaN"), 10.0):
        yield Case(f"sale of position {bad!r}", unknown, with_coin(VIEW, "B/USDT", position=bad), SELL)
    yield Case("sale in an unknown state", unknown, replace(VIEW, state=None), SELL)
    yield Case("sale with unknown reservations", unknown, replace(VIEW, reservations=None), SELL)


CASES = {case.name: case for case in (*_rules(), *_unknown())}


class _Removal(ast.NodeTransformer):
    """Make the n-th denial of a module pass: `Denied(...)` becomes None, a limit's `allowed` becomes True."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen: list[str] = []

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Name) or node.func.id not in ("Denied", "_not_known"):
            return node
        if node.func.id == "Denied" and ast.unparse(node.args[0]) == "code":
            return node  # check_entry's own return of whatever rule was broken
        return self._site(node, ast.Constant(None))

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        self.generic_visit(node)
        if len(node.elts) == 4 and ast.unparse(node.elts[0]).startswith("DenialCode."):
            return self._site(node, ast.Tuple([*node.elts[:3], ast.Constant(True)], ast.Load()))
        return node

    def _site(self, node: ast.AST, instead: ast.AST) -> ast.AST:
        self.seen.append(f"{ast.unparse(node)[:60]} (line {getattr(node, 'lineno', 0)})")
        return instead if len(self.seen) - 1 == self.number else node


def _mutated(module: ModuleType, number: int) -> tuple[dict[str, Any], list[str]]:
    removal = _Removal(number)
    tree = ast.fix_missing_locations(removal.visit(ast.parse(inspect.getsource(module))))
    names: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(tree, f"mutant of {module.__name__}", "exec"), names)  # noqa: S102
    return names, removal.seen


def _denials(module: ModuleType) -> list[str]:
    return _mutated(module, -1)[1]


MODULES = {"gate": gate, "shape": shape, "limits": limits}
SITES = [(name, number, site) for name, module in MODULES.items() for number, site in enumerate(_denials(module))]


def mutant(name: str, number: int) -> Any:
    """Return a gate of the healthy limits whose denial `number` of module `name` was taken out."""
    changed = _mutated(MODULES[name], number)[0]
    if name == "gate":
        return changed["RiskGate"](LIMITS)
    names = _mutated(gate, -1)[0]
    function = "check_shape" if name == "shape" else "check_entry"
    names[function] = changed[function]
    return names["RiskGate"](LIMITS)
