"""The Decimal venue alone, against numbers worked out by hand."""

from decimal import Decimal

import pytest

from tests.parity.messages import (
    Accepted,
    BookCost,
    Cancel,
    Candle,
    Ended,
    Ending,
    Event,
    Fill,
    Kind,
    PlaceOco,
    PlaceOrder,
    Refusal,
    Refused,
    Side,
)
from tests.parity.venue import Balance, DecimalVenue, VenueRules

D = Decimal
LOT = D("0.02")
COST = BookCost(spread=3, qcap=1000, impact=0.25)


def make_venue(base: str = "0", fee_in_quote: bool = False) -> DecimalVenue:
    """Return a venue with tick 0.1, step 0.01, fees 0.05 % maker and 0.1 % taker."""
    rules = VenueRules(D("0.1"), D("0.01"), D("0.0005"), D("0.001"), fee_in_quote, (1, 10), 0.1)
    return DecimalVenue(rules, Balance(D("10000")), Balance(D(base)))


def bar(*prices: str, volume: str = "100", bar_no: int = 7) -> Candle:
    """Return a candle from open, high, low, close."""
    opening, high, low, close = (D(price) for price in prices)
    return Candle(bar_no, opening, high, low, close, D(volume))


def fills(events: list[Event]) -> list[tuple[Decimal, Decimal, Decimal, str]]:
    """Return price, quantity, commission and its asset of each venue trade."""
    return [(e.price, e.quantity, e.commission, e.asset) for e in events if isinstance(e, Fill)]


def test_an_odd_spread_costs_the_buyer_the_larger_half() -> None:
    """Spread 3 ticks around an open of 100.0: bid one tick below, ask two above."""
    venue = make_venue()
    venue.open_window(bar("100", "101", "99", "100.5"), COST)
    assert (venue.bid, venue.ask) == (D("99.9"), D("100.2"))


def test_a_taker_buy_walks_two_prices_with_a_rounded_fee_each() -> None:
    """16 steps, a = 0.25: ceil(0.25 * 4 * 16) = 16 tick-steps = one tick each; 5 steps: ceil(2.795) = 3 of 5 steps."""
    venue = make_venue()
    venue.open_window(bar("100", "101", "99", "100.5"), COST)
    first = venue.submit(PlaceOrder(1, Side.BUY, Kind.FOK, D("0.16"), D("101")), LOT)
    assert fills(first) == [(D("100.3"), D("0.16"), D("0.00016"), "base")]
    second = venue.submit(PlaceOrder(2, Side.BUY, Kind.FOK, D("0.05"), D("101")), LOT)
    assert fills(second) == [
        (D("100.2"), D("0.02"), D("0.00002"), "base"),
        (D("100.3"), D("0.03"), D("0.00003"), "base"),
    ]
    assert venue.base.total == D("0.21") - D("0.00021")
    assert venue.quote.total == D("10000") - D("0.16") * D("100.3") - D("0.02") * D("100.2") - D("0.03") * D("100.3")


def test_fees_are_rounded_up_to_the_eighth_decimal() -> None:
    """0.03 sold at 99.81 ticks-off: 0.1 % of 2.997 is 0.002997 exactly; of 0.05 x 99.9 in quote it is 0.004995."""
    venue = make_venue("1", fee_in_quote=True)
    venue.rules = VenueRules(D("0.1"), D("0.01"), D("0"), D("0.000333333"), True, (1, 10), 0.1)
    venue.open_window(bar("100", "101", "99", "100.5"), BookCost(3, 1000, 0.0))
    events = venue.submit(PlaceOrder(1, Side.SELL, Kind.MARKET, D("0.01")), LOT)
    assert fills(events) == [(D("99.9"), D("0.01"), D("0.00033300"), "quote")]  # 0.000332999667 rounded up


def test_a_fok_above_its_cap_expires_whole() -> None:
    """One tick-step above the cap is enough to fill nothing."""
    venue = make_venue()
    venue.open_window(bar("100", "101", "99", "100.5"), COST)
    events = venue.submit(PlaceOrder(1, Side.BUY, Kind.FOK, D("0.05"), D("100.2")), LOT)
    assert events == [Ended(1, Ending.EXPIRED)]
    assert venue.quote.total == D("10000")


def test_a_post_only_at_the_ask_is_refused_and_below_it_rests() -> None:
    """The ask of an open at 100.0 is 100.2."""
    venue = make_venue()
    venue.open_window(bar("100", "101", "99", "100.5"), COST)
    assert venue.submit(PlaceOrder(1, Side.BUY, Kind.POST_ONLY, D("1"), D("100.2")), LOT) == [
        Refused(1, Refusal.WOULD_MATCH)
    ]
    assert venue.submit(PlaceOrder(2, Side.BUY, Kind.POST_ONLY, D("1"), D("100.1")), LOT) == [Accepted(2)]
    assert (venue.quote.free, venue.quote.locked) == (D("9899.9"), D("100.1"))
    assert venue.submit(Cancel(2), LOT) == [Ended(2, Ending.CANCELED)]
    assert (venue.quote.free, venue.quote.locked) == (D("10000"), D("0"))


