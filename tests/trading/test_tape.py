"""Tapes: decisions on the grid, integers from candles, and every refusal."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.market import Candles
from huracan.trading import KernelSettings, Tape, build_cost_table, build_tape, decision_rows, infer_instrument
from huracan.trading.costs import make_cost_table
from tests.trading.markets import candles_of, columns_of, settings_of


def walk(rows: int = 3_000, tick: float = 0.01, price: float = 100.0) -> Candles:
    """Return one-minute candles of a random walk on a tick grid, volumes on a grid of 0.01."""
    rng = np.random.default_rng(6)
    path = price * np.exp(np.cumsum(rng.normal(0, 3e-4, (rows, 4)).ravel()).reshape(rows, 4))
    ticks = np.rint(path / tick)
    decimals = max(0, round(-np.log10(tick)))
    ohlc = np.column_stack([ticks[:, 0], ticks.max(1), ticks.min(1), ticks[:, -1]])
    return candles_of(np.round(ohlc * tick, decimals), np.round(rng.gamma(2.0, 50.0, rows) + 0.01, 2))


def tape_from(candles: Candles, settings: KernelSettings, **changes: Any) -> Tape:
    """Return the tape of these candles; `instrument`, `costs` or `raw` may be replaced."""
    instrument = changes.get("instrument") or infer_instrument(candles, settings)
    costs = changes.get("costs") or build_cost_table(candles, instrument, settings)
    return build_tape(candles, changes.get("raw") or columns_of(candles, settings), instrument, costs, settings)


def test_decisions_fall_on_the_grid_of_the_clock() -> None:
    """(bar_no + 1) % 5 == 0; a missing one falls at the next bar; a start after one waits for the next."""
    assert decision_rows(np.arange(3, 16), 5).tolist() == [1, 6, 11]
    assert decision_rows(np.array([3, 5, 6, 8, 10, 11, 21]), 5).tolist() == [1, 4, 6]
    assert decision_rows(np.array([4, 5]), 5).tolist() == [0]
    assert decision_rows(np.arange(4), 1).tolist() == [0, 1, 2, 3]
    assert decision_rows(np.array([], np.int64), 5).tolist() == []


def test_a_tape_holds_the_candles_as_integers() -> None:
    """Bar number, ticks and steps; the cost row of each bar's UTC day."""
    candles, settings = walk(), settings_of(decision_interval_bars=15)
    tape = tape_from(candles, settings)
    assert tape.bars[:, 0].tolist() == (candles.timestamp // 60_000).tolist()
    assert np.abs(tape.bars[:, 4] * 0.01 - candles.close).max() < 1e-9
    assert np.abs(tape.bars[:, 5] * 0.01 - candles.volume).max() < 1e-9
    assert tape.costs.day_ms[tape.day].tolist() == (candles.timestamp // 86_400_000 * 86_400_000).tolist()
    assert tape.features.shape == (200, 62)
    assert not tape.features.any()


def test_features_must_fit_the_decisions() -> None:
    """One row of 62 for each."""
    tape = tape_from(walk(), settings_of(decision_interval_bars=15))
    assert tape.with_features(np.ones((200, 62), np.float32)).features.all()
    with pytest.raises(DataError, match="200 decisions"):
        tape.with_features(np.ones((199, 62), np.float32))


def test_columns_of_other_bars_or_another_interval_are_refused() -> None:
    """Candles, features and costs must belong together."""
    candles, settings = walk(), settings_of(decision_interval_bars=15)
    with pytest.raises(DataError, match="different bars"):
        tape_from(candles, settings, raw=columns_of(candles.take(slice(0, 10)), settings))
    with pytest.raises(DataError, match="another decision interval"):
        tape_from(candles, settings, raw=columns_of(candles, settings_of(decision_interval_bars=5)))
    short = make_cost_table("X", *(np.zeros(1, kind) for kind in (np.int64, np.int64, np.int64, np.float64)))
    with pytest.raises(DataError, match="does not cover"):
        tape_from(candles, settings, costs=short)


def test_a_silent_bar_that_moves_is_refused() -> None:
    """No volume, another price than the close before: no venue printed that."""
    candles = walk()
    volume = candles.volume.copy()
    volume[100] = 0
    moved = replace(candles, volume=volume)
    with pytest.raises(DataError, match="1 bars without volume"):
        tape_from(moved, settings_of())


def test_a_step_worth_too_much_is_refused_where_fees_are_paid_in_coin() -> None:
    """A step of 0.12 at 100 is 12, over 1 % of 1,000; with fees in quote it trades."""
    candles, settings = walk(), settings_of()
    coarse = replace(candles, volume=np.rint(candles.volume) * 0.12)
    with pytest.raises(DataError, match=r"one step is worth 1\d\.\d\d, over 1 %"):
        tape_from(coarse, settings)
    assert tape_from(coarse, settings_of(fee_asset="quote")).instrument.step == Decimal("0.12")


def test_a_stake_too_near_the_least_order_is_refused() -> None:
    """Half a stake must be four least orders: 40 for a minimum of 5."""
    assert tape_from(walk(), settings_of(stake_amount=101.0 * 40))
    with pytest.raises(DataError, match="below four least orders"):
        tape_from(walk(), settings_of(stake_amount=39.0, fee_asset="quote"))


def test_a_tick_too_coarse_for_the_stop_is_refused() -> None:
    """A price of 100 ticks of 0.1 puts a stop of 3 % three ticks away; at 10,000 ticks it is 300."""
    settings = settings_of(fee_asset="quote")
    with pytest.raises(DataError, match="the tick is too coarse"):
        tape_from(walk(tick=0.1, price=10.0), settings)
    assert tape_from(walk(tick=0.001, price=10.0), settings)


def test_integers_out_of_range_are_refused() -> None:
    """A stake beyond 2^52 ticks x steps, a volume x range beyond 62 bits."""
    with pytest.raises(DataError, match=r"more than 2\^52"):
        tape_from(walk(), settings_of(stake_amount=4e11))
    candles = walk()
    fine = replace(infer_instrument(candles, settings_of()), step=Decimal("0.00000001"))
    costs = build_cost_table(candles, fine, settings_of())
    huge = replace(candles, volume=candles.volume * 1e8)
    with pytest.raises(DataError, match="leaves the 62-bit range"):
        tape_from(huge, settings_of(stake_amount=100.0), instrument=fine, costs=costs)


def test_a_part_of_a_tape_is_a_view_that_begins_one_decision_early() -> None:
    """Bars, decisions and features belong together as before; nothing is copied; a span without bars is empty."""
    settings = settings_of(decision_interval_bars=15)
    tape = tape_from(walk(), settings)
    part = tape.between(100, 400)
    before = int(tape.rows[tape.rows < 100][-1])
    assert len(part) == 400 - before
    assert np.shares_memory(part.bars, tape.bars)
    assert part.bars[0, 0] == tape.bars[before, 0]
    assert (part.rows + before).tolist() == tape.rows[(tape.rows >= before) & (tape.rows < 400)].tolist()
    assert len(part.features) == len(part.rows)
    assert len(tape.between(len(tape), len(tape) + 5).rows) <= 1
