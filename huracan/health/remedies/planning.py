"""From anomalies to plans by the table of rules, and the limits that every plan must keep; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from huracan.config import RemediesSettings, RemedyRule
from huracan.health.remedies.model import AUTHOR, HUMAN_KINDS, Plan, Refusal, anomaly_key
from huracan.memory.health import Anomaly
from huracan.memory.remediations import RESTRICTIONS, Remediation

__all__ = ["LOOK_BACK_MS", "escalated", "limits", "plans", "subject_of"]

_HOUR_MS: Final = 3_600_000
LOOK_BACK_MS: Final = 7 * 24 * _HOUR_MS
"""No limit looks further back."""
_SEVERITY: Final[Mapping[str, int]] = {"info": 0, "warning": 1, "critical": 2}
_TRIED: Final = ("applied", "undone", "expired", "failed")


def plans(
    anomalies: Iterable[Anomaly],
    stored: Mapping[tuple[str, str, str], tuple[int, int]],
    settings: RemediesSettings,
    account: str,
    now_ms: int,
) -> tuple[Plan, ...]:
    """Return what the rules want, in the order of the rules; of several for one key the first that acts.

    Args:
        anomalies: everything that is wrong now.
        stored: by (account, detector, subject) number and first notice of the open anomalies' rows.
        settings: the rules.
        account: what an anomaly of no account is about.
        now_ms: wall clock.
    """
    found: dict[tuple[str, str, str], Plan] = {}
    rows = sorted(anomalies, key=anomaly_key)
    for rule in settings.rules:
        for anomaly in rows:
            number, noticed_ms = stored.get(anomaly_key(anomaly), (None, anomaly.noticed_ms))
            if not _fits(rule, anomaly) or now_ms - noticed_ms < 1_000 * rule.after_s:
                continue
            subject = subject_of(rule, anomaly)
            if subject is None:
                continue
            plan = Plan(
                account=anomaly.account or account,
                kind=rule.remedy,
                subject=subject,
                value=rule.value,
                lasts_ms=None if rule.remedy in HUMAN_KINDS else int(60_000 * rule.lasts_min),
                acts=rule.mode == "act" and not settings.dry_run,
                anomaly=anomaly,
                anomaly_id=number,
                noticed_ms=noticed_ms,
            )
            known = found.get(plan.key)
            if known is None or (plan.acts and not known.acts) or _tighter(plan, known):
                found[plan.key] = plan
    return tuple(found.values())


def subject_of(rule: RemedyRule, anomaly: Anomaly) -> str | None:
    """Return what a rule's remedy would be applied to, None when the anomaly does not name it.

    A coin, a pattern, a version are looked for in `evidence` (`symbol`; `set_id` and `pattern`; `version`, `scope`),
    then in the anomaly's subject.
    """
    said = anomaly.evidence
    match rule.remedy:
        case "pause_coin":
            symbol = said.get("symbol", anomaly.subject)
            return symbol if isinstance(symbol, str) and ("/" in symbol or symbol == "*") else None
        case "pause_pattern":
            set_id, number = said.get("set_id"), said.get("pattern")
            return f"{set_id}/{number}" if isinstance(set_id, int) and isinstance(number, int) else None
        case "raise_confidence" | "reduce_size":
            version = said.get("version", "")
            return version if isinstance(version, str) else ""
        case "roll_back":
            version = said.get("version", anomaly.subject)
            return version if isinstance(version, str) and version else None
        case "restart_replica":
            return anomaly.subject
        case _:
            return ""


def limits(plan: Plan, recent: Sequence[Remediation], settings: RemediesSettings, now_ms: int) -> Refusal | None:
    """Return the limit that a plan breaks, None when it keeps them all.

    Args:
        plan: not in force now.
        recent: every row within `LOOK_BACK_MS`, of the account; of all accounts where the plan is about a part.
        settings: the limits.
        now_ms: wall clock.
    """
    kind = [
        row
        for row in recent
        if row.kind == plan.kind and (plan.of_part or row.account == plan.account) and row.state in _TRIED
    ]
    mine = [row for row in kind if row.subject == plan.subject]
    for row in mine:
        if row.state != "undone" or row.ended_ms is None or row.ended_ms < plan.noticed_ms:
            continue  # nobody has looked at this anomaly and decided otherwise
        if now_ms - row.ended_ms < _HOUR_MS * settings.undone_hours:
            return Refusal(f"{row.ended_by} has undone it and the anomaly goes on; remedies.undone_hours are not over")
    flaps = [row for row in mine if now_ms - row.at_ms < _HOUR_MS * settings.flap_hours]
    if len(flaps) >= settings.flap_count:
        return Refusal(
            f"it flaps: begun {len(flaps)} times within {settings.flap_hours:g} hours (remedies.flap_count)", limit=True
        )
    hour = [row for row in kind if row.author == AUTHOR and now_ms - row.at_ms < _HOUR_MS]
    if len(hour) >= settings.per_hour:
        return Refusal(f"{plan.kind} was applied {len(hour)} times within the hour (remedies.per_hour)", limit=True)
    return None


def escalated(plan: Plan, refusal: Refusal, settings: RemediesSettings) -> Plan | None:
    """Return REDUCING in place of a restriction that a limit refuses and a critical anomaly needs; None: nothing."""
    if not (settings.escalate and plan.acts and refusal.limit and plan.kind in RESTRICTIONS):
        return None
    if plan.anomaly.severity != "critical":
        return None
    return replace(plan, kind="reducing", subject="", value=None, lasts_ms=None)


def _fits(rule: RemedyRule, anomaly: Anomaly) -> bool:
    severe = _SEVERITY[anomaly.severity] >= _SEVERITY[rule.severity]
    return severe and fnmatchcase(anomaly.detector, rule.detector)


def _tighter(plan: Plan, known: Plan) -> bool:
    """Return whether a plan of the same key and mode restricts more."""
    if plan.acts != known.acts or plan.value is None or known.value is None:
        return False
    return plan.value > known.value if plan.kind == "raise_confidence" else plan.value < known.value
