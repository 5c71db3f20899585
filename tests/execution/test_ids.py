"""Names: the same for whoever repeats, and readable back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.errors import InvariantError
from huracan.execution.ids import CHILDREN_MAX, ChildName, child_id, intent_id, next_child, parse_child


def test_an_intent_has_one_name() -> None:
    """The same account, market, candle and kind give the same name in every process; each of them matters."""
    first = intent_id("main", "BTC/USDT", 1_750_000_000_000, "ENTER")
    assert first == "fe37e1cb91376e92"
    others = {
        intent_id("main", "BTC/USDT", 1_750_000_000_000, "ENTER"),
        intent_id("other", "BTC/USDT", 1_750_000_000_000, "ENTER"),
        intent_id("main", "ETH/USDT", 1_750_000_000_000, "ENTER"),
        intent_id("main", "BTC/USDT", 1_750_000_060_000, "ENTER"),
        intent_id("main", "BTC/USDT", 1_750_000_000_000, "EXIT"),
    }
    assert len(others) == 5
    assert first in others


@given(number=st.integers(0, CHILDREN_MAX), candle=st.integers(0, 2**41))
def test_a_child_is_read_back(number: int, candle: int) -> None:
    """A client order id names its intent and its number, within the venue's alphabet and length."""
    intent = intent_id("main", "BTC/USDT", candle, "PROTECT")
    cid = child_id(intent, number)
    assert parse_child(cid) == ChildName(intent, number)
    assert re.fullmatch(r"[a-zA-Z0-9\-_]{1,36}", cid)


@pytest.mark.parametrize(("intent", "number"), [("", 0), ("0123456789abcdeF", 0), ("0" * 16, -1), ("0" * 16, 100_000)])
def test_what_is_no_name_is_refused(intent: str, number: int) -> None:
    """A wrong intent or a number out of bounds is a defect, not an order."""
    with pytest.raises(InvariantError, match="no client order id"):
        child_id(intent, number)


@pytest.mark.parametrize(
    "cid", ["", "x-TKT5PX2F123", "h0123456789abcdef", "h0123456789abcdef-01", "h0123456789abcdef-1 "]
)
def test_what_is_not_ours_is_not_read(cid: str) -> None:
    """Ids of other programs are recognised as such."""
    assert parse_child(cid) is None


def test_numbers_go_on_after_the_highest() -> None:
    """Gaps and strangers do not matter; the first child is number 0."""
    intent = "0" * 16
    assert next_child(()) == 0
    assert next_child((child_id(intent, 7), "stranger", child_id(intent, 2))) == 8
