"""The journal: what has happened is booked in the store, or kept in memory and on disk until the store is back.

While something waits, `blocked` is true and nothing new is sent: an order must never be written down after it was sent.

A process that lost its lease may still write here, after its successor has started, on this machine or another one. So
each line states which slots it follows upon. A later start leaves out what follows upon other slots than the store has:
its fills are asked for again at the venue, and nothing else in it is the venue's word.
"""

import base64
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from huracan.errors import DatabaseError, InvariantError
from huracan.execution.lease import LeaseKeeper
from huracan.execution.model import (
    Alarm,
    AlarmCode,
    Booked,
    Fill,
    Lock,
    OrderFact,
    Record,
    SlotRow,
    Status,
    Transfer,
    Trigger,
)
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.memory import TradeRows
from huracan.venue.orders import Side

__all__ = ["Journal", "decode_record", "encode_record"]


class Journal:
    """Books records in order; one engine's.

    Args:
        store: of the account.
        keeper: its lease.
        path: file in which waiting records survive the process; its folder must exist.
    """

    def __init__(self, store: Store, keeper: LeaseKeeper, path: Path) -> None:
        self._store, self._keeper, self._path = store, keeper, path
        self._waiting: list[Record] = []
        self._slots: dict[str, str] = {}  # digest of each slot, as the store will have it when nothing waits
        self._doubtful: list[tuple[str, str, int]] = []

    @property
    def blocked(self) -> bool:
        """Return whether the store has not taken everything: nothing new may be sent."""
        return bool(self._waiting or self._doubtful)

    async def book(self, record: Record) -> Booked | None:
        """Book a record, or keep it when the store is away (None).

        Raises:
            FencedError: the lease is someone else's.
        """
        if self._waiting:
            self._keep(record)
            return None
        try:
            booked = await self._store.record(self._keeper.lease, record)
        except DatabaseError as error:
            get_logger().error("journal.blocked", reason=str(error))
            self._keep(record)
            return None
        self._slots |= _digests(record.slots)
        return booked

    def follow(self, slots: Iterable[SlotRow]) -> None:
        """Note which slots the store has."""
        self._slots = _digests(slots)

    async def unseen(self, fills: tuple[Fill, ...]) -> tuple[Fill, ...]:
        """Return those that are neither booked nor waiting to be.

        Raises:
            DatabaseError: the store does not answer.
        """
        waiting = {fill.key for record in self._waiting for fill in record.fills}
        return tuple(fill for fill in await self._store.unseen(fills) if fill.key not in waiting)

    def doubt(self, cid: str, reason: str, at_ms: int) -> None:
        """Note an order that was not sent, and of which the store may have a row that says otherwise."""
        self._doubtful.append((cid, reason, at_ms))

    async def flush(self) -> bool:
        """Book what waits; return whether nothing is left.

        A record whose fills are booked already was written when the store seemed to fail.

        Raises:
            FencedError: the lease is someone else's.
        """
        try:
            while self._waiting:
                record = self._waiting[0]
                if not record.fills or await self._store.unseen(record.fills):
                    await self._store.record(self._keeper.lease, record)
                self._waiting.pop(0)
            while self._doubtful:
                await self._settle(*self._doubtful[0])
                self._doubtful.pop(0)
        except DatabaseError:
            return False
        self._path.unlink(missing_ok=True)
        return True

    async def recover(self) -> int:
        """Book what an earlier process left on disk; return the number of its records.

        Raises:
            InvariantError: the file cannot be read.
        """
        if not self._path.exists():
            return 0
        slots = _digests((await self._store.load()).slots.values())
        lines = self._path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            try:
                record, before = decode_record(line), json.loads(line)["before"]
                after = _digests(record.slots)
                if any(slots.get(symbol, "") not in (before[symbol], after[symbol]) for symbol in after):
                    get_logger().warning("journal.stale", path=str(self._path), line=number + 1, symbols=list(after))
                    continue
                self._waiting.append(record)
                slots |= after
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines) - 1:  # torn by the crash; its facts are asked for again at the venue
                    get_logger().warning("journal.torn", path=str(self._path), line=number + 1)
                    break
                raise InvariantError(f"{self._path}, line {number + 1}: {error}; move the file away") from error
        count = len(self._waiting)
        if not await self.flush():
            raise DatabaseError(f"the store does not take the {count} records of {self._path}; start again later")
        return count

    async def _settle(self, cid: str, reason: str, at_ms: int) -> None:
        order = await self._store.order(cid)
        if order is None or order.status is not Status.SUBMITTED:
            return
        trigger = Trigger.ABANDON if order.sent_ms is None else Trigger.REJECT
        await self._store.record(self._keeper.lease, Record(facts=(OrderFact(cid, trigger, at_ms, reason=reason),)))

    def _keep(self, record: Record) -> None:
        after = _digests(record.slots)
        line = encode_record(record, {symbol: self._slots.get(symbol, "") for symbol in after})
        self._waiting.append(record)
        self._slots |= after
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


