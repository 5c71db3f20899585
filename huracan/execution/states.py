"""Writing the trading state: one more line of its history, kept on disk while the store cannot take it.

A halt or a reduction holds in its process at once. Were it forgotten because the store was away at that moment, the
next start would trade on; so it waits in a file beside the journal, and is written first when the store is back.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from huracan.clock import Clock
from huracan.errors import DatabaseError, InvariantError
from huracan.execution.model import StateChange
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.risk.live import BY_ITSELF, TradingState

__all__ = ["StateWriter", "obeyed", "write_state"]

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
        standing: what was last ordered or obeyed here; None: nothing was.
    """

    def __init__(self, store: Store, clock: Clock, path: Path) -> None:
        self.seq = 0
        self.standing: StateChange | None = None
        self._store, self._clock, self._path = store, clock, path
        self._pending: StateChange | None = None

    async def write(self, state: TradingState, author: str, reason: str) -> None:
        """Write a state now.

        Raises:
            DatabaseError: the store is away; nothing is kept.
        """
        change = StateChange(0, state, author, reason, self._clock.now_ms())
        await self._write(change)
        self.standing = change
        self._forget()

    async def insist(self, state: TradingState, author: str, reason: str) -> None:
        """Write a state that only tightens, now or as soon as the store is back."""
        change = StateChange(0, state, author, reason, self._clock.now_ms())
        if self._pending is not None and _STRICTNESS[TradingState(self._pending.state)] > _STRICTNESS[state]:
            change = self._pending
        self._pending = self.standing = change
        try:
            await self.flush()
        except DatabaseError as error:
            get_logger().error("state.unwritten", state=state, author=author, reason=str(error))
            self._path.write_text(json.dumps(asdict(change)), encoding="utf-8")
            with self._path.open("rb") as file:
                os.fsync(file.fileno())

    async def flush(self) -> None:
        """Write what waits, unless it stands there already or more strictly, or a person has decided later.

        What a program wrote meanwhile was decided without knowing of this.

        Raises:
            DatabaseError: the store is still away.
        """
        change = self._pending
        if change is None:
            return
        rows = await self._store.state_history()
        if rows:
            last = rows[-1]
            persons = [row for row in rows if row.seq > self.seq and row.author not in BY_ITSELF]
            later = any(row.at_ms > change.at_ms for row in persons)
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


def obeyed(known: TradingState, rows: Sequence[StateChange]) -> StateChange | None:
    """Return which of the rows is in force after them; None: what is known stands.

    It is the newest, but for rows in which a program loosens what stood before them: only a person does that.

    Args:
        known: the state in force before the rows.
        rows: of the account's history that are new, oldest first.
    """
    found = None
    for row in rows:
        state = TradingState(row.state)
        if row.author in BY_ITSELF and _STRICTNESS[state] < _STRICTNESS[known]:
            continue
        found, known = row, state
    return found


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
