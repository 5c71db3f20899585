"""The view: what counts as known, and how positions and reservations add up."""

import math
from dataclasses import replace
from decimal import Decimal as D

import pytest

from huracan.risk.live import Approval, ReservationBook, RiskGate, account_view
from huracan.risk.view import is_sell, known, measured, needed_prices, symbol_notional, usable
from huracan.venue.orders import Side
from tests.risk.cases import BUY, LIMITS, NOW, SELL, VIEW, reservation, with_coin


@pytest.mark.parametrize("figure", [D("NaN"), D("sNaN"), D("Infinity"), D("1E+18"), D("1E-19"), 1.0, 1, "1", None])
def test_money_is_a_finite_decimal_of_a_sane_size(figure: object) -> None:
    """Anything else is unknown, a float above all: it was rounded somewhere."""
    assert not known(figure)
    assert not usable(figure)


def test_zero_is_known_but_no_price() -> None:
    """Zero coins can be held; nothing can be bought at zero."""
    assert known(D(0))
    assert known(D("-1.5"))
    assert not usable(D(0))
    assert not usable(D("-1.5"))
    assert usable(D("0.00000001"))


def test_a_measurement_is_a_finite_number() -> None:
    """Clocks and counters are floats and ints; a truth value is neither."""
    assert measured(0)
    assert measured(-1.5)
    assert not any(measured(bad) for bad in (math.nan, math.inf, None, True, "1", D(1)))


def test_positions_count_at_the_close_and_at_risk_to_their_stop() -> None:
    """10 coins at 200 with a stop at 190: 2,000 held, 100 at risk; above its stop's price nothing is at risk."""
    account = account_view(VIEW)
    assert (account.gross, account.heat, account.open_trades, account.free_cash) == (2_000.0, 100.0, 1, 8_000.0)
    assert account_view(with_coin(VIEW, "B/USDT", stop=None)).heat == 2_000.0
    assert account_view(with_coin(VIEW, "B/USDT", stop=D(201))).heat == 0.0


def test_what_this_decision_reserved_counts_at_its_worst_and_later_at_the_close() -> None:
    """10 coins at a cap of 101: 1,011.01 now, 1,000 at the next close; the cash stays reserved at the cap."""
    verdict = RiskGate(LIMITS).check(VIEW, BUY)
    assert isinstance(verdict, Approval)
    after = VIEW.after(verdict)
    account = account_view(after)
    assert account.gross == pytest.approx(2_000 + 1_011.01, rel=1e-15)
    assert account.heat == pytest.approx(100 + 1_011.01 - 949.05, rel=1e-15)
    assert (account.open_trades, account.free_cash) == (2, 8_000 - 1_011.01)
    later = account_view(replace(after, now_ms=NOW + 60_000))
    assert (later.gross, later.heat, later.free_cash) == (3_000.0, 150.0, 8_000 - 1_011.01)
    assert symbol_notional(after, "A/USDT") == D("1011.01")


def test_nothing_counts_less_than_at_the_close() -> None:
    """A buy limit far below the market would otherwise hide its size."""
    low = reservation("low", "A/USDT", quantity=D(10), price=D(50), stop=None)
    account = account_view(replace(VIEW, reservations=ReservationBook((low,))))
    assert (account.gross, account.heat) == (3_000.0, 1_100.0)


def test_an_approval_counts_in_everything_the_next_intent_is_shown() -> None:
    """Reservation, order rate and orders in flight: each grows by one."""
    verdict = RiskGate(LIMITS).check(VIEW, BUY)
    assert isinstance(verdict, Approval)
    after = VIEW.after(verdict)
    assert after.reservations is not None
    assert after.rate is not None
    assert after.reservations.get("i1") == verdict.reservation
    assert (after.rate.sent_ms, after.in_flight) == ((NOW,), 1)


def test_prices_are_needed_of_what_is_held_or_being_bought() -> None:
    """A coin that only is on the list needs none."""
    assert needed_prices(VIEW) == ("B/USDT",)
    buying = replace(VIEW, reservations=ReservationBook((reservation("r", "A/USDT"),)))
    assert needed_prices(buying) == ("A/USDT", "B/USDT")
    selling = replace(VIEW, reservations=ReservationBook((reservation("r", "A/USDT", Side.SELL),)))
    assert needed_prices(selling) == ("B/USDT",)


def test_a_sell_is_an_exit() -> None:
    """Positions are long."""
    assert is_sell(SELL)
    assert not is_sell(BUY)
