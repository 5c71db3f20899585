"""Daily net results of everything that was tried: what the promotion gate weighs, kept with the run that made them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine, text

from huracan.memory.database import translated

__all__ = ["ALL_COINS", "DailyResult", "DayKind", "read_daily", "record_shadow_days", "record_trial_days"]

DayKind = Literal["policy", "seed", "baseline", "random", "trial"]
ALL_COINS = "*"
TRIAL_FOLD = -1
INSERT = (
    "INSERT INTO daily_results (run_id, fold, first_day, kind, name, symbol, net) "
    "VALUES (:run_id, :fold, :first_day, :kind, :name, :symbol, :net) "
)


@dataclass(frozen=True, slots=True)
class DailyResult:
    """One series of consecutive UTC days.

    Args:
        kind: the judged policy, one of its seeds, a baseline, a random copy, or a trial of the search.
        name: "ensemble", "seed-1", "momentum", "random-0", or the trial's.
        symbol: ccxt symbol, or `*` for all coins together.
        fold: walk-forward fold; -1 for a trial, whose days are those of the search's validation window.
        first_day: of the series, days since the epoch.
        net: per day, quote currency, after all costs.
    """

    kind: DayKind
    name: str
    symbol: str
    fold: int
    first_day: int
    net: tuple[float, ...]


def record_shadow_days(engine: Engine, run_id: int, rows: Sequence[DailyResult]) -> None:
    """Replace everything that a run's shadow trading left here, in one transaction; its trials stay.

    Raises:
        DatabaseError: no such run, or the server fails.
    """
    with translated(engine), engine.begin() as connection:
        connection.execute(
            text("DELETE FROM daily_results WHERE run_id = :run_id AND kind <> 'trial'"), {"run_id": run_id}
        )
        if rows:
            connection.execute(text(INSERT), [_values(run_id, row) for row in rows])


def record_trial_days(engine: Engine, run_id: int, name: str, first_day: int, net: Sequence[float]) -> None:
    """Insert or replace a trial's days of the validation window.

    Raises:
        DatabaseError: no such run, or the server fails.
    """
    row = DailyResult("trial", name, ALL_COINS, TRIAL_FOLD, first_day, tuple(net))
    with translated(engine), engine.begin() as connection:
        connection.execute(
            text(
                INSERT + "ON CONFLICT (run_id, kind, name, symbol, fold) "
                "DO UPDATE SET first_day = excluded.first_day, net = excluded.net"
            ),
            _values(run_id, row),
        )


def read_daily(engine: Engine, run_id: int, *kinds: DayKind) -> tuple[DailyResult, ...]:
    """Return a run's series, of the kinds given or of all, ordered by kind, name, symbol and fold.

    Raises:
        DatabaseError: the server fails.
    """
    where = "AND kind = ANY(:kinds)" if kinds else ""
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(
                f"SELECT kind, name, symbol, fold, first_day, net FROM daily_results WHERE run_id = :run_id {where} "  # noqa: S608
                'ORDER BY kind COLLATE "C", name COLLATE "C", symbol COLLATE "C", fold'
            ),
            {"run_id": run_id, "kinds": list(kinds)} if kinds else {"run_id": run_id},
        ).all()
    return tuple(DailyResult(row.kind, row.name, row.symbol, row.fold, row.first_day, tuple(row.net)) for row in rows)


def _values(run_id: int, row: DailyResult) -> dict[str, object]:
    return {
        "run_id": run_id,
        "fold": row.fold,
        "first_day": row.first_day,
        "kind": row.kind,
        "name": row.name,
        "symbol": row.symbol,
        "net": list(row.net),
    }
