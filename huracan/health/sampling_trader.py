"""An account as the monitor sees it, from its rows alone: who trades, what was decided, sent, filled, and how fast.

Every question reads a bounded number of the newest rows, whatever the account's age. Latencies are wall time, as the
rows have it; intents have market time only, and are counted by it.
"""

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from sqlalchemy import Engine

from huracan.health.sampling import sample
from huracan.memory import translated
from huracan.memory.health import Sample
from huracan.risk.live import TradingState

__all__ = ["TraderSampler"]

_ACCOUNTS: Final = """SELECT a.account_no, a.name, v.market_at,
    coalesce((SELECT greatest(0, extract(epoch FROM expires_at - clock_timestamp()))::float8 FROM leases l
        WHERE l.account_no = a.account_no AND NOT l.released), 0),
    extract(epoch FROM clock_timestamp() - v.at)::float8,
    (SELECT extract(epoch FROM clock_timestamp() - decided_at)::float8 FROM decisions d
        WHERE d.account_no = a.account_no ORDER BY close_at DESC LIMIT 1),
    coalesce((SELECT state FROM trading_state t WHERE t.account_no = a.account_no ORDER BY seq DESC LIMIT 1), 'ACTIVE'),
    (v.report ->> 'equity')::float8, v.day_value - v.day_start,
    (SELECT count(*) FROM positions p WHERE p.account_no = a.account_no
        AND bought - sold - fee_base > 0
        AND bought - sold - fee_base >= coalesce((v.report -> 'steps' ->> p.symbol)::numeric, 0))
    FROM accounts a JOIN account_views v USING (account_no)
    WHERE v.at > clock_timestamp() - interval '7 days' ORDER BY a.name"""
_ORDERS: Final = """WITH newest AS (SELECT * FROM orders ORDER BY order_no DESC LIMIT 20000),
    mine AS (SELECT o.status, o.sent_at > clock_timestamp() - interval '1 hour' AS recent
        FROM newest o JOIN intents i USING (intent_id) JOIN markets m USING (market_no)
        WHERE m.account_no = %(account)s)
    SELECT count(*) FILTER (WHERE status NOT IN ('FILLED', 'EXPIRED', 'CANCELED', 'REJECTED', 'NEVER_SENT')),
        count(*) FILTER (WHERE status = 'UNKNOWN'), count(*) FILTER (WHERE recent),
        (count(*) FILTER (WHERE recent AND status = 'REJECTED'))::float8 / nullif(count(*) FILTER (WHERE recent), 0)
    FROM mine"""
_FILLED: Final = """WITH newest AS (SELECT * FROM orders ORDER BY order_no DESC LIMIT 5000)
    SELECT avg(least(1, part)) FROM (SELECT sum(o.filled) / i.quantity AS part
        FROM newest o JOIN intents i USING (intent_id) JOIN markets m USING (market_no)
        WHERE m.account_no = %(account)s AND i.kind = 'ENTER' AND i.status <> 'OPEN' AND i.quantity > 0
            AND o.updated_at > clock_timestamp() - interval '1 hour' GROUP BY i.intent_id, i.quantity) t"""
_DECISIONS: Final = """SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FROM (
    SELECT extract(epoch FROM decided_at - heard_at)::float8 * 1000 AS took, decided_at FROM decisions
    WHERE account_no = %(account)s ORDER BY close_at DESC LIMIT 3600) d
    WHERE decided_at > clock_timestamp() - interval '1 hour'"""
_SENT: Final = """WITH newest AS (SELECT * FROM orders ORDER BY order_no DESC LIMIT 5000),
    waits AS (SELECT extract(epoch FROM min(o.sent_at) - d.heard_at)::float8 * 1000 AS took FROM newest o
        JOIN intents i USING (intent_id) JOIN markets m USING (market_no)
        JOIN decisions d ON d.account_no = m.account_no AND d.close_at = i.created_at
        WHERE m.account_no = %(account)s AND i.kind = 'ENTER' AND o.sent_at > clock_timestamp() - interval '1 hour'
        GROUP BY i.intent_id, d.heard_at)
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY took), percentile_cont(0.99) WITHIN GROUP (ORDER BY took)
    FROM waits"""
