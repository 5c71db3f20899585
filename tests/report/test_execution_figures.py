"""The execution report's pictures."""

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from huracan.report.execution_figures import cost_figure, curve_figure, orders_figure, slippage_figure
from tests.report.executed import idle_execution, sample_execution

REPORT, IDLE = sample_execution(), idle_execution()
MAKER, TAKER = REPORT.maker, REPORT.taker
assert REPORT.excerpt is not None
EXCERPT = REPORT.excerpt
PICTURES: dict[str, Callable[[], str]] = {
    "curve": lambda: curve_figure(MAKER.fill_curve, TAKER.fill_curve, 5, 3),
    "curve of one way": lambda: curve_figure((), TAKER.fill_curve, 5, 3),
    "slippage": lambda: slippage_figure(MAKER.slippages, TAKER.slippages),
    "slippage of one way": lambda: slippage_figure((), TAKER.slippages),
    "cost": lambda: cost_figure(MAKER.total, TAKER.total),
    "cost of nothing": lambda: cost_figure(IDLE.maker.total, IDLE.taker.total),
    "orders": lambda: orders_figure(EXCERPT),
    "orders that never filled": lambda: orders_figure(replace(EXCERPT, orders=EXCERPT.orders[2:], taken=(), sold=())),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_formed_and_the_same_each_time(name: str) -> None:
    """Each picture is one SVG element, and equal input gives equal bytes."""
    picture = PICTURES[name]()
    assert ElementTree.fromstring(picture).tag.endswith("svg")  # noqa: S314 - drawn by the line above
    assert picture == PICTURES[name]()


def test_orders_are_named_by_their_fate() -> None:
    """Only what happened is in the legend."""
    whole = PICTURES["orders"]()
    for words in ("order, filled", "order, filled in part", "order, taken back unfilled", "bought by taking", "sold"):
        assert words in whole
    unfilled = PICTURES["orders that never filled"]()
    assert "taken back unfilled" in unfilled
    for words in ("order, filled in part", "bought by taking", "sold"):
        assert words not in unfilled


def test_costs_carry_their_figures() -> None:
    """Slippage 12.6 and 7.5, fees 10.0 and 10.0, shortfall 31.9 and 17.5 bp."""
    picture = PICTURES["cost"]()
    for figure in ("+12.6", "+7.5", "+10.0", "+31.9", "+17.5"):
        assert figure in picture


def test_one_far_entry_does_not_flatten_the_rest() -> None:
    """What lies beyond is gathered at the ends of the axis."""
    usual = [value / 10 for value in range(-50, 51)]
    picture = slippage_figure(usual, [*usual, 4_000.0])
    words = ElementTree.fromstring(picture).itertext()  # noqa: S314 - drawn by the line above
    ticks = [float(word.replace("\u2212", "-")) for word in words if word.strip().lstrip("\u2212").isdigit()]
    assert ticks
    assert max(abs(tick) for tick in ticks) < 200
