"""The raw public interface against a real server that misbehaves."""

import socket

import numpy as np
import pytest

from huracan.errors import ConfigError, DataError, VenueError
from huracan.market import SYNTHETIC_START_MS as START
from huracan.market import MarketShape, candles_from_rows, martingale
from huracan.venue.public import PublicVenue
from tests.venue.loopback import FakeTime, LoopbackExchange

BARS = 500
SPOT = martingale(MarketShape("ADA/USDT", silent_frac=0.05), BARS, 1)
PERPETUAL = martingale(MarketShape("BTC/USDT:USDT"), BARS, 2)
END = START + BARS * 60_000


@pytest.fixture
def exchange():
    """A loopback exchange with a spot market and a perpetual."""
    with LoopbackExchange([SPOT, PERPETUAL], END) as found:
        yield found


@pytest.fixture
def clock():
    """A clock that only sleeping moves."""
    return FakeTime()


@pytest.fixture
def venue(exchange, clock):
    """A connection to the loopback exchange."""
    found = PublicVenue(base_url=exchange.url, clock=clock, sleep=clock.sleep, timeout_ms=2_000)
    yield found
    found.close()


@pytest.mark.parametrize("candles", [SPOT, PERPETUAL])
def test_klines_keep_trades_quote_and_taker_volume(venue, candles):
    """What the exchange sends arrives whole: every price, volume, trade count and taker volume, bit for bit."""
    rows = venue.klines(venue.listing(candles.symbol), "1m", START, END)
    assert candles_from_rows(candles.symbol, "1m", rows).fingerprint() == candles.fingerprint()


def test_spot_and_perpetual_have_hosts_of_their_own(venue, exchange):
    """A perpetual is asked at /fapi/v1 under its own name, dated contracts are not taken for it."""
    assert venue.listing("BTC/USDT:USDT").market_id == "BTCUSDT"
    venue.klines(venue.listing("BTC/USDT:USDT"), "1m", START, END)
    assert {path for path, _ in exchange.requests} == {"/fapi/v1/exchangeInfo", "/fapi/v1/klines"}


def test_the_listing_is_the_first_candle_there_is(venue):
    """The first candle the exchange has is found with one request."""
    assert venue.first_open_ms(venue.listing("ADA/USDT"), "1m") == START


def test_unknown_symbols_are_one_line(venue):
    """A symbol the exchange does not list is refused with the way to write it."""
    for symbol in ("XXX/USDT", "ADA/USDT:USDT"):
        with pytest.raises(DataError, match=f"symbol {symbol} is unknown to binance .1 .* markets.; write it as ccxt"):
            venue.listing(symbol)


def test_listings_are_fetched_once(venue, exchange):
    """Looking up many symbols takes one exchangeInfo per host."""
    for _ in range(3):
        venue.listing("ADA/USDT")
    assert len(exchange.requests) == 1


@pytest.mark.parametrize("fault", ["429", "500", "reset", "cut", "html", "garbage", "shuffled", "429-unspecified"])
def test_each_passing_fault_is_survived(venue, exchange, fault):
    """After one failure of each kind the same candles arrive, by a second request."""
    exchange.faults.extend([fault])
    rows = venue.klines(venue.listing("ADA/USDT"), "1m", START, END)
    assert np.array_equal(rows.timestamp, SPOT.timestamp)
    assert len(exchange.klines_requests) == 2


def test_retry_after_is_waited_out(venue, exchange, clock):
    """After a 429 nothing is sent for the seconds the exchange asked for; without a figure, for a minute."""
    listing = venue.listing("ADA/USDT")
    exchange.faults.extend(["429", "429-unspecified"])
    before = clock.now
    venue.klines(listing, "1m", START, END)
    assert clock.now - before >= 67_000


def test_a_long_ban_ends_the_run(venue, exchange):
    """A 418 that asks for two hours is not waited out: one line says for how long, after a single request."""
    listing = venue.listing("ADA/USDT")
    exchange.faults.extend(["418-ban"])
    with pytest.raises(VenueError, match="418, banned for 7200 s; wait and run again"):
        venue.klines(listing, "1m", START, END)
    assert len(exchange.klines_requests) == 1


def test_retries_are_bounded_and_back_off(venue, exchange, clock):
    """A venue that keeps failing is asked seven times with growing pauses, and the line says how it failed."""
    listing = venue.listing("ADA/USDT")
    exchange.faults.extend(["500"] * 50)
    with pytest.raises(VenueError, match=r"HTTP 500: .*7 attempts; nothing is lost, run again") as caught:
        venue.klines(listing, "1m", START, END)
    assert "\n" not in str(caught.value)
    assert len(exchange.klines_requests) == 7
    assert clock.slept_s == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_refusal_is_not_repeated(venue, exchange):
    """A 403 is no passing fault: it ends at once."""
    listing = venue.listing("ADA/USDT")
    exchange.faults.extend(["403"])
    with pytest.raises(VenueError, match="HTTP 403"):
        venue.klines(listing, "1m", START, END)
    assert len(exchange.klines_requests) == 1


def test_an_unreachable_venue_is_one_line(clock):
    """Nobody listening: seven attempts, one line."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    venue = PublicVenue(base_url=url, clock=clock, sleep=clock.sleep)
    with pytest.raises(VenueError, match="7 attempts") as caught:
        venue.server_time_ms()
    assert "\n" not in str(caught.value)


def test_the_budget_of_the_venue_is_kept(venue, exchange, clock):
    """Of the 1,000 a minute that the exchange states 800 are spent: the 401st klines of weight 2 waits."""
    listing = venue.listing("ADA/USDT")
    clock.now = 29_000_000 * 60_000
    for _ in range(401):
        venue.klines(listing, "1m", START, START + 60_000)
    assert clock.now >= 29_000_001 * 60_000
    assert len(clock.slept_s) == 1


def test_weight_used_by_others_is_respected(venue, exchange, clock):
    """When the header says that the minute is used up, the next request waits for the next one."""
    listing = venue.listing("ADA/USDT")
    exchange.used_weight = 799
    venue.klines(listing, "1m", START, END)
    minute = clock.now // 60_000
    exchange.used_weight = 10
    venue.klines(listing, "1m", START, END)
    assert clock.now // 60_000 == minute + 1


def test_another_exchange_and_a_wrong_address_are_refused():
    """Only venues whose raw rows are known are asked, and only at an address."""
    with pytest.raises(ConfigError, match=r"data\.exchange 'kraken' is not supported"):
        PublicVenue("kraken")
    with pytest.raises(ConfigError, match=r"data\.exchange_url 'localhost:80' is no address"):
        PublicVenue(base_url="localhost:80")
