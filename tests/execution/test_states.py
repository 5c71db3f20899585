"""The trading state's history grows by one line, whoever else writes."""

from pathlib import Path

import pytest

from huracan.clock import WallClock
from huracan.errors import InvariantError
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import StateChange
from huracan.execution.states import StateWriter, write_state
from huracan.risk.live import TradingState
from tests.execution.samples import awaited


class Contested(MemoryStore):
    """A store in which somebody writes in between, so many times."""

    rivals = 0

    async def state(self) -> StateChange | None:
        """Return the state, and let a rival write the next one."""
        found = await super().state()
        if self.rivals:
            self.rivals -= 1
            await self.change_state(StateChange(1 if found is None else found.seq + 1, "REDUCING", "rival", "x", 0))
        return found


@awaited
async def test_it_is_written_after_those_who_were_faster() -> None:
    """Nothing is lost and nothing is written twice."""
    store = Contested(MemoryDatabase(WallClock()), "main")
    store.rivals = 3
    row = await write_state(store, TradingState.HALTED, "anna@home", "a test", 5)
    assert row == StateChange(4, "HALTED", "anna@home", "a test", 5)
    assert [one.author for one in await store.state_history()] == ["rival"] * 3 + ["anna@home"]


@awaited
async def test_it_gives_up_rather_than_try_for_ever() -> None:
    """Ten times is a defect somewhere."""
    store = Contested(MemoryDatabase(WallClock()), "main")
    store.rivals = 1_000
    with pytest.raises(InvariantError):
        await write_state(store, TradingState.HALTED, "anna@home", "a test", 5)


@awaited
async def test_what_stands_there_already_is_not_written_again(tmp_path: Path) -> None:
    """A halt that is repeated until the venue confirms it is one line of the history."""
    store = MemoryStore(MemoryDatabase(WallClock()), "main")
    writer = StateWriter(store, WallClock(), tmp_path / "main.state")
    for _ in range(3):
        await writer.insist(TradingState.HALTED, "breaker", "rejects")
    await writer.insist(TradingState.HALTED, "breaker", "another reason")
    assert [row.reason for row in await store.state_history()] == ["rejects", "another reason"]
