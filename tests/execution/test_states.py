"""The trading state's history grows by one line, whoever else writes."""

from pathlib import Path

import pytest

from huracan.clock import WallClock
from huracan.errors import InvariantError
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import StateChange
from huracan.execution.states import StateWriter, obeyed, write_state
from huracan.risk.live import TradingState
from tests.execution.samples import awaited
from tests.trader.away import DistantStore


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


class Ticking:
    """A clock that goes on by a second whenever it is asked."""

    ms = 0

    def now_ms(self) -> int:
        """See `Clock`."""
        self.ms += 1_000
        return self.ms


@pytest.mark.parametrize("how", ["back", "restart"])
@pytest.mark.parametrize("author", ["monitor", "engine", "trader"])
@awaited
async def test_a_programs_later_row_does_not_take_back_a_halt_that_waits(tmp_path: Path, how: str, author: str) -> None:
    """The monitor saw ACTIVE and reduced while the breaker's halt could not be written: the halt stands."""
    store, clock = DistantStore(MemoryStore(MemoryDatabase(WallClock()), "main")), Ticking()
    writer = StateWriter(store, clock, tmp_path / "main.state")  # type: ignore[arg-type]
    store.away = True
    await writer.insist(TradingState.HALTED, "breaker", "rejects")
    await write_state(store.inner, TradingState.REDUCING, author, "disk_full", clock.now_ms())
    store.away = False
    if how == "restart":
        writer = StateWriter(store, clock, tmp_path / "main.state")  # type: ignore[arg-type]
        await writer.recover()
    else:
        await writer.flush()
    assert [row.state for row in await store.inner.state_history()] == ["REDUCING", "HALTED"]
    assert not list(tmp_path.iterdir())


@awaited
async def test_a_persons_later_word_counts_also_under_a_programs(tmp_path: Path) -> None:
    """Resumed by anna, then reduced by the monitor: a halt from before both has been decided."""
    store, clock = DistantStore(MemoryStore(MemoryDatabase(WallClock()), "main")), Ticking()
    writer = StateWriter(store, clock, tmp_path / "main.state")  # type: ignore[arg-type]
    store.away = True
    await writer.insist(TradingState.HALTED, "breaker", "rejects")
    await write_state(store.inner, TradingState.ACTIVE, "anna@home", "looked", clock.now_ms())
    await write_state(store.inner, TradingState.REDUCING, "monitor", "disk_full", clock.now_ms())
    store.away = False
    await writer.flush()
    assert [row.author for row in await store.inner.state_history()] == ["anna@home", "monitor"]


def test_only_a_person_loosens() -> None:
    """Of the rows that are new the newest is obeyed, but no program's that allows more than stood before it."""
    reduced, halted = StateChange(2, "REDUCING", "monitor", "x", 2), StateChange(1, "HALTED", "anna@home", "x", 1)
    resumed = StateChange(1, "ACTIVE", "anna@home", "x", 1)
    assert obeyed(TradingState.HALTED, [reduced]) is None
    assert obeyed(TradingState.ACTIVE, [reduced]) is reduced
    assert obeyed(TradingState.ACTIVE, [halted, reduced]) is halted
    assert obeyed(TradingState.HALTED, [resumed, reduced]) is reduced
    assert obeyed(TradingState.HALTED, [resumed]) is resumed
    assert obeyed(TradingState.HALTED, []) is None
