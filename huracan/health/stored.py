"""What the database knows of an account's versions: their trades, when each decided, and what their shadow claims."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from huracan.errors import DatabaseError, EvidenceError, UsageError
from huracan.health.inputs import InputDrift, input_drifts
from huracan.health.trading import Charts, Watch, charts_of, claim_of, watch
from huracan.memory import Registry, TradeRows, read_trades, select_trades, translated
from huracan.memory.daily import ALL_COINS
from huracan.shadow import COIN_ACCOUNT, ENSEMBLE

__all__ = [
    "Span",
    "VersionWatch",
    "Watched",
    "read_only",
    "read_shadow",
    "read_watches",
    "shadow_of",
    "spans_of",
    "traded_of",
]


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


class Watched:
    """An account's versions, looked at again and again: charts are set once for each version's shadow.

    Args:
        engine: of the database.
        account: its name.
        false_alarm_days: days between two false alarms of a version's charts together.
    """

    def __init__(self, engine: Engine, account: str, false_alarm_days: float = 365.0) -> None:
        self._engine, self._account, self._days = engine, account, false_alarm_days
        self._shadows: dict[str, tuple[tuple[int, int], Charts, TradeRows]] = {}

    def read(self) -> tuple[VersionWatch, ...]:
        """Return the word on every version that has decided for the account, the newest first.

        Raises:
            DatabaseError: the server fails.
        """
        with read_only(self._engine) as cursor:
            spans = spans_of(cursor, self._account)
            traded = {span.version: traded_of(cursor, self._account, span.version) for span in spans}
        found = []
        for span in spans:
            rows = traded[span.version]
            try:
                charts, shadow = self._claimed(span.version)
                seen, problem = watch(charts, rows, span.close_ms, span.began_ms), ""
                inputs = input_drifts(shadow, rows)
            except (EvidenceError, UsageError) as error:
                seen, problem, inputs = None, str(error), ()
            found.append(VersionWatch(span.version, span.began_ms, span.close_ms, len(rows), problem, seen, inputs))
        return tuple(found)

    def _claimed(self, version: str) -> tuple[Charts, TradeRows]:
        """Return charts and trades of a version's shadow, set anew when its trades are others."""
        run_id, coin = shadow_of(self._engine, version)
        with read_only(self._engine) as cursor:
            cursor.execute(
                """SELECT count(*), coalesce(max(trade_id), 0) FROM trade_memory WHERE run_id = %s AND mode = 'shadow'
                AND policy = %s AND account = %s AND (%s::text IS NULL OR symbol = %s)""",
                (run_id, ENSEMBLE, COIN_ACCOUNT, coin, coin),
            )
            key = cursor.fetchone()
        kept = self._shadows.get(version)
        if kept is None or kept[0] != key:
            shadow = read_shadow(self._engine, run_id, coin)
            kept = self._shadows[version] = (key, charts_of(claim_of(shadow), self._days), shadow)
        return kept[1], kept[2]


def read_watches(engine: Engine, account: str, false_alarm_days: float = 365.0) -> tuple[VersionWatch, ...]:
    """Return the word on every version that has decided for an account once; arguments as of `Watched`."""
    return Watched(engine, account, false_alarm_days).read()


@contextmanager
def read_only(engine: Engine) -> Iterator[Any]:
    """Give a psycopg2 cursor of a transaction that only reads.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        raw = connection.connection.driver_connection
        if raw is None:
            raise DatabaseError("the database gave no connection")
        with raw.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            yield cursor


def shadow_of(engine: Engine, version: str) -> tuple[int, str | None]:
    """Return the run whose shadow a version is judged by, and its coin; None: all coins.

    Raises:
        UsageError: there is no such version.
    """
    model = Registry(engine).show(version)
    return model.run_id, None if model.scope == ALL_COINS else model.scope


def read_shadow(engine: Engine, run_id: int, coin: str | None) -> TradeRows:
    """Return the closed trades in shadow of a run's version, one account a coin."""
    return read_trades(engine, run_id, mode="shadow", policy=ENSEMBLE, account=COIN_ACCOUNT, symbol=coin)


def spans_of(cursor: Any, account: str) -> Sequence[Span]:
    """Return when each version decided for an account, the newest first."""
    cursor.execute(
        """SELECT version, (extract(epoch FROM min(close_at)) * 1000)::bigint,
            (extract(epoch FROM max(close_at)) * 1000)::bigint
        FROM decisions JOIN accounts USING (account_no), unnest(versions) AS version
        WHERE name = %(account)s GROUP BY version ORDER BY 3 DESC, 1""",
        {"account": account},
    )
    return [Span(*row) for row in cursor.fetchall()]


def traded_of(cursor: Any, account: str, version: str) -> TradeRows:
    """Return the closed trades of a version in an account, on paper or live."""
    where = "WHERE mode IN ('paper', 'live') AND account = %(account)s AND policy = %(version)s"
    return select_trades(cursor, where, {"account": account, "version": version})
