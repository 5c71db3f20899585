"""Routes of the exchange: who may call them, what they weigh, and what they are to the faults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from huracan.paper.params import Params
from huracan.paper.private import PrivateRoutes
from huracan.paper.public import PublicRoutes

__all__ = ["Effect", "Route", "make_routes"]

_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50))


class Effect(Enum):
    """What a route does to an account: it decides which faults can strike."""

    READ = auto()
    PLACE = auto()
    CANCEL = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """One route; `public` or `private` is its handler, `weigh` its request weight by parameters."""

    weigh: Callable[[Mapping[str, str]], int]
    public: Callable[[Params], Any] | None = None
    private: Callable[[str, Params], Any] | None = None
    effect: Effect = Effect.READ


def _fixed(weight: int) -> Callable[[Mapping[str, str]], int]:
    return lambda params: weight


def _depth(params: Mapping[str, str]) -> int:
    text = params.get("limit", "100")
    limit = int(text) if text.isdigit() else 100
    return next((weight for most, weight in _DEPTH_WEIGHTS if limit <= most), 250)


def _futures_klines(params: Mapping[str, str]) -> int:
    text = params.get("limit", "500")
    limit = int(text) if text.isdigit() else 500
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1_000 else 10


def _by_symbol(one: int, all_of_them: int) -> Callable[[Mapping[str, str]], int]:
    return lambda params: one if "symbol" in params else all_of_them


def _my_trades(params: Mapping[str, str]) -> int:
    return 5 if "orderId" in params else 20


def make_routes(public: PublicRoutes, private: PrivateRoutes) -> dict[tuple[str, str], Route]:
    """Return every route by (method, path)."""
    one = _fixed(1)
    data = {
        "ping": (public.ping, one),
        "time": (public.time, one),
        "exchangeInfo": (public.exchange_info, _fixed(20)),
        "depth": (public.depth, _depth),
        "trades": (public.trades, _fixed(25)),
        "aggTrades": (public.agg_trades, _fixed(4)),
        "klines": (public.klines, _fixed(2)),
        "uiKlines": (public.klines, _fixed(2)),
        "avgPrice": (public.average, _fixed(2)),
        "ticker/24hr": (public.day, _by_symbol(2, 80)),
        "ticker/price": (public.price, _by_symbol(2, 4)),
        "ticker/bookTicker": (public.book_ticker, _by_symbol(2, 4)),
    }
    futures = {
        "ping": (public.ping, one),
        "time": (public.time, one),
        "exchangeInfo": (public.futures_info, one),
        "klines": (public.futures_klines, _futures_klines),
    }
    reads = {
        "order": (private.get_order, _fixed(4)),
        "openOrders": (private.open_orders, _by_symbol(6, 80)),
        "allOrders": (private.all_orders, _fixed(20)),
        "orderList": (private.get_list, _fixed(4)),
        "openOrderList": (private.open_lists, _fixed(6)),
        "allOrderList": (private.all_lists, _fixed(20)),
        "myTrades": (private.my_trades, _my_trades),
        "account": (private.account, _fixed(20)),
        "account/commission": (private.commission, _fixed(20)),
        "rateLimit/order": (private.order_rates, _fixed(40)),
    }
    places = {
        "order": private.new_order,
        "order/test": private.test_order,
        "order/cancelReplace": private.cancel_replace,
        "orderList/oco": private.new_oco,
    }
    cancels = {
        "order": private.cancel_order,
        "orderList": private.cancel_list,
        "openOrders": private.cancel_all,
    }
    routes = {("GET", f"/api/v3/{name}"): Route(weigh, public=handler) for name, (handler, weigh) in data.items()}
    routes |= {("GET", f"/fapi/v1/{name}"): Route(weigh, public=handler) for name, (handler, weigh) in futures.items()}
    for name, (read, weigh) in reads.items():
        routes["GET", f"/api/v3/{name}"] = Route(weigh, private=read)
    for name, place in places.items():
        routes["POST", f"/api/v3/{name}"] = Route(one, private=place, effect=Effect.PLACE)
    for name, cancel in cancels.items():
        routes["DELETE", f"/api/v3/{name}"] = Route(one, private=cancel, effect=Effect.CANCEL)
    routes["GET", "/sapi/v1/asset/tradeFee"] = Route(one, private=private.trade_fee)
    for path in ("capital/config/getall", "margin/allPairs", "margin/isolated/allPairs"):
        routes["GET", f"/sapi/v1/{path}"] = Route(one, public=public.nothing)
    return routes
