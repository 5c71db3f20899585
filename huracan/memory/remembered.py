"""Closed trades with everything that was found out about them since: what a question to the memory reads."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from huracan.memory.database import translated
from huracan.memory.trades import Mode

__all__ = ["Asked", "Remembered", "newest_shadow", "read_remembered", "trades_by_mode"]

Strings = NDArray[np.str_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which trades a question is about; None: any.

    Attributes:
        mode, run_id, policy, account, symbol: as the trade's row has them.
        since_ms: entered at or after this moment, ms UTC.
    """

    mode: Mode | None = None
    run_id: int | None = None
    policy: str | None = None
    account: str | None = None
    symbol: str | None = None
    since_ms: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """N closed trades as columns, by entry.

    Attributes:
        trade_id, run_id: which ones.
        mode, policy, account, symbol, exit_reason: as stored.
        regime: at the entry, -1 unknown.
        entry_ms, exit_ms: open times of the bars of the first and last fill, ms UTC.
        value: quote currency bought.
        risk: initial risk, quote currency; 0 when unknown.
        net, fee, slippage, price_part: results, quote currency; slippage with half spreads; costs are <= 0.
        pattern: number of its pattern in the newest library of its run, policy, account and mode; 0: in none.
        analysed: an analysis of it is stored.
        finding: first cause of a loss, first factor of a win; "": unexplained, or not analysed.
        foreseen: a cause of the loss was known at the entry; the win had a factor that is luck.
        captured_frac: share of the best excursion that was kept; NaN unknown.
        missed_bps: best price after the exit that the longest hold would still have allowed, basis points; NaN unknown.
        move_bps: where the price stood a longest hold after the exit; NaN unknown.
    """

    trade_id: Ints
    run_id: Ints
    mode: Strings
    policy: Strings
    account: Strings
    symbol: Strings
    exit_reason: Strings
    regime: Ints
    entry_ms: Ints
    exit_ms: Ints
    value: Floats
    risk: Floats
    net: Floats
    fee: Floats
    slippage: Floats
    price_part: Floats
    pattern: Ints
    analysed: NDArray[np.bool_]
    finding: Strings
    foreseen: NDArray[np.bool_]
    captured_frac: Floats
    missed_bps: Floats
    move_bps: Floats

    def __len__(self) -> int:
        """Return the number of trades."""
        return len(self.trade_id)


_COLUMNS: Mapping[str, tuple[str, type]] = {
    "trade_id": ("t.trade_id", np.int64),
    "run_id": ("t.run_id", np.int64),
    "mode": ("CAST(t.mode AS text)", np.str_),
    "policy": ("t.policy", np.str_),
    "account": ("t.account", np.str_),
    "symbol": ("t.symbol", np.str_),
    "exit_reason": ("CAST(t.exit_reason AS text)", np.str_),
    "regime": ("t.regime", np.int64),
    "entry_ms": ("CAST(extract(epoch FROM t.entry_time) * 1000 AS bigint)", np.int64),
    "exit_ms": ("CAST(extract(epoch FROM t.exit_time) * 1000 AS bigint)", np.int64),
    "value": ("t.entry_price * t.quantity", np.float64),
    "risk": ("t.entry_price * t.quantity * t.risk_frac", np.float64),
    "net": ("t.net", np.float64),
    "fee": ("t.fee", np.float64),
    "slippage": ("t.spread_part + t.slippage_part", np.float64),
    "price_part": ("t.price_part", np.float64),
    "pattern": ("coalesce(pattern_library.number, 0)", np.int64),
    "analysed": ("w.trade_id IS NOT NULL OR l.trade_id IS NOT NULL", np.bool_),
    "finding": ("coalesce(w.factors -> 0 ->> 0, l.causes -> 0 ->> 0, '')", np.str_),
    "foreseen": ("coalesce(w.lucky, l.preventable, FALSE)", np.bool_),
    "captured_frac": ("coalesce(w.captured_frac, l.captured_frac)", np.float64),
    "missed_bps": ("p.missed_bps", np.float64),
    "move_bps": ("p.move_hold_bps", np.float64),
}
assert tuple(_COLUMNS) == tuple(column.name for column in fields(Remembered))

_FROM = """FROM trade_memory AS t
    LEFT JOIN trade_points USING (trade_id)
    LEFT JOIN pattern_library ON pattern_library.pattern_id = trade_points.pattern_id
    LEFT JOIN win_analysis AS w ON w.trade_id = t.trade_id
    LEFT JOIN loss_analysis AS l ON l.trade_id = t.trade_id
    LEFT JOIN post_exit_tracking AS p ON p.trade_id = t.trade_id"""


def read_remembered(engine: Engine, asked: Asked) -> Remembered:
    """Return the closed trades a question is about, with what is known of each.

    Raises:
        DatabaseError: the server fails.
    """
    where, values = _where(asked)
    shown = ", ".join(expression for expression, _ in _COLUMNS.values())
    order = 't.entry_time, t.symbol COLLATE "C", t.trade_id'
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(text(f"SELECT {shown} {_FROM} WHERE {where} ORDER BY {order}"), values).all()
    columns = zip(*rows, strict=True) if rows else [()] * len(_COLUMNS)
    return Remembered(
        **{
            name: np.array([np.nan if one is None else one for one in column] if kind is np.float64 else column, kind)
            for (name, (_, kind)), column in zip(_COLUMNS.items(), columns, strict=True)
        }
    )


def trades_by_mode(engine: Engine, asked: Asked) -> dict[str, int]:
    """Return how many closed trades each mode has, whatever mode is asked for; modes without any are left out.

    Raises:
        DatabaseError: the server fails.
    """
    where, values = _where(Asked(None, asked.run_id, asked.policy, asked.account, asked.symbol, asked.since_ms))
    statement = f"SELECT CAST(t.mode AS text), count(*) FROM trade_memory AS t WHERE {where} GROUP BY t.mode"  # noqa: S608
    with translated(engine), engine.connect() as connection:
        return {mode: int(count) for mode, count in connection.execute(text(statement), values).all()}


def newest_shadow(engine: Engine, asked: Asked) -> int | None:
    """Return the newest run that has shadow trades of those asked about, None when there is none.

    Raises:
        DatabaseError: the server fails.
    """
    where, values = _where(Asked("shadow", asked.run_id, asked.policy, asked.account, asked.symbol, asked.since_ms))
    with translated(engine), engine.connect() as connection:
        found = connection.execute(text(f"SELECT max(t.run_id) FROM trade_memory AS t WHERE {where}"), values).scalar()  # noqa: S608
    return None if found is None else int(found)


def _where(asked: Asked) -> tuple[str, dict[str, Any]]:
    parts, values = ["TRUE"], {}
    for name in ("mode", "run_id", "policy", "account", "symbol"):
        value = getattr(asked, name)
        if value is not None:
            parts.append(f"t.{name} = " + ("CAST(:mode AS trade_mode)" if name == "mode" else f":{name}"))
            values[name] = value
    if asked.since_ms is not None:
        parts.append("t.entry_time >= to_timestamp(:since_ms / 1000.0)")
        values["since_ms"] = asked.since_ms
    return " AND ".join(parts), values
