"""What the market has shown, and nothing that it has not."""

import numpy as np
import pytest

from huracan.market import candles_from_rows, resample
from huracan.market.rows import Rows
from huracan.paper.errors import Refusal
from tests.paper.world import BASE_MS, FLAT, START_MS, World, market

WAVE = [(10_000 + n, 10_010 + n, 9_990 + n, 10_005 + n, 4_000 + n) for n in range(40)]


def played(bars: int, **settings: object) -> World:
    """Return an exchange over WAVE after some bars."""
    here = World([market(WAVE)], **settings)
    for _ in range(bars):
        here.bar()
    return here


def test_only_closed_bars_are_candles_in_a_lockstep_window() -> None:
    """The open of the window's bar is traded on, and not shown."""
    here = played(4)
    shown = here.exchange._history.klines("AAAUSDT", BASE_MS, None, None, 500)
    assert [one.open_ms for one in shown] == [START_MS + n * BASE_MS for n in range(5)]
    assert all(one.closed for one in shown)


def test_coarser_candles_are_those_of_the_store() -> None:
    """Equal to `market.resample` of the closed bars, volumes included."""
    here = played(31)
    bars = market(WAVE).bars[:32]
    columns = dict(zip(("open", "high", "low", "close", "volume"), bars[:, 1:].T.astype(np.float64), strict=True))
    fine = candles_from_rows("AAA/USDT", "1m", Rows(bars[:, 0] * BASE_MS, columns))
    coarse = resample(fine, "5m")
    shown = [one for one in here.exchange._history.klines("AAAUSDT", 5 * BASE_MS, START_MS, None, 500) if one.closed]
    assert [one.open_ms for one in shown] == coarse.timestamp.tolist()
    for name in ("open", "high", "low", "close", "volume"):
        assert [getattr(one, name) for one in shown] == getattr(coarse, name).tolist()


def test_a_bar_forms_as_it_prints() -> None:
    """Open, low, high, close at the quarters; its volume grows by quarters."""
    here = World([market(WAVE)], lockstep=False)
    start, seen = here.exchange.now_ms, []
    for quarter in range(5):
        here.exchange.advance(start + quarter * BASE_MS // 4)
        last = here.exchange._history.klines("AAAUSDT", BASE_MS, None, None, 1)[-1]
        seen.append((last.open_ms - start, last.open, last.high, last.low, last.close, last.volume, last.closed))
    assert seen[0][0] == -BASE_MS
    assert seen[1] == (0, 10_001, 10_001, 10_001, 10_001, 1_000, False)
    assert seen[2] == (0, 10_001, 10_001, 9_991, 9_991, 2_000, False)
    assert seen[3] == (0, 10_001, 10_011, 9_991, 10_011, 3_000, False)
    assert seen[4] == (0, 10_001, 10_011, 9_991, 10_006, 4_001, True)


@pytest.mark.parametrize(
    ("start", "end", "limit", "opens"),
    [
        (None, None, 3, [8, 9, 10]),
        (2, None, 3, [2, 3, 4]),
        (None, 5, 2, [4, 5]),
        (2, 3, 10, [2, 3]),
        (50, None, 10, []),
        (None, -5, 10, []),
        (6, 5, 10, []),
    ],
)
def test_ranges_of_candles(start: int | None, end: int | None, limit: int, opens: list[int]) -> None:
    """From a start the first ones, else the last ones."""
    here = played(10)
    bounds = [None if at is None else START_MS + at * BASE_MS for at in (start, end)]
    shown = here.exchange._history.klines("AAAUSDT", BASE_MS, bounds[0], bounds[1], limit)
    assert [(one.open_ms - START_MS) // BASE_MS for one in shown] == opens


@pytest.mark.parametrize("interval", ["1M", "7m", "30s", "1s", ""])
def test_unknown_intervals(interval: str) -> None:
    """-1120."""
    with pytest.raises(Refusal) as caught:
        played(0).exchange._history.interval_ms(interval)
    assert caught.value.code == -1120


def test_prints_have_the_bars_volume_and_growing_ids() -> None:
    """Four a bar, none of a quiet one; volume and extremes are the candle's."""
    quiet = (10_005, 10_005, 10_005, 10_005, 0)
    here = World([market([WAVE[0], WAVE[1], quiet, FLAT, FLAT])])
    for _ in range(3):
        here.bar()
    shown = here.exchange._history.newest_prints("AAAUSDT", 100)
    assert len(shown) == 12
    assert [one.trade_id for one in shown] == sorted({one.trade_id for one in shown})
    assert [one.time_ms for one in shown] == sorted(one.time_ms for one in shown)
    assert sum(one.quantity for one in shown[4:8]) == 4_001
    assert max(one.price for one in shown[4:8]) == 10_011
    assert [one.seller for one in shown[4:8]] == [True, True, False, True]
