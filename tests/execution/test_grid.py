"""The grid: exact both ways, and a fault for whatever lies between two of its points."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.errors import InvariantError
from huracan.execution.grid import Grid
from huracan.trading import Instrument

TICKS = st.integers(1, 10**15)


def grid_of(tick: str = "0.01", step: str = "0.001", symbol: str = "AAA/USDT") -> Grid:
    """Return a grid."""
    return Grid.of(Instrument(symbol, Decimal(tick), Decimal(step), Decimal(5), 1000, 1000, False))


@given(TICKS, st.sampled_from(["0.01", "0.00000001", "5", "0.25", "1e-10"]))
def test_a_price_and_its_ticks_are_the_same(ticks: int, tick: str) -> None:
    """There and back without a rounding."""
    grid = grid_of(tick=tick)
    assert grid.ticks(grid.price(ticks)) == ticks
    assert grid.steps(grid.quantity(ticks)) == ticks


def test_assets_are_read_off_the_symbol() -> None:
    """Spot and perpetual."""
    assert grid_of().assets == ("AAA", "USDT")
    assert grid_of(symbol="BTC/USDT:USDT").assets == ("BTC", "USDT")


@pytest.mark.parametrize("value", ["0.005", "NaN", "Infinity", "1.000000001"])
def test_what_is_off_the_grid_is_a_fault(value: str) -> None:
    """Half a tick, no number, a hair too fine."""
    with pytest.raises(InvariantError):
        grid_of().ticks(Decimal(value))
    with pytest.raises(InvariantError):
        grid_of(step="0.01").steps(Decimal(value))


def test_fees_are_counted_in_1e_8() -> None:
    """Exactly; a rebate is negative, anything finer a fault."""
    assert grid_of().units(Decimal("0.00000123")) == 123
    assert grid_of().units(Decimal("-0.5")) == -50_000_000
    with pytest.raises(InvariantError):
        grid_of().units(Decimal("1e-9"))
