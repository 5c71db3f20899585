"""A small Binance inside the process: one market, endless liquidity at one price, every rule that `check_venue` asks.

`flaws` names rules that it breaks, for the cards that must notice.
"""

import hashlib
import hmac
import json
from collections.abc import Collection
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from huracan.venue.client import WireReply
from tests.venue.replies import info_body
from tests.venue.scripted import API_KEY, SECRET
from tests.venue.virtual import true_ms

PRICE = Decimal(1)
FEE = Decimal("0.001")
OPEN = ("NEW", "PARTIALLY_FILLED")


class Refusal(Exception):
    """An error reply."""


def _refuse(code: int, message: str) -> None:
    raise Refusal(json.dumps({"code": code, "msg": message}))


class SmallExchange:
    """One account with quote currency; carries requests as a `Transport`."""

    def __init__(self, quote: str = "100", flaws: Collection[str] = ()) -> None:
        self.flaws = frozenset(flaws)
        self.free = {"ADA": Decimal(0), "USDT": Decimal(quote)}
        self.locked = {"ADA": Decimal(0), "USDT": Decimal(0)}
        self.orders: list[dict[str, Any]] = []
        self.lists: list[dict[str, Any]] = []
        self.trades: list[dict[str, Any]] = []

    async def __call__(self, method, url, headers, body) -> WireReply:
        """Answer one request."""
        split = urlsplit(url)
        params = dict(parse_qsl(split.query)) | dict(parse_qsl(body or ""))
        try:
            if "signature" in params:
                self._verify(split.query or body, headers)
            name = f"{method} {split.path.removeprefix('/api/v3/')}"
            return WireReply(200, {}, json.dumps(self._handlers()[name](params), default=str))
        except Refusal as refusal:
            return WireReply(400, {}, str(refusal))

    def _handlers(self):
        return {
            "GET time": lambda params: {"serverTime": true_ms() + (900 if "clock" in self.flaws else 0)},
            "GET exchangeInfo": lambda params: info_body(status="HALT" if "halted" in self.flaws else "TRADING"),
            "GET account": self._account,
            "GET order": lambda params: self._found(params),
            "GET orderList": lambda params: self._list(params["origClientOrderId"], -2018),
            "GET openOrders": lambda params: [one for one in self.orders if one["status"] in OPEN],
            "GET openOrderList": lambda params: self.lists if "closed lists" not in self.flaws else [],
            "GET myTrades": self._my_trades,
            "POST order": self._new,
            "POST orderList/oco": self._new_oco,
            "DELETE order": self._cancel,
            "DELETE orderList": self._cancel_list,
        }

    def _verify(self, payload, headers):
        signed, signature = payload.rsplit("&signature=", 1)
        expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if signature != expected or headers["X-MBX-APIKEY"] != API_KEY:
            _refuse(-1022, "Signature for this request is not valid.")

    def _account(self, params):
        rows = [{"asset": name, "free": self.free[name], "locked": self.locked[name]} for name in self.free]
        return {"balances": rows}

    def _found(self, params, code=-2013, message="Order does not exist."):
        for order in reversed(self.orders):
            if order["clientOrderId"] == params["origClientOrderId"]:
                return order
        return _refuse(code, message)

    def _list(self, cid, code, message="Order list does not exist."):
        for one in self.lists:
            if one["listClientOrderId"] == cid:
                return one
        return _refuse(code, message)

    def _my_trades(self, params):
        rows = [one for one in self.trades if one["id"] >= int(params.get("fromId", 0))]
        rows = [one for one in rows if one["orderId"] == int(params.get("orderId", one["orderId"]))]
        return rows[:1] if "trades" in self.flaws else rows

    def _new(self, params):
        self._check(params)
        order = self._add(params, params["type"], params.get("price", "0"), "0", params["newClientOrderId"])
        crosses = params["type"] == "MARKET" or self._crosses(params["side"], Decimal(params["price"]))
        if params["type"] == "LIMIT_MAKER" and crosses:
            self.orders.remove(order)
            _refuse(-2010, "Order would immediately match and take.")
        if crosses:
            self._fill(order)
        elif params.get("timeInForce") in ("IOC", "FOK"):
            order["status"] = "NEW" if "lingering" in self.flaws else "EXPIRED"
        else:
            self._lock(order, 1)
        return order

    def _check(self, params):
        quantity, price = Decimal(params["quantity"]), Decimal(params.get("price", PRICE))
        if price % Decimal("0.0001") and "tick" not in self.flaws:
            _refuse(-1013, "Filter failure: PRICE_FILTER")
        if quantity % Decimal("0.1"):
            _refuse(-1013, "Filter failure: LOT_SIZE")
        if quantity * price < 5 and params["side"] == "BUY":
            _refuse(-1013, "Filter failure: NOTIONAL")
        spent = quantity * price if params["side"] == "BUY" else quantity
        if spent > self.free["USDT" if params["side"] == "BUY" else "ADA"]:
            _refuse(-2010, "Account has insufficient balance for requested action.")
        cids = {one["clientOrderId"] for one in self.orders if one["status"] in OPEN}
        if params["newClientOrderId"] in cids and "duplicates" not in self.flaws:
            _refuse(-2010, "Duplicate order sent.")

    def _crosses(self, side, price):
        return price >= PRICE if side == "BUY" else price <= PRICE

    def _add(self, params, type_, price, stop, cid, list_id=-1):
        order = {
            "symbol": params["symbol"], "orderId": len(self.orders) + 1, "orderListId": list_id, "clientOrderId": cid,
            "transactTime": true_ms(), "time": true_ms(), "updateTime": true_ms(), "price": price, "stopPrice": stop,
            "origQty": params["quantity"], "executedQty": "0", "cummulativeQuoteQty": "0", "status": "NEW",
            "timeInForce": params.get("timeInForce", "GTC"), "type": type_, "side": params["side"],
        }  # fmt: skip
        self.orders.append(order)
        return order

    def _lock(self, order, sign):
        buy = order["side"] == "BUY"
        asset, amount = ("USDT", Decimal(order["price"])) if buy else ("ADA", Decimal(1))
        amount *= sign * Decimal(order["origQty"])
        self.free[asset] -= amount
        self.locked[asset] += amount

    def _fill(self, order):
        quantity, buy = Decimal(order["origQty"]), order["side"] == "BUY"
        gained, fee_asset = (quantity, "ADA") if buy else (quantity * PRICE, "USDT")
        fee = gained * FEE
        self.free["ADA"] += quantity - fee if buy else -quantity
        self.free["USDT"] += -quantity * PRICE if buy else quantity * PRICE - fee
        order |= {"status": "FILLED", "executedQty": order["origQty"], "cummulativeQuoteQty": str(quantity * PRICE)}
        for part in (quantity / 4, quantity - quantity / 4):
            share = fee * part / quantity
            self.trades.append(
                {
                    "symbol": order["symbol"],
                    "id": len(self.trades) + 1,
                    "orderId": order["orderId"],
                    "price": str(PRICE),
                    "qty": str(part),
                    "commission": str(share),
                    "commissionAsset": fee_asset,
                    "time": true_ms(),
                    "isBuyer": buy,
                    "isMaker": False,
                }
            )

    def _new_oco(self, params):
        list_id = len(self.lists) + 1
        if "legs" in self.flaws:
            params = params | {"belowClientOrderId": "of-the-venue"}
        above = self._add(params, "LIMIT_MAKER", params["abovePrice"], "0", params["aboveClientOrderId"], list_id)
        below = self._add(params, "STOP_LOSS", "0", params["belowStopPrice"], params["belowClientOrderId"], list_id)
        self._lock(above, 1)
        if "locks twice" in self.flaws:
            self._lock(below, 1)
        one = {
            "orderListId": list_id, "contingencyType": "OCO", "listStatusType": "EXEC_STARTED",
            "listOrderStatus": "EXECUTING", "listClientOrderId": params["listClientOrderId"],
            "transactionTime": true_ms(), "symbol": params["symbol"],
            "orders": [{name: leg[name] for name in ("symbol", "orderId", "clientOrderId")} for leg in (above, below)],
        }  # fmt: skip
        self.lists.append(one)
        return one | {"orderReports": [above, below]}

    def _cancelled(self, order):
        order["status"] = "CANCELED"
        if order["type"] != "STOP_LOSS":
            self._lock(order, -1)
        return order | {"origClientOrderId": order["clientOrderId"], "clientOrderId": "of-the-cancel"}

    def _cancel(self, params):
        order = self._found(params, -2011, "Unknown order sent.")
        if order["status"] not in OPEN:
            if "cancels twice" in self.flaws:
                return order | {"origClientOrderId": order["clientOrderId"]}
            _refuse(-2011, "Unknown order sent.")
        return self._cancelled(order)

    def _cancel_list(self, params):
        one = self._list(params["listClientOrderId"], -2011, "Unknown order sent.")
        legs = [
            order for order in self.orders if order["orderListId"] == one["orderListId"] and order["status"] in OPEN
        ]
        if not legs:
            _refuse(-2011, "Unknown order sent.")
        one |= {"listOrderStatus": "ALL_DONE"}
        if "half a cancel" in self.flaws:
            legs = legs[:1]
        return one | {"orderReports": [self._cancelled(leg) for leg in legs]}
