"""The order rate: never more entries within any window than the limit, and no memory beyond it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.config import RiskSettings
from huracan.risk.live import OrderRate


def test_the_window_slides() -> None:
    """Three orders a second: the fourth waits until the first is a whole second old."""
    rate = OrderRate(3, 1_000)
    for at_ms in (0, 400, 800):
        assert not rate.full(at_ms)
        rate = rate.recorded(at_ms)
    assert rate.full(999)
    assert not rate.full(1_000)
    assert (rate.used(999), rate.used(1_000), rate.used(1_800)) == (3, 2, 0)


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), max_size=80), st.integers(1, 5), st.integers(1, 400))
def test_entries_within_any_window_stay_below_the_limit(pauses: list[int], limit: int, window_ms: int) -> None:
    """Whoever asks before each send never passes the limit, wherever a window is laid."""
    rate, now, sent = OrderRate(limit, window_ms), 0, []
    for pause in pauses:
        now += pause
        if not rate.full(now):
            rate = rate.recorded(now)
            sent.append(now)
    for end in sent:
        assert sum(1 for at in sent if end - window_ms < at <= end) <= limit


def test_exits_fill_the_window_and_do_not_grow_it() -> None:
    """A storm of exits is sent, keeps entries out, and is remembered only as far as the limit goes."""
    rate = OrderRate(5, 1_000)
    for at_ms in range(1_000):
        rate = rate.recorded(at_ms)
    assert len(rate.sent_ms) == 5
    assert rate.full(1_500)


def test_a_clock_set_back_does_not_empty_the_window() -> None:
    """Orders that seem to lie in the future count."""
    assert OrderRate(1, 1_000).recorded(10_000).full(5_000)


def test_the_settings_are_in_seconds() -> None:
    """Ten seconds are ten thousand milliseconds."""
    assert OrderRate.of(RiskSettings(order_rate_max=7, order_rate_window_s=10)) == OrderRate(7, 10_000)
