"""What the fold's fit adds to a raw row, worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.features.finish import finish_close, finish_rows, hour_of_week, quantile_of

MONDAY_MS = 1_704_067_200_000
"""2024-01-01 00:00 UTC."""
HOUR_MS = 3_600_000

# Four regime states that a return of 0 cannot tell apart: the filter is the start, then the start moved by the chain,
# which turns state k into state 3 - k.
START = np.array([0.4, 0.3, 0.2, 0.1])
CHAIN = np.eye(4)[::-1].copy()
MEAN = np.array([[-0.5, 0.0], [0.5, 0.0], [-0.5, 0.0], [0.5, 0.0]])
VARIANCE = np.ones((4, 2))
GRIDS = np.array([[0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.0, 1.0, 4.0]])


def profiles() -> NDArray[np.float64]:
    """Return hour-of-week levels of 10, 20 and 30, one more in hour 0."""
    out = np.repeat([[10.0], [20.0], [30.0]], 168, axis=1)
    out[:, 0] += 1.0
    return out


def new_regime() -> NDArray[np.float64]:
    """Return a filter that has seen nothing."""
    return np.array([0.0, 0.0, 0.0, 0.0, -1.0])


def raw_row() -> NDArray[np.float64]:
    """Return a raw row of hundreds, quantile entries and regime inputs apart."""
    row = 100.0 + np.arange(52.0)
    row[15], row[41] = 2.5, 1.0
    row[25:27] = 0.0
    return row


def finished(
    values: NDArray[np.float64], available: list[bool], allowed: list[bool], close_ms: list[int], segment: list[int]
) -> NDArray[np.float32]:
    """Return the finished rows."""
    rows = len(values)
    out = np.zeros((rows, 52), dtype=np.float32)
    finish_rows(
        values,
        np.tile(np.array(available), (rows, 1)),
        np.array(close_ms),
        np.array(segment, dtype=np.int32),
        np.array(allowed),
        profiles(),
        GRIDS,
        START,
        CHAIN,
        MEAN,
        VARIANCE,
        new_regime(),
        out,
    )
    return out


def test_hour_of_week_starts_on_monday() -> None:
    """Monday 2024-01-01 00:00 UTC is the end of hour 167; an hour later hour 0 has been traded."""
    assert hour_of_week(MONDAY_MS) == 167
    assert hour_of_week(MONDAY_MS + HOUR_MS) == 0
    assert hour_of_week(MONDAY_MS + HOUR_MS + 1) == 1


def test_quantiles_by_hand() -> None:
    """Between two of five quantiles it is linear, on equal ones their middle, outside them 0 and 1."""
    wanted = {-1.0: 0.0, 0.0: 0.0, 0.5: 0.125, 1.0: 0.5, 2.5: 0.875, 4.0: 1.0, 9.0: 1.0}
    assert [quantile_of(GRIDS[1], x) for x in wanted] == pytest.approx(list(wanted.values()), rel=1e-15)


def test_a_row_with_every_input_by_hand() -> None:
    """Profiles of the hour come off 11, 28 and 29; 15 and 41 are quantiles; 37 is 1; what needs nothing stays."""
    raw = raw_row()[None]
    row = finished(raw, [True] * 4, [True] * 4, [MONDAY_MS + HOUR_MS], [0])[0]
    assert row[[11, 28, 29]].tolist() == [100.0, 107.0, 98.0]  # 111 - 11, 128 - 21, 129 - 31
    assert row[[15, 41, 37]].tolist() == [0.625, 0.5, 1.0]
    rest = np.delete(np.arange(52), [11, 15, 25, 26, 28, 29, 37, 41])
    assert (row[rest] == raw[0, rest]).all()
    later = finished(raw, [True] * 4, [True] * 4, [MONDAY_MS + 2 * HOUR_MS], [0])[0]
    assert later[[11, 28, 29]].tolist() == [101.0, 108.0, 99.0]


@pytest.mark.parametrize("missing", ["available", "allowed"])
@pytest.mark.parametrize(
    ("which", "zeros", "share"),
    [(0, [29], 2 / 3), (1, [33, 34, 35, 41], 2 / 3), (2, [32, 38, 39, 40], 2 / 3), (3, [42, 43, 44, 45, 46], 1.0)],
)
def test_an_input_that_is_missing_zeroes_its_entries_only(
    missing: str, which: int, zeros: list[int], share: float
) -> None:
    """Trades, taker volume, book or leader, absent now or in training: their entries are 0 and 37 loses a third."""
    lacking = [n != which for n in range(4)]
    given = (lacking, [True] * 4) if missing == "available" else ([True] * 4, lacking)
    row = finished(raw_row()[None], *given, [MONDAY_MS], [0])[0]
    whole = finished(raw_row()[None], [True] * 4, [True] * 4, [MONDAY_MS], [0])[0]
    assert row[37] == pytest.approx(share)
    assert np.flatnonzero(row != whole).tolist() == sorted(zeros + ([37] if share < 1 else []))
    assert not row[zeros].any()


def test_the_regime_filter_goes_on_within_a_segment_and_starts_anew_with_the_next() -> None:
    """Start (.4, .3, .2, .1): P(high) .3 and trend -.2; moved once .7 and .2; in a new segment as at first."""
    rows = finished(np.tile(raw_row(), (3, 1)), [True] * 4, [True] * 4, [MONDAY_MS] * 3, [4, 4, 5])
    assert rows[:, 25] == pytest.approx([0.3, 0.7, 0.3], rel=1e-6)
    assert rows[:, 26] == pytest.approx([-0.2, 0.2, -0.2], rel=1e-6)


def test_a_close_finishes_the_coins_that_have_a_row_and_leaves_the_others() -> None:
    """Of two coins one has a row: it is finished as alone; the other's output and regime filter are untouched."""
    values = np.stack([np.tile(raw_row() + 1.0, (2, 1)), np.tile(raw_row(), (2, 1))])
    regimes, out = np.tile(new_regime(), (2, 1)), np.zeros((2, 52), dtype=np.float32)
    finish_close(
        np.array([0, 1]),
        values,
        np.ones((2, 2, 4), dtype=np.bool_),
        np.array([MONDAY_MS]),
        np.array([[3, 7]], dtype=np.int32),
        np.ones(4, dtype=np.bool_),
        profiles(),
        GRIDS,
        START,
        CHAIN,
        MEAN,
        VARIANCE,
        regimes,
        out,
    )
    alone = finished(raw_row()[None], [True] * 4, [True] * 4, [MONDAY_MS], [7])[0]
    assert out[1].tobytes() == alone.tobytes()
    assert not out[0].any()
    assert regimes[0].tolist() == new_regime().tolist()
    assert regimes[1] == pytest.approx([*START, 7.0])
