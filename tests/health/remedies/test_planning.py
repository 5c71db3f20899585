"""From anomalies to plans: every line that fits, once for each subject, the acting and the tighter one first."""

from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from sqlalchemy import Engine

from huracan.config import RemediesSettings, RemedyRule, Settings
from huracan.health.detectors.every import detectors_of
from huracan.health.error_rate import ErrorRates
from huracan.health.remedies.model import Plan, Refusal
from huracan.health.remedies.planning import escalated, limits, plans, subject_of
from huracan.health.resources import Resources
from huracan.health.window import Window
from huracan.memory.health import Anomaly
from huracan.memory.remediations import Remediation
from tests.health.remedies.worlds import HOUR, T0, rule

WRONG = Anomaly("slippage", "main", "v1", "warning", "twice as much", "costs", T0, T0)
PLAN = Plan("main", "reduce_size", "", 0.5, HOUR, True, WRONG, None, T0)
ROW = Remediation("main", "reduce_size", "", "expired", "r", "monitor", T0 - HOUR + 1)
FREE = RemediesSettings()


def found(*lines: RemedyRule, wrong: tuple[Anomaly, ...] = (WRONG,), now_ms: int = T0) -> list[tuple[str, bool]]:
    """Return (kind, acts) of the plans."""
    return [(one.kind, one.acts) for one in plans(wrong, {}, RemediesSettings(rules=lines), "main", now_ms)]


def test_a_line_fits_by_name_severity_and_age() -> None:
    """The name may have stars; a milder anomaly than asked for, or a younger one, leads to nothing."""
    assert found(rule("slip*", "halt"), rule("other", "reducing")) == [("halt", True)]
    assert found(RemedyRule(detector="slippage", remedy="halt", mode="act")) == []
    assert found(rule("slippage", "halt", after_s=10), now_ms=T0 + 9_999) == []
    assert found(rule("slippage", "halt", after_s=10), now_ms=T0 + 10_000) == [("halt", True)]


def test_of_one_remedy_the_line_that_acts_goes_first_then_the_tighter() -> None:
    """Two lines for one subject are one plan."""
    dry, wide, tight = (rule("slippage", "reduce_size", mode, value=value) for mode, value in _VARIANTS)
    assert found(dry, wide) == [("reduce_size", True)]
    (plan,) = plans([WRONG], {}, RemediesSettings(rules=(wide, tight, dry)), "main", T0)
    assert (plan.value, plan.acts) == (0.5, True)
    low, high = (rule("slippage", "raise_confidence", value=value) for value in (0.5, 0.8))
    (plan,) = plans([WRONG], {}, RemediesSettings(rules=(low, high)), "main", T0)
    assert plan.value == 0.8


_VARIANTS = (("dry_run", 0.5), ("act", 1.0), ("act", 0.5))


@pytest.mark.parametrize(
    ("remedy", "subject", "evidence", "expected"),
    [
        ("pause_coin", "A/USDT", {}, "A/USDT"),
        ("pause_coin", "v1", {"symbol": "B/USDT"}, "B/USDT"),
        ("pause_coin", "v1", {}, None),
        ("pause_pattern", "x", {"set_id": 3, "pattern": 2}, "3/2"),
        ("pause_pattern", "x", {"set_id": "3", "pattern": 2}, None),
        ("roll_back", "v1", {}, "v1"),
        ("roll_back", "s", {"version": "v2"}, "v2"),
        ("roll_back", "", {}, None),
        ("restart_replica", "signals#1", {}, "signals#1"),
        ("reducing", "v1", {}, ""),
        ("halt", "v1", {}, ""),
        ("restart_feed", "v1", {}, ""),
    ],
)
def test_the_subject_is_named_by_the_anomaly_or_there_is_none(
    remedy: str, subject: str, evidence: dict[str, object], expected: str | None
) -> None:
    """Evidence first, then the anomaly's subject; nothing is guessed."""
    assert subject_of(rule("slippage", remedy), replace(WRONG, subject=subject, evidence=evidence)) == expected


