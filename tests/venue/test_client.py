"""ccxt's clients as they are mended here: signatures, exact numbers, addresses, secrets, and nothing sent twice."""

import asyncio
import hashlib
import hmac
import json
import logging
import traceback
from decimal import Decimal
from urllib.parse import urlencode

import ccxt
import pytest
from pydantic import SecretStr

from huracan.errors import ConfigError
from huracan.venue.binance import BinanceVenue
from huracan.venue.client import (
    AsyncBinance,
    InProcessBinance,
    SyncBinance,
    WireFacts,
    WireReply,
    client_config,
    facts_of,
    header,
)
from huracan.venue.credentials import Credentials
from huracan.venue.orders import Unknown
from tests.venue.replies import BUY, order_reply
from tests.venue.scripted import (
    API_KEY,
    BASES,
    CREDENTIALS,
    SECRET,
    Answer,
    client_of,
    error,
    reply,
    run,
    serving,
    venue_at,
)

PUBLISHED_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
PUBLISHED_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PUBLISHED = (
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
)


def test_the_signature_is_the_published_one():
    """The example of Binance's documentation, signed by the client, gives the documented signature."""
    client = SyncBinance(client_config(None, Credentials(SecretStr(PUBLISHED_KEY), SecretStr(PUBLISHED_SECRET))))
    signed = client.hmac(client.encode(PUBLISHED), client.encode(client.secret), hashlib.sha256)
    assert signed == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


def test_every_private_request_is_signed_with_our_clock():
    """Timestamp, window, key and signature are on the wire, the timestamp from the clock that was passed in."""

    async def steps():
        async with serving(reply({})) as server:
            client = client_of("local", server)
            client.now_ms = lambda: 1_600_000_000_123
            await client.private_get_order({"symbol": "ADAUSDT"})
            await client.close()
            return server.seen[0]

    seen = run(steps)
    assert (seen.params["timestamp"], seen.params["recvWindow"]) == ("1600000000123", "5000")
    assert seen.headers["x-mbx-apikey"] == API_KEY
    signature = seen.params.pop("signature")
    assert signature == hmac.new(SECRET.encode(), urlencode(seen.params).encode(), hashlib.sha256).hexdigest()


def test_the_window_is_the_one_asked_for():
    """An account's own recvWindow is on the wire."""

    async def steps():
        async with serving(reply({"balances": []})) as server:
            venue = BinanceVenue(CREDENTIALS, server.url, recv_window_ms=1_234)
            await venue.balances()
            await venue.close()
            return server.sent("GET", "/account")[0].params["recvWindow"]

    assert run(steps) == "1234"


@pytest.mark.parametrize("base", BASES)
def test_errors_carry_the_facts_of_the_reply(base):
    """Status, code, words and Retry-After are on the exception, also when the body is a page of a proxy."""

    async def steps():
        rows = [
            error(400, -1013, "Filter  failure:\nLOT_SIZE"),
            Answer(502, "<html>bad</html>"),
            error(429, -1003, "slow", retry_after="7"),
            Answer(fate="close"),
        ]
        found = []
        async with serving(*rows) as server:
            client = client_of(base, server)
            for _ in rows:
                with pytest.raises(ccxt.BaseError) as caught:
                    await client.private_post_order({"symbol": "ADAUSDT"})
                found.append(facts_of(caught.value))
            await client.close()
        return found

    assert run(steps) == [
        WireFacts(400, -1013, "Filter failure: LOT_SIZE"),
        WireFacts(502),
        WireFacts(429, -1003, "slow", 7.0),
        WireFacts(),
    ]


def test_numbers_without_quotes_stay_exact():
    """A number that a server sends without quotes arrives with every digit; NaN is no JSON."""

    async def steps():
        rows = [
            Answer(body='{"a": 0.1000000000000000055}'),
            Answer(body='{"a": NaN}'),
            Answer(body='{"a": 9007199254740993}'),
        ]
        async with serving(*rows) as server:
            client = client_of("local", server)
            found = [await client.public_get_exchangeinfo() for _ in rows]
            await client.close()
            return found

    exact, nan, whole = run(steps)
    assert exact == {"a": Decimal("0.1000000000000000055")}
    assert not isinstance(nan, dict)
    assert whole == {"a": 9_007_199_254_740_993}


def test_no_address_but_the_given_one_is_left():
    """Every address that ccxt knows points to the given server, the stream's too, even if it was not named."""
    for given, expected in ((None, "ws://127.0.0.1:9"), ("ws://127.0.0.1:77", "ws://127.0.0.1:77")):
        client = ccxt.pro.binance(client_config("http://127.0.0.1:88", CREDENTIALS, ws_url=given))
        rest = [url for url in client.urls["api"].values() if isinstance(url, str)]
        assert rest
        assert all(url.startswith("http://127.0.0.1:88/") for url in rest)
        used = [client.urls["api"]["ws"]["spot"], client.urls["api"]["ws"]["ws-api"]["spot"]]
        assert all(url.startswith(expected + "/") for url in used)
    assert client_config("http://h:1")["urls"]["api"]["sapi"] == "http://h:1/sapi/v1"


