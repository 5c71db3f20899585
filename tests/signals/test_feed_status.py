"""The feed's status is plain data: it travels to whoever asks, and is written as JSON."""

import json
from dataclasses import asdict, fields

from huracan.signals.feed_status import FeedStatus, MarketAge


def test_a_status_is_plain_data() -> None:
    """Every field becomes JSON and back."""
    ages = (MarketAge("ADA/USDT", 1.5, 0, 2, False),)
    plain = {field.name: 0 for field in fields(FeedStatus)}
    status = FeedStatus(**plain | {"markets": ages, "stream_ages_s": {"ADA/USDT depth": 0.5}, "fits": ("a",)})
    tree = json.loads(json.dumps(asdict(status)))
    assert tree["markets"] == [asdict(ages[0])]
    assert set(tree) == set(plain)
