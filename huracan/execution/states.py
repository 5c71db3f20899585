"""Writing the trading state: one more line of its history, kept on disk while the store cannot take it.

A halt or a reduction holds in its process at once. Were it forgotten because the store was away at that moment, the
next start would trade on; so it waits in a file beside the journal, and is written first when the store is back.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

from huracan.clock import Clock
from huracan.errors import DatabaseError, InvariantError
from huracan.execution.model import StateChange
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.risk.live import TradingState

__all__ = ["StateWriter", "write_state"]

_WRITES_MAX = 10
_STRICTNESS = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


class StateWriter:
    """Writes the trading state of one account.

    Args:
        store: of the account.
        clock: wall clock.
        path: file in which a state survives the process; its folder must exist.

    Attributes:
        seq: newest row that was read or written here; 0: none.
    """

    def __init__(self, store: Store, clock: Clock, path: Path) -> None:
        self.seq = 0
        self._store, self._clock, self._path = store, clock, path
        self._pending: StateChange | None = None

    async def write(self, state: TradingState, author: str, reason: str) -> None:
        """Write a state now.

        Raises:
            DatabaseError: the store is away; nothing is kept.
        """
        await self._write(StateChange(0, state, author, reason, self._clock.now_ms()))
        self._forget()

    async def insist(self, state: TradingState, author: str, reason: str) -> None:
        """Write a state that only tightens, now or as soon as the store is back."""
        change = StateChange(0, state, author, reason, self._clock.now_ms())
        if self._pending is not None and _STRICTNESS[TradingState(self._pending.state)] > _STRICTNESS[state]:
            change = self._pending
        self._pending = change
        try:
            await self.flush()
        except DatabaseError as error:
            get_logger().error("state.unwritten", state=state, author=author, reason=str(error))
            self._path.write_text(json.dumps(asdict(change)), encoding="utf-8")
            with self._path.open("rb") as file:
                os.fsync(file.fileno())

    async def flush(self) -> None:
        """Write what waits, unless it stands there already, or somebody has decided later or more strictly.

        Raises:
            DatabaseError: the store is still away.
        """
        change = self._pending
        if change is None:
            return
        last = await self._store.state()
        if last is not None:
            later = last.seq > self.seq and last.at_ms > change.at_ms
            same = (last.state, last.author, last.reason) == (change.state, change.author, change.reason)
            if later or same or _STRICTNESS[TradingState(last.state)] > _STRICTNESS[TradingState(change.state)]:
                self._forget()
                return
        await self._write(change)
        self._forget()

    async def recover(self) -> None:
        """Write what an earlier process could not.

        Raises:
            InvariantError: the file cannot be read.
            DatabaseError: the store is away.
        """
        if not self._path.exists():
            return
        try:
            row = StateChange(**json.loads(self._path.read_text(encoding="utf-8")))
            TradingState(row.state)
        except (ValueError, TypeError) as error:
            raise InvariantError(f"{self._path}: {error}; read it, halt by hand, and move it away") from error
        self._pending = row
        await self.flush()
        self.seq = 0

    async def _write(self, change: StateChange) -> None:
        state = TradingState(change.state)
        self.seq = (await write_state(self._store, state, change.author, change.reason, change.at_ms)).seq

    def _forget(self) -> None:
        self._pending = None
        self._path.unlink(missing_ok=True)


async def write_state(store: Store, state: TradingState, author: str, reason: str, at_ms: int) -> StateChange:
    """Append a state to the account's history and return the line.

    Args:
        store: of the account.
        state: from now on.
        author: who; never empty.
        reason: why; never empty.
        at_ms: wall clock.

    Raises:
        DatabaseError: the store does not answer.
        InvariantError: others wrote faster, ten times in a row.
    """
    for _ in range(_WRITES_MAX):
        last = await store.state()
        row = StateChange(1 if last is None else last.seq + 1, state, author, reason, at_ms)
        if await store.change_state(row):
            return row
    raise InvariantError(f"the trading state changed {_WRITES_MAX} times while {state} was to be written")
