"""The endpoint's view of Postgres: the account's rows, the registry, and what request keys stand for; no Ray."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Engine

from huracan.clock import Clock
from huracan.config import Settings
from huracan.execution.model import Intent, IntentKind, IntentStatus
from huracan.execution.postgres_store import PostgresStore
from huracan.execution.sql_thread import SqlThread
from huracan.execution.states import write_state
from huracan.health.overview import answer_of as status_answer
from huracan.health.overview import read_health
from huracan.memory import Registry, TradeRows
from huracan.memory.registry import Model
from huracan.memory.trades import select_trades
from huracan.risk.live import TradingState
from huracan.signals.backend import Kept
from huracan.signals.contract import (
    ModelRow,
    ModelsAnswer,
    OrderRow,
    OrdersAnswer,
    PositionRow,
    PositionsAnswer,
    StatusAnswer,
    TradeRow,
    TradesAnswer,
)
from huracan.trader.status import Status, read_status
from huracan.trader.views import AccountViews
from huracan.venue.orders import Side

__all__ = ["PostgresLedger"]

_KEPT_FOR = "1 day"


class PostgresLedger:
    """`huracan.signals.backend.Ledger` over Postgres; no call blocks the event loop.

    Args:
        engine: of a database at this version's schema; it need not answer yet.
        account: name of the account.
        clock: wall clock.
        timeout_s: how long a call may take.
        settings: versions named, monitor expected, limits; for `status`.
    """

    def __init__(
        self, engine: Engine, account: str, clock: Clock, timeout_s: float, settings: Settings | None = None
    ) -> None:
        self._account, self._clock, self._engine = account, clock, engine
        self._settings = Settings() if settings is None else settings
        self._registry = Registry(engine)
        self._store = PostgresStore(engine, account, None, timeout_s)
        self._views = AccountViews(engine, account, timeout_s)
        self._thread = SqlThread(engine, timeout_s)

    # ---- keys and intents ---------------------------------------------------------------------------------------

    async def keep(self, key: str, kept: Kept) -> Kept:
        """See `Ledger`."""

        def work(cursor: Any) -> Kept:
            cursor.execute(f"DELETE FROM request_keys WHERE at < clock_timestamp() - interval '{_KEPT_FOR}'")  # noqa: S608
            cursor.execute(
                """INSERT INTO request_keys (key, body, answer, intents)
                VALUES (decode(%s, 'hex'), decode(%s, 'hex'), %s, %s) ON CONFLICT DO NOTHING""",
                (key, kept.body_sha256, kept.answer, json.dumps([_packed(intent) for intent in kept.intents])),
            )
            if cursor.rowcount == 1:
                return kept
            found = _select(cursor, key)
            assert found is not None, "it was in the way, and is younger than a day"
            return found

        return await self._thread.call(lambda: self._thread.transact(work))

    async def kept(self, key: str) -> Kept | None:
        """See `Ledger`."""
        return await self._thread.call(lambda: self._thread.transact(lambda cursor: _select(cursor, key)))

    async def put_intents(self, intents: Sequence[Intent]) -> None:
        """See `Ledger`."""
        for intent in intents:
            await self._store.put_intent(intent)

    async def halt(self, author: str, reason: str) -> None:
        """See `Ledger`."""
        await write_state(self._store, TradingState.HALTED, author, reason, self._clock.now_ms())

    async def ping(self) -> None:
        """See `Ledger`."""
        await self._thread.call(lambda: self._thread.transact(lambda cursor: cursor.execute("SELECT 1")))

    # ---- reading ------------------------------------------------------------------------------------------------

    async def status(self) -> StatusAnswer:
        """See `Ledger`."""
        found, now_ms = await self._read(), self._clock.now_ms()
        mode: Literal["paper", "live"] = "live" if found.mode == "live" else "paper"
        health = await self._thread.call(lambda: read_health(self._engine, self._settings, self._account, mode, now_ms))
        return status_answer(found, health, self._settings, now_ms)

    async def positions(self) -> PositionsAnswer:
        """See `Ledger`."""
        found = await self._read()
        rows = tuple(PositionRow(**asdict(row)) for row in found.positions)
        return PositionsAnswer(account=found.account, market_ms=found.market_ms, positions=rows)

    async def orders(self) -> OrdersAnswer:
        """See `Ledger`."""
        found = await self._read()
        rows = tuple(OrderRow(**asdict(row)) for row in found.orders)
        return OrdersAnswer(account=found.account, orders=rows)

    async def _read(self) -> Status:
        return await read_status(self._store, self._views, self._clock.now_ms())

    async def trades(self, since_ms: int, limit: int) -> TradesAnswer:
        """See `Ledger`."""
        clause = """WHERE account = %(account)s AND mode IN ('paper', 'live')
            AND exit_time >= to_timestamp(%(since)s / 1000.0)
            ORDER BY exit_time DESC, trade_id DESC LIMIT %(count)s"""
        values = {"account": self._account, "since": since_ms, "count": limit + 1}
        found = await self._thread.call(
            lambda: self._thread.transact(lambda cursor: select_trades(cursor, clause, values))
        )
        rows = tuple(_trade(found, row) for row in range(min(len(found), limit)))
        return TradesAnswer(account=self._account, trades=rows, more=len(found) > limit)

    async def models(self) -> ModelsAnswer:
        """See `Ledger`."""
        found = await self._thread.call(self._registry.models)
        return ModelsAnswer(models=tuple(_model(model) for model in found), problem="")

    async def close(self) -> None:
        """Let go of the connections."""
        for part in (self._store, self._views, self._thread):
            await part.close()


def _select(cursor: Any, key: str) -> Kept | None:
    cursor.execute(
        "SELECT encode(body, 'hex'), answer, intents FROM request_keys WHERE key = decode(%s, 'hex')", (key,)
    )
    row = cursor.fetchone()
    return None if row is None else Kept(row[0], row[1], tuple(_unpacked(one) for one in row[2]))


def _packed(intent: Intent) -> dict[str, Any]:
    """Return an intent that nobody has acted on as JSON types."""
    assert intent.quantity is None
    return asdict(replace(intent, state=b"")) | {"state": base64.b64encode(intent.state).decode()}


def _unpacked(row: dict[str, Any]) -> Intent:
    kinds = {"kind": IntentKind(row["kind"]), "side": Side(row["side"]), "status": IntentStatus(row["status"])}
    return Intent(**{**row, **kinds, "state": base64.b64decode(row["state"])})


def _trade(rows: TradeRows, row: int) -> TradeRow:
    return TradeRow(
        symbol=str(rows.symbol[row]),
        mode=str(rows.mode[row]),
        version=str(rows.policy[row]),
        entry_ms=int(rows.entry_time[row]),
        exit_ms=int(rows.exit_time[row]),
        entry_price=float(rows.entry_price[row]),
        exit_price=float(rows.exit_price[row]),
        quantity=float(rows.quantity[row]),
        net=float(rows.net[row]),
        fee=float(rows.fee[row]),
        exit_reason=str(rows.exit_reason[row]),
        confidence=float(rows.confidence[row]),
    )


def _model(model: Model) -> ModelRow:
    created = model.created_at.astimezone(UTC)
    return ModelRow(
        version=model.version,
        scope=model.scope,
        stage=model.stage,
        standing=model.standing,
        sha256=model.sha256,
        created_time=_iso(created),
        served=False,
    )


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
