"""The section of health: defaults that a person would choose, and nonsense that is refused."""

import pytest

from huracan.config import HealthSettings, load_settings
from huracan.errors import ConfigError


def test_defaults_look_every_few_seconds_and_err_once_a_year() -> None:
    """A look every five seconds; a year between two false alarms of a version's charts."""
    found = HealthSettings()
    assert (found.interval_s, found.false_alarm_days) == (5.0, 365.0)


@pytest.mark.parametrize(("key", "value"), [("interval_s", 0.0), ("false_alarm_days", 0.0), ("intervall_s", 5.0)])
def test_nonsense_is_refused_by_its_name(key: str, value: float) -> None:
    """A look that never ends, an alarm at every moment, a key that does not exist."""
    with pytest.raises(ConfigError, match=f"health.{key}"):
        load_settings(None, {f"health.{key}": value}, {})
