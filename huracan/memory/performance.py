"""Model performance: what a policy earned on one fold and coin or over all of them in shadow, and a version by day."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Literal

from sqlalchemy import Engine, text

from huracan.errors import InvariantError
from huracan.memory.database import translated

__all__ = [
    "Performance",
    "VersionDay",
    "read_performance",
    "read_version_days",
    "record_performance",
    "record_shadow_days_of_versions",
    "record_traded_days_of_versions",
]

_ALL_COINS = "*"
_CLOSED = "t.exit_reason <> 'end_of_data'"
_RESULT = (
    f"count(t.net) FILTER (WHERE {_CLOSED}), count(t.net) FILTER (WHERE {_CLOSED} AND t.net > 0), "
    "coalesce(sum(t.net), 0), coalesce(-sum(t.fee), 0), "
    f"avg(t.net / (t.entry_price * t.quantity)) FILTER (WHERE {_CLOSED}) * 1e4"
)
# what the end of the data sold at midnight belongs to the day that ended
_EXIT_DAY = (
    "CAST((CASE WHEN t.exit_reason = 'end_of_data' THEN t.exit_time - interval '1 microsecond' ELSE t.exit_time END) "
    "AT TIME ZONE 'UTC' AS date)"
)
_MEASURED = ("trades", "wins", "net", "fees", "mean_net_bps")
_DAY_INSERT = (
    "INSERT INTO model_performance (run_id, policy, account, mode, day, days, trades, wins, net, fees, mean_net_bps)"
)


@dataclass(frozen=True, slots=True)
class Performance:
    """Daily net performance of one policy; a figure that cannot be computed (no trade, one day) is None.

    Args:
        policy: version or baseline.
        account: "coin" or "portfolio", as in the trades.
        symbol: ccxt symbol; None: all coins together.
        fold: walk-forward fold; None: all folds together.
        mode: shadow, paper or live.
        days: UTC days measured.
        trades, wins: closed trades, and those with net > 0; what was sold only because the data ended is in neither.
        net, fees: of everything, quote currency.
        mean_net_bps: mean net result of a closed trade, basis points of its notional.
        sharpe, sharpe_low, sharpe_high: annualised Sharpe ratio of daily net returns and its bootstrap interval.
        sortino: annualised.
        max_drawdown_frac: largest loss from a peak, 0 to 1.
        exposure_frac: share of bars with a position.
    """

    policy: str
    account: str
    symbol: str | None
    fold: int | None
    mode: Literal["shadow", "paper", "live"]
    days: int
    trades: int
    wins: int
    net: float
    fees: float
    mean_net_bps: float | None
    sharpe: float | None
    sharpe_low: float | None
    sharpe_high: float | None
    sortino: float | None
    max_drawdown_frac: float | None
    exposure_frac: float | None


COLUMNS = tuple(column.name for column in fields(Performance))
KEY = ("policy", "account", "symbol", "fold", "mode")


@dataclass(frozen=True, slots=True)
class VersionDay:
    """What a version's trades that closed on one UTC day earned; over all days they add up to its closed trades.

    Attributes:
        run_id: in shadow the run that trained it, else the run that traded it.
        version: its name in the registry.
        account: "coin" in shadow, else the account's name.
        mode: shadow, paper or live.
        day: UTC day of the exit.
        trades, wins: closed trades; those with net > 0 that were not sold only because the data ended.
        net, fees: quote currency.
        mean_net_bps: mean net result of a trade, basis points of the value bought; None without a trade.
    """

    run_id: int
    version: str
    account: str
    mode: Literal["shadow", "paper", "live"]
    day: date
    trades: int
    wins: int
    net: float
    fees: float
    mean_net_bps: float | None


def record_performance(engine: Engine, run_id: int, *rows: Performance) -> None:
    """Insert rows, or replace those with the same (run, policy, account, symbol, fold, mode), in one transaction.

    Raises:
        DatabaseError: no such run, or the server fails.
    """
    places = ", ".join("CAST(:mode AS trade_mode)" if name == "mode" else f":{name}" for name in COLUMNS)
    updates = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in KEY)
    statement = text(
        f"INSERT INTO model_performance (run_id, {', '.join(COLUMNS)}) VALUES (:run_id, {places}) "  # noqa: S608
        f"ON CONFLICT ON CONSTRAINT model_performance_key DO UPDATE SET {updates}, updated_at = now()"
    )
    with translated(engine), engine.begin() as connection:
        for row in rows:
            connection.execute(statement, {"run_id": run_id, **asdict(row)})


def read_performance(engine: Engine, run_id: int) -> tuple[Performance, ...]:
    """Return all rows of a run but those by day, ordered by key; rows over all coins or folds stand last.

    Raises:
        DatabaseError: the server fails.
    """
    columns = ", ".join("CAST(mode AS text)" if name == "mode" else name for name in COLUMNS)
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(
                f"SELECT {columns} FROM model_performance WHERE run_id = :run_id AND day IS NULL "  # noqa: S608
                'ORDER BY policy COLLATE "C", account COLLATE "C", symbol COLLATE "C" NULLS LAST, fold NULLS LAST, mode'
            ),
            {"run_id": run_id},
        ).all()
    return tuple(Performance(*row) for row in rows)


def record_shadow_days_of_versions(engine: Engine, run_id: int, policy: str, account: str, days: Sequence[date]) -> int:
    """Replace the rows by day of every version that a run registered; return how many there are.

    A day without a closed trade has its row too: the version was judged on it.

    Args:
        engine: of the database.
        run_id: the run that trained the versions and traded them in shadow.
        policy: name under which its trades stand.
        account: likewise.
        days: UTC days traded in shadow.

    Raises:
        InvariantError: a trade closed on none of the days.
        DatabaseError: the server fails.
    """
    values = {"run_id": run_id, "policy": policy, "account": account, "days": list(days), "everything": _ALL_COINS}
    mine = (
        "t.run_id = :run_id AND t.policy = :policy AND t.account = :account AND t.mode = 'shadow' "
        "AND (m.scope = :everything OR t.symbol = m.scope)"
    )
    stored = "run_id = :run_id AND account = :account AND mode = 'shadow' AND day IS NOT NULL"
    with translated(engine), engine.begin() as connection:
        connection.execute(text(f"DELETE FROM model_performance WHERE {stored}"), values)  # noqa: S608 - constant
        written = connection.execute(
            text(
                f"{_DAY_INSERT} SELECT :run_id, m.version, :account, CAST('shadow' AS trade_mode), d.day, 1, {_RESULT} "  # noqa: S608
                "FROM models m CROSS JOIN unnest(CAST(:days AS date[])) AS d(day) "
                f"LEFT JOIN trade_memory t ON {mine} AND {_EXIT_DAY} = d.day "
                "WHERE m.run_id = :run_id GROUP BY m.version, d.day ORDER BY m.version, d.day"
            ),
            values,
        ).rowcount
        lost = connection.execute(
            text(
                "SELECT count(*) FROM models m "  # noqa: S608 - constant
                f"JOIN trade_memory t ON {mine} AND {_EXIT_DAY} <> ALL(CAST(:days AS date[])) WHERE m.run_id = :run_id"
            ),
            values,
        ).scalar_one()
        if lost:
            raise InvariantError(
                f"run {run_id}: {lost} trades closed in shadow on none of its {len(days)} days; trade the run in "
                "shadow again"
            )
    return int(written)


def record_traded_days_of_versions(engine: Engine) -> int:
    """Bring the rows by day of all registered versions that trade on paper or live up to date.

    A day of which every trade is gone (another took its place, on another day) loses its row.

    Returns:
        Rows that are new, changed or gone.

    Raises:
        DatabaseError: the server fails.
    """
    stored, new = (", ".join(f"{table}.{name}" for name in _MEASURED) for table in ("model_performance", "excluded"))
    with translated(engine), engine.begin() as connection:
        gone = connection.execute(
            text(
                "DELETE FROM model_performance p WHERE p.day IS NOT NULL AND p.mode <> 'shadow' AND NOT EXISTS ("  # noqa: S608
                "SELECT FROM trade_memory t WHERE t.mode <> 'shadow' AND t.run_id = p.run_id AND t.policy = p.policy "
                f"AND t.account = p.account AND t.mode = p.mode AND {_EXIT_DAY} = p.day)"
            )
        ).rowcount
        written = connection.execute(
            text(
                f"{_DAY_INSERT} SELECT t.run_id, t.policy, t.account, t.mode, {_EXIT_DAY}, 1, {_RESULT} "  # noqa: S608
                "FROM trade_memory t JOIN models m ON m.version = t.policy WHERE t.mode <> 'shadow' "
                f"GROUP BY t.run_id, t.policy, t.account, t.mode, {_EXIT_DAY} "
                "ON CONFLICT ON CONSTRAINT model_performance_key DO UPDATE SET "
                f"{', '.join(f'{name} = excluded.{name}' for name in _MEASURED)}, updated_at = now() "
                f"WHERE ROW ({stored}) IS DISTINCT FROM ROW ({new})"
            )
        ).rowcount
    return int(gone) + int(written)


def read_version_days(engine: Engine, version: str | None = None) -> tuple[VersionDay, ...]:
    """Return the rows by day of one version or of all, ordered by version, mode, account, run and day.

    Raises:
        DatabaseError: the server fails.
    """
    where = "AND policy = :version" if version is not None else ""
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT run_id, policy, account, CAST(mode AS text), day, trades, wins, net, fees, mean_net_bps "  # noqa: S608
                f"FROM model_performance WHERE day IS NOT NULL {where} "
                'ORDER BY policy COLLATE "C", model_performance.mode, account COLLATE "C", run_id, day'
            ),
            {} if version is None else {"version": version},
        ).all()
    return tuple(VersionDay(*row) for row in rows)
