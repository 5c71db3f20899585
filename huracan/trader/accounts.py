"""An account in the database for commands that do not trade: its memory, its view, and where it was traded last."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from huracan.config import Settings
from huracan.execution.postgres_store import PostgresStore
from huracan.memory import list_runs
from huracan.trader.access import Mode
from huracan.trader.views import AccountViews

__all__ = ["LastRun", "StoredAccount", "last_run", "run_kind", "stored_account"]


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account's rows."""

    store: PostgresStore
    views: AccountViews


@dataclass(frozen=True, slots=True)
class LastRun:
    """Where an account was traded last: mode and addresses."""

    mode: Mode
    url: str | None
    websocket_url: str | None


@asynccontextmanager
async def stored_account(engine: Engine, account: str, timeout_s: float) -> AsyncIterator[StoredAccount]:
    """Yield an account's rows, and let go of the connections at the end."""
    found = StoredAccount(PostgresStore(engine, account, None, timeout_s), AccountViews(engine, account, timeout_s))
    try:
        yield found
    finally:
        await found.store.close()
        await found.views.close()


def run_kind(mode: Mode) -> str:
    """Return the kind under which runs of a mode are stored."""
    return f"trade-{mode}"


def last_run(engine: Engine, account: str) -> LastRun | None:
    """Return where an account was traded last, None when it never was.

    Raises:
        DatabaseError: the server fails.
    """
    found: list[tuple[int, LastRun]] = []
    modes: tuple[Mode, ...] = ("paper", "live")
    for mode in modes:
        for run in list_runs(engine, run_kind(mode)):
            execution = Settings(**json.loads(run.config_json)).execution
            if execution.account == account:
                found.append((run.run_id, LastRun(mode, execution.url, execution.websocket_url)))
                break
    return max(found, key=lambda row: row[0])[1] if found else None
