"""What runs short or is down: disk, memory, files, connections, Postgres, nodes, actors, replicas; plain limits.

Each limit says why it is where it is, and how long a figure must stay beyond it; no chance is involved. What is looked
at are the last samples in memory, so that it goes on while Postgres is away.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from huracan.health.window import Window
from huracan.memory.health import Anomaly, Severity

__all__ = ["LIMITS", "Limit", "Resources", "limit_table"]

_FRESH_MS: Final = 120_000
"""A figure that has not been measured for so long says nothing any more."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One figure and where it is wrong.

    Attributes:
        detector: what it is called.
        signal: what is looked at.
        wrong: whether a value is.
        limit: the value it is compared with, for the words.
        for_s: how long it must be so.
        severity: of the anomaly.
        unit: of the figure.
        words: what is found; `{subject}`, `{value}` and `{limit}` are filled in.
        means: what that would mean.
        why: why the limit is where it is.
        where: "here": of the monitor's own machine alone; "elsewhere": of all others.
    """

    detector: str
    signal: str
    wrong: Callable[[float], bool]
    limit: float
    for_s: float
    severity: Severity
    unit: str
    words: str
    means: str
    why: str
    where: Literal["here", "elsewhere", "anywhere"] = "anywhere"


def _above(limit: float) -> Callable[[float], bool]:
    return lambda value: value >= limit


def _below(limit: float) -> Callable[[float], bool]:
    return lambda value: value < limit


LIMITS: Final[tuple[Limit, ...]] = (
    Limit(
        "disk_full", "host.disk_free_mb", _below(1_000.0), 1_000.0, 60.0, "critical", "MB",
        "{value:,.0f} MB are free on {subject}", "nothing more can be written soon: orders, fills, candles",
        "here the monitor, the trader and Postgres write, less than 1 GB a day; what frees itself in a minute is none",
        where="here",
    ),
    Limit(
        "disk_short", "host.disk_free_mb", _below(1_000.0), 1_000.0, 60.0, "warning", "MB",
        "{value:,.0f} MB are free on {subject}", "jobs there fail soon; no account writes on that machine",
        "the same, on any other node of the cluster: a matter of training, and no reason to reduce an account",
        where="elsewhere",
    ),
    Limit(
        "disk_filling", "host.disk_frac", _above(0.90), 0.90, 300.0, "warning", "share",
        "{value:.0%} of the disk of {subject} is in use", "it will be full one day",
        "file systems slow down and Postgres' maintenance needs room from about nine tenths on",
    ),
    Limit(
        "memory_short", "host.memory_frac", _above(0.92), 0.92, 60.0, "warning", "share",
        "{value:.0%} of the memory of {subject} is in use", "processes may be killed",
        "Ray kills workers from 95 % on; a minute is longer than a peak of training",
    ),
    Limit(
        "files_short", "host.process_files_frac", _above(0.80), 0.80, 60.0, "warning", "share",
        "{subject} has {value:.0%} of the files open that it may", "it will fail to connect or to write soon",
        "a leak takes the last fifth in hours, honest use does not come near",
    ),
    Limit(
        "database_away", "database.up", _below(0.5), 1.0, 15.0, "critical", "",
        "Postgres has not answered for 15 s or more", "nothing new is sent, nothing is booked; exits at the venue rest",
        "a restart of Postgres takes less than 15 s",
    ),
    Limit(
        "database_slow", "database.latency_ms", _above(250.0), 250.0, 60.0, "warning", "ms",
        "the smallest question takes Postgres {value:,.0f} ms", "orders leave late: each is written down before",
        "an order is three commits; at 250 ms each a decision is sent about a second late",
    ),
    Limit(
        "connections_short", "database.connections_frac", _above(0.85), 0.85, 60.0, "warning", "share",
        "{value:.0%} of Postgres' connections are in use", "new processes will be refused",
        "a trader and what belongs to it take seven: with less than that no other can start",
    ),
    Limit(
        "transaction_old", "database.oldest_transaction_s", _above(3_600.0), 3_600.0, 0.0, "warning", "s",
        "a transaction has been open for {value:,.0f} s", "dead rows are kept, tables grow and slow down",
        "no transaction of ours takes longer than a minute",
    ),
    Limit(
        "ray_away", "ray.up", _below(0.5), 1.0, 30.0, "critical", "",
        "the Ray cluster has not answered for 30 s or more", "feed, endpoint and trader on it may be gone",
        "its head answers within seconds or is being restarted, which takes less than 30 s",
    ),
    Limit(
        "part_down", "ray.actor_up", _below(0.5), 1.0, 60.0, "critical", "",
        "{subject} has been down for a minute or more", "Ray restarts it within seconds; this time it did not",
        "a process is restarted in about ten seconds, a trader waits for its lease for as long again",
    ),
    Limit(
        "replica_down", "ray.replica_up", _below(0.5), 1.0, 120.0, "warning", "",
        "replica {subject} of the endpoint has not run for two minutes", "the others answer for it, more slowly",
        "a version is loaded in half a minute, and Serve ends a replica that fails its checks within another one",
    ),
    Limit(
        "trader_halted", "trader.state", _above(1.5), 2.0, 0.0, "info", "",
        "trading of {subject} is halted", "nothing is bought until a person resumes",
        "a halt is somebody's decision: it is told, and not judged",
    ),
    Limit(
        "orders_unknown", "trader.unknown_orders", _above(0.5), 1.0, 60.0, "warning", "orders",
        "nobody knows for a minute what became of {value:.0f} orders of {subject}", "what they may do stays reserved",
        "an order's absence is proven within a minute when the venue answers",
    ),
)  # fmt: skip
_CHANGES: Final = frozenset({"node_lost", "part_restarts", "endpoint_short", "job_failed"})
_RESTARTS: Final = 3


class Resources:
    """`Detector` of everything in `LIMITS`, and of what is less or more than it was in the window.

    Args:
        window: of the last samples; at least ten minutes of them.
        node: the machine whose disk the accounts need: the monitor's own.
    """

    def __init__(self, window: Window, node: str | None = None) -> None:
        self._window, self._node = window, node or socket.gethostname()

    @property
    def names(self) -> frozenset[str]:
        """Return what it may say."""
        return frozenset(one.detector for one in LIMITS) | _CHANGES

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """See `Detector`."""
        found = [anomaly for limit in LIMITS for anomaly in self._beyond(limit, now_ms)]
        found += self._fewer_nodes(now_ms)
        found += self._more("part_restarts", "ray.actor_restarts", _RESTARTS, now_ms)
        found += self._more("job_failed", "ray.jobs_failed", 1, now_ms)
        found += self._endpoint(now_ms)
        return found

    def _beyond(self, limit: Limit, now_ms: int) -> Iterator[Anomaly]:
        for subject, newest in self._window.all_newest(limit.signal).items():
            if now_ms - newest.at_ms > _FRESH_MS or not limit.wrong(newest.value):
                continue
            if limit.where != "anywhere" and (limit.where == "here") != (subject == self._node):
                continue
            since_ms = newest.at_ms
            for row in reversed(self._window.since(limit.signal, subject)):
                if not limit.wrong(row.value):
                    break
                since_ms = row.at_ms
            if newest.at_ms - since_ms < 1e3 * limit.for_s:
                continue
            yield Anomaly(
                detector=limit.detector,
                account=subject if limit.signal.startswith("trader.") else "",
                subject="" if limit.signal.startswith("trader.") else subject,
                severity=limit.severity,
                words=limit.words.format(subject=subject, value=newest.value, limit=limit.limit),
                means=limit.means,
                since_ms=since_ms,
                noticed_ms=now_ms,
                observed=newest.value,
                claimed=limit.limit,
                unit=limit.unit,
                delay=f"{limit.for_s:.0f} s and a look" if limit.for_s else "one look",
            )

    def _fewer_nodes(self, now_ms: int) -> Iterator[Anomaly]:
        rows = self._window.since("ray.nodes")
        if not rows or now_ms - rows[-1].at_ms > _FRESH_MS:
            return
        most = max(row.value for row in rows)
        if rows[-1].value < most:
            fell = next(row for row in rows if row.value < most and row.at_ms > _last(rows, most))
            yield Anomaly(
                detector="node_lost",
                account="",
                subject="",
                severity="warning",
                words=f"{rows[-1].value:.0f} nodes of {most:.0f} are left",
                means="a machine died or was taken away; what ran there is started elsewhere",
                since_ms=fell.at_ms,
                noticed_ms=now_ms,
                observed=rows[-1].value,
                claimed=most,
                unit="nodes",
                delay="one look; Ray misses a node after half a minute",
            )

    def _more(self, detector: str, signal: str, least: int, now_ms: int) -> Iterator[Anomaly]:
        """Name every subject of a count that has grown in the window."""
        for subject, newest in self._window.all_newest(signal).items():
            rows = self._window.since(signal, subject)
            grown = newest.value - min(row.value for row in rows)
            if now_ms - newest.at_ms > _FRESH_MS or grown < least:
                continue
            first = min(row.value for row in rows)
            yield Anomaly(
                detector=detector,
                account="",
                subject=subject,
                severity="warning",
                words=(
                    f"{subject} was restarted {grown:.0f} times in a quarter of an hour"
                    if detector == "part_restarts"
                    else f"{grown:.0f} submitted jobs failed in a quarter of an hour"
                ),
                means=(
                    "it dies again and again: look at its log"
                    if detector == "part_restarts"
                    else "what it was to do is not done: `ray job logs` tells why"
                ),
                since_ms=next(row.at_ms for row in rows if row.value > first),
                noticed_ms=now_ms,
                observed=grown,
                claimed=0.0,
                unit="in 15 minutes",
                delay="one look",
            )

    def _endpoint(self, now_ms: int) -> Iterator[Anomaly]:
        """Name an endpoint that has had fewer replicas than it should for a minute."""
        wanted = self._window.newest("ray.replicas_wanted")
        rows = self._window.since("ray.replicas")
        if wanted is None or not rows or now_ms - rows[-1].at_ms > _FRESH_MS or rows[-1].value >= wanted.value:
            return
        since_ms = rows[-1].at_ms
        for row in reversed(rows):
            if row.value >= wanted.value:
                break
            since_ms = row.at_ms
        if rows[-1].at_ms - since_ms >= 60_000:
            yield Anomaly(
                detector="endpoint_short",
                account="",
                subject="",
                severity="warning" if rows[-1].value else "critical",
                words=f"{rows[-1].value:.0f} replicas of {wanted.value:.0f} answer",
                means="signals are slow, or nobody gives any: Serve replaces a replica within seconds, this time not",
                since_ms=since_ms,
                noticed_ms=now_ms,
                observed=rows[-1].value,
                claimed=wanted.value,
                unit="replicas",
                delay="60 s and a look",
            )


def _last(rows: Sequence[object], most: float) -> int:
    return max(row.at_ms for row in rows if row.value == most)  # type: ignore[attr-defined]


def limit_table() -> str:
    """Return the limits as a Markdown table, as the documentation shows them."""
    rows = ["| detector | looks at | for | says | because |", "|---|---|---|---|---|"]
    for one in LIMITS:
        long = f"{one.for_s:.0f} s" if one.for_s else "once"
        place = "" if one.where == "anywhere" else f", {one.where}"
        rows.append(f"| `{one.detector}` | `{one.signal}`{place} {_sign(one)} | {long} | {one.severity} | {one.why} |")
    return "\n".join(rows) + "\n"


def _sign(limit: Limit) -> str:
    return f"{'>=' if limit.wrong(limit.limit) else '<'} {limit.limit:g}"
