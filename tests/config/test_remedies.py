"""The section of remedies: by default almost nothing is done, and a line that cannot be meant is refused."""

import pytest

from huracan.config import RemediesSettings, RemedyRule, load_settings
from huracan.errors import ConfigError


def test_by_default_only_exact_and_critical_anomalies_are_acted_on_and_only_by_reducing() -> None:
    """Everything that rests on statistics is a dry run until a person opts in; nothing sells or rolls back."""
    acting = [rule for rule in RemediesSettings().rules if rule.mode == "act"]
    assert {(rule.remedy, rule.severity) for rule in acting} == {("reducing", "critical")}
    assert {rule.detector for rule in acting} == {"feed_silent", "disk_full"}


def test_a_table_of_ones_own_takes_the_place_of_the_default() -> None:
    """As in YAML: a list of lines."""
    rules = [{"detector": "slippage", "remedy": "reduce_size", "value": 1.0, "mode": "act", "lasts_min": 30}]
    (rule,) = load_settings(None, {"remedies.rules": rules}, {}).remedies.rules
    assert (rule.detector, rule.value, rule.lasts_min, rule.severity) == ("slippage", 1.0, 30.0, "critical")
    assert str(rule) == "slippage (critical): reduce_size 1 (act)"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"remedy": "raise_confidence"}, "needs a value"),
        ({"remedy": "raise_confidence", "value": 1.0}, "needs a value"),
        ({"remedy": "reduce_size", "value": 1.5}, "needs a value"),
        ({"remedy": "reduce_size"}, "needs a value"),
        ({"remedy": "halt", "value": 0.5}, "has no value"),
        ({"remedy": "sell_everything"}, "remedy"),
        ({"remedy": "halt", "mode": "maybe"}, "mode"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(line: dict[str, object], said: str) -> None:
    """A missing threshold, a size that would be none, a value without meaning, an unknown remedy."""
    with pytest.raises(ConfigError, match=said):
        load_settings(None, {"remedies.rules": [{"detector": "x", **line}]}, {})


def test_a_rule_is_frozen() -> None:
    """Nobody changes what may be done while it runs."""
    with pytest.raises(ValueError, match="frozen"):
        RemedyRule(detector="x", remedy="halt").mode = "act"  # type: ignore[misc]
