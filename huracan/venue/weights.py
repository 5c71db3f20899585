"""The requests of Binance's spot REST interface that huracan makes: ccxt's name of each and the weight it costs."""

from dataclasses import dataclass

__all__ = [
    "ACCOUNT",
    "CANCEL_LIST",
    "CANCEL_ORDER",
    "EXCHANGE_INFO",
    "MY_TRADES",
    "NEW_OCO",
    "NEW_ORDER",
    "OPEN_LISTS",
    "OPEN_ORDERS",
    "ORDER_TRADES",
    "QUERY_LIST",
    "QUERY_ORDER",
    "TIME",
    "Endpoint",
]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One kind of request.

    Attributes:
        method: ccxt's implicit method.
        weight: request weight, of the venue's budget per minute.
        what: as the venue writes it, for messages.
        signed: it carries our timestamp and signature.
        urgent: it may spend what ordinary requests must leave, and goes first.
    """

    method: str
    weight: int
    what: str
    signed: bool = True
    urgent: bool = False


TIME = Endpoint("publicGetTime", 1, "GET time", signed=False)
EXCHANGE_INFO = Endpoint("publicGetExchangeInfo", 20, "GET exchangeInfo", signed=False)
NEW_ORDER = Endpoint("privatePostOrder", 1, "POST order")
NEW_OCO = Endpoint("privatePostOrderListOco", 1, "POST orderList/oco")
CANCEL_ORDER = Endpoint("privateDeleteOrder", 1, "DELETE order", urgent=True)
CANCEL_LIST = Endpoint("privateDeleteOrderList", 1, "DELETE orderList", urgent=True)
QUERY_ORDER = Endpoint("privateGetOrder", 4, "GET order")
QUERY_LIST = Endpoint("privateGetOrderList", 4, "GET orderList")
OPEN_ORDERS = Endpoint("privateGetOpenOrders", 6, "GET openOrders")
OPEN_LISTS = Endpoint("privateGetOpenOrderList", 6, "GET openOrderList")
MY_TRADES = Endpoint("privateGetMyTrades", 20, "GET myTrades")
ORDER_TRADES = Endpoint("privateGetMyTrades", 5, "GET myTrades of an order")
ACCOUNT = Endpoint("privateGetAccount", 20, "GET account")
