"""The feed's end: exact integers, the terms of the right day, and refusals of what cannot be."""

from dataclasses import replace
from decimal import Decimal

import pytest

from huracan.errors import DataError, InvariantError
from huracan.execution.feed import ClosedCandle, close_of, closes_of
from huracan.trading.venue_law import Bar
from tests.trading.markets import DAY_MS, costs_of, instrument_of, settings_of

SETTINGS = settings_of()
INSTRUMENT = instrument_of(SETTINGS)
CANDLE = ClosedCandle(
    "HAND/USDT",
    DAY_MS + 120_000,
    Decimal("100.00"),
    Decimal("100.10"),
    Decimal("99.90"),
    Decimal("100.05"),
    Decimal("12.34"),
    0.001,
)


def test_a_candle_becomes_ticks_and_steps_with_the_costs_of_its_day() -> None:
    """Tick 0.01, step 0.01, bar numbers count minutes since the epoch."""
    close = close_of(CANDLE, INSTRUMENT, costs_of(3, spread=4, impact=0.5, qcap=77), SETTINGS)
    assert close.bar == Bar(1_442, 10_000, 10_010, 9_990, 10_005, 1_234)
    assert (close.terms.spread, close.terms.impact, close.view.qcap, close.view.sigma) == (4, 0.5, 77, 0.001)
    assert close.view.stake == 10_000_000
    assert closes_of({"HAND/USDT": CANDLE}, {"HAND/USDT": INSTRUMENT}, {"HAND/USDT": costs_of(3)}, SETTINGS)


@pytest.mark.parametrize(
    "changes",
    [{"low": Decimal("100.06")}, {"high": Decimal("100.01")}, {"open_ms": DAY_MS + 1}, {"open_ms": 9 * DAY_MS}],
)
def test_impossible_candles_are_refused(changes: dict[str, object]) -> None:
    """A low above the close, a high below it, a time off the grid, a day without costs."""
    with pytest.raises(DataError, match="HAND/USDT"):
        close_of(replace(CANDLE, **changes), INSTRUMENT, costs_of(3), SETTINGS)


@pytest.mark.parametrize("changes", [{"close": Decimal("100.001")}, {"volume": Decimal("NaN")}])
def test_candles_off_the_grid_are_a_fault(changes: dict[str, object]) -> None:
    """Between two ticks, or no number at all."""
    with pytest.raises(InvariantError):
        close_of(replace(CANDLE, **changes), INSTRUMENT, costs_of(3), SETTINGS)
