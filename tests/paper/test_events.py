"""The event log: numbers, delays, and what faults do to the user stream (F7, F8, F15)."""

from decimal import Decimal

import pytest

from huracan.paper import FaultKind, Faults, ScriptedFault
from tests.paper.world import ANNA, BERT, FLAT, World, market


def world(**faults: object) -> World:
    """Return an exchange with one bar to come."""
    return World([market([FLAT] * 4)], [ANNA, BERT], faults=Faults(**faults))  # type: ignore[arg-type]


def seqs(here: World, name: str = "anna") -> list[int]:
    """Return the numbers of an account's drained events."""
    return [event.seq for event in here.drained() if event.account == name]


def test_private_events_are_numbered_by_account() -> None:
    """Public ones have no number."""
    here = world()
    here.order("BUY", "MARKET", quantity="1")
    here.order("BUY", "MARKET", BERT, quantity="1")
    events = here.drained()
    assert [e.seq for e in events if e.account == "anna"] == [1, 2, 3, 4]
    assert [e.seq for e in events if e.account == "bert"] == [1, 2, 3, 4]
    here.step()
    assert {e.seq for e in here.drained()} == {0}


def test_f7_an_event_comes_twice() -> None:
    """The very same."""
    here = world()
    here.exchange.script(ScriptedFault(FaultKind.STREAM_DUPLICATE, skip=2))
    here.order("BUY", "MARKET", quantity="1")
    first, second = (event for event in here.drained() if event.seq == 3)
    assert first == second
    assert first.payload["x"] == "TRADE"


def test_f7b_a_trade_id_comes_again_with_another_quantity() -> None:
    """One id, two stories: the truth is the first and myTrades."""
    here = world()
    here.exchange.script(ScriptedFault(FaultKind.TRADE_ID_REPEAT))
    here.order("BUY", "MARKET", quantity="1")
    first, second = (event.payload for event in here.drained() if event.payload.get("x") == "TRADE")
    assert first["t"] == second["t"]
    assert Decimal(second["l"]) == 2 * Decimal(first["l"]) == 2


def test_f8_events_change_places() -> None:
    """The held one comes after the next, or at the latest with the drain."""
    here = world()
    here.exchange.script(ScriptedFault(FaultKind.STREAM_REORDER))
    here.order("BUY", "MARKET", quantity="1")
    assert seqs(here) == [2, 1, 3, 4]
    here.exchange.script(ScriptedFault(FaultKind.STREAM_REORDER, skip=3))
    here.order("BUY", "MARKET", quantity="1")
    assert seqs(here) == [5, 6, 7, 8]


def test_an_event_is_lost() -> None:
    """Its number is missing; REST shows what happened."""
    here = world()
    here.exchange.script(ScriptedFault(FaultKind.STREAM_DROP, skip=2))
    here.order("BUY", "MARKET", quantity="1", newClientOrderId="a")
    assert seqs(here) == [1, 2, 4]
    assert here.query("a")["status"] == "FILLED"


def test_f15_a_silent_stream_says_nothing_and_loses_it() -> None:
    """Public and private; afterwards the numbers show the gap."""
    here = world(silent=True)
    here.order("BUY", "MARKET", quantity="1")
    here.step()
    assert here.drained() == []
    here.exchange.faults = Faults()
    here.order("BUY", "MARKET", quantity="1")
    assert seqs(here) == [5, 6, 7, 8]


@pytest.mark.parametrize("name", ["stream_duplicate", "stream_reorder", "stream_drop", "trade_id_repeat"])
def test_probabilities_reach_the_stream(name: str) -> None:
    """With certainty each of them shows."""
    here, plain = world(**{name: 1.0}), world()
    for one in (here, plain):
        one.order("BUY", "MARKET", quantity="1")
    assert here.drained() != plain.drained()
