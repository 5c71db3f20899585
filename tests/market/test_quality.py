"""The quality report and its gate."""

import numpy as np
import pytest

from huracan.config import QualitySettings
from huracan.errors import DataError
from huracan.market import Gap, Rows, candles_from_rows, gate, quality_report, repair, timeframe_ms, wild_bars
from tests.market.frames import MINUTE_MS, START_MS, columns, market, rows

LATER_MS = START_MS + 400 * 86_400_000
SETTINGS = QualitySettings(history_min_bars=100)


def report(found, timeframe="1m", now_ms=LATER_MS):
    """Return the report of hand-made columns."""
    return quality_report("ADA/USDT", timeframe, rows(found), now_ms)


def without(found, missing):
    """Return columns without the rows of an index array."""
    kept = np.setdiff1d(np.arange(len(found["timestamp"])), missing)
    return {name: values[kept] for name, values in found.items()}


@pytest.mark.parametrize(
    ("timeframe", "step", "bars"), [("1m", MINUTE_MS, 1_440), ("1h", 3_600_000, 168), ("1d", 86_400_000, 365)]
)
def test_a_complete_history_is_covered_whatever_its_timeframe(timeframe, step, bars):
    """Bars expected follow from the timeframe: 168 hourly candles of a week are a coverage of 1, not of 0.0167."""
    found = report(columns(bars, step), timeframe)
    assert (found.bars, found.expected_bars, found.coverage_frac) == (bars, bars, 1.0)
    assert gate(found, SETTINGS).accepted


def test_coverage_starts_at_the_listing():
    """A coin listed late is covered from its first candle on; nothing before it is expected."""
    listed = report(columns(300, start_ms=START_MS + 90 * 86_400_000))
    assert listed.coverage_frac == 1.0
    assert listed.first_ms == START_MS + 90 * 86_400_000


def test_gaps_are_counted_and_placed():
    """Two gaps of 30 and 5 bars out of 500 are found where they are, and coverage is 465/500."""
    found = report(without(columns(500), np.r_[100:130, 300:305]))
    assert found.gaps == (Gap(START_MS + 100 * MINUTE_MS, 30), Gap(START_MS + 300 * MINUTE_MS, 5))
    assert (found.gap_count, found.gap_longest_bars) == (2, 30)
    assert found.coverage_frac == 465 / 500


def test_duplicates_do_not_count_as_coverage():
    """A repeated row does not make up for a missing one."""
    found = columns(500)
    for values in found.values():
        values[200:210] = values[190:200]
    result = report(found)
    assert (result.bars, result.expected_bars) == (490, 500)
    assert [(fault.kind, fault.count) for fault in result.faults] == [("duplicate", 10)]
    assert not gate(result, QualitySettings(history_min_bars=100, coverage_min_frac=0.5)).accepted


def test_the_running_bar_is_left_out():
    """A last bar that has not closed is reported, and not counted."""
    found = columns(200)
    half_way = int(found["timestamp"][-1]) + 30_000
    result = report(found, now_ms=half_way)
    assert (result.bars, result.unclosed_last_bar) == (199, True)
    closed = report(found, now_ms=half_way + 30_000)
    assert (closed.bars, closed.unclosed_last_bar) == (200, False)


def test_zero_volume_bars_must_be_flat_at_the_previous_close():
    """A bar without volume that has a range, or another price than the close before, is counted and refused."""
    found = columns(500)
    for at in (50, 60, 70):
        found["volume"][at] = 0.0
        for name in ("open", "high", "low", "close"):
            found[name][at] = found["close"][at - 1]
    assert report(found).zero_volume_unflat == 0
    found["high"][60] += 0.01
    for name in ("open", "high", "low", "close"):
        found[name][70] += 0.01
    result = report(found)
    assert (result.zero_volume_unflat, result.zero_volume_unflat_ms) == (2, START_MS + 60 * MINUTE_MS)
    assert any("2 bars without volume are not flat" in reason for reason in gate(result, SETTINGS).reasons)


def test_a_flat_zero_volume_bar_after_a_gap_may_have_moved():
    """After missing bars the previous close is unknown: a flat bar at another price is in order there."""
    found = columns(500)
    found["volume"][60] = 0.0
    for name in ("open", "high", "low", "close"):
        found[name][60] = 103.0
    assert report(found).zero_volume_unflat == 1
    assert report(without(found, [59])).zero_volume_unflat == 0


def test_stale_run_is_measured():
    """Forty bars that repeat the close before them are a stale run of 40 from their first one."""
    found = columns(500)
    for name in ("open", "high", "low", "close"):
        found[name][101:141] = found["close"][100]
    result = report(found)
    assert (result.stale_bars, result.stale_start_ms) == (40, START_MS + 101 * MINUTE_MS)
    assert gate(result, SETTINGS).accepted
    refused = gate(result, SETTINGS.model_copy(update={"stale_max_h": 0.65}))
    assert (
        "the close stands still for 0.666667 h (40 bars) from 2025-06-11T01:41:00Z, above quality.stale_max_h 0.65"
        in refused.reasons
    )


@pytest.mark.parametrize(("timeframe", "longest"), [("1m", 1_440), ("1h", 24), ("4h", 7), ("12h", 7), ("1d", 7)])
def test_a_close_may_stand_still_for_a_day_or_seven_bars(timeframe, longest):
    """A run of 24 hours, or of 7 bars where they last longer, is fit by default; one bar more is not."""
    found = columns(max(500, 2 * longest), timeframe_ms(timeframe))
    for bars, fit in ((longest, True), (longest + 1, False)):
        still = {name: values.copy() for name, values in found.items()}
        for name in ("open", "high", "low", "close"):
            still[name][101 : 101 + bars] = still["close"][100]
        result = report(still, timeframe, now_ms=START_MS + 10 * 366 * 86_400_000)
        assert result.stale_bars == bars
        assert gate(result, SETTINGS).accepted is fit