def test_a_size_is_the_accounts_unless_the_anomaly_names_a_version() -> None:
    """`evidence.version` narrows it."""
    line = rule("slippage", "reduce_size", value=0.5)
    assert subject_of(line, WRONG) == ""
    assert subject_of(line, replace(WRONG, evidence={"version": "v1"})) == "v1"


def test_what_only_people_end_has_no_expiry() -> None:
    """REDUCING, a halt and a rollback stand until a person decides; everything else ends by itself."""
    kinds = ["reducing", "halt", "roll_back", "restart_feed"]
    (*people, restart) = plans([WRONG], {}, RemediesSettings(rules=[rule("*", kind) for kind in kinds]), "main", T0)
    assert [one.lasts_ms for one in people] == [None, None, None]
    assert restart.lasts_ms == HOUR


def test_limits_name_themselves() -> None:
    """Flapping, the hour, and a person's word; the last is no limit that another remedy takes the place of."""
    assert limits(PLAN, [], FREE, T0) is None
    flapping = limits(PLAN, [replace(ROW, at_ms=T0 - n * HOUR) for n in (1, 3, 5)], FREE, T0)
    assert flapping is not None
    assert (flapping.limit, "flaps" in flapping.reason) == (True, True)
    assert limits(PLAN, [replace(ROW, at_ms=T0 - n * HOUR) for n in (1, 3, 7)], FREE, T0) is None
    busy = limits(PLAN, [replace(ROW, subject=f"v{n}") for n in range(3)], FREE, T0)
    assert busy is not None
    assert (busy.limit, "per_hour" in busy.reason) == (True, True)
    assert limits(PLAN, [replace(ROW, kind="halt") for _ in range(9)], FREE, T0) is None
    undone = replace(ROW, state="undone", ended_by="ann", ended_ms=T0)
    word = limits(PLAN, [undone], FREE, T0 + 1)
    assert word is not None
    assert (word.limit, "ann" in word.reason) == (False, True)
    assert limits(replace(PLAN, noticed_ms=T0 + 1), [undone], FREE, T0 + 1) is None


def test_refusals_and_dry_runs_use_up_no_limit() -> None:
    """What was not done does not count."""
    rows = [replace(ROW, state=state) for state in ("refused", "dry_run") for _ in range(5)]
    assert limits(PLAN, rows, FREE, T0) is None


def test_reducing_takes_the_place_of_a_restriction_that_a_limit_refuses() -> None:
    """Only where it was to be done, the anomaly is critical, and a limit was the reason."""
    critical = replace(PLAN, anomaly=replace(WRONG, severity="critical"))
    over, wrong = Refusal("too often", limit=True), Refusal("no such coin")
    instead = escalated(critical, over, FREE)
    assert instead is not None
    assert (instead.kind, instead.subject, instead.value, instead.lasts_ms) == ("reducing", "", None, None)
    for plan, refusal in (
        (PLAN, over),
        (critical, wrong),
        (replace(critical, acts=False), over),
        (replace(critical, kind="roll_back"), over),
    ):
        assert escalated(plan, refusal, FREE) is None
    assert escalated(critical, over, RemediesSettings(escalate=False)) is None


@pytest.mark.postgres
def test_every_rule_and_every_request_by_default_is_about_a_detector_that_there_is(database: Engine) -> None:
    """A name that nobody ever says would be a promise that cannot be kept."""
    settings = Settings()
    days = settings.health.false_alarm_days
    detectors = (*detectors_of(database, "main", settings), ErrorRates(database, days), Resources(Window()))
    names = {name for one in detectors for name in one.names}
    for wanted in [line.detector for line in settings.remedies.rules] + list(settings.remedies.retrain_on):
        assert any(fnmatchcase(name, wanted) for name in names), wanted
