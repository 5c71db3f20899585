"""The summary of a UTC day: what was earned and by whom, what went wrong and what was done about it.

A day is one of the wall clock. Trades belong to the day in which the account decided on the bar that closed them: on a
paper exchange market time may run faster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from huracan.memory import standing
from huracan.memory.notices import Notice
from huracan.memory.registry import PROVEN

__all__ = ["Day", "VersionResult", "day_notice", "read_day", "summaries", "summary_of"]

_DAY_MS: Final = 86_400_000
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class VersionResult:
    """What a version's trades came to; money in quote currency.

    Attributes:
        version: its name; "": an unknown one.
        standing: stage and proof in words; "": it is not in the registry.
        trades, wins: closed that day.
        net: after all costs.
    """

    version: str
    standing: str
    trades: int
    wins: int
    net: float


@dataclass(frozen=True, slots=True)
class Day:
    """What happened to an account on a day.

    Attributes:
        account: its name.
        day: since the epoch.
        trades, wins: closed.
        net, fees, best, worst: of them, quote currency.
        versions: who decided on them, best first.
        coins: (market, net), best first.
        decisions: closes that were decided on.
        denied: intents that risk denied, by code.
        moves: what happened in the registry, one line each.
        anomalies: that were noticed, by severity.
        open_anomalies: words of those that were open at its end, worst first.
        remedies: decided, by state.
        errors: (event, process, count) of warnings and errors, most frequent first.
        untold: notices that were held or have failed.
        state: trading state at its end.
        equity, currency: at the last close of all; None: not known.
    """

    account: str
    day: int
    trades: int
    wins: int
    net: float
    fees: float
    best: float
    worst: float
    versions: tuple[VersionResult, ...]
    coins: tuple[tuple[str, float], ...]
    decisions: int
    denied: Mapping[str, int]
    moves: tuple[str, ...]
    anomalies: Mapping[str, int]
    open_anomalies: tuple[str, ...]
    remedies: Mapping[str, int]
    errors: tuple[tuple[str, str, int], ...]
    untold: int
    state: str
    equity: str | None
    currency: str | None

    @property
    def title(self) -> str:
        """Return the day, the account and the result."""
        date = datetime.fromtimestamp(self.day * _DAY_MS / 1_000, UTC).date().isoformat()
        unit = f" {self.currency}" if self.currency else ""
        return f"{date} {self.account}: {self.net:+,.2f}{unit}, {self.trades} trades"


def read_day(connection: Connection, account: str, day: int) -> Day:
    """Read what happened.

    Args:
        connection: of the database.
        account: its name.
        day: UTC day of the wall clock, since the epoch.
    """
    values = {
        "account": account,
        "begin": datetime.fromtimestamp(day * 86_400, UTC),
        "end": datetime.fromtimestamp((day + 1) * 86_400, UTC),
    }

    def rows(sql: str) -> list[Any]:
        return list(connection.execute(text(sql), values).all())

    closed = """SELECT * FROM trade_memory, (SELECT
            (SELECT max(close_at) FROM decisions JOIN accounts a USING (account_no)
                WHERE a.name = :account AND decided_at < :begin) AS after,
            (SELECT max(close_at) FROM decisions JOIN accounts a USING (account_no)
                WHERE a.name = :account AND decided_at < :end) AS until
        ) span WHERE account = :account AND mode IN ('paper', 'live')
            AND exit_time > coalesce(span.after, :begin) AND exit_time <= coalesce(span.until, :end)"""
    sums = rows(
        f"""SELECT count(*), count(*) FILTER (WHERE net > 0), coalesce(sum(net), 0), coalesce(-sum(fee), 0),
            coalesce(max(net), 0), coalesce(min(net), 0) FROM ({closed}) t"""  # noqa: S608 - constant text
    )[0]
    versions = rows(
        f"""SELECT t.policy, CAST(models.stage AS text), {PROVEN}, count(*), count(*) FILTER (WHERE net > 0), sum(net)
        FROM ({closed}) t LEFT JOIN models ON models.version = t.policy
        GROUP BY t.policy, models.model_id ORDER BY sum(net) DESC, t.policy"""  # noqa: S608 - constant text
    )
    view = rows(
        "SELECT report ->> 'equity', report ->> 'currency' FROM account_views JOIN accounts USING (account_no) "
        "WHERE name = :account"
    )
    state = rows(
        "SELECT state FROM trading_state JOIN accounts USING (account_no) WHERE name = :account AND at < :end "
        "ORDER BY seq DESC LIMIT 1"
    )
    return Day(
        account=account,
        day=day,
        trades=sums[0],
        wins=sums[1],
        net=sums[2],
        fees=sums[3],
        best=sums[4],
        worst=sums[5],
        versions=tuple(
            VersionResult(row[0], "" if row[1] is None else standing(row[1], row[2]), row[3], row[4], row[5])
            for row in versions
        ),
        coins=tuple(
            (row[0], row[1])
            for row in rows(f"SELECT symbol, sum(net) FROM ({closed}) t GROUP BY symbol ORDER BY 2 DESC, 1")  # noqa: S608
        ),
        decisions=rows(
            "SELECT count(*) FROM decisions JOIN accounts a USING (account_no) "
            "WHERE a.name = :account AND decided_at >= :begin AND decided_at < :end"
        )[0][0],
        denied=_counts(
            rows(
                "SELECT code, count(*) FROM intents JOIN markets USING (market_no) JOIN accounts a USING (account_no) "
                "JOIN decisions d USING (account_no) WHERE a.name = :account AND status = 'DENIED' "
                "AND d.close_at = intents.created_at AND d.decided_at >= :begin AND d.decided_at < :end "
                "GROUP BY code ORDER BY 2 DESC, 1"
            )
        ),
        moves=tuple(
            f"{row[0]}: {row[1]} to {row[2]} by {row[3]}"
            for row in rows(
                "SELECT version, verb, to_stage::text, author FROM model_events JOIN models USING (model_id) "
                "WHERE at >= :begin AND at < :end ORDER BY event_id"
            )
        ),
        anomalies=_counts(
            rows(
                "SELECT severity, count(*) FROM anomalies WHERE account IN (:account, '') AND noticed_at >= :begin "
                "AND noticed_at < :end GROUP BY severity "
                "ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity)"
            )
        ),
        open_anomalies=tuple(
            row[0]
            for row in rows(
                "SELECT words FROM anomalies WHERE account IN (:account, '') AND noticed_at < :end "
                "AND (ended_at IS NULL OR ended_at >= :end) "
                "ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity), noticed_at"
            )
        ),
        remedies=_counts(
            rows(
                "SELECT state, count(*) FROM remediations WHERE account IN (:account, '') AND at >= :begin "
                "AND at < :end GROUP BY state ORDER BY state"
            )
        ),
        errors=tuple(
            (row[0], row[1], row[2])
            for row in rows(
                "SELECT event, process, sum(c.count)::bigint FROM error_counts c JOIN errors USING (error_id) "
                "WHERE minute >= :begin AND minute < :end GROUP BY event, process ORDER BY 3 DESC, 1, 2"
            )
        ),
        untold=rows(
            "SELECT count(*) FROM notice_deliveries WHERE state IN ('held', 'failed') "
            "AND ended_at >= :begin AND ended_at < :end"
        )[0][0],
        state=state[0][0] if state else "ACTIVE",
        equity=view[0][0] if view else None,
        currency=view[0][1] if view else None,
    )


def day_notice(found: Day) -> Notice:
    """Return what is told of a day, its most important figures first."""
    unit = f" {found.currency}" if found.currency else ""
    lines = [f"state {found.state}" + ("" if found.equity is None else f", equity {float(found.equity):,.2f}{unit}")]
    if found.trades:
        lines.append(
            f"trades: {found.trades} closed, {found.wins} won, net {found.net:+,.2f}{unit} after "
            f"{found.fees:,.2f} fees, best {found.best:+,.2f}, worst {found.worst:+,.2f}"
        )
    else:
        lines.append(f"trades: none closed; {found.decisions} closes were decided on")
    for one in found.versions[:_SHOWN]:
        who = f"{one.version} ({one.standing})" if one.standing else one.version or "no version"
        lines.append(f"version: {who}: {one.net:+,.2f}{unit}, {one.wins} of {one.trades} won")
    if len(found.coins) > 1:
        best, worst = found.coins[0], found.coins[-1]
        lines.append(
            f"coins: best {best[0]} {best[1]:+,.2f}, worst {worst[0]} {worst[1]:+,.2f}, {len(found.coins)} traded"
        )
    lines += [f"registry: {move}" for move in found.moves[:_SHOWN]]
    if found.denied:
        lines.append(f"denied by risk: {_listed(found.denied)}")
    lines.append(f"anomalies: {_listed(found.anomalies) or 'none'}")
    lines += [f"still open: {words}" for words in found.open_anomalies[:_SHOWN]]
    if found.remedies:
        lines.append(f"remedies: {_listed(found.remedies)}")
    total = sum(row[2] for row in found.errors)
    lines.append(f"warnings and errors: {total or 'none'}")
    lines += [f"  {event} in {process}: {count}" for event, process, count in found.errors[:_SHOWN]]
    if found.untold:
        lines.append(f"notices that were held back or failed: {found.untold}")
    topic = f"day/{found.account}/{found.title.split(' ', 1)[0]}"
    return Notice(topic, "day", "info", found.title, "\n".join(lines), (found.day + 1) * _DAY_MS)


def summary_of(connection: Connection, account: str, day: int) -> Notice | None:
    """Return the summary of a day, None when the account did not exist then and nothing happened."""
    found = read_day(connection, account, day)
    known = connection.execute(text("SELECT 1 FROM accounts WHERE name = :name"), {"name": account}).one_or_none()
    if known is None and not (found.anomalies or found.errors or found.open_anomalies):
        return None
    return day_notice(found)


def summaries(connection: Connection, account: str, day: int) -> tuple[Notice, ...]:
    """Return the summary of a day for an account, and for each other one that was traded on it."""
    others = connection.execute(
        text(
            "SELECT DISTINCT name FROM accounts JOIN decisions USING (account_no) "
            "WHERE name <> :account AND decided_at >= :begin AND decided_at < :end ORDER BY name"
        ),
        {
            "account": account,
            "begin": datetime.fromtimestamp(day * 86_400, UTC),
            "end": datetime.fromtimestamp((day + 1) * 86_400, UTC),
        },
    ).scalars()
    found = [summary_of(connection, name, day) for name in (account, *others)]
    return tuple(one for one in found if one is not None)


def _counts(rows: list[Any]) -> dict[str, int]:
    return {str(row[0]): int(row[1]) for row in rows}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
