"""The window of samples: what was measured last, what came before, and what is forgotten."""

from huracan.health.window import Window
from huracan.memory.health import Sample


def age(at_ms: int, value: float, subject: str = "") -> Sample:
    """Return a sample of the feed's age."""
    return Sample(at_ms, "feed", "feed.candle_age_s", subject, value)


def test_the_newest_of_each_subject_and_what_came_before() -> None:
    """Three samples of two markets."""
    window = Window(keep_s=60.0)
    window.add([age(1_000, 1.0, "BTC/USDT"), age(2_000, 2.0, "BTC/USDT"), age(2_000, 9.0, "ADA/USDT")], 2_000)
    assert window.newest("feed.candle_age_s", "BTC/USDT") == age(2_000, 2.0, "BTC/USDT")
    assert window.newest("feed.candle_age_s") is None
    assert {subject: row.value for subject, row in window.all_newest("feed.candle_age_s").items()} == {
        "BTC/USDT": 2.0,
        "ADA/USDT": 9.0,
    }
    assert [row.value for row in window.since("feed.candle_age_s", "BTC/USDT")] == [1.0, 2.0]
    assert [row.value for row in window.since("feed.candle_age_s", "BTC/USDT", 1_001)] == [2.0]


def test_what_is_no_longer_measured_is_forgotten() -> None:
    """A market that is not followed any more has no newest value: an old one would look like news."""
    window = Window(keep_s=60.0)
    window.add([age(0, 1.0, "GONE/USDT")], 0)
    window.add([age(61_000, 1.0)], 61_000)
    assert window.newest("feed.candle_age_s", "GONE/USDT") is None
    assert list(window.all_newest("feed.candle_age_s")) == [""]
    assert window.newest("never.measured") is None
