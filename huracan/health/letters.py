"""What people are told, in words: of an anomaly, of a remedy, and of many notices in one message; no I/O here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from huracan.memory.health import Anomaly, Severity
from huracan.memory.notices import LEVELS, Due, Notice, NoticeKind
from huracan.memory.remediations import Remediation, RemediationState

__all__ = ["SHOWN_MAX", "Letter", "letter_of", "notice_of_anomaly", "notice_of_remedy", "over", "topic_of"]

SHOWN_MAX: Final = 12
"""Notices that one message tells in full; the others are counted in it."""
_LATE_MS: Final = 60_000
_BEGINS: Final[dict[NoticeKind, str]] = {
    "opened": "",
    "worse": "worse: ",
    "reminder": "still: ",
    "over": "over: ",
}
_REMEDY_LEVELS: Final[dict[RemediationState, Severity]] = {
    "applied": "warning",
    "undone": "info",
    "expired": "info",
    "failed": "critical",
    "refused": "info",
    "dry_run": "info",
}
_REMEDY_WORDS: Final[dict[RemediationState, str]] = {
    "applied": "done",
    "undone": "undone",
    "expired": "has run out and was undone",
    "failed": "FAILED",
    "refused": "refused",
    "dry_run": "would have been done",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One message.

    Attributes:
        title: one line.
        body: plain text.
        level: of the worst notice in it.
        told: keys of the notices that it tells.
        counted: keys of those that it only counts.
    """

    title: str
    body: str
    level: Severity
    told: tuple[int, ...]
    counted: tuple[int, ...]


def topic_of(anomaly: Anomaly) -> str:
    """Return the topic of an anomaly: the same as long as it lasts, and when it comes again."""
    return f"anomaly/{anomaly.detector}/{anomaly.account}/{anomaly.subject}"


def notice_of_anomaly(anomaly: Anomaly, kind: NoticeKind, at_ms: int) -> Notice:
    """Return what is told of an anomaly that has begun, got worse, or still lasts."""
    since = anomaly.since_ms if anomaly.since_ms is not None else anomaly.noticed_ms
    lines = [f"it means: {anomaly.means}", f"since {_moment(since)}, noticed {_moment(anomaly.noticed_ms)}"]
    if anomaly.observed is not None:
        claimed = "" if anomaly.claimed is None else f", expected {anomaly.claimed:.4g}"
        lines.append(f"observed {anomaly.observed:.4g} {anomaly.unit}{claimed}".rstrip())
    if anomaly.delay:
        lines.append(f"such a change takes {anomaly.delay} to be noticed")
    if anomaly.false_every_days is not None:
        lines.append(f"false about every {anomaly.false_every_days:,.0f} days")
    title = f"{_BEGINS[kind]}{_of(anomaly.account, anomaly.subject, anomaly.words)}"
    return Notice(topic_of(anomaly), kind, anomaly.severity, title, "\n".join(lines), at_ms)


def over(before: Notice, since_ms: int, at_ms: int) -> Notice:
    """Return what is told of something that has ended.

    Args:
        before: the last notice on it; it is told as loudly, so that whoever heard of the begin hears of the end.
        since_ms: when it was first told.
        at_ms: when it ended.
    """
    title = before.title
    for words in _BEGINS.values():
        title = title.removeprefix(words)
    body = f"it lasted {_length(at_ms - since_ms)}, until {_moment(at_ms)}"
    return Notice(before.topic, "over", before.level, f"{_BEGINS['over']}{title}", body, at_ms)


def notice_of_remedy(row: Remediation, at_ms: int) -> Notice:
    """Return what is told of a remedy: of each row once how it stands (`memory.remediations.untold_remediations`)."""
    lines = [f"because {row.reason}", *([f"but {row.error}"] if row.error else [])]
    when = _moment(row.at_ms if row.ended_ms is None else row.ended_ms)
    lines.append(when + (f", by {row.ended_by}" if row.ended_by else ""))
    lines.append(f"remedy {row.number}: `huracan remedies ls`")
    title = _of(row.account, row.subject, f"{row.kind} {_REMEDY_WORDS[row.state]}")
    topic = f"remedy/{row.number}/{row.state}"
    return Notice(topic, "remedy", _REMEDY_LEVELS[row.state], title, "\n".join(lines), at_ms)


def letter_of(due: Sequence[Due], now_ms: int, limit: int, limited: bool, lost: int = 0) -> Letter:
    """Return one message that tells what is due, the worst first.

    Args:
        due: at least one, worst first.
        now_ms: wall clock.
        limit: messages an hour, for the words.
        limited: the limit kept some of them back.
        lost: notices that were lost while the database was away and too many came.
    """
    shown, rest = due[:SHOWN_MAX], due[SHOWN_MAX:]
    worst = max((one.notice.level for one in due), key=LEVELS.index)
    title = _titled(shown[0])
    if len(due) > 1:
        title += f" (and {len(due) - 1} more)"
    parts = [_part(one, heading=len(due) > 1) for one in shown]
    late = min(one.due_ms for one in due)
    if limited and now_ms - late > _LATE_MS:
        parts.append(f"Kept back since {_moment(late)}: no more than {limit} messages leave in an hour.")
    if rest:
        counts = Counter(one.notice.level for one in rest)
        words = ", ".join(f"{counts[level]} {level}" for level in reversed(LEVELS) if counts[level])
        parts.append(f"Held back, {len(rest)} more ({words}): `huracan notices ls --state held` has them.")
    if lost:
        parts.append(f"{lost} notices were lost: the database was away, and more came than are kept without it.")
    told, counted = tuple(one.notice_id for one in shown), tuple(one.notice_id for one in rest)
    return Letter(f"[{worst.upper()}] {title}", "\n\n".join(parts), worst, told, counted)


def _part(one: Due, heading: bool) -> str:
    lines = [f"{one.notice.level}: {_titled(one)}"] if heading else []
    if one.notice.body:
        lines.append(one.notice.body)
    if one.repeats:
        span = f"{_moment(one.notice.at_ms)} and {_moment(one.last_ms)}"
        lines.append(f"came {one.repeats + 1} times between {span}")
    return "\n".join(lines)


def _titled(one: Due) -> str:
    return one.notice.title + (f" ({one.repeats + 1} times)" if one.repeats else "")


def _of(account: str, subject: str, words: str) -> str:
    where = " ".join(part for part in (account, subject) if part and part not in words)
    return f"{where}: {words}" if where else words


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _length(length_ms: int) -> str:
    seconds = max(0, length_ms) // 1_000
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7_200:
        return f"{seconds // 60} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
