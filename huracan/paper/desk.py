"""The trading desk: accepts, fills, cancels and expires orders, moves their money and tells their accounts."""

from decimal import Decimal

from huracan.paper.account import fee_of, lock, lock_needed, release, settle
from huracan.paper.core import Core
from huracan.paper.errors import INSUFFICIENT, Refusal, rejected, unknown_order
from huracan.paper.events import EventLog
from huracan.paper.faults import FaultKind
from huracan.paper.limits import forgive_order
from huracan.paper.matching import Part, least_lot, takeable, taker_parts, touch
from huracan.paper.payloads import account_position, execution_report, list_status
from huracan.paper.state import AccountState, Money, Order, OrderList, OrderType, Phase, Side, Status, Tif, Trade
from huracan.paper.tickets import STOPS, OcoTicket, Ticket
from huracan.trading.venue_law import Terms, best_bid, oco_refused, post_only_refused

__all__ = ["Desk"]

_HELD_PHASES = (Phase.STOPS, Phase.SELLS, Phase.GAP)
_FILLS_PER_PHASE_MAX = 100_000


class Desk:
    """Orders of every account in every market; time and bars are moved by `Clockwork`."""

    def __init__(self, core: Core, events: EventLog) -> None:
        self._core = core
        self._events = events

    # ---- new orders ---------------------------------------------------------------------------------------------

    def place(self, name: str, ticket: Ticket) -> Order:
        """Take one order; what it fills at once is in the account's trades.

        Raises:
            Refusal: the venue does not take it; nothing has changed.
        """
        state = self._core.account(name)
        self._check_open(ticket.symbol)
        self._check_cid(state, ticket.symbol, ticket.cid)
        lot = self._lot(state, ticket)
        held = self._held(ticket.symbol)
        self._refuse(state, ticket, held)
        order = self._make(state, ticket, lot, held)
        terms = self._terms(order.symbol)
        asset, amount = lock_needed(order, order.quantity, self._core.markets[order.symbol], terms)
        lock(state, order, asset, amount)
        self._register(state, order)
        self._report(order, "NEW")
        if not held and order.working:
            self._take(order, terms)
        return order

    def _held(self, symbol: str) -> bool:
        """Return whether a command of now waits for the next window, and count it."""
        market = self._core.state.markets[symbol]
        held = market.phase in _HELD_PHASES
        market.late += held
        return held

    def _check_open(self, symbol: str) -> None:
        if self._core.halted(symbol):
            raise Refusal(-1013, "Market is closed.")

    def _check_cid(self, state: AccountState, symbol: str, cid: str | None) -> None:
        """Refuse a client id that an open order of the market has; ended orders' ids may come again."""
        newest = state.newest.get(f"{symbol} {cid}")
        if cid is not None and newest in state.open_orders:
            raise rejected("Duplicate order sent.")

    def _refuse(self, state: AccountState, ticket: Ticket, held: bool) -> None:
        """Raise what the matching engine says to an order that the book does not admit."""
        symbol, terms = ticket.symbol, self._terms(ticket.symbol)
        last = self._core.last(symbol, state.name)
        if ticket.type is OrderType.LIMIT_MAKER and self._would_match(ticket.side, ticket.limit, last, terms):
            raise rejected("Order would immediately match and take.")
        if ticket.type in STOPS and ticket.stop >= last:
            raise rejected("Stop price would trigger immediately.")
        if ticket.type is OrderType.MARKET and not held:
            quantity = ticket.quantity or self._affordable(state, ticket, last, terms)
            if quantity == 0:
                raise rejected("Order book liquidity is less than symbol minimum quantity.")
            buys = ticket.side is Side.BUY
            if buys and self._cost(state, symbol, quantity, last, terms) > self._free_quote(state, symbol):
                raise rejected(INSUFFICIENT)

    @staticmethod
    def _would_match(side: Side, limit: int, last: int, terms: Terms) -> bool:
        if side is Side.BUY:
            return bool(post_only_refused(limit, last, terms))
        return limit <= best_bid(last, terms)

    def _free_quote(self, state: AccountState, symbol: str) -> Decimal:
        return state.money.get(self._core.markets[symbol].quote, Money()).free

    def _cost(self, state: AccountState, symbol: str, quantity: int, last: int, terms: Terms) -> Decimal:
        """Return what a market buy would take of the quote balance, fee included where it is paid in quote."""
        market, account = self._core.markets[symbol], self._core.accounts[state.name]
        total = Decimal(0)
        for part in taker_parts(Side.BUY, touch(Side.BUY, last, terms), quantity, terms):
            fee, asset = fee_of(account, state, market, Side.BUY, part, False, terms)
            total += part.price * part.quantity * market.instrument.tick_step_quote
            total += fee if asset == market.quote else Decimal(0)
        return total

    def _affordable(self, state: AccountState, ticket: Ticket, last: int, terms: Terms) -> int:
        """Return the steps that `quoteOrderQty` pays for, or brings; by bisection."""
        grid = self._core.markets[ticket.symbol].instrument.tick_step_quote
        begin = touch(ticket.side, last, terms)

        def value(quantity: int) -> Decimal:
            parts = taker_parts(ticket.side, begin, quantity, terms)
            return sum(part.price * part.quantity for part in parts) * grid

        fits, exceeds = 0, max(2, int(ticket.quote_limit / (max(1, begin) * grid)) * 2 + 2)
        while exceeds - fits > 1:
            middle = (fits + exceeds) // 2
            if value(middle) <= ticket.quote_limit:
                fits = middle
            else:
                exceeds = middle
        return fits

    def _lot(self, state: AccountState, ticket: Ticket) -> int:
        """Return the least partial fill of an order.

        It is fixed by the last close before a purchase and kept for the sales after it. Attempts of one intent have
        client ids that differ after the last dash only ("h0123-1", "h0123-2"): they share the first one's.
        """
        market, symbol = self._core.markets[ticket.symbol], ticket.symbol
        cid = ticket.cid or ""
        chain = cid.rpartition("-")[0] or cid
        fresh = ticket.side is Side.BUY and state.chain.get(symbol) != chain
        if fresh or symbol not in state.lots:
            state.chain[symbol] = chain
            state.lots[symbol] = least_lot(self._core.last_close(symbol), market.instrument.min_notional_ticks_steps)
        return state.lots[symbol]

    def _make(self, state: AccountState, ticket: Ticket, lot: int, held: bool) -> Order:
        core, market = self._core, self._core.state.markets[ticket.symbol]
        now = core.time_ms(ticket.symbol)
        quantity = ticket.quantity
        if quantity == 0:
            last, terms = core.last(ticket.symbol, state.name), self._terms(ticket.symbol)
            quantity = self._affordable(state, ticket, last, terms)
        order_id = core.state.next_order_id
        core.state.next_order_id += 1
        return Order(
            order_id=order_id,
            cid=ticket.cid or f"paper-{order_id}",
            account=state.name,
            symbol=ticket.symbol,
            side=ticket.side,
            type=ticket.type,
            tif=ticket.tif,
            quantity=quantity,
            limit=ticket.limit,
            stop=ticket.stop,
            quote_limit=ticket.quote_limit,
            stp=ticket.stp,
            lot=lot,
            row=market.row,
            phase=market.phase,
            created_ms=now,
            updated_ms=now,
            working=ticket.type not in STOPS,
            held=held,
        )

    def _register(self, state: AccountState, order: Order) -> None:
        state.orders[order.order_id] = order
        state.open_orders[order.order_id] = True
        state.newest[f"{order.symbol} {order.cid}"] = order.order_id
        order.hidden_until_ms = self._hidden_until(state.name)

    def _hidden_until(self, name: str) -> int:
        """Return until when GET does not see what happens now (wall ms); 0: at once."""
        faults = self._core.state.faults
        lag = faults.get_lag > 0 and self._core.random["faults"].random() < faults.get_lag
        return self._core.wall_ms + faults.get_lag_ms if lag else 0

    # ---- lists --------------------------------------------------------------------------------------------------

    def place_oco(self, name: str, ticket: OcoTicket) -> OrderList:
        """Take a sell list: a limit above the last trade and a stop below it, on the same coins.

        Raises:
            Refusal: the venue does not take it; nothing has changed.
        """
        state, symbol = self._core.account(name), ticket.symbol
        self._check_open(symbol)
        self._check_cid(state, symbol, ticket.above.cid)
        self._check_cid(state, symbol, ticket.below.cid)
        newest = state.newest_list.get(ticket.list_cid or "")
        if newest is not None and not state.lists[newest].done:
            raise rejected("Duplicate order sent.")
        last = self._core.last(symbol, name)
        if ticket.below.stop >= last:
            raise rejected("Stop price would trigger immediately.")
        if oco_refused(ticket.above.limit, last):
            raise rejected("The relationship of the prices for the orders is not correct.")
        held, lot = self._held(symbol), self._lot(state, ticket.above)
        legs = [self._make(state, leg, lot, held) for leg in (ticket.above, ticket.below)]
        list_id = self._core.state.next_list_id
        pair = OrderList(
            list_id=list_id,
            cid=ticket.list_cid or f"paper-list-{list_id}",
            account=name,
            symbol=symbol,
            above_id=legs[0].order_id,
            below_id=legs[1].order_id,
            created_ms=legs[0].created_ms,
        )
        market = self._core.markets[symbol]
        lock(state, pair, market.base, legs[0].quantity * market.instrument.step)
        self._core.state.next_list_id += 1
        state.lists[list_id] = pair
        state.newest_list[pair.cid] = list_id
        for leg in legs:
            leg.list_id = list_id
            self._register(state, leg)
        pair.hidden_until_ms = legs[0].hidden_until_ms
        for leg in legs:
            self._report(leg, "NEW")
        self._list_event(pair)
        return pair

    def legs(self, pair: OrderList) -> tuple[Order, Order]:
        """Return (above, below) of a list."""
        orders = self._core.account(pair.account).orders
        return orders[pair.above_id], orders[pair.below_id]

    def _list_event(self, pair: OrderList) -> None:
        now = self._core.time_ms(pair.symbol)
        self._events.private(pair.account, list_status(pair, self.legs(pair), now))

    # ---- fills --------------------------------------------------------------------------------------------------

    def _take(self, order: Order, terms: Terms) -> None:
        """Let a new order meet the book: fill what it can take, then rest or expire what is left."""
        if order.type is OrderType.LIMIT_MAKER:
            return
        core, begin = self._core, touch(order.side, self._core.last(order.symbol, order.account), terms)
        quantity = order.rest
        if order.limit:
            quantity = takeable(order.side, order.limit, begin, quantity, terms)
        thin = core.state.faults.market_remainder
        if quantity and core.strikes(FaultKind.MARKET_REMAINDER, thin, account=order.account) is not None:
            quantity //= 2
        if order.tif is Tif.FOK and quantity < order.quantity:
            quantity = 0
        parts = taker_parts(order.side, begin, quantity, terms) if quantity else []
        if parts and not self._prevent_self_trade(order, parts[-1].price):
            return
        for part in parts:
            self.fill(order, part, maker=False)
        if order.is_open and (order.type is OrderType.MARKET or order.tif is not Tif.GTC):
            self.expire(order)

    def _prevent_self_trade(self, order: Order, worst: int) -> bool:
        """End whatever would trade with itself, by the order's mode; return whether the order may go on."""
        if order.stp == "NONE":
            return True
        state = self._core.account(order.account)
        sign = 1 if order.side is Side.BUY else -1
        met = [
            other
            for other in map(state.orders.__getitem__, list(state.open_orders))
            if other.symbol == order.symbol
            and other.side is not order.side
            and other.working
            and other.limit * sign <= worst * sign
        ]
        if met and order.stp != "EXPIRE_TAKER":
            for other in met:
                if other.is_open:
                    self.expire(other, Status.EXPIRED_IN_MATCH)
        if met and order.stp != "EXPIRE_MAKER":
            self.expire(order, Status.EXPIRED_IN_MATCH)
            return False
        return True

    def fill(self, order: Order, part: Part, maker: bool) -> None:
        """Book one trade of an order: money, trade, status, events; a list's other leg ends with the first fill."""
        core, state = self._core, self._core.account(order.account)
        market, terms = core.markets[order.symbol], self._terms(order.symbol)
        pair = state.lists.get(order.list_id)
        if pair is not None:
            self._end_other_leg(pair, order)
        fee = fee_of(core.accounts[order.account], state, market, order.side, part, maker, terms)
        first = order.filled == 0
        order.filled += part.quantity
        order.cost += part.price * part.quantity
        assert order.filled <= order.quantity, "an order cannot fill beyond its quantity"
        after = lock_needed(order, order.rest, market, terms)[1]
        settle(state, order if pair is None else pair, market, order.side, part, fee, after)
        order.status = Status.PARTIALLY_FILLED if order.rest else Status.FILLED
        order.updated_ms = core.time_ms(order.symbol)
        trade = self._trade(order, part, fee, maker)
        state.trades.append(trade)
        if first:
            forgive_order(state, core.wall_ms)
        if not order.is_open:
            self._close(state, order)
        self._report(order, "TRADE", trade, fee[1])
        self._finish_list(order)

    def _trade(self, order: Order, part: Part, fee: tuple[Decimal, str], maker: bool) -> Trade:
        market = self._core.state.markets[order.symbol]
        market.fills += 1
        assert market.fills < _FILLS_PER_PHASE_MAX, "more trades in one phase of a bar than it has numbers for"
        return Trade(
            trade_id=(market.row * 10 + market.phase) * _FILLS_PER_PHASE_MAX + market.fills,
            order_id=order.order_id,
            list_id=order.list_id,
            symbol=order.symbol,
            side=order.side,
            price=part.price,
            quantity=part.quantity,
            commission=fee[0],
            commission_asset=fee[1],
            maker=maker,
            time_ms=order.updated_ms,
            hidden_until_ms=self._hidden_until(order.account),
        )

    def _end_other_leg(self, pair: OrderList, order: Order) -> None:
        for leg in self.legs(pair):
            if leg is not order and leg.is_open:
                self._end(leg, Status.EXPIRED)
                self._report(leg, "EXPIRED")

    # ---- ends ---------------------------------------------------------------------------------------------------

    def expire(self, order: Order, status: Status = Status.EXPIRED) -> None:
        """End an order by the venue's own rules, and with a leg its list."""
        state = self._core.account(order.account)
        pair = state.lists.get(order.list_id)
        if pair is not None:
            self._end_other_leg(pair, order)
        self._end(order, status)
        self._report(order, "TRADE_PREVENTION" if status is Status.EXPIRED_IN_MATCH else "EXPIRED")
        self._finish_list(order)

    def cancel(self, order: Order, cancel_cid: str) -> list[Order]:
        """Cancel an order, or with a leg its whole list; return the orders ended.

        Raises:
            Refusal: it does not rest any more.
        """
        if not order.is_open:
            raise unknown_order()
        state = self._core.account(order.account)
        pair = state.lists.get(order.list_id)
        legs = [order] if pair is None else [leg for leg in self.legs(pair) if leg.is_open]
        faults = self._core.state.faults
        raced = next((leg for leg in legs if leg.working and leg.limit and not leg.held), None)
        if (
            raced is not None
            and self._core.strikes(FaultKind.CANCEL_RACE, faults.cancel_race, account=order.account) is not None
        ):
            self.fill(raced, Part(raced.limit, raced.rest), maker=True)
            raise unknown_order()
        for leg in legs:
            self._end(leg, Status.CANCELED)
            self._report(leg, "CANCELED", cancel_cid=cancel_cid)
        self._finish_list(order)
        return legs

    def _end(self, order: Order, status: Status) -> None:
        state = self._core.account(order.account)
        order.status = status
        order.updated_ms = self._core.time_ms(order.symbol)
        self._close(state, order)

    def _close(self, state: AccountState, order: Order) -> None:
        """Take an ended order off the open ones and free what it still locks."""
        order.held = False
        del state.open_orders[order.order_id]
        market = self._core.markets[order.symbol]
        asset = market.base if order.side is Side.SELL else market.quote
        release(state, order, asset)

    def _finish_list(self, order: Order) -> None:
        """End a list of which no leg is open any more."""
        state = self._core.account(order.account)
        pair = state.lists.get(order.list_id)
        if pair is None or pair.done or any(leg.is_open for leg in self.legs(pair)):
            return
        pair.done = True
        if pair.locked:
            release(state, pair, self._core.markets[pair.symbol].base)
            self._position(order, None)
        self._list_event(pair)

    # ---- between windows ----------------------------------------------------------------------------------------

    def release_held(self, symbol: str) -> None:
        """Let the commands that came between windows meet the book of a window that has just opened."""
        market = self._core.state.markets[symbol]
        for name in sorted(self._core.state.accounts):
            state = self._core.account(name)
            for key in sorted(state.open_orders):
                order = state.orders[key]
                if order.symbol == symbol and order.held and order.is_open:
                    order.held, order.row, order.phase = False, market.row, Phase.WINDOW
                    self._release(state, order)

    def _release(self, state: AccountState, order: Order) -> None:
        terms = self._terms(order.symbol)
        last = self._core.last(order.symbol, order.account)
        if order.list_id < 0 and order.type is OrderType.LIMIT_MAKER:
            if self._would_match(order.side, order.limit, last, terms):
                self.expire(order)
        elif order.type is OrderType.MARKET and order.side is Side.BUY:
            free = self._free_quote(state, order.symbol)
            if self._cost(state, order.symbol, order.quantity, last, terms) > free:
                self.expire(order)
            else:
                self._take(order, terms)
        elif order.working and order.list_id < 0:
            self._take(order, terms)

    def trigger(self, order: Order, parts: list[Part]) -> None:
        """A stop was touched: a market stop sells; a limit stop takes if its limit allows, else rests from next bar."""
        pair = self._core.account(order.account).lists.get(order.list_id)
        if pair is not None:
            self._end_other_leg(pair, order)
        order.working = True
        if order.type is OrderType.STOP_LOSS or parts[-1].price >= order.limit:
            for part in parts:
                self.fill(order, part, maker=False)
        elif order.tif is not Tif.GTC:
            self.expire(order)
        else:
            order.row, order.phase = self._core.state.markets[order.symbol].row, Phase.BUYS

    # ---- words --------------------------------------------------------------------------------------------------

    def _terms(self, symbol: str) -> Terms:
        return self._core.terms(symbol, self._core.bar_row(symbol))

    def _report(
        self,
        order: Order,
        execution: str,
        trade: Trade | None = None,
        fee_asset: str | None = None,
        cancel_cid: str | None = None,
    ) -> None:
        market, now = self._core.markets[order.symbol], self._core.time_ms(order.symbol)
        self._events.private(order.account, execution_report(order, market, execution, now, trade, cancel_cid))
        self._position(order, fee_asset)

    def _position(self, order: Order, fee_asset: str | None) -> None:
        market, now = self._core.markets[order.symbol], self._core.time_ms(order.symbol)
        assets = [market.base, market.quote]
        if fee_asset is not None and fee_asset not in assets:
            assets.append(fee_asset)
        state = self._core.account(order.account)
        self._events.private(order.account, account_position(state, assets, now))
