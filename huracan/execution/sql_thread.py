"""One thread with one connection: SQL without blocking the loop, one transaction at a time, none of them endless."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg2
from sqlalchemy import Engine

from huracan.errors import DatabaseError, FencedError, HuracanError
from huracan.memory import translated

__all__ = ["STALE_EPOCH", "SqlThread"]

STALE_EPOCH = "HU001"
"""SQLSTATE of `check_epoch()`."""

T = TypeVar("T")


class SqlThread:
    """Runs calls one after another on a thread of its own; connects when needed, again after a failure.

    Args:
        engine: where to.
        timeout_s: how long a call may take, its wait for others included; the server gives up at the same time.
    """

    def __init__(self, engine: Engine, timeout_s: float) -> None:
        self._engine = engine
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="huracan-store")
        self._connection: Any = None
        self._expired = threading.Event()

    async def call(self, job: Callable[[], T]) -> T:
        """Run `job` on the thread.

        A job whose caller has left before it began does not run at all. One that had begun goes on to its end when its
        caller is cancelled, and commits no more when the time is over.

        Raises:
            DatabaseError: no answer in time; whether it was written is not known.
        """
        left, expired = threading.Event(), threading.Event()

        def run() -> T:
            if left.is_set():
                raise DatabaseError("nothing was written: the caller had left before it began")
            self._expired = expired
            return job()

        running = asyncio.get_running_loop().run_in_executor(self._thread, run)
        try:
            async with asyncio.timeout(self._timeout_s):  # `wait_for` of Python 3.11 may swallow a cancellation
                return await asyncio.shield(running)
        except TimeoutError:
            expired.set()
            raise DatabaseError(
                f"the database did not answer within {self._timeout_s:g} s; whether it has written is not known"
            ) from None
        finally:
            if not running.done():
                left.set()
                running.add_done_callback(lambda done: done.cancelled() or done.exception())

    def transact(self, work: Callable[[Any], T]) -> T:
        """Run `work` with a psycopg2 cursor in one transaction; only ever on the thread, inside a job.

        Raises:
            FencedError: the server raised `STALE_EPOCH`.
            DatabaseError: any other failure of the server or the connection, in one line.
        """
        with translated(self._engine):
            connection = self._connect()
            try:
                with connection.cursor() as cursor:
                    found = work(cursor)
                if self._expired.is_set():
                    raise DatabaseError("nothing was written: it took too long")
                connection.commit()
                return found
            except HuracanError:
                self._roll_back()
                raise
            except psycopg2.Error as error:
                self._discard()
                if error.pgcode == STALE_EPOCH:
                    raise FencedError(f"the lease is someone else's: {error.diag.message_primary}") from None
                raise
            except BaseException:
                self._discard()
                raise

    async def close(self) -> None:
        """Wait for the call in progress, then close the connection."""
        try:
            await self.call(self._discard)
        except DatabaseError:
            pass  # the server does not answer; its own timeout ends the statement
        finally:
            self._thread.shutdown(wait=False)

    def _connect(self) -> Any:
        if self._connection is None:
            pooled = self._engine.raw_connection()
            connection = pooled.driver_connection
            pooled.detach()
            assert connection is not None
            limit_ms = max(1, round(self._timeout_s * 1000))
            with connection.cursor() as cursor:
                cursor.execute(
                    "SET statement_timeout = %s; SET lock_timeout = %s; SET idle_in_transaction_session_timeout = %s",
                    (limit_ms, limit_ms, limit_ms),
                )
            connection.commit()
            self._connection = connection
        return self._connection

    def _roll_back(self) -> None:
        try:
            self._connection.rollback()
        except psycopg2.Error:  # the server has ended the connection, and the transaction with it
            self._discard()

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
