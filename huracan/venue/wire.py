"""Between the venue's JSON and our types: numbers to exact text and back, every reply checked before it counts."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from huracan.venue.orders import (
    Accepted,
    Balance,
    BalanceUpdate,
    ListStatus,
    OcoRequest,
    OrderKind,
    OrderRequest,
    Side,
    UserEvent,
    VenueList,
    VenueOrder,
    VenueStatus,
    VenueTrade,
)

__all__ = [
    "MALFORMED",
    "cancel_reply",
    "decimal_text",
    "market_id",
    "new_oco_reply",
    "new_order_reply",
    "number",
    "oco_params",
    "order_params",
    "parse_balances",
    "parse_list",
    "parse_order",
    "parse_trade",
    "parse_user_event",
    "plain_text",
]

MALFORMED = (KeyError, TypeError, ValueError, IndexError, ArithmeticError, AttributeError)
"""What parsing raises for a reply that is not what the protocol says."""

_DIGITS_MAX = 40
_TYPES = {
    OrderKind.FOK: {"type": "LIMIT", "timeInForce": "FOK"},
    OrderKind.IOC: {"type": "LIMIT", "timeInForce": "IOC"},
    OrderKind.LIMIT: {"type": "LIMIT", "timeInForce": "GTC"},
    OrderKind.POST_ONLY: {"type": "LIMIT_MAKER"},
    OrderKind.MARKET: {"type": "MARKET"},
}
_LIMIT_KINDS = {"GTC": OrderKind.LIMIT, "IOC": OrderKind.IOC, "FOK": OrderKind.FOK}
_OTHER_KINDS = {
    "LIMIT_MAKER": OrderKind.POST_ONLY,
    "MARKET": OrderKind.MARKET,
    "STOP_LOSS": OrderKind.STOP,
    "STOP_LOSS_LIMIT": OrderKind.STOP,
}


def decimal_text(value: Decimal) -> str:
    """Return a positive number as the venue reads it: every digit, no exponent, no zeros at the end."""
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{value} is no positive number")
    return plain_text(value)


def plain_text(value: Decimal) -> str:
    """Return a number with every digit, without exponent and without zeros at the end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def market_id(symbol: str) -> str:
    """Return the venue's name of a market from ccxt's symbol: `BTCUSDT` of `BTC/USDT`.

    A perpetual has the same name at a venue of its own, and at a paper exchange that lists its candles.
    """
    return symbol.partition(":")[0].replace("/", "")


def order_params(request: OrderRequest) -> dict[str, str]:
    """Return the parameters of POST order, without timestamp and signature."""
    params = {
        "symbol": market_id(request.symbol),
        "side": str(request.side),
        **_TYPES[request.kind],
        "quantity": decimal_text(request.quantity),
        "newClientOrderId": request.cid,
        "newOrderRespType": "FULL",
    }
    if request.price is not None:
        params["price"] = decimal_text(request.price)
    return params


def oco_params(request: OcoRequest) -> dict[str, str]:
    """Return the parameters of POST orderList/oco, without timestamp and signature."""
    return {
        "symbol": market_id(request.symbol),
        "side": str(Side.SELL),
        "quantity": decimal_text(request.quantity),
        "listClientOrderId": request.list_cid,
        "aboveType": "LIMIT_MAKER",
        "abovePrice": decimal_text(request.target),
        "aboveClientOrderId": request.above_cid,
        "belowType": "STOP_LOSS",
        "belowStopPrice": decimal_text(request.stop),
        "belowClientOrderId": request.below_cid,
        "newOrderRespType": "FULL",
    }


def parse_order(row: Mapping[str, Any], symbol: str, cid_key: str = "clientOrderId") -> VenueOrder:
    """Return an order of a reply.

    Args:
        row: the venue's JSON.
        symbol: ccxt symbol; the row must be of its market.
        cid_key: where our id stands; `origClientOrderId` in replies to cancels.
    """
    if row["symbol"] != market_id(symbol):
        raise ValueError(f"an order of {row['symbol']} instead of {symbol}")
    kind = _kind(row["type"], row.get("timeInForce"))
    time_ms = _first_time(row, "time", "transactTime", "workingTime")
    return VenueOrder(
        cid=_text(row[cid_key]),
        venue_id=_id(row["orderId"]),
        symbol=symbol,
        side=Side(row["side"]),
        kind=kind,
        status=VenueStatus(row["status"]),
        quantity=_positive(row["origQty"]),
        price=_price(row["price"]),
        stop_price=_price(row.get("stopPrice", "0")),
        filled=_amount(row["executedQty"]),
        cost=_amount(row["cummulativeQuoteQty"]),
        list_id=_list_id(row.get("orderListId", -1)),
        time_ms=time_ms,
        update_ms=_first_time(row, "updateTime", "transactTime") or time_ms,
    )


