"""The table of requests: what ccxt sends for each name, and what the venue charges."""

import pytest

from huracan.venue import weights
from tests.venue.scripted import client_of, reply, run, serving

# the venue's documentation: method, path, weight
DOCUMENTED = {
    "TIME": ("GET", "/api/v3/time", 1),
    "EXCHANGE_INFO": ("GET", "/api/v3/exchangeInfo", 20),
    "NEW_ORDER": ("POST", "/api/v3/order", 1),
    "NEW_OCO": ("POST", "/api/v3/orderList/oco", 1),
    "CANCEL_ORDER": ("DELETE", "/api/v3/order", 1),
    "CANCEL_LIST": ("DELETE", "/api/v3/orderList", 1),
    "QUERY_ORDER": ("GET", "/api/v3/order", 4),
    "QUERY_LIST": ("GET", "/api/v3/orderList", 4),
    "OPEN_ORDERS": ("GET", "/api/v3/openOrders", 6),
    "OPEN_LISTS": ("GET", "/api/v3/openOrderList", 6),
    "MY_TRADES": ("GET", "/api/v3/myTrades", 20),
    "ORDER_TRADES": ("GET", "/api/v3/myTrades", 5),
    "ACCOUNT": ("GET", "/api/v3/account", 20),
}


def test_every_request_is_documented():
    """The table and the documentation name the same requests; cancels alone are urgent."""
    endpoints = {name: value for name, value in vars(weights).items() if isinstance(value, weights.Endpoint)}
    assert set(endpoints) == set(DOCUMENTED)
    assert {name for name, endpoint in endpoints.items() if endpoint.urgent} == {"CANCEL_ORDER", "CANCEL_LIST"}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_goes_where_it_should_at_its_weight(name):
    """The method of each request hits the documented path, signed or not, and the weight is the documented one."""
    endpoint = getattr(weights, name)

    async def steps():
        async with serving(reply({})) as server:
            server.script_time = True
            client = client_of("local", server)
            await getattr(client, endpoint.method)({})
            await client.close()
            return server.seen[0]

    seen = run(steps)
    assert (seen.method, seen.path, endpoint.weight) == DOCUMENTED[name]
    assert endpoint.what.startswith(f"{seen.method} {seen.path.removeprefix('/api/v3/')}")
    assert ("signature" in seen.params) == endpoint.signed
