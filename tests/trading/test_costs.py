"""The dated cost table: what each day may know, and its figures by hand."""

import math
from decimal import Decimal

import numpy as np
import pytest

from huracan.market import Candles
from huracan.trading import CostTable, Instrument, build_cost_table
from tests.features.oracle import daily_edge
from tests.trading.markets import candles_of, settings_of

GRID = Instrument("HAND/USDT", Decimal("0.01"), Decimal("0.01"), Decimal(5), 1_000, 1_000, False)
DAY = 1_440


def walk(days: float, seed: int = 1, spread: float = 0.0) -> Candles:
    """Return one-minute candles of a random walk from a midnight on, trades bouncing between bid and ask."""
    rng = np.random.default_rng(seed)
    bars = int(days * DAY)
    mid = 100 * np.exp(np.cumsum(rng.normal(0, 2e-4, (bars, 20)).ravel()).reshape(bars, 20))
    price = np.round(mid * (1 + spread / 2 * rng.choice([-1, 1], mid.shape)), 2)
    prices = np.column_stack([price[:, 0], price.max(1), price.min(1), price[:, -1]])
    return candles_of(prices, np.round(rng.gamma(2.0, 50.0, bars) + 0.01, 2))


def table_of(candles: Candles, **changes: object) -> CostTable:
    """Return the table of these candles."""
    return build_cost_table(candles, GRID, settings_of(**changes))


def test_a_row_is_the_formula_on_the_seven_full_days_before() -> None:
    """Day 9: impact, cap and spread recomputed from days 2 to 8 with plain NumPy."""
    candles = walk(10, spread=0.002)
    table = table_of(candles)
    ticks, steps = np.rint(candles.close / 0.01), np.rint(candles.volume / 0.01)
    returns = np.diff(np.log(ticks), prepend=np.log(ticks[0]))
    window = slice(2 * DAY, 9 * DAY)
    price, daily = ticks[9 * DAY - 1], steps[window].sum() / 7
    sigma = math.sqrt(np.square(returns[window]).sum() / 7)
    assert table.impact[9] == pytest.approx(sigma * price / math.sqrt(daily), rel=1e-12)
    assert table.qcap[9] == int(daily / 1_440 / 2)
    edges = [
        daily_edge(
            *(column[d * DAY : (d + 1) * DAY] for column in (candles.open, candles.high, candles.low, candles.close))
        )
        for d in range(2, 9)
    ]
    edge = math.sqrt(float(np.mean([e * abs(e) for e in edges])))
    assert table.spread[9] == round(edge * price)
    assert edge == pytest.approx(0.002, rel=0.1)


def test_the_floor_carries_a_market_without_visible_spread() -> None:
    """1 bp of 10,000 ticks; at least one tick with a floor of zero."""
    candles = walk(3)
    ticks = np.rint(candles.close / 0.01)
    assert table_of(candles, spread_floor_bps=50.0).spread[2] == round(50e-4 * ticks[2 * DAY - 1])
    assert table_of(candles, spread_floor_bps=0.0).spread.min() >= 1


def test_no_row_sees_its_own_day_or_any_later_one() -> None:
    """Replacing everything from day 5 on leaves rows 0 to 5 as they were."""
    early, late = walk(8), walk(8, seed=2)
    mixed = Candles(
        early.symbol,
        early.timeframe,
        early.timestamp,
        *(
            np.concatenate([getattr(early, name)[: 5 * DAY], getattr(late, name)[5 * DAY :]])
            for name in ("open", "high", "low", "close", "volume")
        ),
    )
    a, b = table_of(early), table_of(mixed)
    for name in ("spread", "qcap", "impact"):
        assert np.array_equal(getattr(a, name)[:6], getattr(b, name)[:6])
        assert not np.array_equal(getattr(a, name)[6:], getattr(b, name)[6:]) or name == "spread"


def test_a_day_without_a_full_day_before_allows_no_entry() -> None:
    """The first day and the day after a partial first day: cap 0; the row after the last day exists."""
    candles = walk(3).between(20_000 * 86_400_000 + 6 * 3_600_000, 10**15)
    table = table_of(candles)
    assert (table.qcap == 0).tolist() == [True, True, False, False]
    assert len(table.day_ms) == 4


def test_daily_candles_have_costs_too() -> None:
    """One bar a day: impact and cap from seven of them, the spread from the floor."""
    prices = np.repeat(
        np.round(100 * np.exp(np.cumsum(np.random.default_rng(4).normal(0, 0.03, 30))), 2)[:, None], 4, 1
    )
    table = build_cost_table(candles_of(prices, np.full(30, 1_440.0), "1d"), GRID, settings_of())
    assert table.qcap[1:].tolist() == [50] * 30
    assert (table.impact[2:] > 0).all()
    assert table.spread[10] == max(1, round(1e-4 * prices[9, 3] * 100))
