"""The shapes of Binance's answers and events about orders, trades, lists and balances."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from huracan.paper.market import PaperMarket
from huracan.paper.state import AccountState, Order, OrderList, Trade

__all__ = [
    "account_position",
    "cancel_result",
    "execution_report",
    "list_result",
    "list_status",
    "money_text",
    "my_trade",
    "new_result",
    "order_view",
    "price_text",
    "quantity_text",
]


def money_text(value: Decimal) -> str:
    """Return an amount with at least eight decimals and never an exponent."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return f"{value:.8f}" if exponent >= -8 else f"{value:f}"


def price_text(ticks: int, market: PaperMarket) -> str:
    """Return a price in ticks as the venue writes it."""
    return money_text(ticks * market.instrument.tick)


def quantity_text(steps: int, market: PaperMarket) -> str:
    """Return a quantity in steps as the venue writes it."""
    return money_text(steps * market.instrument.step)


def _cost_text(cost: int, market: PaperMarket) -> str:
    return money_text(cost * market.instrument.tick_step_quote)


def _common(order: Order, market: PaperMarket) -> dict[str, Any]:
    """Return the fields that every view of an order shares."""
    shown: dict[str, Any] = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.cid,
        "price": price_text(order.limit, market),
        "origQty": quantity_text(order.quantity, market),
        "executedQty": quantity_text(order.filled, market),
        "origQuoteOrderQty": money_text(order.quote_limit),
        "cummulativeQuoteQty": _cost_text(order.cost, market),
        "status": order.status.value,
        "timeInForce": order.tif.value,
        "type": order.type.value,
        "side": order.side.value,
        "selfTradePreventionMode": order.stp,
    }
    if order.stop:
        shown["stopPrice"] = price_text(order.stop, market)
    return shown


def new_result(order: Order, market: PaperMarket, trades: Sequence[Trade], kind: str) -> dict[str, Any]:
    """Return the reply to a new order: ACK, RESULT or FULL."""
    ack = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.cid,
        "transactTime": order.updated_ms,
    }
    if kind == "ACK":
        return ack
    shown = {**ack, **_common(order, market), "workingTime": order.created_ms if order.working else -1}
    if kind == "FULL":
        shown["fills"] = [
            {
                "price": price_text(trade.price, market),
                "qty": quantity_text(trade.quantity, market),
                "commission": money_text(trade.commission),
                "commissionAsset": trade.commission_asset,
                "tradeId": trade.trade_id,
            }
            for trade in trades
        ]
    return shown


def order_view(order: Order, market: PaperMarket) -> dict[str, Any]:
    """Return an order as GET order, openOrders and allOrders show it."""
    return {
        **_common(order, market),
        "stopPrice": price_text(order.stop, market),
        "icebergQty": "0.00000000",
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.working,
        "workingTime": order.created_ms if order.working else -1,
    }


def cancel_result(order: Order, market: PaperMarket, cancel_cid: str) -> dict[str, Any]:
    """Return the reply to a cancel: the request's id beside the order's own."""
    return {
        **_common(order, market),
        "origClientOrderId": order.cid,
        "clientOrderId": cancel_cid,
        "transactTime": order.updated_ms,
    }


def list_result(
    pair: OrderList, legs: Sequence[Order], now_ms: int, reports: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return an order list; `reports` are the legs in full, as replies to new and cancelled lists carry them."""
    status = "ALL_DONE" if pair.done else "EXECUTING"
    shown = {
        "orderListId": pair.list_id,
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE" if pair.done else "EXEC_STARTED",
        "listOrderStatus": status,
        "listClientOrderId": pair.cid,
        "transactionTime": now_ms,
        "symbol": pair.symbol,
        "orders": [{"symbol": leg.symbol, "orderId": leg.order_id, "clientOrderId": leg.cid} for leg in legs],
    }
    return shown if reports is None else {**shown, "orderReports": list(reports)}


def my_trade(trade: Trade, market: PaperMarket) -> dict[str, Any]:
    """Return a trade as myTrades shows it."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": trade.list_id,
        "price": price_text(trade.price, market),
        "qty": quantity_text(trade.quantity, market),
        "quoteQty": _cost_text(trade.price * trade.quantity, market),
        "commission": money_text(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time_ms,
        "isBuyer": trade.side.value == "BUY",
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def execution_report(
    order: Order,
    market: PaperMarket,
    execution: str,
    now_ms: int,
    trade: Trade | None = None,
    cancel_cid: str | None = None,
) -> dict[str, Any]:
    """Return an executionReport; of a cancel `c` is the request's id and `C` the order's own."""
    on_book = order.is_open and order.working and not order.held
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": order.cid if cancel_cid is None else cancel_cid,
        "S": order.side.value,
        "o": order.type.value,
        "f": order.tif.value,
        "q": quantity_text(order.quantity, market),
        "p": price_text(order.limit, market),
        "P": price_text(order.stop, market),
        "F": "0.00000000",
        "g": order.list_id,
        "C": "" if cancel_cid is None else order.cid,
        "x": execution,
        "X": order.status.value,
        "r": "NONE",
        "i": order.order_id,
        "l": quantity_text(0 if trade is None else trade.quantity, market),
        "z": quantity_text(order.filled, market),
        "L": price_text(0 if trade is None else trade.price, market),
        "n": "0" if trade is None else money_text(trade.commission),
        "N": None if trade is None else trade.commission_asset,
        "T": now_ms,
        "t": -1 if trade is None else trade.trade_id,
        "I": order.order_id * 2 + 1,
        "w": on_book,
        "m": False if trade is None else trade.maker,
        "M": False,
        "O": order.created_ms,
        "Z": _cost_text(order.cost, market),
        "Y": _cost_text(0 if trade is None else trade.price * trade.quantity, market),
        "Q": money_text(order.quote_limit),
        "W": order.created_ms,
        "V": order.stp,
    }


def account_position(account: AccountState, assets: Sequence[str], now_ms: int) -> dict[str, Any]:
    """Return an outboundAccountPosition of the assets an event has touched."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [
            {
                "a": asset,
                "f": money_text(account.money[asset].free),
                "l": money_text(account.money[asset].locked),
            }
            for asset in assets
            if asset in account.money
        ],
    }


def list_status(pair: OrderList, legs: Sequence[Order], now_ms: int) -> dict[str, Any]:
    """Return a listStatus event."""
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": pair.symbol,
        "g": pair.list_id,
        "c": "OCO",
        "l": "ALL_DONE" if pair.done else "EXEC_STARTED",
        "L": "ALL_DONE" if pair.done else "EXECUTING",
        "r": "NONE",
        "C": pair.cid,
        "T": now_ms,
        "O": [{"s": leg.symbol, "i": leg.order_id, "c": leg.cid} for leg in legs],
    }
