"""Versions beside the account, compared with it on the days that both have traded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from huracan.errors import DatabaseError
from huracan.memory import TradeRows, select_trades
from huracan.memory.database import translated
from huracan.shadow.bootstrap import Resampler

__all__ = ["BesideComparison", "Span", "compare", "read_comparison"]

DAYS_MIN = 5
"""Whole UTC days below which a difference is told without an interval: it would say nothing."""

_DAY_MS = 86_400_000
_SEED = 7


@dataclass(frozen=True, slots=True)
class Span:
    """Since when a version has traded beside the account, and up to which close, ms UTC."""

    version: str
    began_ms: int
    close_ms: int


@dataclass(frozen=True, slots=True)
class BesideComparison:
    """One version beside the account; money in quote currency.

    Attributes:
        version: its name.
        began_ms: its first close, ms UTC.
        close_ms: its newest.
        days: whole UTC days in between.
        trades, net: that it closed since.
        own_trades, own_net: that the account closed in the same time.
        ahead_per_day: mean of its daily result less the account's, over the whole days; None: there is none.
        ahead_low, ahead_high: interval of that mean, by bootstrap over days; None: too few days for one.
        level: of the interval.
    """

    version: str
    began_ms: int
    close_ms: int
    days: int
    trades: int
    net: float
    own_trades: int
    own_net: float
    ahead_per_day: float | None
    ahead_low: float | None
    ahead_high: float | None
    level: float


def compare(
    span: Span, beside: TradeRows, own: TradeRows, resamples: int = 2_000, level: float = 0.95
) -> BesideComparison:
    """Compare closed trades by the UTC day of their exit.

    Args:
        span: of the version.
        beside: its trades.
        own: the account's, of any time.
        resamples: draws behind the interval.
        level: of the interval, in (0, 1).
    """
    inside = (own.exit_time >= span.began_ms) & (own.exit_time < span.close_ms)
    first, last = -(-span.began_ms // _DAY_MS), span.close_ms // _DAY_MS
    days = max(last - first, 0)
    ahead = _daily(beside, first, days) - _daily(own, first, days)
    mean = low = high = None
    if days:
        mean = float(ahead.mean())
    if days >= DAYS_MIN:
        found = Resampler(ahead, resamples=resamples, level=level, seed=_SEED).interval(ahead)
        low, high = found.low, found.high
    return BesideComparison(
        version=span.version,
        began_ms=span.began_ms,
        close_ms=span.close_ms,
        days=days,
        trades=len(beside),
        net=float(beside.net.sum()),
        own_trades=int(inside.sum()),
        own_net=float(own.net[inside].sum()),
        ahead_per_day=mean,
        ahead_low=low,
        ahead_high=high,
        level=level,
    )


def _daily(trades: TradeRows, first: int, days: int) -> NDArray[np.float64]:
    """Return float64[days], the net of trades by the day of their exit."""
    day = trades.exit_time // _DAY_MS - first
    kept = (day >= 0) & (day < days)
    return np.bincount(day[kept], weights=trades.net[kept], minlength=days)[:days].astype(np.float64)


def read_comparison(engine: Engine, account: str, resamples: int, level: float) -> tuple[BesideComparison, ...]:
    """Return every version that has traded beside an account, the longest first.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        raw = connection.connection.driver_connection
        if raw is None:
            raise DatabaseError("the database gave no connection")
        with raw.cursor() as cursor:
            spans = _spans(cursor, account)
            own = _trades(cursor, "mode IN ('paper', 'live')", {"account": account})
            found = []
            for span in spans:
                rows = _trades(cursor, _BESIDE, {"account": account, "policy": span.version})
                found.append(compare(span, rows, own, resamples, level))
    return tuple(found)


_BESIDE = "mode = 'shadow' AND policy = %(policy)s"


def _trades(cursor: Any, where: str, values: Mapping[str, object]) -> TradeRows:
    return select_trades(cursor, f"WHERE account = %(account)s AND {where} ORDER BY exit_time, trade_id", values)


def _spans(cursor: Any, account: str) -> Sequence[Span]:
    cursor.execute(
        """SELECT version, (extract(epoch FROM began_at) * 1000)::bigint, (extract(epoch FROM close_at) * 1000)::bigint
        FROM beside_accounts JOIN accounts USING (account_no) WHERE name = %s ORDER BY began_at, version""",
        (account,),
    )
    return [Span(*row) for row in cursor.fetchall()]
