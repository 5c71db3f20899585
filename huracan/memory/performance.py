"""Model performance: what a policy earned on one fold and coin, or over all of them, as measured by shadow trading."""

from dataclasses import asdict, dataclass, fields
from typing import Literal

from sqlalchemy import Engine, text

from huracan.memory.database import translated

__all__ = ["Performance", "read_performance", "record_performance"]


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
        trades, wins: closed trades, and those with net > 0.
        net, fees: quote currency.
        mean_net_bps: mean net result of a trade, basis points of its notional.
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
    """Return all rows of a run, ordered by key; rows over all coins or folds stand last.

    Raises:
        DatabaseError: the server fails.
    """
    columns = ", ".join("CAST(mode AS text)" if name == "mode" else name for name in COLUMNS)
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(
                f"SELECT {columns} FROM model_performance WHERE run_id = :run_id "  # noqa: S608 - constant names
                'ORDER BY policy COLLATE "C", account COLLATE "C", symbol COLLATE "C" NULLS LAST, fold NULLS LAST, mode'
            ),
            {"run_id": run_id},
        ).all()
    return tuple(Performance(*row) for row in rows)
