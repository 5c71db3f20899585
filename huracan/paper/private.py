"""Account routes: orders, lists, trades and balances of the account whose key signed the request."""

from typing import Any

from huracan.paper.core import Core
from huracan.paper.desk import Desk
from huracan.paper.errors import Refusal, no_such_order, rejected, unknown_order
from huracan.paper.limits import count_order, forgive_order
from huracan.paper.params import Params
from huracan.paper.payloads import cancel_result, list_result, money_text, my_trade, new_result, order_view
from huracan.paper.state import AccountState, Order, OrderList
from huracan.paper.tickets import check_counts, read_oco, read_ticket

__all__ = ["PrivateRoutes"]

_DAY_MS = 86_400_000


class PrivateRoutes:
    """Handlers by account name and parameters; each returns what becomes the JSON body."""

    def __init__(self, core: Core, desk: Desk) -> None:
        self._core = core
        self._desk = desk

    # ---- new orders ---------------------------------------------------------------------------------------------

    def new_order(self, name: str, params: Params) -> Any:
        """POST order."""
        state, ticket = self._core.account(name), read_ticket(self._core, params)
        check_counts(self._core, state, ticket)
        before = len(state.trades)
        count_order(state, 1, self._core.wall_ms, self._core.settings.limits)
        try:
            order = self._desk.place(name, ticket)
        except Refusal:
            forgive_order(state, self._core.wall_ms)
            raise
        made = [trade for trade in state.trades[before:] if trade.order_id == order.order_id]
        return new_result(order, self._core.markets[order.symbol], made, ticket.reply)

    def test_order(self, name: str, params: Params) -> Any:
        """POST order/test: the filters alone."""
        check_counts(self._core, self._core.account(name), read_ticket(self._core, params))
        return {}

    def new_oco(self, name: str, params: Params) -> Any:
        """POST orderList/oco."""
        state, ticket = self._core.account(name), read_oco(self._core, params)
        check_counts(self._core, state, ticket.below, orders=2)
        count_order(state, 2, self._core.wall_ms, self._core.settings.limits)
        try:
            pair = self._desk.place_oco(name, ticket)
        except Refusal:
            forgive_order(state, self._core.wall_ms)
            forgive_order(state, self._core.wall_ms)
            raise
        market, legs = self._core.markets[pair.symbol], self._desk.legs(pair)
        reports = [new_result(leg, market, (), "RESULT") for leg in legs]
        return list_result(pair, legs, pair.created_ms, reports)

    def cancel_replace(self, name: str, params: Params) -> Any:
        """POST order/cancelReplace: refused; its partial outcomes (409) are not worth having."""
        self._core.market(params.text("symbol"))
        raise rejected("Order cancel-replace is not supported for this symbol.")

    # ---- finding ------------------------------------------------------------------------------------------------

    def _find(self, state: AccountState, params: Params) -> Order | None:
        """Return the order that `orderId` or `origClientOrderId` names (the newest of a client id)."""
        symbol = params.text("symbol")
        self._core.market(symbol)
        order_id, cid = params.integer("orderId"), params.get("origClientOrderId")
        if order_id is None and cid is None:
            raise Refusal(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        if order_id is None:
            order_id = state.newest.get(f"{symbol} {cid}", -1)
        order = state.orders.get(order_id)
        if order is None or order.symbol != symbol or (cid is not None and order.cid != cid):
            return None
        return order

    def _find_list(self, state: AccountState, params: Params, client: str) -> OrderList | None:
        list_id, cid = params.integer("orderListId"), params.get(client)
        if list_id is None and cid is None:
            raise Refusal(-1102, f"Param '{client}' or 'orderListId' must be sent, but both were empty/null!")
        return state.lists.get(state.newest_list.get(cid or "", -1) if list_id is None else list_id)

    def _visible(self, hidden_until_ms: int) -> bool:
        return hidden_until_ms <= self._core.wall_ms

    # ---- cancels ------------------------------------------------------------------------------------------------

    def cancel_order(self, name: str, params: Params) -> Any:
        """DELETE order."""
        state = self._core.account(name)
        order = self._find(state, params)
        if order is None:
            raise unknown_order()
        restriction = params.get("cancelRestrictions")
        allowed = {None: None, "ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}
        if restriction not in allowed:
            raise Refusal(-1145, "`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.")
        if allowed[restriction] is not None and order.is_open and order.status.value != allowed[restriction]:
            raise Refusal(-2011, "Order was not canceled due to cancel restrictions.")
        cancel_cid = self._cancel_cid(params)
        self._desk.cancel(order, cancel_cid)
        return cancel_result(order, self._core.markets[order.symbol], cancel_cid)

    def _cancel_cid(self, params: Params) -> str:
        """Return the cancel's own client id, made up when not given."""
        return params.client_id("newClientOrderId") or f"cancel-{self._core.state.next_order_id}"

    def cancel_list(self, name: str, params: Params) -> Any:
        """DELETE orderList."""
        state, symbol = self._core.account(name), params.text("symbol")
        self._core.market(symbol)
        pair = self._find_list(state, params, "listClientOrderId")
        if pair is None or pair.done or pair.symbol != symbol:
            raise unknown_order()
        return self._cancel_pair(pair, self._cancel_cid(params))

    def _cancel_pair(self, pair: OrderList, cancel_cid: str) -> dict[str, Any]:
        legs = self._desk.legs(pair)
        ended = self._desk.cancel(next(leg for leg in legs if leg.is_open), cancel_cid)
        market = self._core.markets[pair.symbol]
        reports = [cancel_result(leg, market, cancel_cid) for leg in ended]
        return list_result(pair, legs, ended[0].updated_ms, reports)

    def cancel_all(self, name: str, params: Params) -> Any:
        """DELETE openOrders of one market, lists as lists."""
        state, symbol = self._core.account(name), params.text("symbol")
        self._core.market(symbol)
        done: list[Any] = []
        for key in sorted(state.open_orders):
            order = state.orders[key]
            if order.symbol != symbol or not order.is_open:
                continue
            pair = state.lists.get(order.list_id)
            if pair is not None:
                done.append(self._cancel_pair(pair, self._cancel_cid(params)))
                continue
            cancel_cid = self._cancel_cid(params)
            self._desk.cancel(order, cancel_cid)
            done.append(cancel_result(order, self._core.markets[symbol], cancel_cid))
        if not done:
            raise unknown_order()
        return done

    # ---- queries ------------------------------------------------------------------------------------------------

    def get_order(self, name: str, params: Params) -> Any:
        """GET order."""
        order = self._find(self._core.account(name), params)
        if order is None or not self._visible(order.hidden_until_ms):
            raise no_such_order()
        return order_view(order, self._core.markets[order.symbol])

    def open_orders(self, name: str, params: Params) -> Any:
        """GET openOrders, of one market or all."""
        state, symbol = self._core.account(name), params.get("symbol")
        if symbol is not None:
            self._core.market(symbol)
        orders = (state.orders[key] for key in sorted(state.open_orders))
        return [
            order_view(order, self._core.markets[order.symbol])
            for order in orders
            if symbol in (None, order.symbol) and self._visible(order.hidden_until_ms)
        ]

    def all_orders(self, name: str, params: Params) -> Any:
        """GET allOrders of one market: from an id, between two times, or the newest."""
        state, symbol = self._core.account(name), params.text("symbol")
        market, limit = self._core.market(symbol), params.whole("limit", 500, 1000)
        from_id, (start, end) = params.integer("orderId"), self._times(params)
        found = [
            order
            for _, order in sorted(state.orders.items())
            if order.symbol == symbol
            and self._visible(order.hidden_until_ms)
            and (from_id is None or order.order_id >= from_id)
            and (start is None or order.created_ms >= start)
            and (end is None or order.created_ms <= end)
        ]
        forward = from_id is not None or start is not None
        return [order_view(order, market) for order in (found[:limit] if forward else found[-limit:])]

    def _times(self, params: Params) -> tuple[int | None, int | None]:
        start, end = params.integer("startTime"), params.integer("endTime")
        if start is not None and end is not None and end - start > _DAY_MS:
            raise Refusal(-1127, "More than 24 hours between startTime and endTime.")
        return start, end

    def get_list(self, name: str, params: Params) -> Any:
        """GET orderList."""
        pair = self._find_list(self._core.account(name), params, "origClientOrderId")
        if pair is None or not self._visible(pair.hidden_until_ms):
            raise Refusal(-2018, "Order list does not exist.")
        return self._list(pair)

    def _list(self, pair: OrderList) -> dict[str, Any]:
        return list_result(pair, self._desk.legs(pair), pair.created_ms)

    def open_lists(self, name: str, params: Params) -> Any:
        """GET openOrderList."""
        lists = self._core.account(name).lists.values()
        return [self._list(pair) for pair in lists if not pair.done and self._visible(pair.hidden_until_ms)]

    def all_lists(self, name: str, params: Params) -> Any:
        """GET allOrderList: from an id, between two times, or the newest."""
        from_id, (start, end) = params.integer("fromId"), self._times(params)
        if from_id is not None and (start is not None or end is not None):
            raise Refusal(-1128, "Combination of optional parameters invalid.")
        found = [
            pair
            for pair in self._core.account(name).lists.values()
            if self._visible(pair.hidden_until_ms)
            and (from_id is None or pair.list_id >= from_id)
            and (start is None or pair.created_ms >= start)
            and (end is None or pair.created_ms <= end)
        ]
        limit = params.whole("limit", 500, 1000)
        return [self._list(pair) for pair in (found[-limit:] if from_id is None else found[:limit])]

    def my_trades(self, name: str, params: Params) -> Any:
        """GET myTrades of one market: of an order, from an id, between two times, or the newest."""
        state, symbol = self._core.account(name), params.text("symbol")
        market, limit = self._core.market(symbol), params.whole("limit", 500, 1000)
        order_id, from_id, (start, end) = params.integer("orderId"), params.integer("fromId"), self._times(params)
        if from_id is not None and (start is not None or end is not None):
            raise Refusal(-1128, "Combination of optional parameters invalid.")
        found = [
            trade
            for trade in state.trades
            if trade.symbol == symbol
            and self._visible(trade.hidden_until_ms)
            and (order_id is None or trade.order_id == order_id)
            and (from_id is None or trade.trade_id >= from_id)
            and (start is None or trade.time_ms >= start)
            and (end is None or trade.time_ms <= end)
        ]
        forward = from_id is not None or start is not None
        return [my_trade(trade, market) for trade in (found[:limit] if forward else found[-limit:])]

    # ---- the account --------------------------------------------------------------------------------------------

    def account(self, name: str, params: Params) -> Any:
        """GET account."""
        state = self._core.account(name)
        skip_zero = params.get("omitZeroBalances") == "true"
        rates = self._rates(self._core.spot[0])
        return {
            "makerCommission": round(rates[0] * 10_000),
            "takerCommission": round(rates[1] * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": self._commission(rates),
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": state.updated_ms,
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": money_text(money.free), "locked": money_text(money.locked)}
                for asset, money in sorted(state.money.items())
                if not skip_zero or money.free or money.locked
            ],
            "permissions": ["SPOT"],
            "uid": sorted(self._core.accounts).index(name) + 1,
        }

    def _rates(self, symbol: str) -> tuple[float, float]:
        instrument = self._core.markets[symbol].instrument
        return instrument.fee_maker_ppm / 1e6, instrument.fee_taker_ppm / 1e6

    def _commission(self, rates: tuple[float, float]) -> dict[str, str]:
        return {"maker": f"{rates[0]:.8f}", "taker": f"{rates[1]:.8f}", "buyer": "0.00000000", "seller": "0.00000000"}

    def commission(self, name: str, params: Params) -> Any:
        """GET account/commission of one market."""
        symbol = params.text("symbol")
        self._core.market(symbol)
        none = self._commission((0.0, 0.0))
        asset = self._core.accounts[name].fee_asset
        return {
            "symbol": symbol,
            "standardCommission": self._commission(self._rates(symbol)),
            "specialCommission": none,
            "taxCommission": none,
            "discount": {
                "enabledForAccount": asset is not None,
                "enabledForSymbol": asset is not None,
                "discountAsset": asset or "BNB",
                "discount": "0.00000000",
            },
        }

    def trade_fee(self, name: str, params: Params) -> Any:
        """GET sapi asset/tradeFee, of one market or all."""
        symbol = params.get("symbol")
        if symbol is not None:
            self._core.market(symbol)
        shown = []
        for one in self._core.spot if symbol is None else [symbol]:
            maker, taker = self._rates(one)
            shown.append({"symbol": one, "makerCommission": f"{maker:f}", "takerCommission": f"{taker:f}"})
        return shown

    def order_rates(self, name: str, params: Params) -> Any:
        """GET rateLimit/order."""
        state, limits = self._core.account(name), self._core.settings.limits
        shown = []
        for seconds, unit, number, most in (
            (10, "SECOND", 10, limits.orders_10s),
            (86_400, "DAY", 1, limits.orders_1d),
        ):
            window, count = state.order_windows.get(seconds, (0, 0))
            now = self._core.wall_ms // (seconds * 1000)
            shown.append(
                {
                    "rateLimitType": "ORDERS",
                    "interval": unit,
                    "intervalNum": number,
                    "limit": most,
                    "count": count if window == now else 0,
                }
            )
        return shown
