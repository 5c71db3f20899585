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


def test_a_monitor_is_not_taken_for_dead_between_two_looks() -> None:
    """The silence that denies entries is at least two looks long; by default it is six."""
    with pytest.raises(ConfigError, match="monitor_silent_s"):
        load_settings(None, {"health.interval_s": 10.0, "health.monitor_silent_s": 19.0}, {})
    found = load_settings(None, {"health.interval_s": 10.0, "health.monitor_silent_s": 20.0}, {}).health
    assert found.monitor_expected == "started"
    assert HealthSettings().monitor_silent_s == 6 * HealthSettings().interval_s


def test_what_is_kept_and_what_waits_has_bounds() -> None:
    """A week of samples, more than a year of anomalies; a disk of nothing is refused."""
    found = HealthSettings()
    assert (found.signals_days, found.errors_days, found.anomalies_days) == (7.0, 90.0, 400.0)
    assert (found.buffer_max_mb, found.errors_max_mb) == (256.0, 16.0)
    for key in ("buffer_max_mb", "errors_max_mb", "signals_days"):
        with pytest.raises(ConfigError, match=key):
            load_settings(None, {f"health.{key}": 0.0}, {})
