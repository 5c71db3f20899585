"""Market data routes."""

import json
from decimal import Decimal

import pytest

from tests.paper.world import BASE_MS, FLAT, START_MS, World, market

MOVE = (10_010, 10_060, 9_950, 10_020, 4_000)
HERE = World([market([FLAT, MOVE, MOVE, MOVE], impact=0.05), market([FLAT] * 4, symbol="BBB/USDT")])
HERE.bar()
HERE.bar()


def test_ping_and_time() -> None:
    """The wall clock, not the market's."""
    assert HERE.get("/api/v3/ping") == {}
    assert HERE.get("/api/v3/time") == {"serverTime": HERE.clock.ms}


def test_exchange_info_is_made_from_the_instruments() -> None:
    """All markets, one, or some; limits and filters with them."""
    shown = HERE.get("/api/v3/exchangeInfo")
    assert [one["symbol"] for one in shown["symbols"]] == ["AAAUSDT", "BBBUSDT"]
    one = HERE.get("/api/v3/exchangeInfo", symbol="BBBUSDT")["symbols"]
    assert one == HERE.get("/api/v3/exchangeInfo", symbols='["BBBUSDT"]')["symbols"] == [shown["symbols"][1]]
    assert one[0]["filters"][0] == {
        "filterType": "PRICE_FILTER",
        "minPrice": "0.01",
        "maxPrice": "10000000.00",
        "tickSize": "0.01",
    }
    assert {limit["rateLimitType"] for limit in shown["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("exchangeInfo", {"symbol": "XXX"}, -1121),
        ("exchangeInfo", {"symbol": "AAAUSDT", "symbols": '["BBBUSDT"]'}, -1128),
        ("depth", {}, -1102),
        ("depth", {"symbol": "XXX"}, -1121),
        ("klines", {"symbol": "AAAUSDT"}, -1102),
        ("klines", {"symbol": "AAAUSDT", "interval": "1M"}, -1120),
        ("klines", {"symbol": "AAAUSDT", "interval": "1m", "startTime": "soon"}, -1100),
        ("aggTrades", {"symbol": "AAAUSDT", "fromId": 1, "startTime": 1}, -1128),
        ("aggTrades", {"symbol": "AAAUSDT", "startTime": 5, "endTime": 1}, -1130),
        ("ticker/price", {"symbols": "[]]"}, -1135),
    ],
)
def test_bad_questions(path: str, params: dict[str, str], code: int) -> None:
    """Definite refusals."""
    assert HERE.fails("GET", f"/api/v3/{path}", signed=False, **params)[1] == code


def test_the_book_of_the_last_close() -> None:
    """Spread of two ticks around 100.20, the depth of the impact law."""
    shown = HERE.get("/api/v3/depth", symbol="AAAUSDT", limit=2)
    assert shown["bids"] == [["100.19000000", "0.40000000"], ["100.18000000", "1.20000000"]]
    assert [price for price, _ in shown["asks"]] == ["100.21000000", "100.22000000"]
    assert len(HERE.get("/api/v3/depth", symbol="AAAUSDT")["bids"]) == 20


def test_tickers() -> None:
    """One market as an object, several as a list."""
    assert HERE.get("/api/v3/ticker/price", symbol="AAAUSDT") == {"symbol": "AAAUSDT", "price": "100.20000000"}
    assert [one["symbol"] for one in HERE.get("/api/v3/ticker/price")] == ["AAAUSDT", "BBBUSDT"]
    (one,) = HERE.get("/api/v3/ticker/bookTicker", symbols='["AAAUSDT"]')
    assert (one["bidPrice"], one["askPrice"]) == ("100.19000000", "100.21000000")
    day = HERE.get("/api/v3/ticker/24hr", symbol="AAAUSDT")
    assert (day["openPrice"], day["highPrice"], day["lowPrice"], day["lastPrice"]) == (
        "100.00000000",
        "100.60000000",
        "99.50000000",
        "100.20000000",
    )
    assert day["volume"] == "1008.00000000"
    assert HERE.get("/api/v3/avgPrice", symbol="AAAUSDT")["mins"] == 5


def test_klines_have_count_value_and_taker_volume() -> None:
    """Twelve columns as Binance has them."""
    shown = HERE.get("/api/v3/klines", symbol="AAAUSDT", interval="1m", limit=2)
    assert [row[0] for row in shown] == [START_MS + BASE_MS, START_MS + 2 * BASE_MS]
    row = shown[0]
    assert row[:7] == [
        START_MS + BASE_MS, "100.10000000", "100.60000000", "99.50000000", "100.20000000", "4.00000000",
        START_MS + 2 * BASE_MS - 1,
    ]  # fmt: skip
    assert (row[8], row[9], row[11]) == (4, "2.00000000", "0")
    assert Decimal(row[7]) == Decimal("400.50")
    assert HERE.get("/api/v3/uiKlines", symbol="AAAUSDT", interval="1m", limit=2) == shown


def test_trades_and_aggregates() -> None:
    """The newest, from an id, between two times."""
    shown = HERE.get("/api/v3/trades", symbol="AAAUSDT", limit=4)
    assert [one["price"] for one in shown] == ["100.10000000", "99.50000000", "100.60000000", "100.20000000"]
    same = HERE.get("/api/v3/aggTrades", symbol="AAAUSDT", limit=4)
    assert [one["a"] for one in same] == [one["id"] for one in shown]
    assert HERE.get("/api/v3/aggTrades", symbol="AAAUSDT", fromId=same[1]["a"], limit=2) == same[1:3]
    times = {"startTime": same[1]["T"], "endTime": same[2]["T"]}
    assert HERE.get("/api/v3/aggTrades", symbol="AAAUSDT", **times) == same[1:3]


def test_wallets_and_margin_pairs_are_empty() -> None:
    """What ccxt asks for on loading markets."""
    assert HERE.get("/sapi/v1/capital/config/getall") == []


def test_a_perpetual_shows_its_candles_under_futures_and_is_no_spot_market() -> None:
    """Both are AAAUSDT to a client, each at its own host's paths; nothing can be ordered of the perpetual."""
    cheap = [(50, 60, 40, 55, 10)] * 6
    world = World([market([FLAT] * 6), market(cheap, symbol="AAA/USDT:USDT")])
    asked = {"symbol": "AAAUSDT", "interval": "1m", "limit": 1}
    assert world.get("/fapi/v1/klines", **asked)[0][1] == "0.50000000"
    assert world.get("/api/v3/klines", **asked)[0][1] == "100.00000000"
    (shown,) = world.get("/fapi/v1/exchangeInfo")["symbols"]
    assert (shown["symbol"], shown["contractType"], shown["marginAsset"]) == ("AAAUSDT", "PERPETUAL", "USDT")
    assert [one["symbol"] for one in world.get("/api/v3/exchangeInfo")["symbols"]] == ["AAAUSDT"]
    assert [one["symbol"] for one in world.get("/api/v3/ticker/price")] == ["AAAUSDT"]
    for path, name in (("/api/v3/klines", "AAAUSDT_PERP"), ("/fapi/v1/klines", "BBBUSDT")):
        reply = world.send("GET", path, signed=False, **(asked | {"symbol": name}))
        assert json.loads(reply.body)["code"] == -1121
