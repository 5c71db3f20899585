"""`check_venue` passes a venue that keeps the rules, and names the card for each rule that one breaks."""

import asyncio
from decimal import Decimal

import pytest

from huracan.errors import VenueError
from huracan.venue.check import CARDS, check_venue
from huracan.venue.orders import TERMINAL, VenueStatus
from tests.venue.exchange import PRICE, SmallExchange
from tests.venue.virtual import virtually

FLAWS = {
    "clock": "v01_clock",
    "halted": "v02_market",
    "cancels twice": "v04_rest_and_cancel",
    "duplicates": "v05_duplicate",
    "tick": "v06_refusals",
    "lingering": "v07_fill_or_kill",
    "trades": "v08_oco",
    "legs": "v08_oco",
    "locks twice": "v08_oco",
    "closed lists": "v08_oco",
    "half a cancel": "v08_oco",
}


class Carried(SmallExchange):
    """The exchange as a script: nothing is scripted."""

    answers = ()


def _check(exchange):
    return virtually(exchange, lambda venue, clock: check_venue(venue, "ADA/USDT", PRICE, "check"))


def test_a_venue_that_keeps_the_rules_passes():
    """Every card passes; nothing is left at rest, and only fees and less than a step are gone."""
    exchange = Carried()
    assert _check(exchange) == tuple(card.__name__ for card in CARDS)
    assert all(VenueStatus(order["status"]) in TERMINAL for order in exchange.orders)
    assert set(exchange.locked.values()) == {Decimal(0)}
    worth = exchange.free["USDT"] + exchange.free["ADA"]
    assert Decimal(100) - worth < Decimal("0.05")


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_broken_rule_is_noticed_by_its_card(flaw):
    """The message starts with the card and says what was expected and found."""
    with pytest.raises(VenueError, match=f"^{FLAWS[flaw]}: "):
        _check(Carried(flaws=[flaw]))


def test_an_account_without_money_is_noticed():
    """The check needs quote currency and says so by the card that wanted it."""
    with pytest.raises(VenueError, match=r"^v04_rest_and_cancel: expected a post-only buy"):
        _check(Carried(quote="1"))


def test_every_card_says_what_it_does():
    """A card has a name with its number, an action and what must hold."""
    for number, card in enumerate(CARDS, 1):
        assert card.__name__.startswith(f"v{number:02}_")
        text = card.__doc__ or ""
        assert text.startswith(f"V{number:02} ")
        assert "Action:" in text
        assert "Pass:" in text
        assert asyncio.iscoroutinefunction(card)
