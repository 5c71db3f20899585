"""Who may: key, time window, signature."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from huracan.paper import Reply, Request
from huracan.paper.signing import sign
from tests.paper.world import ANNA, BERT, FLAT, World, market

NOW = 1_790_000_000_000


def ask(here: World, query: str, key: str | None = ANNA.api_key) -> tuple[int, int]:
    """Return (status, code) of GET account with this query."""
    headers = {} if key is None else {"X-MBX-APIKEY": key}
    reply = here.exchange.handle(Request("GET", "/api/v3/account", query=query, headers=headers))
    return reply.status, json.loads(reply.body).get("code", 0)


def signed(params: dict[str, Any], secret: str = ANNA.secret) -> str:
    """Return a signed query."""
    text = urlencode(params)
    return f"{text}&signature={sign(text, secret)}"


@pytest.fixture
def here() -> World:
    """An exchange with two accounts."""
    return World([market([FLAT] * 3)], [ANNA, BERT])


@pytest.mark.parametrize(
    ("behind_ms", "window", "code"),
    [
        (0, None, 0),
        (5_000, None, 0),
        (5_001, None, -1021),
        (-999, None, 0),
        (-1_000, None, -1021),
        (30_000, 60_000, 0),
        (11, 10, -1021),
        (0, 60_001, -1131),
    ],
)
def test_the_time_window(here: World, behind_ms: int, window: int | None, code: int) -> None:
    """Less than a second ahead, at most recvWindow behind."""
    params = {"timestamp": NOW - behind_ms} | ({} if window is None else {"recvWindow": window})
    assert ask(here, signed(params)) == (200 if code == 0 else 400, code)


def test_keys_and_signatures(here: World) -> None:
    """What is missing, unknown or another's."""
    good = signed({"timestamp": NOW})
    assert ask(here, good, None) == (401, -2014)
    assert ask(here, good, "nobody") == (401, -2015)
    assert ask(here, good, BERT.api_key) == (400, -1022)
    assert ask(here, good.replace("timestamp", "timestamp2")) == (400, -1102)
    assert ask(here, f"timestamp={NOW}") == (400, -1102)
    assert ask(here, f"omitZeroBalances=true&{good}") == (400, -1022)


def test_a_request_delayed_on_the_way_is_checked_when_it_arrives(here: World) -> None:
    """BN: recvWindow is checked again before the matching engine."""
    query = signed({"timestamp": NOW})
    here.clock.ms += 5_001
    assert ask(here, query) == (400, -1021)


def test_subscriptions_sign_their_sorted_parameters(here: World) -> None:
    """Names in order, joined as a query; the account's name is the answer."""
    params: dict[str, Any] = {"timestamp": NOW, "apiKey": ANNA.api_key}
    signature = sign(f"apiKey={ANNA.api_key}&timestamp={NOW}", ANNA.secret)
    assert here.exchange.subscribe({**params, "signature": signature}) == "anna"
    refused = here.exchange.subscribe({**params, "signature": "0" * 64})
    assert isinstance(refused, Reply)
    assert json.loads(refused.body)["code"] == -1022
    late = here.exchange.subscribe({**params, "timestamp": NOW - 6_000, "signature": signature})
    assert isinstance(late, Reply)
    assert json.loads(late.body)["code"] == -1021
