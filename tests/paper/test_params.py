"""Parameters: typed readers and the venue's codes for what they cannot hold."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.paper.errors import Refusal
from huracan.paper.params import Params, parse_params


def code_of(action: object, *args: object) -> int:
    """Return the code with which a reader refuses."""
    with pytest.raises(Refusal) as caught:
        action(*args)  # type: ignore[operator]
    return caught.value.code


def test_the_query_wins_over_the_body() -> None:
    """A parameter in both parts is read from the query."""
    params = parse_params("a=1&b=x%20y", "a=2&c=3")
    assert (params.integer("a"), params.text("b"), params.integer("c")) == (1, "x y", 3)


@pytest.mark.parametrize(("query", "body"), [("a=1&a=2", ""), ("", "a=1&a=1")])
def test_a_parameter_twice_in_one_part_is_refused(query: str, body: str) -> None:
    """Which of the two was meant cannot be known."""
    assert code_of(parse_params, query, body) == -1101


def test_too_many_parameters_are_refused() -> None:
    """Work per request is bounded."""
    assert code_of(parse_params, "&".join(f"p{n}=1" for n in range(101)), "") == -1101


@pytest.mark.parametrize(
    ("reader", "value", "code"),
    [
        ("decimal", "nan", -1100),
        ("decimal", "inf", -1100),
        ("decimal", "-1", -1100),
        ("decimal", "1e5", -1100),
        ("decimal", "1,5", -1100),
        ("decimal", "0.123456789", -1111),
        ("decimal", "0", -1130),
        ("decimal", "", -1105),
        ("integer", "1.5", -1100),
        ("integer", "-3", -1100),
        ("client_id", "a b", -1100),
        ("client_id", "x" * 37, -1100),
        ("client_id", "ordre-é", -1100),
        ("strings", "[1]", -1130),
        ("strings", "{", -1135),
        ("strings", '["A","A"]', -1151),
        ("text", "", -1102),
    ],
)
def test_bad_values_have_their_codes(reader: str, value: str, code: int) -> None:
    """Nothing that is not a positive decimal, a whole number or a client id gets through."""
    assert code_of(getattr(Params({"p": value}), reader), "p") == code


def test_absent_parameters() -> None:
    """Absent is None, unless the parameter must be there."""
    params = Params({})
    assert params.decimal("p") is None
    assert params.integer("p") is None
    assert params.client_id("p") is None
    assert params.whole("p", 500, 1000) == 500
    assert code_of(params.text, "p") == -1102


def test_whole_is_cut_at_its_most() -> None:
    """A limit beyond the largest is the largest; none is refused."""
    assert Params({"p": "5000"}).whole("p", 500, 1000) == 1000
    assert code_of(lambda: Params({"p": "0"}).whole("p", 500, 1000)) == -1130


@given(st.decimals(min_value="0.00000001", max_value="99999999", places=8))
@settings(max_examples=200, deadline=None)
def test_decimals_are_read_exactly(number: Decimal) -> None:
    """What the client wrote is what the exchange reads."""
    assert Params({"p": f"{number:f}"}).decimal("p") == number
