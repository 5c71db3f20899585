"""Replies of Binance's spot REST interface, as its documentation shows them."""

from decimal import Decimal

from huracan.venue.orders import OcoRequest, OrderKind, OrderRequest, Side

BUY = OrderRequest("h0123456789abcdef-1", "ADA/USDT", Side.BUY, OrderKind.FOK, Decimal("12.3"), Decimal("0.4567"))
OCO = OcoRequest("hlist-1", "habove-1", "hbelow-1", "ADA/USDT", Decimal("12.3"), Decimal("0.6"), Decimal("0.4"))


def order_reply(request=BUY, status="FILLED", **changes):
    """Return the FULL reply to POST order; filled at its price in two executions unless told otherwise."""
    types = {
        OrderKind.FOK: ("LIMIT", "FOK"),
        OrderKind.IOC: ("LIMIT", "IOC"),
        OrderKind.LIMIT: ("LIMIT", "GTC"),
        OrderKind.POST_ONLY: ("LIMIT_MAKER", "GTC"),
        OrderKind.MARKET: ("MARKET", "GTC"),
    }
    kind, time_in_force = types[request.kind]
    price = request.price or Decimal("0.45")
    filled = request.quantity if status == "FILLED" else Decimal(0)
    body = {
        "symbol": request.symbol.replace("/", ""),
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": request.cid,
        "transactTime": 1_507_725_176_595,
        "price": f"{request.price or 0:.8f}",
        "origQty": f"{request.quantity:.8f}",
        "executedQty": f"{filled:.8f}",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": f"{filled * price:.8f}",
        "status": status,
        "timeInForce": time_in_force,
        "type": kind,
        "side": str(request.side),
        "workingTime": 1_507_725_176_595,
        "selfTradePreventionMode": "NONE",
        "fills": [],
    }
    if filled:
        first = filled / 4
        body["fills"] = [
            {
                "price": f"{price:.8f}",
                "qty": f"{part:.8f}",
                "commission": "0.00123",
                "commissionAsset": "BNB",
                "tradeId": n,
            }
            for n, part in ((56, first), (57, filled - first))
        ]
    return body | changes


def leg(cid, kind, price, stop, status="NEW", **changes):
    """Return one order report of an order list."""
    return {
        "symbol": "ADAUSDT",
        "orderId": 11 if kind == "LIMIT_MAKER" else 10,
        "orderListId": 1,
        "clientOrderId": cid,
        "transactTime": 1_710_485_608_839,
        "price": price,
        "origQty": "12.30000000",
        "executedQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": status,
        "timeInForce": "GTC",
        "type": kind,
        "side": "SELL",
        "stopPrice": stop,
    } | changes


def oco_reply(request=OCO, **changes):
    """Return the reply to POST orderList/oco."""
    legs = [
        leg(request.below_cid, "STOP_LOSS", "0.00000000", f"{request.stop:.8f}"),
        leg(request.above_cid, "LIMIT_MAKER", f"{request.target:.8f}", "0.00000000"),
    ]
    return {
        "orderListId": 1,
        "contingencyType": "OCO",
        "listStatusType": "EXEC_STARTED",
        "listOrderStatus": "EXECUTING",
        "listClientOrderId": request.list_cid,
        "transactionTime": 1_710_485_608_839,
        "symbol": "ADAUSDT",
        "orders": [
            {"symbol": "ADAUSDT", "orderId": one["orderId"], "clientOrderId": one["clientOrderId"]} for one in legs
        ],
        "orderReports": legs,
    } | changes


def cancel_body(cid=BUY.cid, **changes):
    """Return the reply to DELETE order: the cancel has an id of its own."""
    return {
        "symbol": "ADAUSDT",
        "origClientOrderId": cid,
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": "ofTheCancel",
        "transactTime": 1_684_804_350_068,
        "price": "0.45670000",
        "origQty": "12.30000000",
        "executedQty": "2.30000000",
        "cummulativeQuoteQty": "1.05041000",
        "status": "CANCELED",
        "timeInForce": "GTC",
        "type": "LIMIT_MAKER",
        "side": "BUY",
    } | changes


def cancel_list_body(request=OCO, **changes):
    """Return the reply to DELETE orderList."""
    body = oco_reply(request, listStatusType="ALL_DONE", listOrderStatus="ALL_DONE")
    body["orderReports"] = [
        one | {"status": "CANCELED", "origClientOrderId": one["clientOrderId"], "clientOrderId": "ofTheCancel"}
        for one in body["orderReports"]
    ]
    return body | changes


def query_body(**changes):
    """Return the reply to GET order."""
    return {
        "symbol": "ADAUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": BUY.cid,
        "price": "0.45670000",
        "origQty": "12.30000000",
        "executedQty": "2.30000000",
        "cummulativeQuoteQty": "1.05041000",
        "status": "PARTIALLY_FILLED",
        "timeInForce": "GTC",
        "type": "LIMIT_MAKER",
        "side": "BUY",
        "stopPrice": "0.00000000",
        "time": 1_499_827_319_559,
        "updateTime": 1_499_827_319_999,
        "isWorking": True,
    } | changes


def trade_body(trade_id, order_id=28, **changes):
    """Return one row of GET myTrades."""
    return {
        "symbol": "ADAUSDT",
        "id": trade_id,
        "orderId": order_id,
        "orderListId": -1,
        "price": "0.45670000",
        "qty": "2.30000000",
        "quoteQty": "1.05041000",
        "commission": "0.00230000",
        "commissionAsset": "ADA",
        "time": 1_499_827_319_559,
        "isBuyer": True,
        "isMaker": True,
        "isBestMatch": True,
    } | changes


def info_body(**market):
    """Return a small exchangeInfo with ADAUSDT and BTCUSDT."""
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.00010000", "maxPrice": "1000.00000000", "tickSize": "0.00010000"},
        {"filterType": "LOT_SIZE", "minQty": "0.10000000", "maxQty": "900000.00000000", "stepSize": "0.10000000"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "60000.00000000", "stepSize": "0.00000000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "maxNotional": "9000000"},
    ]
    row = {
        "symbol": "ADAUSDT",
        "status": "TRADING",
        "baseAsset": "ADA",
        "quoteAsset": "USDT",
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"],
        "ocoAllowed": True,
        "filters": filters,
    } | market
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200}
    return {"rateLimits": [limit], "symbols": [row, {**row, "symbol": "BTCUSDT", "baseAsset": "BTC"}]}
