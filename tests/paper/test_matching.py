"""Matching in whole numbers, every rule from the venue law."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.paper.matching import (
    Part,
    book_levels,
    commission,
    least_lot,
    level_changes,
    make_terms,
    maker_fill,
    stop_parts,
    takeable,
    taker_parts,
    touch,
    worst_within,
)
from huracan.paper.settings import PaperSettings
from huracan.paper.state import Side
from huracan.trading.venue_law import Bar, Terms
from tests.paper.world import FLAT, market

TERMS = Terms(3, 0.05, 500, 1000, False, 100_000, 1000, 1, 1, 10, 0.1)


def test_terms_are_those_of_the_day() -> None:
    """Spread and impact from the cost table, fees and units from the instrument, shares from the settings."""
    listed = market([FLAT], spread=7, impact=0.25, fee_maker_ppm=200)
    terms = make_terms(listed, 0, PaperSettings(0, share_num=1, share_den=20, stop_slip_range_frac=0.3))
    assert (terms.spread, terms.impact, terms.maker_ppm, terms.taker_ppm) == (7, 0.25, 200, 1000)
    assert (terms.share_num, terms.share_den, terms.kappa) == (1, 20, 0.3)
    assert terms.quote_num / terms.quote_den == 1000.0
    assert terms.step_units == 100_000


def test_the_buyer_pays_the_larger_half_of_an_odd_spread() -> None:
    """Three ticks: one below, two above."""
    assert (touch(Side.SELL, 100, TERMS), touch(Side.BUY, 100, TERMS)) == (99, 102)


@given(st.sampled_from(list(Side)), st.integers(60, 10**6), st.integers(1, 10**6))
@settings(max_examples=300, deadline=None)
def test_parts_add_up_and_go_away_from_the_touch(side: Side, begin: int, quantity: int) -> None:
    """All of the quantity, on at most two neighbouring ticks, never better than the touch."""
    parts = taker_parts(side, begin, quantity, TERMS)
    assert sum(part.quantity for part in parts) == quantity
    assert len(parts) <= 2
    sign = 1 if side is Side.BUY else -1
    assert all((part.price - begin) * sign >= 0 or part.price == 1 for part in parts)
    assert min(part.price for part in parts) >= 1


@given(st.sampled_from(list(Side)), st.integers(0, 60), st.integers(1, 10**6))
@settings(max_examples=300, deadline=None)
def test_takeable_is_the_most_that_stays_within_the_limit(side: Side, room: int, quantity: int) -> None:
    """One step more would not."""
    begin = 10_000
    limit = begin + room if side is Side.BUY else begin - room
    most = takeable(side, limit, begin, quantity, TERMS)
    assert 0 <= most <= quantity
    assert most == 0 or worst_within(side, limit, begin, most, TERMS)
    assert most == quantity or not worst_within(side, limit, begin, most + 1, TERMS)


def test_nothing_is_takeable_beyond_the_touch() -> None:
    """A limit that does not reach the book takes nothing of it."""
    assert takeable(Side.BUY, 99, 100, 50, TERMS) == 0
    assert takeable(Side.SELL, 101, 100, 50, TERMS) == 0


def test_maker_fills_share_the_bars_volume() -> None:
    """A tenth of the volume beyond the limit; what better orders took is gone; less than a lot is nothing."""
    bar = Bar(1, 100, 100, 80, 90, 2_000)
    assert maker_fill(Side.BUY, 90, 500, 2, 0, bar, TERMS) == 100
    assert maker_fill(Side.BUY, 90, 500, 2, 60, bar, TERMS) == 40
    assert maker_fill(Side.BUY, 90, 500, 2, 99, bar, TERMS) == 0
    assert maker_fill(Side.BUY, 80, 500, 2, 0, bar, TERMS) == 0
    assert maker_fill(Side.SELL, 90, 500, 2, 0, bar, TERMS) == 100
    assert maker_fill(Side.BUY, 90, 101, 2, 0, bar, TERMS) == 101


def test_a_gap_sells_at_the_open_and_slippage_never_below_the_low() -> None:
    """Open 90 under a stop of 95: from the open's bid. Else stop less half-spread and kappa of the range."""
    flat = TERMS._replace(impact=0.0)
    assert stop_parts(95, 10, Bar(1, 90, 92, 85, 90, 10), flat) == [Part(89, 10)]
    assert stop_parts(95, 10, Bar(1, 100, 110, 70, 90, 10), flat) == [Part(90, 10)]
    assert stop_parts(95, 10, Bar(1, 100, 200, 94, 90, 10), flat) == [Part(93, 10)]


@pytest.mark.parametrize(
    ("side", "maker", "in_quote", "fee"),
    [
        (Side.BUY, True, False, (Decimal("0.00500000"), True)),
        (Side.BUY, False, False, (Decimal("0.01000000"), True)),
        (Side.SELL, False, False, (Decimal("0.01230000"), False)),
        (Side.BUY, True, True, (Decimal("0.00615000"), False)),
    ],
)
def test_commissions(side: Side, maker: bool, in_quote: bool, fee: tuple[Decimal, bool]) -> None:
    """By liquidity side, in the asset received or in quote: ten coins at 1.23."""
    terms = TERMS._replace(fee_in_quote=in_quote)
    assert commission(side, Part(123, 10_000), maker, terms) == fee


def test_commissions_are_rounded_up_to_1e_8() -> None:
    """One step of 0.001 at 7 ppm is 7e-9 coins: 1e-8."""
    assert commission(Side.BUY, Part(1, 1), True, TERMS._replace(maker_ppm=7))[0] == Decimal("1e-8")


def test_least_lots() -> None:
    """Two steps, or two least values at the price, rounded up."""
    assert least_lot(100, 10) == 2
    assert least_lot(100, 1_001) == 21


def test_the_book_is_as_deep_as_the_impact_law_says() -> None:
    """The nearest n ticks hold (n / a)^2 steps; levels below one tick do not exist."""
    bids, asks = book_levels(100, TERMS, 3, 10**9)
    assert list(bids.items()) == [(99, 400), (98, 1_200), (97, 2_000)]
    assert list(asks) == [102, 103, 104]
    assert list(book_levels(2, TERMS, 5, 10**9)[0]) == [1]
    assert next(iter(book_levels(100, TERMS._replace(impact=0.0), 2, 77)[1].values())) == 1


def test_level_changes_turn_one_side_into_the_other() -> None:
    """Gone levels become 0, same ones are not mentioned."""
    assert level_changes({1: 5, 2: 6, 3: 7}, {2: 6, 3: 8, 4: 1}) == {1: 0, 3: 8, 4: 1}
