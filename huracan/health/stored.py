"""What the database knows of an account's versions: their trades, when each decided, and what their shadow claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from huracan.errors import DatabaseError, EvidenceError, UsageError
from huracan.health.inputs import InputDrift, input_drifts
from huracan.health.trading import Watch, charts_of, claim_of, watch
from huracan.memory import Registry, TradeRows, read_trades, select_trades, translated
from huracan.memory.daily import ALL_COINS
from huracan.shadow import COIN_ACCOUNT, ENSEMBLE

__all__ = ["Span", "VersionWatch", "read_watches"]


@dataclass(frozen=True, slots=True)
class Span:
    """When a version decided for an account.

    Attributes:
        version: its name.
        began_ms: close of its first decision, ms UTC.
        close_ms: close of its last one.
    """

    version: str
    began_ms: int
    close_ms: int


@dataclass(frozen=True, slots=True)
class VersionWatch:
    """One version of an account.

    Attributes:
        version: its name.
        began_ms: close of its first decision, ms UTC.
        close_ms: close of its last one.
        trades: closed.
        problem: why it cannot be watched; "" when it is.
        watch: its charts; None with a problem.
        inputs: market entries of the state that are distributed otherwise than in shadow.
    """

    version: str
    began_ms: int
    close_ms: int
    trades: int
    problem: str
    watch: Watch | None
    inputs: tuple[InputDrift, ...]


def read_watches(engine: Engine, account: str, false_alarm_days: float = 365.0) -> tuple[VersionWatch, ...]:
    """Return the word on every version that has decided for an account, the newest first.

    Args:
        engine: of the database.
        account: its name.
        false_alarm_days: days between two false alarms of a version's charts together.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        raw = connection.connection.driver_connection
        if raw is None:
            raise DatabaseError("the database gave no connection")
        with raw.cursor() as cursor:
            spans = _spans(cursor, account)
            traded = {span.version: _traded(cursor, account, span.version) for span in spans}
    registry = Registry(engine)
    found = []
    for span in spans:
        rows = traded[span.version]
        try:
            model = registry.show(span.version)
            coin = None if model.scope == ALL_COINS else model.scope
            shadow = read_trades(
                engine, model.run_id, mode="shadow", policy=ENSEMBLE, account=COIN_ACCOUNT, symbol=coin
            )
            charts = charts_of(claim_of(shadow), false_alarm_days)
            seen, problem = watch(charts, rows, span.close_ms, span.began_ms), ""
            inputs = input_drifts(shadow, rows)
        except (EvidenceError, UsageError) as error:
            seen, problem, inputs = None, str(error), ()
        found.append(VersionWatch(span.version, span.began_ms, span.close_ms, len(rows), problem, seen, inputs))
    return tuple(found)


def _spans(cursor: Any, account: str) -> Sequence[Span]:
    cursor.execute(
        """SELECT version, (extract(epoch FROM min(close_at)) * 1000)::bigint,
            (extract(epoch FROM max(close_at)) * 1000)::bigint
        FROM decisions JOIN accounts USING (account_no), unnest(versions) AS version
        WHERE name = %(account)s GROUP BY version ORDER BY 3 DESC, 1""",
        {"account": account},
    )
    return [Span(*row) for row in cursor.fetchall()]


def _traded(cursor: Any, account: str, version: str) -> TradeRows:
    where = "WHERE mode IN ('paper', 'live') AND account = %(account)s AND policy = %(version)s"
    return select_trades(cursor, where, {"account": account, "version": version})
