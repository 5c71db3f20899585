"""Versions in stage `shadow`, each trading beside the account on the same closes; written down close by close.

State and closed trades of a close are one transaction, so that a restart neither loses a trade nor counts it twice.
While the database is away they wait here, and trading waits for none of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Engine

from huracan.config import Settings
from huracan.errors import ConfigError, DatabaseError, InvariantError
from huracan.execution.commands import Close
from huracan.execution.sql_thread import SqlThread
from huracan.logs import get_logger
from huracan.memory import TradeRows, append_trades, join_trades
from huracan.signals.beside import BesideAccount
from huracan.signals.model import MarketClose
from huracan.signals.policies import LoadedVersion
from huracan.trading import Instrument

__all__ = ["BesideLedger", "BesideRows", "Besides", "StoredBeside"]

WAITING_MAX = 500
"""Closed trades that wait for the database; beyond, the account they belong to is given up until the next start."""


@dataclass(frozen=True, slots=True, eq=False)
class BesideRows:
    """What is written of one account at a close.

    Attributes:
        version: whose account.
        close_ms: the close, ms UTC.
        state: `BesideAccount.to_bytes`.
        trades: closed since it was last written; None: none.
    """

    version: str
    close_ms: int
    state: bytes
    trades: TradeRows | None


class BesideLedger(Protocol):
    """Where the accounts are kept."""

    async def load(self, version: str) -> bytes | None:
        """Return the newest state of a version's account; None: it has none."""
        ...

    async def keep(self, rows: Sequence[BesideRows]) -> None:
        """Write states and trades in one transaction."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class StoredBeside:
    """Accounts in Postgres, on a thread of its own.

    Args:
        engine: of a database at this version's schema.
        account: beside which they trade.
        run_id: the run that their trades belong to.
        timeout_s: how long a call may take.
    """

    def __init__(self, engine: Engine, account: str, run_id: int, timeout_s: float = 5.0) -> None:
        self._account, self._run_id = account, run_id
        self._thread = SqlThread(engine, timeout_s)

    async def load(self, version: str) -> bytes | None:
        """See `BesideLedger`.

        Raises:
            DatabaseError: the server fails.
        """

        def work(cursor: Any) -> bytes | None:
            cursor.execute(
                "SELECT state FROM beside_accounts JOIN accounts USING (account_no) WHERE name = %s AND version = %s",
                (self._account, version),
            )
            row = cursor.fetchone()
            return None if row is None else bytes(row[0])

        return await self._thread.call(lambda: self._thread.transact(work))

    async def keep(self, rows: Sequence[BesideRows]) -> None:
        """See `BesideLedger`.

        Raises:
            DatabaseError: the server fails; nothing was written, or all of it.
        """

        def work(cursor: Any) -> None:
            cursor.execute("INSERT INTO accounts (name) VALUES (%s) ON CONFLICT DO NOTHING", (self._account,))
            for row in rows:
                moment = datetime.fromtimestamp(row.close_ms / 1_000, UTC)
                cursor.execute(
                    """INSERT INTO beside_accounts AS b (account_no, version, began_at, close_at, state)
                    SELECT account_no, %s, %s, %s, %s FROM accounts WHERE name = %s
                    ON CONFLICT (account_no, version) DO UPDATE
                    SET close_at = excluded.close_at, state = excluded.state WHERE b.close_at < excluded.close_at
                    RETURNING 1""",
                    (row.version, moment, moment, row.state, self._account),
                )
                if cursor.fetchone() is not None and row.trades is not None:
                    append_trades(cursor, self._run_id, row.trades)

        await self._thread.call(lambda: self._thread.transact(work))

    async def close(self) -> None:
        """See `BesideLedger`."""
        await self._thread.close()


class Besides:
    """Every version beside the account; they come and go with the registry.

    Args:
        settings: whole configuration.
        instruments: of the markets followed.
        account: name of the account.
        ledger: where the accounts are kept.
        shadows: the versions wanted now.
    """

    def __init__(
        self,
        settings: Settings,
        instruments: Mapping[str, Instrument],
        account: str,
        ledger: BesideLedger,
        shadows: Callable[[], Sequence[LoadedVersion]],
    ) -> None:
        self._settings, self._instruments, self._account = settings, dict(instruments), account
        self._ledger, self._shadows = ledger, shadows
        self._accounts: dict[str, BesideAccount] = {}
        self._waiting: dict[str, list[TradeRows]] = {}
        self._refused: set[tuple[str, str]] = set()

    @property
    def accounts(self) -> Mapping[str, BesideAccount]:
        """Return the accounts by version."""
        return self._accounts

    async def on_close(self, close: MarketClose, closes: Mapping[str, Close]) -> None:
        """Take every account through a close and write it down; whatever fails here fails here alone."""
        await self._follow()
        rows = []
        for version, account in list(self._accounts.items()):
            if close.close_ms <= account.close_ms:  # told again after a restart: it has been through it
                continue
            try:
                found = account.on_close(close, closes)
            except InvariantError as error:
                self._give_up(version, str(error))
                continue
            waiting = self._waiting.setdefault(version, [])
            if found.trades is not None:
                waiting.append(found.trades)
            trades = join_trades(waiting) if waiting else None
            rows.append(BesideRows(version, close.close_ms, account.to_bytes(), trades))
        if rows:
            await self._keep(rows)

    async def close(self) -> None:
        """Let go of the ledger's connection."""
        await self._ledger.close()

    async def _follow(self) -> None:
        """Open accounts of versions that are new in the registry's stage, and close those that left it."""
        wanted = {one.served.version: one for one in self._shadows()}
        for version in self._accounts.keys() - wanted.keys():
            del self._accounts[version]
            self._waiting.pop(version, None)
            get_logger().info("beside.left", version=version)
        for version, one in wanted.items():
            if version in self._accounts or (version, one.served.sha256) in self._refused:
                continue
            try:
                await self._open(version, one)
            except DatabaseError as error:  # the next close tries again
                get_logger().warning("trader.waits", what="beside", reason=str(error))

    async def _open(self, version: str, one: LoadedVersion) -> None:
        settings = self._settings
        try:
            account = BesideAccount(one, self._instruments, settings.trading, settings.risk, self._account)
            saved = await self._ledger.load(version)
            if saved is not None:
                account.restore(saved)
        except (ConfigError, InvariantError) as error:
            self._refused.add((version, one.served.sha256))
            get_logger().error("beside.refused", version=version, reason=str(error))
            return
        self._accounts[version] = account
        get_logger().info("beside.joined", version=version, markets=len(account.symbols), since=account.close_ms)

    def _give_up(self, version: str, reason: str) -> None:
        account = self._accounts.pop(version)
        self._waiting.pop(version, None)
        self._refused.add((version, account.loaded.served.sha256))
        get_logger().error("beside.given_up", version=version, reason=reason)

    async def _keep(self, rows: Sequence[BesideRows]) -> None:
        try:
            await self._ledger.keep(rows)
        except DatabaseError as error:
            get_logger().warning("trader.waits", what="beside", reason=str(error))
            for version, waiting in list(self._waiting.items()):
                if sum(len(part) for part in waiting) > WAITING_MAX:
                    self._give_up(version, "the database has been away for too long")
            return
        for row in rows:
            self._waiting[row.version].clear()