@pytest.mark.parametrize(("timeframe", "longest"), [("1m", 10_080), ("1h", 168), ("1d", 7)])
def test_a_gap_may_last_a_week(timeframe, longest):
    """Missing bars of 168 hours are fit by default where the coverage allows them; one bar more is not."""
    found = columns(longest + 400, timeframe_ms(timeframe))
    for bars, fit in ((longest, True), (longest + 1, False)):
        result = report(without(found, np.r_[100 : 100 + bars]), timeframe, now_ms=START_MS + 10 * 366 * 86_400_000)
        assert result.gap_longest_bars == bars
        assert gate(result, SETTINGS.model_copy(update={"coverage_min_frac": 0.0})).accepted is fit


def test_a_bad_tick_is_an_outlier():
    """One print at ten times the price gives two outlying returns, the greatest of them with its place."""
    candles = market(3_000)
    found = {"timestamp": candles.timestamp, **{name: v.copy() for name, v in candles.rows().columns.items()}}
    for name in ("high", "close"):
        found[name][1_500] *= 10.0
    result = report(found)
    assert result.outlier_bars == 2
    assert result.outlier_worst_ms in (open_ms(candles, 1_500), open_ms(candles, 1_501))
    assert abs(result.outlier_worst_frac) == pytest.approx(np.log(10.0), abs=0.1)
    assert gate(result, SETTINGS.model_copy(update={"outlier_max_frac": 0.0})).reasons


def open_ms(candles, bar):
    """Return the open time of a bar."""
    return int(candles.timestamp[bar])


@pytest.mark.parametrize(
    ("damage", "setting", "strict", "figures"),
    [
        (
            lambda c: without(c, np.r_[100:130]),
            "coverage_min_frac",
            0.99,
            "coverage 0.9400 (470 of 500 bars since 2025-06-11",
        ),
        (lambda c: without(c, np.r_[100:130]), "gap_max_h", 0.4, "a gap of 0.5 h (30 bars) from 2025-06-11T01:40:00Z"),
        (lambda c: c, "history_min_bars", 501, "500 bars are fewer than"),
    ],
)
def test_the_gate_names_figures_and_the_setting_that_changes_it(damage, setting, strict, figures):
    """A refusal gives the figure, the place and the setting; with that setting relaxed the symbol passes."""
    loose = QualitySettings(coverage_min_frac=0.5, history_min_bars=100)
    result = report(damage(columns(500)))
    assert gate(result, loose).accepted
    verdict = gate(result, loose.model_copy(update={setting: strict}))
    assert not verdict.accepted
    assert len(verdict.reasons) == 1
    assert figures in verdict.reasons[0]
    assert f"quality.{setting} {strict}" in verdict.reasons[0]


def test_zero_volume_share_is_gated():
    """Half of the bars without a trade is too much by default, and fine when the setting says so."""
    candles = wild_bars(3, 2_000)
    found = {"timestamp": candles.timestamp, **candles.rows().columns}
    share = float((candles.volume == 0).mean())
    result = report(found)
    assert result.zero_volume_frac == share > 0
    verdict = gate(result, SETTINGS.model_copy(update={"zero_volume_max_frac": share / 2, "coverage_min_frac": 0.1}))
    assert "of bars have no trade, above quality.zero_volume_max_frac" in verdict.reasons[0]


def test_allow_overrides_and_repair_makes_the_rows_sound():
    """A symbol named in quality.allow passes with its reasons kept, and its repaired rows are sound candles."""
    found = columns(500)
    found["close"][10] = np.nan
    found["low"][20] = -1.0
    found["volume"][25] = -2.0
    found["high"][30] = 1.0
    found["timestamp"][40] += 7
    found["timestamp"][[50, 51]] = found["timestamp"][[51, 50]]
    found["timestamp"][60] = found["timestamp"][59]
    found["volume"][[0, 70, 71]] = 0.0
    verdict = gate(report(found), SETTINGS.model_copy(update={"allow": ("ADA/USDT",)}))
    assert verdict.accepted
    assert verdict.allowed
    assert {fault.kind for fault in verdict.report.faults} == {
        "not_finite", "not_positive", "negative_volume", "bad_range", "off_grid", "unsorted", "duplicate"
    }  # fmt: skip
    sound = candles_from_rows("ADA/USDT", "1m", repair(rows(found), MINUTE_MS))
    assert len(sound) == verdict.report.bars == 494
    clean = quality_report("ADA/USDT", "1m", sound.rows(), LATER_MS)
    assert clean.faults == ()
    assert clean.zero_volume_unflat == 0
    at = int(np.searchsorted(sound.timestamp, found["timestamp"][59]))
    assert sound.close[at] == found["close"][60], "of duplicates the later row stays"


def test_nothing_sound_is_an_error():
    """A history without one sound closed bar is refused as data, not as a score."""
    found = columns(50)
    found["close"][:] = np.nan
    with pytest.raises(DataError, match="no sound closed bar among 50 rows"):
        report(found)
    with pytest.raises(DataError, match="no sound closed bar"):
        report(columns(50), now_ms=START_MS)


def test_the_report_does_not_change_its_input():
    """Reporting leaves the rows as they were."""
    found = columns(100)
    found["timestamp"][[5, 6]] = found["timestamp"][[6, 5]]
    before = {name: values.copy() for name, values in found.items()}
    report(found)
    assert all(np.array_equal(found[name], before[name]) for name in found)
    assert isinstance(rows(found), Rows)
