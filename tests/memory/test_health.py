"""The records of health are values: frozen, compared by content."""

import dataclasses

import pytest

from huracan.memory.health import Anomaly, Sample


def test_an_anomaly_cannot_be_changed_once_it_is_said() -> None:
    """Whoever says otherwise says it anew."""
    found = Anomaly("feed_silent", "main", "", "critical", "no candle for 400 s", "the feed is silent", None, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.severity = "info"  # type: ignore[misc]
    assert found == dataclasses.replace(found)


def test_a_sample_is_its_content() -> None:
    """Two measurements of the same are the same."""
    assert Sample(1, "feed", "feed.candle_age_s", "", 2.0) == Sample(1, "feed", "feed.candle_age_s", "", 2.0)
