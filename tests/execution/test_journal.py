"""The journal: what the store cannot take waits on disk, in order, and is booked exactly once."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.errors import DatabaseError, InvariantError
from huracan.execution.journal import Journal, decode_record, encode_record
from huracan.execution.lease import LeaseKeeper
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import (
    Alarm,
    AlarmCode,
    Booked,
    Fill,
    Lease,
    Lock,
    OrderFact,
    Record,
    SlotRow,
    Transfer,
    Trigger,
)
from huracan.venue.orders import Side
from tests.execution.world import ACCOUNT, virtually
from tests.memory.samples import sample_trades
from tests.venue.virtual import LoopClock

AMOUNTS = st.decimals(min_value=Decimal("1e-8"), max_value=Decimal("1e12"), places=8)


class AwayStore(MemoryStore):
    """A store that is away on demand."""

    away = False

    async def record(self, lease: Lease, record: Record) -> Booked:
        """See `Store`."""
        if self.away:
            raise DatabaseError("away")
        return await super().record(lease, record)


def deposit(amount: str) -> Record:
    """Return a record of money from outside."""
    return Record(transfers=(Transfer("USDT", Decimal(amount), 1, "a test"),))


@given(AMOUNTS, st.binary(max_size=40), st.text(max_size=20))
def test_a_record_is_what_its_line_says(amount: Decimal, data: bytes, words: str) -> None:
    """Every part of it, exactly."""
    fill = Fill("AAA/USDT", "9", "c", Side.BUY, amount, amount, -amount, "BNB", True, 5)
    record = Record(
        facts=(OrderFact("c", Trigger.EXPIRE, 3, "v", amount, words), OrderFact("d", Trigger.LOSE, 4)),
        fills=(fill, replace(fill, cid=None)),
        transfers=(Transfer("USDT", -amount, 1, "x"),),
        cursors={"AAA/USDT": "12"},
        slots=(SlotRow("AAA/USDT", 7, data),),
        alarms=(Alarm(AlarmCode.CLOCK, "", 1, words),),
        locks=(Lock("*", "CODE", words, "risk", 1, None),),
    )
    assert decode_record(encode_record(record)) == record


def test_closed_trades_survive_the_line() -> None:
    """Columns bit for bit."""
    trades = sample_trades(3, seed=1)
    again = decode_record(encode_record(Record(trades=trades))).trades
    assert again is not None
    assert again.net.tobytes() == trades.net.tobytes()
    assert list(again.symbol) == list(trades.symbol)


def test_what_waits_is_booked_in_order_and_once(tmp_path: Path) -> None:
    """Away, back, and a second process that finds the file."""

    async def steps() -> None:
        clock = LoopClock()
        store = AwayStore(MemoryDatabase(clock), ACCOUNT)
        keeper = LeaseKeeper(store, "one", 1_000.0)
        await keeper.acquire(0.0)
        path = tmp_path / "journal"
        journal = Journal(store, keeper, path)
        store.away = True
        assert await journal.book(deposit("5")) is None
        store.away = False
        assert await journal.book(deposit("7")) is None, "nothing overtakes what waits"
        assert journal.blocked
        assert len(path.read_text().splitlines()) == 2
        with path.open("a") as file:
            file.write('{"facts": [')  # torn by a crash
        heir = Journal(store, keeper, path)
        assert await heir.recover() == 2
        assert not heir.blocked
        assert not path.exists()
        assert (await store.load()).balances["USDT"].free == 12
        assert await heir.recover() == 0
        path.write_text("nonsense\n{}\n")
        with pytest.raises(InvariantError, match="line 1"):
            await Journal(store, keeper, path).recover()
        await asyncio.sleep(0)

    virtually(steps)


def test_what_a_fenced_process_wrote_does_not_undo_its_successor(tmp_path: Path) -> None:
    """Its lines follow upon a slot that is long gone; those of the successor, before and after, are booked."""

    async def steps() -> None:
        clock = LoopClock()
        store = AwayStore(MemoryDatabase(clock), ACCOUNT)
        keeper = LeaseKeeper(store, "one", 1_000.0)
        await keeper.acquire(0.0)
        path = tmp_path / "journal"

        def slot(data: bytes) -> Record:
            return Record(slots=(SlotRow("AAA/USDT", 7, data),))

        async def opened() -> Journal:
            journal = Journal(store, keeper, path)
            journal.follow((await store.load()).slots.values())
            return journal

        old = await opened()
        assert await old.book(slot(b"first")) is not None
        new = await opened()
        assert await new.book(slot(b"second")) is not None
        store.away = True
        await new.book(slot(b"third"))
        await old.book(slot(b"late"))
        await new.book(slot(b"fourth"))
        store.away = False
        assert await (await opened()).recover() == 2
        assert (await store.load()).slots["AAA/USDT"].data == b"fourth"
        assert not path.exists()

    virtually(steps)