_DENIED: Final = """SELECT count(*) FROM markets m CROSS JOIN LATERAL (SELECT status FROM intents i
    WHERE i.market_no = m.market_no AND i.created_at > %(market)s - interval '1 hour'
    AND i.candle_at > %(market)s - interval '2 days' ORDER BY candle_at DESC LIMIT 120) i
    WHERE m.account_no = %(account)s AND i.status = 'DENIED'"""
_TRADES: Final = """SELECT count(*), avg(-1e4 * slippage_part / nullif(entry_price * quantity, 0)) FROM trade_memory t
    WHERE run_id IN (SELECT run_id FROM runs WHERE kind IN ('trade-paper', 'trade-live') ORDER BY run_id DESC LIMIT 50)
    AND account = %(name)s AND mode IN ('paper', 'live') AND exit_time > %(market)s - interval '1 day'"""
_ALARMS: Final = """SELECT count(*) FROM (SELECT * FROM alarms ORDER BY alarm_no DESC LIMIT 1000) a
    WHERE account_no = %(account)s AND at > clock_timestamp() - interval '1 day'"""
_STATES: Final = tuple(str(state) for state in TradingState)


class TraderSampler:
    """Asks the rows of every account that was traded in the last week.

    Args:
        engine: of the database.
        slow_s: how often the figures over an hour or a day are asked for.
        feed: tell the age of the newest close as the market's as well: where no feed can be asked.
    """

    def __init__(self, engine: Engine, slow_s: float = 30.0, feed: bool = False) -> None:
        self._engine, self._slow_ms, self._feed = engine, round(1e3 * slow_s), feed
        self._asked_ms: int | None = None

    @property
    def source(self) -> str:
        """Return its name."""
        return "trader"

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """See `Sampler`.

        Raises:
            DatabaseError: the server fails.
        """
        slow = self._asked_ms is None or not 0 <= now_ms - self._asked_ms < self._slow_ms
        found: list[Sample] = []
        with (
            translated(self._engine),
            self._engine.connect() as connection,
            closing(connection.connection.cursor()) as cursor,
        ):
            cursor.execute(_ACCOUNTS)
            for number, name, market_at, *figures in cursor.fetchall():
                found += self._quick(now_ms, name, figures)
                if slow:
                    found += _slow(cursor, now_ms, {"account": number, "name": name, "market": market_at})
        if slow:
            self._asked_ms = now_ms
        return found

    def _quick(self, now_ms: int, name: str, figures: Sequence[Any]) -> list[Sample]:
        lease_s, close_s, decision_s, state, equity, day, positions = figures
        close_s = max(0.0, close_s)
        rows = [
            *sample(now_ms, "trader.lease_s", lease_s, name),
            *sample(now_ms, "trader.close_age_s", close_s, name),
            *sample(now_ms, "trader.decision_age_s", None if decision_s is None else max(0.0, decision_s), name),
            *sample(now_ms, "trader.state", _STATES.index(state), name),
            *sample(now_ms, "trader.equity", equity, name),
            *sample(now_ms, "trader.day_result", day, name),
            *sample(now_ms, "trader.positions", positions, name),
        ]
        if self._feed and lease_s > 0:
            rows += sample(now_ms, "feed.candle_age_s", close_s)
        return rows


def _slow(cursor: Any, now_ms: int, who: dict[str, Any]) -> list[Sample]:
    """Return the figures over an hour or a day of one account."""
    found: list[Sample] = []
    for sql, names in (
        (_ORDERS, ("trader.open_orders", "trader.unknown_orders", "trader.orders", "trader.rejects_frac")),
        (_FILLED, ("trader.fill_frac",)),
        (_DECISIONS, ("trader.decisions", "trader.decision_ms")),
        (_SENT, ("trader.sent_ms", "trader.sent_p99_ms")),
        (_DENIED, ("trader.denied",)),
        (_TRADES, ("trader.trades", "trader.slippage_bps")),
        (_ALARMS, ("trader.alarms",)),
    ):
        cursor.execute(sql, who)
        for name, value in zip(names, cursor.fetchone(), strict=True):
            found += sample(now_ms, name, None if value is None else float(value), who["name"])
    return found
