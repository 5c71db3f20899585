"""Everything a person asks first, in one record: how the account stands, who decides, what is wrong, what to do next.

`huracan status` and `GET /v1/status` show this record; what to do next follows from it alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import Engine

from huracan.config import Settings
from huracan.errors import UsageError
from huracan.health.expected import denies
from huracan.health.store import MONITOR
from huracan.market.timeframes import timeframe_ms
from huracan.memory import Registry, translated
from huracan.memory.health import Severity
from huracan.memory.health_rows import OpenAnomaly, open_anomalies, read_errors
from huracan.memory.heartbeats import read_heartbeats
from huracan.memory.notices import count_states
from huracan.memory.registry import standing
from huracan.memory.remediations import Remediation, read_remediations
from huracan.signals.contract_status import (
    AdviceRow,
    AnomalyRow,
    ErrorRow,
    LimitRow,
    LockRow,
    MonitorRow,
    NoticesRow,
    RemedyRow,
    ServedRow,
    StatusAnswer,
)
from huracan.signals.selection import select
from huracan.trader.status import Status

__all__ = ["Health", "advise", "answer_of", "headline_of", "read_health"]

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_ERRORS_MAX: Final = 20
_REMEDIES_MAX: Final = 10
_NEAR: Final = 0.9  # of a limit: there is room for little more
_ORDER: Final[dict[str, int]] = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Health:
    """What the database knows beside the account.

    Attributes:
        versions: what the registry wants served in the account's mode.
        versions_problem: why that cannot be said, "" when it can.
        anomalies: open ones of the account and of the system, worst first.
        remedies: in force, and the newest others, newest first.
        monitor: its heartbeat.
        errors: kinds of warnings and errors of the last hour, most frequent first.
        notices: how they fare.
    """

    versions: tuple[ServedRow, ...]
    versions_problem: str
    anomalies: tuple[OpenAnomaly, ...]
    remedies: tuple[Remediation, ...]
    monitor: MonitorRow
    errors: tuple[ErrorRow, ...]
    notices: NoticesRow


def read_health(
    engine: Engine, settings: Settings, account: str, mode: Literal["paper", "live"], now_ms: int
) -> Health:
    """Read it.

    Args:
        engine: of a database at this version's schema.
        settings: versions named, monitor expected, destinations.
        account: its name.
        mode: in which it is traded.
        now_ms: wall clock.

    Raises:
        DatabaseError: the server fails.
    """
    versions, problem = _versions(engine, settings, mode)
    anomalies = tuple(one for one in open_anomalies(engine) if one.anomaly.account in ("", account))
    in_force = read_remediations(engine, account, states=("applied",))
    others = read_remediations(engine, account, newest=_REMEDIES_MAX)
    shown = {one.number: one for one in (*in_force, *others)}
    remedies = sorted(shown.values(), key=lambda one: (not one.in_force, -one.number))
    with translated(engine), engine.connect() as connection:
        counts = count_states(connection, now_ms - _DAY_MS)
    return Health(
        versions=versions,
        versions_problem=problem,
        anomalies=anomalies,
        remedies=tuple(remedies[: max(_REMEDIES_MAX, len(in_force))]),
        monitor=_monitor(engine, settings, mode),
        errors=_errors(engine, now_ms),
        notices=NoticesRow(destinations=len(settings.notices.destinations), **counts),
    )


def answer_of(status: Status, health: Health, settings: Settings, now_ms: int) -> StatusAnswer:
    """Return the record of an account and what surrounds it, with what to do next."""
    age_s = None if status.seen_ms is None else max(0, now_ms - status.seen_ms) / 1_000
    limit_s = timeframe_ms(settings.data.traded_timeframe) / 1_000 + settings.risk.feed_age_max_s
    row = StatusAnswer(
        account=status.account,
        mode="live" if status.mode == "live" else None if status.mode is None else "paper",
        state=status.state,
        state_author=status.state_author,
        state_reason=status.state_reason,
        state_ms=status.state_ms,
        breaker=status.breaker,
        holder=status.holder,
        holder_for_s=status.holder_for_s,
        seen_ms=status.seen_ms,
        market_ms=status.market_ms,
        currency=status.currency,
        equity=status.equity,
        cash=status.cash,
        day_result=status.day_result,
        limits=tuple(LimitRow(name=one.name, used=one.used, limit=one.limit) for one in status.limits),
        locks=tuple(
            LockRow(symbol=one.symbol, code=one.code, detail=one.detail, author=one.author, until_ms=one.until_ms)
            for one in status.locks
        ),
        unknown_orders=status.unknown,
        at_ms=now_ms,
        data_age_s=age_s,
        data_stale=None if age_s is None or status.holder is None else age_s > limit_s,
        positions=len(status.positions),
        orders=len(status.orders),
        versions=health.versions,
        versions_problem=health.versions_problem,
        anomalies=tuple(_anomaly(one) for one in health.anomalies),
        remedies=tuple(_remedy(one) for one in health.remedies),
        monitor=health.monitor,
        errors_hour=health.errors,
        notices=health.notices,
    )
    advice = advise(row)
    return row.model_copy(update={"next": advice, "headline": headline_of(advice)})


def headline_of(advice: Sequence[AdviceRow]) -> Literal["ok", "look", "act"]:
    """Return the one word that it comes to: act now, look today, or nothing to do."""
    levels = {one.level for one in advice}
    return "act" if "critical" in levels else "look" if "warning" in levels else "ok"


def advise(row: StatusAnswer) -> tuple[AdviceRow, ...]:
    """Return what to do next, the most urgent first; empty: nothing."""
    found = [*_trading(row), *_watching(row), *_wrong(row), *_deciding(row)]
    return tuple(sorted(found, key=lambda one: _ORDER[one.level]))


def _trading(row: StatusAnswer) -> list[AdviceRow]:
    found = []
    start = f"huracan trade start --{row.mode or 'paper'}"
    if row.breaker is not None:
        found.append(
            _row("critical", f"the breaker is open: {row.breaker}", "look why, then huracan resume --reason ...")
        )
    elif row.state == "HALTED":
        words = f"trading is halted by {row.state_author}: {row.state_reason}"
        found.append(_row("critical", words, "huracan resume --reason ... when it may go on"))
    elif row.state == "REDUCING":
        words = f"nothing is bought, by {row.state_author}: {row.state_reason}"
        found.append(_row("warning", words, "huracan resume --reason ... when it may go on"))
    if row.holder is None and (row.positions or row.orders or row.unknown_orders):
        words = f"nobody trades, and {_many(row.positions, 'position')} and {_many(row.orders, 'order')} are open"
        found.append(_row("critical", words, f"{start}, or huracan halt"))
    elif row.unknown_orders:
        found.append(
            _row("critical", f"the fate of {_many(row.unknown_orders, 'order')} is not known", "huracan trade status")
        )
    elif row.holder is None:
        found.append(_row("info", "nobody trades", start))
    if row.data_stale and row.data_age_s is not None:
        found.append(
            _row(
                "warning",
                f"the last close came {row.data_age_s:,.0f} s ago",
                "huracan serve status; look at the exchange",
            )
        )
    for one in row.limits:
        if one.limit and one.used >= _NEAR * one.limit:
            found.append(_row("warning", f"{one.name} is at {one.used:.4g} of {one.limit:.4g}", "huracan trade status"))
    return found


def _watching(row: StatusAnswer) -> list[AdviceRow]:
    monitor, found = row.monitor, []
    if monitor.state == "silent":
        words = f"the monitor has said nothing for {monitor.age_s or 0:,.0f} s: entries are denied"
        found.append(_row("critical", words, "huracan serve up, or huracan monitor run"))
    elif monitor.state == "missing":
        found.append(
            _row(
                "critical",
                "a monitor is expected and none runs: entries are denied",
                "huracan serve up, or huracan monitor run",
            )
        )
    elif monitor.state == "none" and row.holder is not None:
        found.append(_row("info", "no monitor watches", "huracan serve up, or huracan monitor run"))
    if row.notices.failed:
        words = f"{_many(row.notices.failed, 'notice')} of the last day did not arrive"
        found.append(_row("warning", words, "huracan notices test"))
    if not row.notices.destinations and row.holder is not None:
        found.append(_row("info", "nobody is told when something goes wrong", "set notices.destinations"))
    return found


def _wrong(row: StatusAnswer) -> list[AdviceRow]:
    found = []
    for one in row.anomalies:
        if one.severity != "info":
            found.append(_row(one.severity, one.words, one.means))
    count = sum(one.count for one in row.errors_hour if one.level != "warning")
    if count:
        found.append(_row("warning", f"{_many(count, 'error')} in the last hour", "huracan status --json, errors_hour"))
    return found


def _deciding(row: StatusAnswer) -> list[AdviceRow]:
    if row.versions_problem:
        return [_row("warning", row.versions_problem, "huracan models ls")]
    if not row.versions:
        return [_row("info", "no version decides", "huracan models ls; huracan train makes one")]
    unproven = [one.version for one in row.versions if not one.proven]
    if unproven:
        return [_row("info", f"UNPROVEN: {', '.join(unproven)}", f"huracan models gate {unproven[0]}")]
    return []


def _row(level: Severity, why: str, do: str) -> AdviceRow:
    return AdviceRow(level=level, why=why, do=do)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _versions(engine: Engine, settings: Settings, mode: Literal["paper", "live"]) -> tuple[tuple[ServedRow, ...], str]:
    models = Registry(engine).models()
    try:
        served = select(models, mode, () if mode == "live" else settings.serve.versions).served
    except UsageError as error:
        return (), str(error)
    return tuple(
        ServedRow(
            version=one.version,
            scope=one.scope,
            stage=one.stage,
            proven=one.proven,
            standing=standing(one.stage, one.proven),
        )
        for one in served
    ), ""


def _monitor(engine: Engine, settings: Settings, mode: Literal["paper", "live"]) -> MonitorRow:
    """Return its heartbeat as the account's trader judges it; one that is silent and not missed counts as none."""
    beats = read_heartbeats(engine, MONITOR)
    age_s = beats[0].age_s if beats else None
    _, denied = denies(settings.health, mode, age_s)
    if age_s is None:
        return MonitorRow(state="missing" if denied else "none", age_s=None, holder="")
    beating = age_s <= settings.health.monitor_silent_s
    state: Literal["beats", "silent", "none"] = "beats" if beating else "silent" if denied else "none"
    return MonitorRow(state=state, age_s=max(0.0, age_s), holder=beats[0].holder)


def _errors(engine: Engine, now_ms: int) -> tuple[ErrorRow, ...]:
    rows = [
        ErrorRow(
            event=one.event,
            process=one.process,
            level=one.level,
            count=sum(count for _, count in one.minutes),
            last_ms=one.last_ms,
        )
        for one in read_errors(engine, now_ms - _HOUR_MS)
    ]
    return tuple(sorted(rows, key=lambda one: (-one.count, one.event))[:_ERRORS_MAX])


def _anomaly(one: OpenAnomaly) -> AnomalyRow:
    found = one.anomaly
    return AnomalyRow(
        detector=found.detector,
        account=found.account,
        subject=found.subject,
        severity=found.severity,
        words=found.words,
        means=found.means,
        since_ms=found.since_ms,
        noticed_ms=found.noticed_ms,
        false_every_days=found.false_every_days,
    )


def _remedy(one: Remediation) -> RemedyRow:
    return RemedyRow(
        number=one.number,
        kind=one.kind,
        subject=one.subject,
        state=one.state,
        reason=one.reason,
        at_ms=one.at_ms,
        expires_ms=one.expires_ms,
    )
