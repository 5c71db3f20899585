"""Faults: how they are given, and when they strike."""

import json
import random

import pytest

from huracan.errors import UsageError
from huracan.paper import NO_FAULTS, FaultKind, Faults, ScriptedFault
from huracan.paper.faults import faults_from_json, strike


def test_json_changes_what_it_names_and_adds_a_script() -> None:
    """The rest stays as it was."""
    text = '{"response_lost": 0.5, "halted": ["AAAUSDT"], "script": [{"kind": "BANNED", "skip": 2, "how": "60"}]}'
    faults, script = faults_from_json(text, Faults(get_lag_ms=9))
    assert faults == Faults(response_lost=0.5, halted=("AAAUSDT",), get_lag_ms=9)
    assert script == (ScriptedFault(FaultKind.BANNED, skip=2, how="60"),)
    assert faults_from_json(faults.to_json())[0] == faults


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nan",
        '{"nothing": 1}',
        '{"response_lost": 1.5}',
        '{"response_lost": NaN}',
        '{"response_lost": "often"}',
        '{"get_lag_ms": -1}',
        '{"script": [{"kind": "FIRE"}]}',
        '{"script": [{"where": 1}]}',
        '{"script": 5}',
    ],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    """A fault that is silently ignored would make its test pass for nothing."""
    with pytest.raises(UsageError):
        faults_from_json(text)


def test_nothing_strikes_by_default() -> None:
    """And no random number is drawn, so that adding a fault elsewhere changes nothing here."""
    rng = random.Random(1)
    before = rng.getstate()
    assert all(strike(kind, 0.0, [], rng) is None for kind in FaultKind)
    assert rng.getstate() == before
    assert json.loads(NO_FAULTS.to_json())["silent"] is False


def test_a_scripted_fault_strikes_once_where_it_fits() -> None:
    """Its kind, route and account, after those it skips."""
    rng, route = random.Random(1), "POST /api/v3/order"
    script = [ScriptedFault(FaultKind.RESPONSE_LOST, route, "anna", 1, "RESET")]
    kind = FaultKind.RESPONSE_LOST
    assert strike(FaultKind.REQUEST_LOST, 0.0, script, rng, route, "anna") is None
    assert strike(kind, 0.0, script, rng, "DELETE /api/v3/order", "anna") is None
    assert strike(kind, 0.0, script, rng, route, "bert") is None
    assert strike(kind, 0.0, script, rng, route, "anna") is None, "the one it skips"
    assert strike(kind, 0.0, script, rng, route, "anna") == "RESET"
    assert strike(kind, 0.0, script, rng, route, "anna") is None
    assert script == []


def test_probabilities_strike_as_often_as_they_say() -> None:
    """A third of 3,000, within four standard errors."""
    rng = random.Random(5)
    struck = sum(strike(FaultKind.BANNED, 1 / 3, [], rng) == "" for _ in range(3_000))
    assert abs(struck - 1_000) < 4 * (3_000 * 2 / 9) ** 0.5
