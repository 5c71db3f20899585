"""Entry, exit and excursions with known answers, and excursions of candles equal to the stored ones."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.analysis.paths import path_of
from huracan.analysis.quality import excursions, excursions_agree, quality_of, range_place
from tests.analysis.worlds import flat_path, shadow_world, with_closes

HOLD = 80  # so that the window is 10 bars on either side


def test_places_in_a_range() -> None:
    """0 at the low, 1 at the high, cut beyond, nothing to say without width."""
    assert [range_place(price, 10.0, 20.0) for price in (5.0, 10.0, 12.5, 20.0, 30.0)] == [0.0, 0.0, 0.25, 1.0, 1.0]
    assert range_place(10.0, 10.0, 10.0) is None


def test_known_answers_on_a_straight_rise() -> None:
    """Up 10 ticks a bar: bought at the first of 20 bars' range, sold 20 bars later."""
    path = with_closes(flat_path(), 10_000 + 10 * np.arange(400))
    found = quality_of(path, 100, 120, 10_995.0, 11_190.0, 200.0, HOLD)
    # around the entry: bars 90 to 110, from 10,889 to 11,101; from entry to 130: from 10,989 to 11,301
    assert found.entry == pytest.approx(1 - (10_995 - 10_889) / (11_101 - 10_889))
    assert found.exit == pytest.approx((11_190 - 10_989) / (11_301 - 10_989))
    assert found.high == 11_191  # bars 100 to 119 closed with the position open
    assert found.low == 10_989
    assert found.captured_frac == pytest.approx((11_190 - 10_995) / (11_191 - 10_995))
    assert found.mae_used == pytest.approx(6 / 200)


def test_buying_the_low_and_selling_the_high_is_one() -> None:
    """The best possible trade of a window gets 1 for both, the worst 0."""
    path = with_closes(
        flat_path(), np.where(np.arange(400) == 100, 9_900, np.where(np.arange(400) == 105, 10_100, 10_000))
    )
    best = quality_of(path, 100, 105, 9_899.0, 10_101.0, 100.0, HOLD)
    worst = quality_of(path, 105, 106, 10_101.0, 9_999.0, 100.0, HOLD)
    assert (best.entry, best.exit) == (1.0, 1.0)
    assert (worst.entry, worst.exit) == (0.0, 0.0)
    assert worst.captured_frac is None or worst.captured_frac < 0


def test_a_market_that_does_not_move_says_nothing() -> None:
    """No range, no best excursion, no risk: nothing is made up."""
    path = replace(flat_path(), high=np.full(400, 10_000), low=np.full(400, 10_000))
    found = quality_of(path, 100, 100, 10_000.0, 10_000.0, 0.0, HOLD)
    assert (found.entry, found.exit, found.captured_frac, found.mae_used) == (None, None, None, None)


def test_excursions_of_the_candles_are_the_stored_ones() -> None:
    """Over all shadow trades of taking orders, to the tick."""
    trades, tapes, kernel, _ = shadow_world(coins=3, days=8, leave=0.2)
    paths = {tape.symbol: path_of(tape, kernel.base_ms) for tape in tapes}
    wrong = 0
    for row in range(len(trades)):
        path = paths[str(trades.symbol[row])]
        first, last = (int(path.place(times[row : row + 1])[0]) for times in (trades.entry_time, trades.exit_time))
        entry = trades.tick_steps_in[row] / trades.steps_in[row]
        leave = trades.tick_steps_out[row] / trades.steps_out[row]
        wrong += excursions(path, first, last, entry, leave) != (trades.high_ticks[row], trades.low_ticks[row])
    assert len(trades) > 500
    assert wrong == 0


def test_a_part_sold_at_an_open_may_have_met_a_price_that_the_average_hides() -> None:
    """The open of the last bar is allowed beyond the candles held, a tick beyond it is not."""
    path = replace(flat_path(), open=np.full(400, 10_050))
    assert excursions_agree(path, 250, (10_010, 9_990), (10_010, 9_990))
    assert excursions_agree(path, 250, (10_010, 9_990), (10_050, 9_990))
    assert not excursions_agree(path, 250, (10_010, 9_990), (10_051, 9_990))
    assert not excursions_agree(path, 250, (10_010, 9_990), (10_009, 9_990))
    assert not excursions_agree(path, 250, (10_010, 9_990), (10_010, 9_989))
