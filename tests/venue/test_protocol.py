"""The protocol and the class that fulfils it have the same methods with the same parameters."""

import inspect

from huracan.venue.binance import BinanceVenue
from huracan.venue.protocol import TradingVenue, UserEvents
from huracan.venue.user_stream import UserStream


def _surface(kind):
    return {
        name: list(inspect.signature(value).parameters) if inspect.isfunction(value) else "property"
        for name, value in vars(kind).items()
        if (name == "__aiter__" or not name.startswith("_"))
        and (inspect.isfunction(value) or isinstance(value, property))
    }


def test_the_venue_has_every_method_of_the_protocol():
    """Names, parameters and their order agree."""
    wanted, found = _surface(TradingVenue), _surface(BinanceVenue)
    assert len(wanted) > 10
    assert {name: found.get(name) for name in wanted} == wanted


def test_the_stream_has_every_method_of_its_protocol():
    """The same for the user stream."""
    wanted, found = _surface(UserEvents), _surface(UserStream)
    assert len(wanted) == 2
    assert {name: found.get(name) for name in wanted} == wanted
