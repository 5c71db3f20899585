"""The section of the daily cycle."""

import pytest

from huracan.config import RetrainSettings, load_settings
from huracan.errors import ConfigError


def test_a_cycle_downloads_goes_on_and_may_promote() -> None:
    """What a schedule wants without a word: new candles, a warm start within a week of a search, the champion."""
    found = RetrainSettings()
    assert (found.download, found.warm_start, found.search_every_days, found.promote_to) == (True, True, 7, "champion")


@pytest.mark.parametrize("key", ["promote_to", "search_every_days", "env_steps", "stale_max_days"])
def test_what_cannot_be_is_refused(key: str) -> None:
    """An unknown stage and negative lengths are named."""
    with pytest.raises(ConfigError, match=key):
        load_settings(None, {f"retrain.{key}": -1}, environ={})
