"""One thread, one connection: bounded in time, connected again after a failure."""

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import Engine

from huracan.errors import DatabaseError, FencedError, InvariantError
from huracan.execution.sql_thread import SqlThread
from tests.execution.samples import awaited

pytestmark = pytest.mark.postgres


def _pid(cursor: Any) -> int:
    cursor.execute("SELECT pg_backend_pid()")
    return int(cursor.fetchone()[0])


@awaited
async def test_calls_share_one_connection_until_it_fails(database: Engine) -> None:
    """Our own errors roll back and keep it; the server's make a new one."""
    thread = SqlThread(database, 5.0)
    first = await thread.call(lambda: thread.transact(_pid))

    def refuse(cursor: Any) -> None:
        cursor.execute("CREATE TABLE never (x integer)")
        raise InvariantError("no")

    with pytest.raises(InvariantError):
        await thread.call(lambda: thread.transact(refuse))
    assert await thread.call(lambda: thread.transact(_pid)) == first
    with pytest.raises(DatabaseError, match="lacks a table"):
        await thread.call(lambda: thread.transact(lambda cursor: cursor.execute("SELECT * FROM never")))
    assert await thread.call(lambda: thread.transact(_pid)) != first
    await thread.close()


@awaited
async def test_a_stale_epoch_is_not_a_failure_of_the_database(database: Engine) -> None:
    """SQLSTATE HU001 means that someone else has the lease."""
    thread = SqlThread(database, 5.0)
    with pytest.raises(FencedError, match="epoch 7 is over"):
        await thread.call(lambda: thread.transact(lambda cursor: cursor.execute("SELECT check_epoch(1::smallint, 7)")))
    await thread.close()


@awaited
async def test_what_took_too_long_is_not_committed(database: Engine) -> None:
    """The caller was told that nothing is known: then nothing may happen afterwards either."""
    thread = SqlThread(database, 0.3)

    def slow(cursor: Any) -> None:
        cursor.execute("CREATE TABLE too_late (x integer)")
        time.sleep(0.6)

    with pytest.raises(DatabaseError, match="did not answer within"):
        await thread.call(lambda: thread.transact(slow))
    await asyncio.sleep(0.5)
    with pytest.raises(DatabaseError, match="lacks a table"):
        await thread.call(lambda: thread.transact(lambda cursor: cursor.execute("SELECT * FROM too_late")))
    await thread.close()


@awaited
async def test_the_server_gives_up_too(database: Engine) -> None:
    """A statement that runs on is ended by the server, so that the thread is free again."""
    thread = SqlThread(database, 0.4)
    with pytest.raises(DatabaseError):
        await thread.call(lambda: thread.transact(lambda cursor: cursor.execute("SELECT pg_sleep(30)")))
    await asyncio.sleep(0.3)
    assert await thread.call(lambda: thread.transact(_pid)) > 0
    await thread.close()


@awaited
async def test_a_cancelled_caller_ends_also_when_the_answer_has_just_come(database: Engine) -> None:
    """Python 3.11's `wait_for` swallows the cancellation: a loop that only asks would outlive its trader."""
    thread = SqlThread(database, 5.0)

    async def ask() -> None:
        while True:
            await thread.call(int)
            await asyncio.sleep(60.0)

    for turns in range(8):
        task = asyncio.ensure_future(ask())
        await asyncio.sleep(0)
        time.sleep(0.02)  # the answer comes while the loop is held up, and waits in it beside the cancellation
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait((task,), timeout=0.5)
        assert done, f"cancelled {turns} turns after the answer, it goes on"
    await thread.close()
