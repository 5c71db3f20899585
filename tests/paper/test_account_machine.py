"""Whatever is sent, under any fault: money is conserved, locked money is what rests, open ids are unique."""

from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from huracan.paper import Faults
from huracan.paper.account import check_locks
from tests.paper.world import ANNA, BERT, World, market, oco_params

SIDES = st.sampled_from(["BUY", "SELL"])
QUANTITIES = st.integers(1, 4_000).map(lambda steps: f"{steps * Decimal('0.001')}")
PRICES = st.integers(9_800, 10_200).map(lambda ticks: f"{ticks * Decimal('0.01')}")
NAMES = st.integers(0, 6).map(lambda n: f"h{n // 3}-{n}")
ACCOUNTS = st.sampled_from([ANNA, BERT])
MOVES = st.lists(st.integers(-60, 60), min_size=30, max_size=30)
TERMINAL = {"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"}


class AccountMachine(RuleBasedStateMachine):
    """Two accounts at random; after each step every invariant of their money and orders."""

    @initialize(
        moves=MOVES,
        volume=st.sampled_from([50_000, 2_000_000]),
        lockstep=st.booleans(),
        in_quote=st.booleans(),
        race=st.sampled_from([0.0, 0.3]),
    )
    def open(self, moves: list[int], volume: int, lockstep: bool, in_quote: bool, race: float) -> None:
        """Open an exchange over a random walk."""
        bars, close = [], 10_000
        for move in [0, *moves]:
            opening, close = close, close + move
            bars.append((opening, max(opening, close) + 15, min(opening, close) - 15, close, volume))
        listed = market(bars, spread=3, impact=0.02, fee_in_quote=in_quote)
        faults = Faults(cancel_race=race, market_remainder=race, response_lost=race, error_before=race)
        self.world = World([listed], [ANNA, BERT], lockstep=lockstep, faults=faults)
        self.ended: dict[int, str] = {}

    def send(self, method: str, path: str, account: Any, **params: Any) -> None:
        """Send whatever it is; a refusal is an answer too."""
        self.world.clock.ms += 500
        self.world.send(method, f"/api/v3/{path}", account, symbol="AAAUSDT", **params)

    @rule(account=ACCOUNTS, side=SIDES, quantity=QUANTITIES, cid=NAMES, quote=st.booleans())
    def take(self, account: Any, side: str, quantity: str, cid: str, quote: bool) -> None:
        """A market order by quantity or by value."""
        size = {"quoteOrderQty": f"{Decimal(quantity) * 100:.2f}"} if quote else {"quantity": quantity}
        self.send("POST", "order", account, side=side, type="MARKET", newClientOrderId=cid, **size)

    @rule(
        account=ACCOUNTS,
        side=SIDES,
        quantity=QUANTITIES,
        price=PRICES,
        cid=NAMES,
        how=st.sampled_from(["GTC", "IOC", "FOK", "MAKER"]),
    )
    def limit(self, account: Any, side: str, quantity: str, price: str, cid: str, how: str) -> None:
        """A limit of any kind."""
        kind = {"type": "LIMIT_MAKER"} if how == "MAKER" else {"type": "LIMIT", "timeInForce": how}
        self.send("POST", "order", account, side=side, quantity=quantity, price=price, newClientOrderId=cid, **kind)

    @rule(account=ACCOUNTS, quantity=QUANTITIES, stop=PRICES, price=PRICES, market_stop=st.booleans())
    def stop(self, account: Any, quantity: str, stop: str, price: str, market_stop: bool) -> None:
        """A stop, to market or with a limit."""
        kind = (
            {"type": "STOP_LOSS"} if market_stop else {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "price": price}
        )
        self.send("POST", "order", account, side="SELL", quantity=quantity, stopPrice=stop, **kind)

    @rule(account=ACCOUNTS, quantity=QUANTITIES, upper=PRICES, stop=PRICES, cid=NAMES)
    def pair(self, account: Any, quantity: str, upper: str, stop: str, cid: str) -> None:
        """A sell list."""
        params = oco_params(quantity, upper, stop)
        del params["symbol"]
        self.send("POST", "orderList/oco", account, listClientOrderId=cid, **params)

    @rule(account=ACCOUNTS, cid=NAMES, listed=st.booleans())
    def cancel(self, account: Any, cid: str, listed: bool) -> None:
        """A cancel of an order or a list."""
        if listed:
            self.send("DELETE", "orderList", account, listClientOrderId=cid)
        else:
            self.send("DELETE", "order", account, origClientOrderId=cid)

    @rule(account=ACCOUNTS)
    def cancel_all(self, account: Any) -> None:
        """All at once."""
        self.send("DELETE", "openOrders", account)

    @rule(seconds=st.integers(1, 70))
    def move_on(self, seconds: int) -> None:
        """Time passes."""
        exchange = self.world.exchange
        if self.world.settings.lockstep:
            if exchange.stage is not None:
                self.world.step()
        else:
            exchange.advance(exchange.now_ms + 1_000 * seconds)

    @invariant()
    def locked_is_what_rests(self) -> None:
        """Free and locked are never negative; locked is the sum of what open orders and lists hold."""
        for name in ("anna", "bert"):
            check_locks(self.world.state(name))

    @invariant()
    def money_is_conserved(self) -> None:
        """Balances are the start, plus and minus each trade and its commission, exactly."""
        for account in (ANNA, BERT):
            totals = Counter({asset: Decimal(free) for asset, free in account.balances.items()})
            for trade in self.world.exchange.trades(account.name):
                sign = 1 if trade["isBuyer"] else -1
                totals["AAA"] += sign * Decimal(trade["qty"])
                totals["USDT"] -= sign * Decimal(trade["quoteQty"])
                totals[trade["commissionAsset"]] -= Decimal(trade["commission"])
            for asset in ("AAA", "USDT"):
                assert sum(self.world.money(asset, account.name)) == totals[asset]

    @invariant()
    def orders_are_their_trades(self) -> None:
        """Filled and cost are sums over trades; a limit is never exceeded; an ended order stays as it ended."""
        for name in ("anna", "bert"):
            filled: Counter[int] = Counter()
            state = self.world.state(name)
            for trade in state.trades:
                filled[trade.order_id] += trade.quantity
                order = state.orders[trade.order_id]
                sign = 1 if trade.side == "BUY" else -1
                assert order.limit == 0 or trade.price * sign <= order.limit * sign
            ids = [trade.trade_id for trade in state.trades]
            assert ids == sorted(set(ids))
            for order in state.orders.values():
                assert order.filled == filled[order.order_id] <= order.quantity
                assert (order.filled == order.quantity) == (order.status == "FILLED")
                before = self.ended.get(order.order_id)
                assert before in (None, order.status.value)
                if order.status in TERMINAL:
                    self.ended[order.order_id] = order.status.value

    @invariant()
    def open_ids_are_unique(self) -> None:
        """A client id belongs to at most one open order of an account."""
        for name in ("anna", "bert"):
            state = self.world.state(name)
            cids = [state.orders[key].cid for key in state.open_orders]
            assert len(cids) == len(set(cids))


AccountMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAccountMachine = AccountMachine.TestCase
