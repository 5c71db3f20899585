"""What a trader asks for, read from the parameters of a request and held against the market's filters."""

from dataclasses import dataclass
from decimal import Decimal

from huracan.paper.core import Core
from huracan.paper.errors import Refusal, malformed, missing, rejected
from huracan.paper.filters import Filters, decimals_of
from huracan.paper.market import PaperMarket
from huracan.paper.params import Params
from huracan.paper.state import AccountState, OrderType, Side, Tif

__all__ = ["OcoTicket", "Ticket", "average_price", "check_counts", "read_oco", "read_ticket"]

_STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
_UNSUPPORTED = {
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}
_FIELDS = {
    OrderType.LIMIT: ("price", "quantity", "timeInForce"),
    OrderType.LIMIT_MAKER: ("price", "quantity"),
    OrderType.MARKET: (),
    OrderType.STOP_LOSS: ("quantity", "stopPrice"),
    OrderType.STOP_LOSS_LIMIT: ("price", "quantity", "stopPrice", "timeInForce"),
}
STOPS = (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One new order: quantity in steps (0 with `quote_limit`), prices in ticks (0: none)."""

    symbol: str
    side: Side
    type: OrderType
    tif: Tif
    quantity: int
    limit: int
    stop: int
    quote_limit: Decimal
    cid: str | None
    stp: str
    reply: str


@dataclass(frozen=True, slots=True)
class OcoTicket:
    """One new sell list: the limit above, the stop below."""

    symbol: str
    list_cid: str | None
    above: Ticket
    below: Ticket


def average_price(core: Core, symbol: str) -> Decimal:
    """Return the volume-weighted price of the last five minutes, at least of one bar; without volume the last close."""
    market, state = core.markets[symbol], core.state.markets[symbol]
    bars_back = max(1, 5 * 60_000 // market.base_ms)
    rows = market.bars[max(0, state.row - bars_back) : state.row].tolist()
    volume = sum(row[5] for row in rows)
    if not volume:
        return core.last_close(symbol) * market.instrument.tick
    value = sum(row[5] * (row[2] + row[3] + 2 * row[4]) for row in rows)
    return Decimal(value) / (4 * volume) * market.instrument.tick


def _choice(params: Params, name: str, code: int, message: str, legal: tuple[str, ...]) -> str:
    value = params.text(name)
    if value not in legal:
        raise Refusal(code, message)
    return value


def _price(params: Params, name: str, market: PaperMarket, filters: Filters, wanted: bool) -> int:
    value = params.decimal(name, decimals_of(market.instrument.tick))
    if value is None:
        if wanted:
            raise missing(name)
        return 0
    if not wanted:
        raise Refusal(-1106, f"Parameter '{name}' sent when not required.")
    return filters.price(value)


def _kind(params: Params, name: str) -> OrderType:
    value = params.text(name)
    if value in _UNSUPPORTED:
        raise rejected(_UNSUPPORTED[value])
    if value not in tuple(OrderType):
        raise Refusal(-1116, "Invalid orderType.")
    return OrderType(value)


def _stp(params: Params, core: Core) -> str:
    value = params.get("selfTradePreventionMode") or core.settings.stp_mode
    if value not in _STP_MODES:
        raise malformed("selfTradePreventionMode")
    return value


def read_ticket(core: Core, params: Params) -> Ticket:
    """Return the order of a POST order.

    Raises:
        Refusal: a parameter is missing, unreadable, superfluous, or fails a filter.
    """
    symbol = params.text("symbol")
    market, filters = core.market(symbol), core.filters.get(symbol)
    assert filters is not None
    side = Side(_choice(params, "side", -1117, "Invalid side.", tuple(Side)))
    kind = _kind(params, "type")
    fields = _FIELDS[kind]
    tif = Tif.GTC
    if "timeInForce" in fields:
        tif = Tif(_choice(params, "timeInForce", -1115, "Invalid timeInForce.", tuple(Tif)))
    elif "timeInForce" in params:
        raise Refusal(-1106, "Parameter 'timeInForce' sent when not required.")
    limit = _price(params, "price", market, filters, "price" in fields)
    stop = _price(params, "stopPrice", market, filters, "stopPrice" in fields)
    quantity, quote_limit = _sizes(params, market, filters, kind)
    if kind in STOPS and side is Side.BUY:
        raise rejected("Stop loss orders are not supported for this symbol.")
    _check_value(core, symbol, side, quantity, limit or stop, quote_limit, limit > 0)
    return Ticket(
        symbol=symbol,
        side=side,
        type=kind,
        tif=tif,
        quantity=quantity,
        limit=limit,
        stop=stop,
        quote_limit=quote_limit,
        cid=params.client_id("newClientOrderId"),
        stp=_stp(params, core),
        reply=_reply_kind(params, kind),
    )


def _reply_kind(params: Params, kind: OrderType) -> str:
    value = params.get("newOrderRespType")
    if value is None:
        return "FULL" if kind in (OrderType.MARKET, OrderType.LIMIT) else "ACK"
    if value not in ("ACK", "RESULT", "FULL"):
        raise malformed("newOrderRespType")
    return value


def _sizes(params: Params, market: PaperMarket, filters: Filters, kind: OrderType) -> tuple[int, Decimal]:
    """Return (steps, quoteOrderQty), one of them 0."""
    quantity = params.decimal("quantity", decimals_of(market.instrument.step))
    quote = params.decimal("quoteOrderQty")
    if quantity is None and quote is None and kind is OrderType.MARKET:
        raise Refusal(-1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!")
    if quantity is None and kind is not OrderType.MARKET:
        raise missing("quantity")
    if quote is not None and (kind is not OrderType.MARKET or quantity is not None):
        raise Refusal(-1106, "Parameter 'quoteOrderQty' sent when not required.")
    if quantity is None:
        assert quote is not None
        return 0, quote
    return filters.quantity(quantity, market_order=kind is OrderType.MARKET), Decimal(0)


def _check_value(
    core: Core, symbol: str, side: Side, quantity: int, price: int, quote_limit: Decimal, is_limit: bool
) -> None:
    market, filters = core.markets[symbol], core.filters[symbol]
    average = average_price(core, symbol)
    value = price * market.instrument.tick if price else average
    coins = quantity * market.instrument.step
    if quote_limit:
        filters.notional(quote_limit, Decimal(1))
        coins = quote_limit / average
    else:
        filters.notional(value, coins)
    if is_limit:
        filters.percent_price(value, average)
    if side is Side.BUY and filters.position_max is not None:
        filters.position(coins)


def check_counts(core: Core, state: AccountState, ticket: Ticket, orders: int = 1) -> None:
    """Refuse a ticket by the filters that look at what the account already has in the market."""
    symbol, filters = ticket.symbol, core.filters[ticket.symbol]
    open_here = [state.orders[key] for key in state.open_orders if state.orders[key].symbol == symbol]
    stops = sum(order.type in STOPS for order in open_here) + (ticket.type in STOPS)
    filters.counts(len(open_here) + orders, stops)
    if ticket.side is Side.BUY and filters.position_max is not None:
        market = core.markets[symbol]
        money = state.money.get(market.base)
        held = Decimal(0) if money is None else money.free + money.locked
        buying = sum(order.rest for order in open_here if order.side is Side.BUY) + ticket.quantity
        filters.position(held + buying * market.instrument.step)


def read_oco(core: Core, params: Params) -> OcoTicket:
    """Return the list of a POST orderList/oco: SELL, LIMIT_MAKER above, STOP_LOSS or STOP_LOSS_LIMIT below.

    Raises:
        Refusal: a parameter is missing, unreadable, unsupported, or fails a filter.
    """
    symbol = params.text("symbol")
    core.market(symbol)
    side = Side(_choice(params, "side", -1117, "Invalid side.", tuple(Side)))
    if side is Side.BUY:
        raise rejected("OCO orders are not supported for this symbol")
    above_type, below_type = _kind(params, "aboveType"), _kind(params, "belowType")
    if above_type in STOPS:
        raise Refusal(-1197, "A stop loss order in a sell OCO must be below.")
    if below_type is OrderType.LIMIT_MAKER:
        raise Refusal(-1166, "A limit order in a sell OCO must be above.")
    if above_type is not OrderType.LIMIT_MAKER or below_type not in STOPS:
        raise Refusal(-1158, "Order type not supported in OCO.")
    common = {"symbol": symbol, "side": side.value, "quantity": params.text("quantity"), "newOrderRespType": "RESULT"}
    above = {**common, "type": above_type.value, **_leg(params, "above", ("Price", "ClientOrderId"))}
    names = ("Price", "StopPrice", "ClientOrderId", "TimeInForce")
    below = {**common, "type": below_type.value, **_leg(params, "below", names)}
    ticket = OcoTicket(
        symbol=symbol,
        list_cid=params.client_id("listClientOrderId"),
        above=read_ticket(core, Params(above)),
        below=read_ticket(core, Params(below)),
    )
    cids = [cid for cid in (ticket.above.cid, ticket.below.cid) if cid is not None]
    if len(set(cids)) < len(cids):
        raise rejected("Duplicate order sent.")
    if ticket.below.stop >= ticket.above.limit:
        raise rejected("The relationship of the prices for the orders is not correct.")
    return ticket


def _leg(params: Params, prefix: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return one leg's parameters under the names of a single order."""
    renamed = {"ClientOrderId": "newClientOrderId", "StopPrice": "stopPrice", "TimeInForce": "timeInForce"}
    return {
        renamed.get(name, name[0].lower() + name[1:]): params.text(prefix + name)
        for name in names
        if prefix + name in params
    }
