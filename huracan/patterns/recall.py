"""Which of the trades in Postgres a new training may remember."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from huracan.memory import TradeRows, select_trades, translated
from huracan.patterns.outcomes import Outcomes

__all__ = ["Recalled", "outcomes_of_rows", "recall"]

_ELIGIBLE = """run_id <> %(run_id)s AND exit_reason NOT IN ('end_of_data', 'kill_switch')
    AND (mode <> 'shadow' OR (policy = %(policy)s AND account = %(account)s))"""
_USABLE = "layout = %(layout)s AND risk_frac > 0"
_SPLIT = f"""SELECT coalesce(array_agg(trade_id) FILTER (WHERE {_USABLE}), '{{}}'),
    count(*) FILTER (WHERE NOT ({_USABLE})) FROM trade_memory WHERE {_ELIGIBLE}"""  # noqa: S608 - constant text
"""Both parts of the eligible trades in one pass over the memory."""
_ORDER = 'ORDER BY mode <> %(shadow)s, run_id, fold, symbol COLLATE "C", seq'


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """Trades of earlier runs.

    Attributes:
        outcomes: those that this version's features can be compared with.
        left_out: eligible ones on states of another layout, or of a version that kept no risk.
    """

    outcomes: Outcomes
    left_out: int


def recall(engine: Engine, run_id: int, layout: int, base_ms: int, *, policy: str, account: str) -> Recalled:
    """Return the trades of earlier runs: of shadow the judged version's own accounts, and all paper and live ones.

    Seeds, baselines and portfolio shadow trade the same moments again and would count one occasion several times; for
    the same reason the newest run speaks for a market's bar, and what was really traded before any shadow. Trades that
    ended with their data or by the kill switch say nothing about their entry.

    Args:
        engine: of the database.
        run_id: of the run that wants to know; its own trades do not count.
        layout: of the states it is trained on.
        base_ms: length of a bar.
        policy: name under which shadow writes the judged version.
        account: name of shadow's separate accounts.

    Raises:
        DatabaseError: the server fails.
    """
    values = {"run_id": run_id, "policy": policy, "account": account, "shadow": "shadow", "layout": layout}
    with translated(engine), engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(_SPLIT, values)
        ((usable, left_out),) = cursor.fetchall()
        rows = select_trades(cursor, f"WHERE trade_id = ANY(%(usable)s) {_ORDER}", values | {"usable": usable})
    return Recalled(outcomes_of_rows(rows, layout, base_ms), left_out)


def outcomes_of_rows(rows: TradeRows, layout: int, base_ms: int) -> Outcomes:
    """Return stored trades as the memory holds them; of several with one symbol and entry bar the last one counts.

    Raises:
        DataError: a trade's state is of another layout, or it has no risk.
    """
    return Outcomes.of(
        layout=layout,
        base_ms=base_ms,
        layouts=rows.layout,
        symbol=rows.symbol,
        entry_ms=rows.entry_time,
        exit_ms=rows.exit_time,
        net_frac=rows.net / np.maximum(rows.entry_price * rows.quantity, np.finfo(np.float64).tiny),
        mfe_frac=rows.mfe_frac,
        mae_frac=rows.mae_frac,
        risk_frac=rows.risk_frac,
        market=rows.entry_state,
    )
