"""The clocks: wall time for protocols, market time for decisions."""

import pytest

from huracan.clock import Clock, MarketClock, WallClock


def test_market_time_moves_only_when_told() -> None:
    """The market clock shows the last time it was advanced to."""
    clock = MarketClock(1_000)
    assert clock.now_ms() == 1_000
    clock.advance(61_000)
    assert clock.now_ms() == 61_000


def test_market_time_may_stand_still_but_never_goes_back() -> None:
    """Advancing to the same time is allowed, to an earlier one is refused and changes nothing."""
    clock = MarketClock(5_000)
    clock.advance(5_000)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(4_999)
    assert clock.now_ms() == 5_000


def test_wall_time_is_milliseconds_since_the_epoch_and_both_are_clocks() -> None:
    """The wall clock lies between 2025 and 2100 in ms UTC, and either clock serves where a Clock is asked for."""
    clocks: list[Clock] = [WallClock(), MarketClock(0)]
    assert 1_735_689_600_000 < clocks[0].now_ms() < 4_102_444_800_000