def parse_trade(row: Mapping[str, Any], symbol: str) -> VenueTrade:
    """Return an execution of GET myTrades."""
    if row["symbol"] != market_id(symbol):
        raise ValueError(f"a trade of {row['symbol']} instead of {symbol}")
    return VenueTrade(
        trade_id=_id(row["id"]),
        venue_id=_id(row["orderId"]),
        symbol=symbol,
        side=Side.BUY if _flag(row["isBuyer"]) else Side.SELL,
        quantity=_positive(row["qty"]),
        price=_positive(row["price"]),
        commission=number(row["commission"]),
        commission_asset=_text(row["commissionAsset"]),
        maker=_flag(row["isMaker"]),
        time_ms=_time(row["time"]),
    )


def parse_list(row: Mapping[str, Any], symbol: str) -> VenueList:
    """Return an order list of a reply, its legs in the venue's order."""
    return VenueList(
        list_id=_id(row["orderListId"]),
        list_cid=_text(row["listClientOrderId"]),
        symbol=symbol,
        status=ListStatus(row["listOrderStatus"]),
        cids=tuple(_text(leg["clientOrderId"]) for leg in row["orders"]),
    )


def parse_balances(body: Mapping[str, Any]) -> dict[str, Balance]:
    """Return every asset of GET account that holds something."""
    found: dict[str, Balance] = {}
    for row in body["balances"]:
        balance = Balance(_amount(row["free"]), _amount(row["locked"]))
        if row["asset"] in found:
            raise ValueError(f"asset {row['asset']} twice")
        found[_text(row["asset"])] = balance
    return {asset: balance for asset, balance in found.items() if balance.free or balance.locked}


def new_order_reply(body: Mapping[str, Any], request: OrderRequest) -> Accepted:
    """Return what a reply to POST order says; it must be about the order that was sent.

    Raises:
        one of `MALFORMED`: anything less, an acknowledgement without a status for example.
    """
    order = parse_order(body, request.symbol)
    sent = (request.cid, request.side, request.kind, request.quantity, request.price)
    if (order.cid, order.side, order.kind, order.quantity, order.price) != sent:
        raise ValueError(f"the reply is about another order: {order.cid}")
    trades = tuple(_reply_fill(row, order) for row in body.get("fills", ()))
    if trades and sum(trade.quantity for trade in trades) != order.filled:
        raise ValueError(f"{order.cid}: the executions of the reply do not add up to {order.filled}")
    return Accepted((order,), trades)


def new_oco_reply(body: Mapping[str, Any], request: OcoRequest) -> Accepted:
    """Return what a reply to POST orderList/oco says: both legs, the upper one first."""
    made = parse_list(body, request.symbol)
    if made.list_cid != request.list_cid or body["symbol"] != market_id(request.symbol):
        raise ValueError(f"the reply is about another list: {made.list_cid}")
    legs = {order.cid: order for order in (parse_order(row, request.symbol) for row in body["orderReports"])}
    above, below = legs[request.above_cid], legs[request.below_cid]
    if len(legs) != 2 or {above.list_id, below.list_id} != {made.list_id}:
        raise ValueError(f"{made.list_cid}: the legs are not its own")
    if (above.kind, above.price, above.side, above.quantity) != (
        OrderKind.POST_ONLY,
        request.target,
        Side.SELL,
        request.quantity,
    ) or (below.kind, below.stop_price, below.side, below.quantity) != (
        OrderKind.STOP,
        request.stop,
        Side.SELL,
        request.quantity,
    ):
        raise ValueError(f"{made.list_cid}: the legs are not as sent")
    return Accepted((above, below))


def cancel_reply(body: Mapping[str, Any], symbol: str, cid: str) -> Accepted:
    """Return what a reply to DELETE order or DELETE orderList says; `cid` must be in it, and nothing rest any more."""
    if "orderReports" in body:
        orders = tuple(parse_order(row, symbol, "origClientOrderId") for row in body["orderReports"])
        about = {order.cid for order in orders} | {body["listClientOrderId"]}
    else:
        orders = (parse_order(body, symbol, "origClientOrderId"),)
        about = {orders[0].cid}
    if cid not in about or not orders:
        raise ValueError(f"the reply is about {sorted(about)} instead of {cid}")
    if any(
        order.status in (VenueStatus.NEW, VenueStatus.PARTIALLY_FILLED, VenueStatus.PENDING_NEW) for order in orders
    ):
        raise ValueError(f"{cid}: cancelled and resting at once")
    return Accepted(orders)