@pytest.mark.parametrize(
    ("base", "ws"), [("localhost:80", None), ("ftp://h", None), ("http://", None), (None, "http://h"), (None, "ws:/h")]
)
def test_a_wrong_address_is_refused(base, ws):
    """An address without scheme or host is a configuration error."""
    with pytest.raises(ConfigError, match="is no address"):
        client_config(base, ws_url=ws)


def test_ccxt_repeats_and_waits_for_nothing_by_itself():
    """Neither ccxt's repetition of failed requests nor its own rate limiter is on."""
    client = AsyncBinance(client_config(None, CREDENTIALS))
    assert client.enableRateLimit is False
    assert "maxRetriesOnFailure" not in client.options
    assert client.options["fetchCurrencies"] is False


def test_a_stale_connection_does_not_repeat_a_post():
    """A kept connection that the server closes on the next POST fails that POST; it is not sent again."""

    async def steps():
        async with serving(reply({}), Answer(fate="close")) as server:
            client = client_of("local", server)
            await client.private_get_order({"symbol": "ADAUSDT"})
            with pytest.raises(ccxt.BaseError):
                await client.private_post_order({"symbol": "ADAUSDT"})
            await client.close()
            return len(server.sent("POST"))

    assert run(steps) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status):
    """A redirect is a fault: nothing is sent to where it points, neither an order nor a signed read."""

    async def steps():
        async with (
            serving() as elsewhere,
            serving(*[Answer(status, "", {"Location": elsewhere.url + "/x"})] * 2) as server,
        ):
            client = client_of("local", server)
            for call in (client.private_post_order, client.private_get_order):
                with pytest.raises(ccxt.BaseError):
                    await call({"symbol": "ADAUSDT"})
            await client.close()
            return len(server.seen), len(elsewhere.seen)

    assert run(steps) == (2, 0)


def test_secrets_are_nowhere_to_be_seen(caplog, capfd):
    """Key and secret are in no log, at any level, no repr and no error, whatever goes wrong and whatever is echoed."""
    caplog.set_level(logging.DEBUG)
    echoed = f"bad key {API_KEY} and {SECRET}"

    async def steps():
        rows = [
            error(400, -1022, echoed),
            Answer(502, echoed),
            Answer(fate="close"),
            Answer(body=echoed),
            *[error(400, -2014, echoed)],
        ]
        texts = []
        async with serving(*rows) as server, venue_at(server) as venue:
            texts += [repr(await venue.submit(BUY)) for _ in range(4)]
            try:
                await venue.balances()
            except Exception as raised:
                texts += [repr(raised), "".join(traceback.format_exception(raised))]
            texts += [
                repr(venue),
                str(venue),
                repr(CREDENTIALS),
                str(CREDENTIALS),
                repr(vars(venue)),
                repr(venue._client),
            ]
        return texts

    texts = [*run(steps), caplog.text, *capfd.readouterr()]
    assert len(texts) > 10
    for text in texts:
        assert API_KEY not in text
        assert SECRET not in text


def test_a_venue_in_the_same_process_is_the_same_client():
    """Over a function instead of a socket: signed alike, judged alike, silence is a timeout, a lost line an error."""
    seen = []

    async def transport(method, url, headers, body):
        seen.append((method, url, dict(headers), body))
        if len(seen) == 2:
            return WireReply(200, {}, json.dumps(order_reply()))
        if len(seen) == 3:
            raise ConnectionResetError
        if len(seen) == 4:
            await asyncio.sleep(60)
        return WireReply(200, {}, '{"serverTime": 1700000000000}')

    class Still:
        def now_ms(self):
            return 1_700_000_000_000

    async def steps():
        client = InProcessBinance(client_config("http://inside", CREDENTIALS, timeout_ms=100), transport)
        venue = BinanceVenue(CREDENTIALS, client=client, clock=Still())
        outcomes = [await venue.submit(BUY) for _ in range(3)]
        await venue.close()
        return outcomes

    accepted, lost, silent = run(steps)
    assert accepted.orders[0].cid == BUY.cid
    assert lost == Unknown("no reply: ExchangeNotAvailable (ConnectionResetError)")
    assert silent == Unknown("no reply: RequestTimeout (TimeoutError)")
    method, url, headers, body = seen[1]
    assert (method, url, headers["X-MBX-APIKEY"]) == ("POST", "http://inside/api/v3/order", API_KEY)
    assert "timestamp=1700000000000&" in body
    assert body.rsplit("&", 1)[1].startswith("signature=")


def test_headers_are_found_in_any_case():
    """Servers write header names as they like."""
    assert header({"retry-after": "3"}, "Retry-After") == "3"
    assert header({"RETRY-AFTER": "3"}, "Retry-After") == "3"
    assert header({}, "Retry-After") is None