@pytest.mark.parametrize(
    ("low", "volume", "quantity"),
    [
        ("99.8", "100", None),  # touched, not traded through
        ("99.7", "100", "0.66"),  # 10000 steps * 1 // 15 // 10 = 66 steps of 100
        ("99.7", "150", "1"),  # 100 steps: all
        ("99.7", "148", "1"),  # 98 steps leave 2, which is the lot: 98
        ("99.7", "149", "1"),  # 99 steps would leave 1 < lot: all
        ("99.7", "2", None),  # 1 step < lot: nothing
        ("99.7", "0", None),
    ],
)
def test_a_resting_buy_gets_its_share_of_the_volume_beyond_it(low: str, volume: str, quantity: str | None) -> None:
    """Limit 99.8, high 101.2: one tick through of fifteen or nothing; a rest below the lot is filled with it."""
    venue = make_venue()
    venue.open_window(bar("100", "101.2", low, "100.5", volume=volume), COST)
    venue.submit(PlaceOrder(1, Side.BUY, Kind.POST_ONLY, D("1"), D("99.8")), LOT)
    got = fills(venue.match_buys())
    if volume == "148":
        assert [fill[1] for fill in got] == [D("0.98")]
    elif quantity is None:
        assert got == []
    else:
        assert got == [(D("99.8"), D(quantity), D(quantity) * D("0.0005"), "base")]


def place_bracket(venue: DecimalVenue, limit: str = "102", stop: str = "98") -> list[Event]:
    """Send an OCO over one coin."""
    return venue.submit(PlaceOco(1, D("1"), D(limit), D(stop)), LOT)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (("100", "101", "98.1", "99"), None),  # one tick above the stop
        (("100", "101", "98", "99"), "97.9"),  # slip ceil(0.1 * 30) = 3, but never below the low's bid 97.9
        (("100", "101", "97", "99"), "97.5"),  # 98.0 - 0.1 - ceil(0.1 * 40) ticks
        (("97.5", "101", "97", "99"), "97.4"),  # a gap sells at the open's bid
    ],
)
def test_where_a_stop_sells(prices: tuple[str, str, str, str], expected: str | None) -> None:
    """The stop at 98.0, no impact."""
    venue = make_venue("1")
    venue.open_window(bar("100", "100", "100", "100", bar_no=6), BookCost(3, 1000, 0.0))
    place_bracket(venue)
    venue.close()
    venue.open_window(bar(*prices), BookCost(3, 1000, 0.0))
    venue.match_buys()
    got = fills(venue.match_stops())
    assert [fill[0] for fill in got] == ([] if expected is None else [D(expected)])


def test_a_bracket_that_the_open_has_passed_is_refused() -> None:
    """The stop leg must be below, the upper leg above the last trade."""
    venue = make_venue("1")
    venue.open_window(bar("98", "101", "97", "99"), COST)
    assert place_bracket(venue) == [Refused(1, Refusal.STOP_CROSSES)]
    assert place_bracket(venue, limit="98", stop="97") == [Refused(1, Refusal.LIMIT_CROSSES)]
    assert venue.base.locked == 0


def test_an_upper_leg_accepted_after_a_maker_fill_waits_for_the_next_bar_and_its_stop_does_not() -> None:
    """The path before the acceptance is gone; a touch of the stop counts at once."""
    venue = make_venue("1")
    venue.open_window(bar("100", "103", "98.5", "99"), COST)
    venue.match_buys()
    place_bracket(venue)
    assert venue.match_stops() == []
    assert venue.match_sells() == []
    venue.close()
    venue.open_window(bar("100", "103", "98.5", "99", bar_no=8), COST)
    venue.match_buys()
    venue.match_stops()
    assert fills(venue.match_sells()) == [(D("102"), D("1"), D("0.051"), "quote")]


def test_a_partial_fill_of_the_upper_leg_takes_the_stop_away() -> None:
    """2 of 100 steps' worth of volume above 102; afterwards the stop is dead and the rest still locked."""
    venue = make_venue("1")
    venue.open_window(bar("100", "103", "99", "100", volume="8"), COST)
    place_bracket(venue)
    venue.match_buys()
    venue.match_stops()
    assert fills(venue.match_sells()) == [(D("102"), D("0.2"), D("0.0102"), "quote")]  # 800 * 10 // 40 // 10 = 20
    venue.close()
    assert (venue.base.free, venue.base.locked) == (D("0"), D("0.8"))
    venue.open_window(bar("97", "97", "96", "96", bar_no=8), COST)
    venue.match_buys()
    assert venue.match_stops() == []


def test_a_bar_without_volume_fills_takers_only() -> None:
    """V = 0: no maker, no stop, no target."""
    venue = make_venue("1")
    venue.open_window(bar("100", "100", "100", "100", volume="0"), COST)
    place_bracket(venue, limit="100.1", stop="99.9")
    assert venue.match_buys() + venue.match_stops() + venue.match_sells() == []
    venue.close()
