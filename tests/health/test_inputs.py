"""Inputs that a version sees: the planted one is named, and none is when nothing has changed."""

from dataclasses import replace

import numpy as np

from huracan.features import CATALOGUE
from huracan.health.inputs import Inputs, input_drifts
from huracan.health.trading import DAY_MS
from huracan.memory import TradeRows
from tests.health.test_trading import START_MS, trades


def seen(days: int, seed: int, moved: float = 0.0, from_day: int = 0) -> TradeRows:
    """Return trades whose 80 state entries are noise that a day shares half of, entry 7 of it moved from a day on."""
    rows, rng = trades(days, seed), np.random.default_rng(seed)
    day = (rows.entry_time - START_MS) // DAY_MS
    shared = rng.standard_normal((days + 1, 80))[day + 1]
    states = (0.7 * shared + 0.7 * rng.standard_normal((len(rows), 80))).astype(np.float32)
    states[day >= from_day, 7] += moved
    return replace(rows, entry_state=states)


def look(rows: TradeRows, days: int) -> Inputs:
    """Return the word at the end of some days, against sixty days of shadow."""
    return input_drifts(seen(60, 1), rows, START_MS, START_MS + days * DAY_MS)


def test_the_input_that_moved_is_named_and_no_other_within_two_windows() -> None:
    """Three deviations of one of 52 from the tenth day on: named at the end of the third week, with its first week."""
    rows = seen(40, 2, 3.0, 10)
    assert not look(rows, 7).drifts
    found = look(rows, 21)
    assert [(one.entry, one.name) for one in found.drifts] == [(7, CATALOGUE[7].name)]
    (one,) = found.drifts
    assert one.p_value < 1e-3
    assert one.stability > 0.25
    assert one.observed - one.claimed > 2.0
    assert (found.start_ms - START_MS, found.end_ms - START_MS) == (14 * DAY_MS, 21 * DAY_MS)
    assert found.since_ms in (START_MS + 7 * DAY_MS, START_MS + 14 * DAY_MS)
    assert look(rows, 35).since_ms == found.since_ms


def test_nothing_is_named_when_nothing_has_changed() -> None:
    """Ten versions of six weeks each, which a day's luck moves: one false word in more than a year was promised."""
    named = [sum(bool(look(seen(42, 10 + seed), 7 * week).drifts) for week in range(1, 7)) for seed in range(10)]
    print(f"{sum(named)} of 60 windows, {60 * 7 / 365:.1f} promised")
    assert sum(named) <= 5  # 99 % of a Poisson of 1.15


def test_few_trades_and_other_layouts_say_nothing() -> None:
    """Neither has anything to be compared with."""
    few = seen(3, 2, 5.0)
    assert look(few, 30) == Inputs(0, 0, None, 0, ())
    foreign = seen(40, 3, 5.0)
    foreign.layout[:] = 99
    assert look(foreign, 40).drifts == ()
    assert input_drifts(seen(3, 1), seen(40, 2, 5.0), START_MS, START_MS + 40 * DAY_MS).drifts == ()
