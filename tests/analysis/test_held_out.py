"""A best of several: what the early days may see, what the later ones must show, and how claims share their error."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student_t

from huracan.analysis.held_out import DAYS_MIN, TRADES_MIN, HeldOut, held_out
from huracan.shadow import DAY_MS

START = 1_750_000_000_000 // DAY_MS * DAY_MS
HOUR_MS = 3_600_000
BORDER = START + 36 * DAY_MS  # of 60 days, 60 % are early


def _times(days: int, per_day: int) -> np.ndarray:
    return START + np.repeat(np.arange(days), per_day) * DAY_MS + np.tile(np.arange(per_day), days) * DAY_MS // per_day


def _held_out(series: list[np.ndarray], time_ms: np.ndarray, claims: int = 1, purge_ms: int = 0) -> HeldOut:
    return held_out(series, time_ms, purge_ms=purge_ms, claims=claims, resamples=400, seed=1)


def test_the_best_is_chosen_by_its_lower_bound_and_confirmed() -> None:
    """The second of three series has a mean of 20 and the least noise: chosen, and validated."""
    time_ms, rng = _times(60, 6), np.random.default_rng(1)
    series = [rng.normal(mean, spread, len(time_ms)) for mean, spread in ((0.0, 50.0), (20.0, 50.0), (21.0, 400.0))]
    found = _held_out(series, time_ms)
    assert (found.status, found.chosen) == ("validated", 1)
    assert found.early is not None
    assert found.late is not None
    assert (found.early.days, found.late.days) == (36, 24)


def test_early_trades_that_reach_into_the_later_days_do_not_choose() -> None:
    """The last four hours before the border speak for the first series, all else for the second: they are left out."""
    time_ms, rng = _times(60, 24), np.random.default_rng(2)
    near = (time_ms >= BORDER - 4 * HOUR_MS) & (time_ms < BORDER)
    assert near.sum() == 4
    plain = rng.normal(0.0, 1.0, len(time_ms))
    told = [np.where(near, 1e5, plain), np.where(near, -1e5, plain + 2.0)]
    purged = _held_out(told, time_ms, purge_ms=4 * HOUR_MS)
    assert (purged.status, purged.chosen) == ("validated", 1)
    assert purged.early is not None
    assert purged.early.trades == 36 * 24 - 4
    without = _held_out([np.where(near, 0.0, one) for one in told], time_ms)
    assert without.early is not None
    assert without.early.trades == 36 * 24


def test_the_more_claims_are_made_together_the_more_each_has_to_show() -> None:
    """A later mean of two standard errors is enough for one claim of 5 %, not for one of twelve."""
    time_ms, rng = _times(100, 6), np.random.default_rng(3)
    late, days = time_ms >= START + 60 * DAY_MS, rng.normal(0.0, 1.0, 100)
    for part in (slice(60), slice(60, 100)):
        days[part] = (days[part] - days[part].mean()) / days[part].std()
    series = [np.repeat(days, 6) + np.where(late, 1.9 / np.sqrt(40), 1.0)]
    alone, together = _held_out(series, time_ms), _held_out(series, time_ms, claims=12)
    assert (alone.status, together.status) == ("validated", "refused")
    assert alone.late is not None
    assert together.late is not None
    assert alone.late.mean == together.late.mean
    assert together.late.low < alone.late.low  # type: ignore[operator]


def test_the_later_interval_is_the_wider_of_blocks_and_student() -> None:
    """Far in the tails, which no draw reaches, Student's bound decides; where days are alike that of drawn blocks."""
    time_ms, rng = _times(200, 1), np.random.default_rng(6)
    above = np.where(time_ms < START + 120 * DAY_MS, 3.0, 0.5)

    def low(values: np.ndarray, claims: int) -> tuple[float, float]:
        found, late = _held_out([values], time_ms, claims).late, values[120:]
        assert found is not None
        assert found.low is not None
        return found.low, late.mean() - student_t.isf(0.05 / claims, 79) * late.std(ddof=1) / np.sqrt(80)

    own, bound = low(rng.standard_normal(200) + above, 10_000)
    assert own == pytest.approx(bound)
    alike = np.repeat(rng.standard_normal(40), 5) + above
    (one, bound), (twelve, farther) = low(alike, 1), low(alike, 12)
    assert one < bound
    assert twelve < min(farther, one) - 0.05


def test_what_nobody_knows_is_left_out() -> None:
    """A series that is unknown on the early days is not chosen; one that is unknown on the later ones is undecided."""
    time_ms, rng = _times(60, 6), np.random.default_rng(4)
    good = rng.normal(20.0, 50.0, len(time_ms))
    early = time_ms < BORDER
    assert _held_out([np.where(early, np.nan, 1e3), good], time_ms).chosen == 1
    undecided = _held_out([np.where(early, good, np.nan)], time_ms)
    assert (undecided.status, undecided.late) == ("undecided", None)
    assert _held_out([], time_ms) == HeldOut("undecided", None, None, None)


@pytest.mark.parametrize(
    ("days", "per_day", "status"), [(15, 10, "undecided"), (75, 1, "validated"), (40, 1, "undecided")]
)
def test_few_trades_or_days_decide_nothing(days: int, per_day: int, status: str) -> None:
    """Thirty trades on ten days are needed on either part: 75 days with one each have 45 and 30."""
    time_ms = _times(days, per_day)
    found = _held_out([100.0 + np.arange(len(time_ms)) % 3], time_ms)
    assert found.status == status
    assert (TRADES_MIN, DAYS_MIN) == (30, 10)


def test_the_later_days_choose_nothing() -> None:
    """Whatever they hold, choice and early figures stay."""
    time_ms, rng = _times(60, 6), np.random.default_rng(5)
    series = [rng.normal(mean, 30.0, len(time_ms)) for mean in (20.0, 10.0)]
    late = time_ms >= BORDER
    other = _held_out([np.where(late, value, one) for value, one in zip((-1e3, 1e3), series, strict=True)], time_ms)
    before = _held_out(series, time_ms)
    assert replace(other, status="validated", late=before.late) == before
    assert other.status == "refused"