def encode_record(record: Record, before: Mapping[str, str] | None = None) -> str:
    """Return a record as one line of JSON; `before` are digests of the slots that its own follow upon, by symbol."""
    rows = None
    if record.trades is not None:
        buffer = io.BytesIO()
        columns = {column.name: getattr(record.trades, column.name) for column in fields(record.trades)}
        np.savez(buffer, **columns)
        rows = base64.b64encode(buffer.getvalue()).decode()
    return json.dumps(
        {
            "facts": [_plain(fact) for fact in record.facts],
            "fills": [_plain(fill) for fill in record.fills],
            "transfers": [_plain(transfer) for transfer in record.transfers],
            "cursors": dict(record.cursors),
            "slots": [[row.symbol, row.bar_no, base64.b64encode(row.data).decode()] for row in record.slots],
            "before": dict(before or {}),
            "trades": rows,
            "alarms": [_plain(alarm) for alarm in record.alarms],
            "locks": [_plain(lock) for lock in record.locks],
        }
    )


def decode_record(line: str) -> Record:
    """Return the record of `encode_record`'s line."""
    data: dict[str, Any] = json.loads(line)
    trades = None
    if data["trades"] is not None:
        with np.load(io.BytesIO(base64.b64decode(data["trades"])), allow_pickle=False) as columns:
            trades = TradeRows(**{name: columns[name] for name in columns.files})
    return Record(
        facts=tuple(
            OrderFact(
                **{
                    **row,
                    "trigger": Trigger(row["trigger"]),
                    "venue_filled": None if row["venue_filled"] is None else Decimal(row["venue_filled"]),
                }
            )
            for row in data["facts"]
        ),
        fills=tuple(
            Fill(
                **{
                    **row,
                    "side": Side(row["side"]),
                    **{name: Decimal(row[name]) for name in ("quantity", "price", "commission")},
                }
            )
            for row in data["fills"]
        ),
        transfers=tuple(Transfer(**{**row, "amount": Decimal(row["amount"])}) for row in data["transfers"]),
        cursors=data["cursors"],
        slots=tuple(SlotRow(symbol, bar, base64.b64decode(text)) for symbol, bar, text in data["slots"]),
        trades=trades,
        alarms=tuple(Alarm(**{**row, "code": AlarmCode(row["code"])}) for row in data["alarms"]),
        locks=tuple(Lock(**row) for row in data["locks"]),
    )


def _digests(slots: Iterable[SlotRow]) -> dict[str, str]:
    return {row.symbol: hashlib.sha256(row.data).hexdigest() for row in slots}


def _plain(value: Any) -> dict[str, Any]:
    row = {column.name: getattr(value, column.name) for column in fields(value)}
    return {name: str(item) if isinstance(item, Decimal) else item for name, item in row.items()}