def parse_user_event(event: Mapping[str, Any], symbol_of: Mapping[str, str]) -> tuple[UserEvent, ...]:
    """Return what one event of the user stream says; nothing for kinds that are not needed.

    Args:
        event: the unwrapped JSON.
        symbol_of: ccxt symbol of each market name of the venue.
    """
    if event["e"] == "executionReport":
        symbol = symbol_of[event["s"]]
        order = _streamed_order(event, symbol)
        return (order, _streamed_trade(event, order)) if event["x"] == "TRADE" else (order,)
    if event["e"] == "outboundAccountPosition":
        at_ms = _time(event["u"])
        return tuple(
            BalanceUpdate(_text(row["a"]), Balance(_amount(row["f"]), _amount(row["l"])), at_ms) for row in event["B"]
        )
    return ()


def _streamed_order(event: Mapping[str, Any], symbol: str) -> VenueOrder:
    original = event.get("C")  # the order's own id, when `c` is that of the cancel
    return VenueOrder(
        cid=_text(original if event["x"] == "CANCELED" and original else event["c"]),
        venue_id=_id(event["i"]),
        symbol=symbol,
        side=Side(event["S"]),
        kind=_kind(event["o"], event.get("f")),
        status=VenueStatus(event["X"]),
        quantity=_positive(event["q"]),
        price=_price(event["p"]),
        stop_price=_price(event.get("P", "0")),
        filled=_amount(event["z"]),
        cost=_amount(event["Z"]),
        list_id=_list_id(event.get("g", -1)),
        time_ms=_time(event["O"]),
        update_ms=_time(event["T"]),
    )


def _streamed_trade(event: Mapping[str, Any], order: VenueOrder) -> VenueTrade:
    return VenueTrade(
        trade_id=_id(event["t"]),
        venue_id=order.venue_id,
        symbol=order.symbol,
        side=order.side,
        quantity=_positive(event["l"]),
        price=_positive(event["L"]),
        commission=number(event["n"]),
        commission_asset=_text(event["N"]),
        maker=_flag(event["m"]),
        time_ms=order.update_ms,
    )


def _reply_fill(row: Mapping[str, Any], order: VenueOrder) -> VenueTrade:
    return VenueTrade(
        trade_id=_id(row["tradeId"]),
        venue_id=order.venue_id,
        symbol=order.symbol,
        side=order.side,
        quantity=_positive(row["qty"]),
        price=_positive(row["price"]),
        commission=number(row["commission"]),
        commission_asset=_text(row["commissionAsset"]),
        maker=False,  # an order that fills on arrival takes
        time_ms=order.update_ms,
    )


def _kind(name: Any, time_in_force: Any) -> OrderKind:
    if name == "LIMIT":
        return _LIMIT_KINDS[time_in_force]
    return _OTHER_KINDS.get(_text(name), OrderKind.OTHER)


def number(value: Any) -> Decimal:
    """Return an exact number of a reply; rebates are negative."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise TypeError(f"{value!r} is no exact number")
    if isinstance(value, str) and len(value) > _DIGITS_MAX:
        raise ValueError("a number of too many digits")
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{value!r} is no number") from None
    if not found.is_finite():
        raise ValueError(f"{value!r} is not finite")
    return found


def _amount(value: Any) -> Decimal:
    found = number(value)
    if found < 0:
        raise ValueError(f"{value!r} is negative")
    return found


def _positive(value: Any) -> Decimal:
    found = _amount(value)
    if found == 0:
        raise ValueError("zero where a positive number belongs")
    return found


def _price(value: Any) -> Decimal | None:
    """Return a price, or None for the venue's zero, which means that there is none."""
    return _amount(value) or None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no name")
    return value


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is no id")
    return str(value)


def _list_id(value: Any) -> str | None:
    return None if value == -1 else _id(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _time(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is no time")
    return value


def _first_time(row: Mapping[str, Any], *names: str) -> int:
    return next((_time(row[name]) for name in names if row.get(name) is not None and row[name] != -1), 0)
