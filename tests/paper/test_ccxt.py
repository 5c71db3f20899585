"""Unmodified ccxt clients, sync, async and pro, trade here by URL override alone, on the kernel's candles."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import numpy as np
import pytest

from huracan.paper import PaperExchange
from huracan.paper.server import PaperServer
from tests.paper.serving import BARS, candles, exchange, market, serving, serving_in_a_thread

SYMBOL = "BTC/USDT"
MINUTE_MS = 60_000


def config(server: PaperServer, name: str = "main", **more: Any) -> dict[str, Any]:
    """Return what points a ccxt client here (docs/paper-exchange.md)."""
    rest, stream = f"{server.url}/api/v3", f"{server.ws_url}/stream/ws"
    return {
        "apiKey": f"key-of-{name}",
        "secret": f"secret-of-{name}",
        "timeout": 5_000,
        "enableRateLimit": False,
        "urls": {
            "api": {
                "public": rest,
                "private": rest,
                "sapi": f"{server.url}/sapi/v1",
                "ws": {"spot": stream, "ws-api": {"spot": f"{server.ws_url}/ws-api/v3"}},
            }
        },
        "options": {
            "fetchMarkets": {"types": ["spot"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchOpenOrders": {"warnWithoutSymbol": False},
            "recvWindow": 5_000,
        },
        **more,
    }


class Client:
    """A ccxt client whose calls block, whichever kind it is."""

    def __init__(self, kind: str, server: PaperServer, **more: Any) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop() if kind == "async" else None
        library = ccxt if self._loop is None else ccxt.async_support
        self.ccxt = library.binance(config(server, **more))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.ccxt, name)
        if self._loop is None:
            return method
        return lambda *args, **named: self._loop.run_until_complete(method(*args, **named))

    def close(self) -> None:
        """Close the connections."""
        if self._loop is not None:
            self._loop.run_until_complete(self.ccxt.close())
            self._loop.close()


@pytest.fixture(scope="module")
def venue() -> Iterator[tuple[PaperExchange, PaperServer]]:
    """An exchange in lock-step, its clock before the first bar, for clients that block."""
    served = exchange(lockstep=True, names=("main", "other", "poor"))
    with serving_in_a_thread(served) as server:
        yield served, server


@pytest.fixture(scope="module", params=["sync", "async"])
def client(request: pytest.FixtureRequest, venue: tuple[PaperExchange, PaperServer]) -> Iterator[Client]:
    """A client of `main`."""
    found = Client(request.param, venue[1])
    found.load_markets()
    yield found
    found.close()


@pytest.fixture
def clean(client: Client) -> Client:
    """The same client, without open orders."""
    if client.fetch_open_orders(SYMBOL):
        client.cancel_all_orders(SYMBOL)
    return client


def tick() -> Decimal:
    """Return the price step of the market."""
    return market(SYMBOL).instrument.tick


def last_close() -> float:
    """Return the close of the last bar before the exchange's start."""
    return float(candles(SYMBOL).close[BARS // 2 - 1])


def test_markets(client: Client) -> None:
    """Tick, step and least order value are the instrument's; spot only."""
    known = client.ccxt.market(SYMBOL)
    instrument = market(SYMBOL).instrument
    assert Decimal(str(known["precision"]["price"])) == instrument.tick
    assert Decimal(str(known["precision"]["amount"])) == instrument.step
    assert known["limits"]["cost"]["min"] == float(instrument.min_notional)
    assert (known["active"], known["spot"], known["type"]) == (True, True, "spot")
    assert set(client.ccxt.symbols) == {"ADA/USDT", SYMBOL}


def test_the_clock_is_the_wall_clock(client: Client) -> None:
    """Signatures are checked against it; market time is in the data only."""
    assert abs(client.fetch_time() - client.ccxt.milliseconds()) < 1_000
    assert abs(client.load_time_difference()) < 1_000


def test_candles(client: Client) -> None:
    """The newest closed bars, float for float, and a page from any time; nothing of the next bar leaks."""
    known = candles(SYMBOL)
    rows = np.array(client.fetch_ohlcv(SYMBOL, "1m", limit=100))
    closed = rows[rows[:, 0] < known.timestamp[BARS // 2]]
    assert len(closed) >= 99
    for at, name in enumerate(("timestamp", "open", "high", "low", "close", "volume")):
        assert np.array_equal(closed[:, at], getattr(known, name)[BARS // 2 - len(closed) : BARS // 2])
    page = np.array(client.fetch_ohlcv(SYMBOL, "1m", since=int(known.timestamp[10]), limit=5))
    assert np.array_equal(page[:, 0], known.timestamp[10:15])
    assert np.array_equal(page[:, 4], known.close[10:15])


def test_order_book_and_ticker(client: Client) -> None:
    """The spread of the cost table around the last close; the ticker agrees."""
    book = client.fetch_order_book(SYMBOL, 5)
    spread = int(market(SYMBOL).costs.spread[market(SYMBOL).day(BARS // 2 - 1)])
    bid, ask = Decimal(str(book["bids"][0][0])), Decimal(str(book["asks"][0][0]))
    assert (ask - bid) / tick() == spread
    assert bid < Decimal(str(last_close())) + tick()
    assert [level[0] for level in book["bids"]] == sorted((level[0] for level in book["bids"]), reverse=True)
    shown = client.fetch_ticker(SYMBOL)
    assert (shown["last"], shown["bid"], shown["ask"]) == (last_close(), float(bid), float(ask))
    assert client.fetch_bids_asks([SYMBOL])[SYMBOL]["bid"] == float(bid)


def test_public_trades(client: Client) -> None:
    """Prices within the candle they belong to, oldest first."""
    trades = client.fetch_trades(SYMBOL, limit=20)
    assert trades
    known = candles(SYMBOL)
    for trade in trades:
        bar = int(np.searchsorted(known.timestamp, trade["timestamp"], side="right")) - 1
        assert known.low[bar] <= trade["price"] <= known.high[bar]
    assert [trade["timestamp"] for trade in trades] == sorted(trade["timestamp"] for trade in trades)


def test_a_limit_order_rests_and_is_cancelled(clean: Client) -> None:
    """Open orders, locked balance, the order by both ids, cancel, and the balance free again."""
    before = clean.fetch_balance()["USDT"]["free"]
    placed = clean.create_order(SYMBOL, "limit", "buy", "2", "50", {"clientOrderId": "resting-1"})
    assert (placed["status"], placed["clientOrderId"], placed["filled"]) == ("open", "resting-1", 0)
    held = clean.fetch_balance()["USDT"]
    assert (held["used"], held["free"]) == (100.0, before - 100.0)
    assert [one["id"] for one in clean.fetch_open_orders(SYMBOL)] == [placed["id"]]
    assert clean.fetch_order(placed["id"], SYMBOL)["status"] == "open"
    assert clean.fetch_order(None, SYMBOL, {"origClientOrderId": "resting-1"})["id"] == placed["id"]
    gone = clean.cancel_order(placed["id"], SYMBOL)
    assert (gone["status"], gone["info"]["origClientOrderId"]) == ("canceled", "resting-1")
    assert clean.fetch_order(placed["id"], SYMBOL)["status"] == "canceled"
    assert clean.fetch_open_orders(SYMBOL) == []
    assert clean.fetch_balance()["USDT"] == {"free": before, "used": 0.0, "total": before}
    assert placed["id"] in {one["id"] for one in clean.fetch_orders(SYMBOL)}


def test_post_only(clean: Client) -> None:
    """A passive one rests as LIMIT_MAKER, a crossing one is refused as ccxt knows it from Binance."""
    placed = clean.create_order(SYMBOL, "limit", "buy", "1", "50", {"postOnly": True})
    assert placed["id"] is not None
    assert clean.fetch_order(placed["id"], SYMBOL)["type"] == "limit"
    assert clean.fetch_order(placed["id"], SYMBOL)["postOnly"] is True
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        clean.create_order(SYMBOL, "limit", "buy", "1", "150", {"postOnly": True})


def test_market_orders_and_trades(clean: Client) -> None:
    """Filled in the reply; trades, fees and balances agree with each other."""
    before = clean.fetch_balance()
    bought = clean.create_order(SYMBOL, "market", "buy", "3")
    assert (bought["status"], bought["filled"]) == ("closed", 3.0)
    mine = [trade for trade in clean.fetch_my_trades(SYMBOL) if trade["order"] == bought["id"]]
    assert sum(Decimal(str(trade["amount"])) for trade in mine) == 3
    assert {trade["takerOrMaker"] for trade in mine} == {"taker"}
    assert {trade["fee"]["currency"] for trade in mine} == {"BTC"}
    fees = sum(Decimal(trade["info"]["commission"]) for trade in mine)
    assert fees >= Decimal("0.003")
    cost = sum(Decimal(trade["info"]["quoteQty"]) for trade in mine)
    after = clean.fetch_balance()
    assert Decimal(str(after["BTC"]["free"])) - Decimal(str(before.get("BTC", {"free": 0})["free"])) == 3 - fees
    assert Decimal(str(before["USDT"]["free"])) - Decimal(str(after["USDT"]["free"])) == cost
    assert Decimal(str(bought["cost"])) == cost
    assert clean.fetch_order_trades(bought["id"], SYMBOL) == mine
    sold = clean.create_order(SYMBOL, "market", "sell", "2")
    assert (sold["status"], {fee["currency"] for fee in sold["fees"]}) == ("closed", {"USDT"})


@pytest.mark.parametrize("kind", ["IOC", "FOK"])
def test_orders_that_do_not_wait(clean: Client, kind: str) -> None:
    """Within the price filled at once, outside of it expired without a trade."""
    filled = clean.create_order(SYMBOL, "limit", "buy", "1", "150", {"timeInForce": kind})
    assert (filled["status"], filled["filled"]) == ("closed", 1.0)
    expired = clean.create_order(SYMBOL, "limit", "buy", "1", "50", {"timeInForce": kind})
    assert (expired["status"], expired["filled"]) == ("expired", 0.0)
    assert clean.fetch_open_orders(SYMBOL) == []


def test_a_bracket_is_one_order_list(clean: Client) -> None:
    """OCO by ccxt's implicit call: two legs under own ids, listed, queried, cancelled together."""
    clean.create_order(SYMBOL, "market", "buy", "1")
    name = f"list-{type(clean.ccxt).__module__}".replace(".", "-")[:30]
    placed = clean.private_post_orderlist_oco(
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "quantity": "0.9",
            "listClientOrderId": name,
            "aboveType": "LIMIT_MAKER",
            "abovePrice": "200",
            "aboveClientOrderId": f"{name}-a",
            "belowType": "STOP_LOSS",
            "belowStopPrice": "50",
            "belowClientOrderId": f"{name}-b",
        }
    )
    assert (placed["listOrderStatus"], placed["listClientOrderId"]) == ("EXECUTING", name)
    legs = {one["clientOrderId"]: one for one in clean.fetch_open_orders(SYMBOL)}
    assert set(legs) == {f"{name}-a", f"{name}-b"}
    assert (legs[f"{name}-b"]["stopPrice"], legs[f"{name}-a"]["price"]) == (50.0, 200.0)
    assert clean.fetch_balance()["BTC"]["used"] == 0.9
    assert [one["listClientOrderId"] for one in clean.private_get_openorderlist()] == [name]
    assert clean.private_get_orderlist({"origClientOrderId": name})["listOrderStatus"] == "EXECUTING"
    ended = clean.private_delete_orderlist({"symbol": "BTCUSDT", "listClientOrderId": name})
    assert ended["listOrderStatus"] == "ALL_DONE"
    assert clean.fetch_open_orders(SYMBOL) == []
    assert clean.fetch_balance()["BTC"]["used"] == 0.0


def test_refusals_are_the_classes_that_ccxt_has_for_them(clean: Client) -> None:
    """The definite rejects of an order, and queries for what is not there."""

    def place(**changes: Any) -> Any:
        params = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        return clean.private_post_order({**params, "quantity": "1", "price": "50", **changes})

    with pytest.raises(ccxt.InsufficientFunds, match="insufficient balance"):
        place(quantity="1000000")
    with pytest.raises(ccxt.InvalidOrder, match="LOT_SIZE"):
        place(quantity="0.00001")
    with pytest.raises(ccxt.InvalidOrder, match="PRICE_FILTER"):
        place(price="50.00001")
    with pytest.raises((ccxt.BadRequest, ccxt.InvalidOrder), match="NOTIONAL"):
        place(quantity="0.01")
    with pytest.raises(ccxt.BadSymbol):
        place(symbol="NONEUSDT")
    with pytest.raises(ccxt.BadRequest):
        place(quantity="")
    with pytest.raises(ccxt.OrderNotFound):
        clean.cancel_order("123456789", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        clean.fetch_order("123456789", SYMBOL)
    place(newClientOrderId="twice")
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
        place(newClientOrderId="twice")


def test_keys_clocks_and_signatures(venue: tuple[PaperExchange, PaperServer]) -> None:
    """A wrong secret, an unknown key and a clock that is off are told apart."""
    server = venue[1]
    for more, error in (
        ({"secret": "wrong"}, ccxt.AuthenticationError),
        ({"apiKey": "wrong"}, ccxt.AuthenticationError),
        ({"options": {"timeDifference": 30_000, "recvWindow": 5_000}}, ccxt.InvalidNonce),
        ({"options": {"timeDifference": -30_000, "recvWindow": 5_000}}, ccxt.InvalidNonce),
    ):
        whole = config(server)
        client = ccxt.binance({**whole, **more, "options": {**whole["options"], **more.get("options", {})}})
        with pytest.raises(error):
            client.fetch_balance()


# ---- pro --------------------------------------------------------------------------------------------------------


class Moving:
    """An exchange that a test moves phase by phase, while a ccxt.pro client listens."""

    def __init__(self, served: PaperExchange, server: PaperServer, client: Any) -> None:
        self.served, self.server, self.ccxt = served, server, client

    async def until(self, what: Any, phases: int = 200) -> Any:
        """Move the market until a call has returned, and return its result."""
        task = asyncio.ensure_future(what)
        for _ in range(phases):
            done, _ = await asyncio.wait([task], timeout=0.05)
            if done:
                return task.result()
            self.move()
        task.cancel()
        raise AssertionError("nothing came")

    def move(self, phases: int = 1) -> None:
        """Move the market by phases and send what happened."""
        for _ in range(phases):
            self.served.advance(self.served.next_ms())
            self.server.hub.publish()


def moving(talk: Any) -> None:
    """Run a conversation of a ccxt.pro client with an exchange that stands in the window of its first bar."""

    async def scenario() -> None:
        served = exchange()
        async with serving(served) as server:
            client = ccxt.pro.binance(config(server))
            try:
                await client.load_markets()
                market = Moving(served, server, client)
                market.move()
                await talk(market)
            finally:
                await client.close()

    asyncio.run(scenario())


def test_watch_candles() -> None:
    """Closed candles that arrive on the stream are those of the file, float for float."""

    async def talk(market: Moving) -> None:
        known, seen = candles(SYMBOL), {}
        while len(seen) < 4:
            for row in await market.until(market.ccxt.watch_ohlcv(SYMBOL, "1m")):
                seen[row[0]] = row
        closed = sorted(seen)[1:-1]  # the first may have begun before we listened, the last is not over
        for at in closed:
            bar = int(np.searchsorted(known.timestamp, at))
            columns = ("open", "high", "low", "close", "volume")
            assert seen[at][1:] == [float(getattr(known, name)[bar]) for name in columns]

    moving(talk)


def test_watch_book_trades_and_quotes() -> None:
    """The local book follows the depth stream and equals a fresh snapshot."""

    async def talk(market: Moving) -> None:
        for _ in range(12):
            book = await market.until(market.ccxt.watch_order_book(SYMBOL))
        market.move(0)
        fresh = await market.ccxt.fetch_order_book(SYMBOL)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert [level[0] for level in book["bids"][:5]] == [level[0] for level in fresh["bids"][:5]]
        assert [level[0] for level in book["asks"][:5]] == [level[0] for level in fresh["asks"][:5]]
        trades = await market.until(market.ccxt.watch_trades(SYMBOL))
        assert trades[0]["symbol"] == SYMBOL
        quotes = await market.until(market.ccxt.watch_bids_asks([SYMBOL]))
        assert quotes[SYMBOL]["bid"] < quotes[SYMBOL]["ask"]

    moving(talk)


def test_watch_orders_and_trades() -> None:
    """Both see what REST orders do; the trade on the stream is the one of fetch_my_trades."""

    async def talk(market: Moving) -> None:
        orders = asyncio.ensure_future(market.ccxt.watch_orders(SYMBOL))
        trades = asyncio.ensure_future(market.ccxt.watch_my_trades(SYMBOL))
        await asyncio.sleep(0.3)
        bought = await market.ccxt.create_order(SYMBOL, "market", "buy", "1")
        seen = await asyncio.wait_for(orders, 10)
        assert seen[-1]["id"] == bought["id"]
        mine = await asyncio.wait_for(trades, 10)
        known = await market.ccxt.fetch_my_trades(SYMBOL)
        assert {trade["id"] for trade in mine} <= {trade["id"] for trade in known}
        assert mine[0]["order"] == bought["id"]
        balance = asyncio.ensure_future(market.ccxt.watch_balance())
        await asyncio.sleep(0.1)
        resting = await market.ccxt.create_order(SYMBOL, "limit", "buy", "1", "50", {"clientOrderId": "watched"})
        assert (await asyncio.wait_for(balance, 10))["USDT"]["used"] == 50.0
        ends = asyncio.ensure_future(market.ccxt.watch_orders(SYMBOL))
        await asyncio.sleep(0.1)
        await market.ccxt.cancel_order(resting["id"], SYMBOL)
        assert {one["clientOrderId"] for one in await asyncio.wait_for(ends, 10)} >= {"watched"}

    moving(talk)


def test_orders_over_the_websocket_api() -> None:
    """ccxt.pro's order methods: placed, asked for, listed and cancelled without REST."""

    async def talk(market: Moving) -> None:
        pro = market.ccxt
        placed = await pro.create_order_ws(SYMBOL, "limit", "buy", 1, 50, {"newClientOrderId": "by-socket"})
        assert (placed["status"], placed["clientOrderId"]) == ("open", "by-socket")
        assert (await pro.fetch_order_ws(placed["id"], SYMBOL))["status"] == "open"
        assert [one["id"] for one in await pro.fetch_open_orders_ws(SYMBOL)] == [placed["id"]]
        assert (await pro.cancel_order_ws(placed["id"], SYMBOL))["status"] == "canceled"
        with pytest.raises(ccxt.InsufficientFunds):
            await pro.create_order_ws(SYMBOL, "limit", "buy", 1_000_000, 50)

    moving(talk)


def test_an_order_after_the_window_waits_for_the_next_open() -> None:
    """In free run a market order sent in mid-bar is NEW, holds its money, and fills at the open of the next bar."""

    async def talk(market: Moving) -> None:
        pro, known = market.ccxt, candles(SYMBOL)
        market.move(2)
        late = await pro.create_order(SYMBOL, "market", "buy", "1")
        assert (late["status"], late["filled"]) == ("open", 0.0)
        market.move(4)
        filled = await pro.fetch_order(late["id"], SYMBOL)
        assert (filled["status"], filled["filled"]) == ("closed", 1.0)
        bar = int(np.searchsorted(known.timestamp, market.served.now_ms, side="right")) - 1
        spread = spread_ticks(bar)
        assert 0 < filled["average"] - known.open[bar] <= (spread + 2) * float(tick())

    moving(talk)


def spread_ticks(bar: int) -> int:
    """Return the spread of a bar's day, ticks."""
    return int(market(SYMBOL).costs.spread[market(SYMBOL).day(bar)])


@pytest.mark.parametrize("how", ["cut", "terminated"])
def test_streams_that_end_are_taken_up_again(how: str) -> None:
    """A cut connection is an error for who waits, `eventStreamTerminated` is not; the next call hears again."""

    async def talk(market: Moving) -> None:
        pro = market.ccxt
        watching = asyncio.ensure_future(pro.watch_orders(SYMBOL))
        await asyncio.sleep(0.2)
        if how == "cut":
            assert market.server.hub.cut_all() >= 1
            with pytest.raises(ccxt.NetworkError):
                await asyncio.wait_for(watching, 10)
        else:
            assert market.server.hub.terminate_user_streams(market.served.now_ms) == 1
            await asyncio.sleep(0.2)
            assert not watching.done()  # ccxt does not tell who waits
        again = asyncio.ensure_future(pro.watch_orders(SYMBOL))
        await asyncio.sleep(0.3)
        await pro.create_order(SYMBOL, "limit", "buy", "1", "50", {"clientOrderId": f"after-{how}"})
        assert (await asyncio.wait_for(again, 10))[-1]["clientOrderId"] == f"after-{how}"

    moving(talk)
