"""A decision is written down before it is returned, stays the same when asked for again, and is late or not at all."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.clock import WallClock
from huracan.config import RiskSettings
from huracan.errors import DatabaseError
from huracan.execution.grid import Grid
from huracan.execution.positions import Position
from huracan.policy import CERTAIN, Sureness
from huracan.shadow.trades import regime_of
from huracan.signals.model import Decisions, MarketClose, ServedVersion
from huracan.signals.states import StateBook
from huracan.trader.decided import Decided, MemoryDecisions
from huracan.trader.deciding import PolicyDecider, ScriptDecider, Wish
from huracan.trader.script import parse_script
from huracan.trading import Action, Limits
from tests.execution.world import virtually
from tests.shadow.worlds import LIMITS
from tests.signals.test_states import FIT, KERNEL, TAPES, Momentum, close_at, close_of, walk

BASE_MS = 60_000
VERSION = ServedVersion("v1", "*", "shadow", False, "a" * 64, FIT, 77)


@dataclass
class Maker:
    """Enters everywhere; may be slow, away, or of another version."""

    version: str = "v1"
    wait_s: float = 0.0
    faults: list[Exception] = field(default_factory=list)
    asked: int = 0

    async def decide(self, close_ms: int, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """Decide, sooner or later."""
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        await asyncio.sleep(self.wait_s)
        count = len(symbols)
        action = np.arange(count, dtype=np.int64) % 3
        confidence = np.full(count, 0.25, np.float32)
        return Decisions(tuple(symbols), action, np.zeros((count, 6), np.float32), confidence, (self.version,) * count)


@dataclass
class Planner:
    """What a decision reads of a market."""

    position: Position
    close: Any
    rules: Any = KERNEL.rules


@dataclass
class Desk:
    """A market."""

    planner: Planner


class Log(MemoryDecisions):
    """Decisions that can fail to be kept."""

    failures = 0

    async def keep(self, decided: Decided) -> None:
        """Keep them, or not."""
        if self.failures:
            self.failures -= 1
            raise DatabaseError("the database is away")
        await super().keep(decided)


def place() -> tuple[MarketClose, dict[str, Desk]]:
    """Return the first close of the wild window and flat markets at it."""
    account, symbols, _ = next(walk(Momentum(), RiskSettings()))
    close = close_at(account)
    desks = {}
    for lane, tape in enumerate(TAPES):
        position = Position(Grid.of(tape.instrument), BASE_MS)
        desks[tape.symbol] = Desk(Planner(position, close_of(tape, int(account.lanes.bar[lane]))))
    return replace(close, bars=dict.fromkeys(symbols)), desks  # type: ignore[arg-type]


async def opened(
    maker: Maker,
    log: Log,
    timeout_s: float | None = 1.0,
    cash: str | None = "100000",
    sureness: Sureness = CERTAIN,
    memory: Any = None,
) -> PolicyDecider:
    """Return a decider as a process that starts has it."""
    instruments = {tape.symbol: tape.instrument for tape in TAPES}
    money = None if cash is None else Decimal(cash)
    found = PolicyDecider(
        maker,
        lambda symbol: VERSION,
        lambda symbol: memory,
        log,
        instruments,
        LIMITS,
        lambda: money,
        WallClock(),
        timeout_s,
        sureness,
    )
    await found.open()
    return found


def test_what_is_returned_is_written_down_with_its_states() -> None:
    """Action, version, confidence, regime, state and layout of each market; the account after it as well."""

    async def steps() -> None:
        close, desks = place()
        log, maker = Log(), Maker()
        decider = await opened(maker, log)
        wishes = await decider.decide(close, desks)  # type: ignore[arg-type]
        (kept,) = log.rows
        assert tuple(wish.symbol for wish in wishes) == kept.symbols == tuple(sorted(close.bars))
        for row, wish in enumerate(wishes):
            assert (wish.action, wish.policy, wish.confidence) == (row % 3, "v1", 0.25)
            assert wish.state == kept.states[row].astype("<f4").tobytes()
            assert wish.layout == 77
            assert wish.regime == regime_of(kept.states)[row]
            assert wish.acts == (wish.action != Action.DO_NOTHING)
        assert decider.book is not None
        assert decider.book.to_bytes() == kept.book
        assert decider.book.wallet == 100_000.0

    virtually(steps)


class Burnt:
    """A memory of nothing but losses: entries 52 to 61."""

    def entries(self, state: NDArray[np.float32], close_ms: int, symbol: str) -> NDArray[np.float32]:
        """Return mean -0.5, win rate below all trades', lower bound -0.75: at best a quarter of the risk is lost."""
        return np.array([-0.5, -0.125, -0.75, 0.1, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0], np.float32)


def test_bad_results_of_similar_entries_lower_the_confidence_that_is_written_and_wished() -> None:
    """A quarter less of each entry, as shadow has it of the same states; nothing else of the decision changes."""

    async def steps() -> None:
        close, desks = place()
        log, rule = Log(), Sureness(factor_min=0.5)
        decider = await opened(Maker(), log, sureness=rule, memory=Burnt())
        wishes = await decider.decide(close, desks)  # type: ignore[arg-type]
        (kept,) = log.rows
        entering = kept.action > 0
        assert entering.any()
        assert not entering.all()
        assert kept.confidence.tolist() == [0.1875 if enters else 0.25 for enters in entering]
        assert [wish.confidence for wish in wishes] == kept.confidence.tolist()
        whole = np.full(len(wishes), 0.25, np.float32)
        assert kept.confidence.tobytes() == rule.lowered(kept.action, whole, kept.states).tobytes()

    virtually(steps)


def test_the_outlook_before_the_first_decision_is_what_it_will_be_made_on() -> None:
    """Whoever looks changes nothing and is told nothing as long as the balance is not known."""

    async def steps() -> None:
        close, desks = place()
        decider = await opened(Maker(), Log())
        seats = decider.seats(desks)  # type: ignore[arg-type]
        outlook = decider.outlook(seats)
        assert outlook is not None
        warm = decider.warm(close, seats)
        seen = outlook.look(close, seats, warm)
        assert decider.book is None
        await decider.decide(close, desks)  # type: ignore[arg-type]
        assert decider.last is not None
        rows = [warm.index(symbol) for symbol in decider.last.symbols]
        assert np.array_equal(seen[rows], decider.last.states)
        assert decider.outlook(seats) is decider.book
        assert (await opened(Maker(), Log(), cash=None)).outlook(seats) is None

    virtually(steps)


def test_asked_again_for_a_close_that_was_decided_it_says_the_same() -> None:
    """A process that starts after the one that decided has died asks nobody, and goes on with the same account."""

    async def steps() -> None:
        close, desks = place()
        log, maker = Log(), Maker()
        first = await (await opened(maker, log)).decide(close, desks)  # type: ignore[arg-type]
        later = await opened(Maker(version="v2"), log)
        assert await later.decide(close, desks) == first  # type: ignore[arg-type]
        assert await later.decide(replace(close, close_ms=close.close_ms - BASE_MS), desks) == ()  # type: ignore[arg-type]
        assert (maker.asked, len(log.rows)) == (1, 1)
        assert isinstance(later.book, StateBook)
        assert later.book.to_bytes() == log.rows[0].book

    virtually(steps)


def test_of_a_version_that_decides_no_more_the_layout_is_not_known() -> None:
    """Asked again after another version took over, it says the same of states whose features nobody has any more."""

    async def steps() -> None:
        close, desks = place()
        log = Log()
        first = await (await opened(Maker(), log)).decide(close, desks)  # type: ignore[arg-type]
        later = await opened(Maker(), log)
        later.who = lambda symbol: replace(VERSION, version="v2", layout=78)
        again = await later.decide(close, desks)  # type: ignore[arg-type]
        assert again == tuple(replace(wish, layout=0) for wish in first)

    virtually(steps)


def test_an_answer_after_the_deadline_decides_nothing_and_leaves_the_account_alone() -> None:
    """Nothing is written and nothing wanted; the next close is decided as if nobody had asked."""

    async def steps() -> None:
        close, desks = place()
        log, maker = Log(), Maker(wait_s=5.0)
        decider = await opened(maker, log)
        assert await decider.decide(close, desks) == ()  # type: ignore[arg-type]
        assert (log.rows, decider.book) == ([], None)
        maker.wait_s = 0.5
        assert len(await decider.decide(close, desks)) == len(close.bars)  # type: ignore[arg-type]

    virtually(steps)


def test_the_deadline_runs_from_the_close_and_not_from_the_question() -> None:
    """What a slow database or venue took before counts; whoever is asked too late is not asked at all."""

    async def steps() -> None:
        close, desks = place()
        now_ms = WallClock().now_ms()
        log, maker = Log(), Maker()
        decider = await opened(maker, log, timeout_s=5.0)
        assert await decider.decide(replace(close, heard_ms=now_ms - 6_000), desks) == ()  # type: ignore[arg-type]
        assert (maker.asked, log.rows) == (0, [])
        assert await decider.decide(replace(close, heard_ms=now_ms - 1_000), desks)  # type: ignore[arg-type]
        slow = Maker(wait_s=2.0)
        late = await opened(slow, Log(), timeout_s=5.0)
        assert await late.decide(replace(close, heard_ms=WallClock().now_ms() - 4_000), desks) == ()  # type: ignore[arg-type]
        assert slow.asked == 1

    asyncio.run(steps())


def test_where_time_stands_still_it_is_asked_until_there_is_an_answer_and_it_is_written() -> None:
    """A maker that is away, slow, and a database that is away only make the close longer."""

    async def steps() -> None:
        close, desks = place()
        log, maker = Log(), Maker(wait_s=30.0, faults=[ConnectionError("away"), TimeoutError()])
        log.failures = 3
        decider = await opened(maker, log, timeout_s=None)
        assert len(await decider.decide(close, desks)) == len(close.bars)  # type: ignore[arg-type]
        assert (maker.asked, len(log.rows)) == (3, 1)

    virtually(steps)


def test_what_cannot_be_written_down_is_not_wanted() -> None:
    """Where time goes on a database that is away ends the decision."""

    async def steps() -> None:
        close, desks = place()
        log = Log()
        log.failures = 1
        decider = await opened(Maker(), log)
        with pytest.raises(DatabaseError):
            await decider.decide(close, desks)  # type: ignore[arg-type]
        assert decider.book is None

    virtually(steps)


CASES: Mapping[str, str] = {"another version": "v2", "no money known": "cash", "cold": "cold", "no bar": "bar"}


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_decided_on_a_state_that_is_not_sure(case: str) -> None:
    """Another version answered than the state was made for, the balance is unknown, machines are cold, no bar came."""

    async def steps() -> None:
        close, desks = place()
        maker = Maker(version="v2" if case == "another version" else "v1")
        decider = await opened(maker, Log(), cash=None if case == "no money known" else "1")
        if case == "cold":
            rows = replace(close.fits[FIT], ready=np.zeros(len(close.symbols), np.bool_))
            close = replace(close, fits={FIT: rows})
        if case == "no bar":
            close = replace(close, bars={})
        assert await decider.decide(close, desks) == ()  # type: ignore[arg-type]

    virtually(steps)


def test_a_market_whose_house_is_not_in_order_yet_is_not_decided_on() -> None:
    """Its last closed bar is another than the close's: its fills may not be booked."""

    async def steps() -> None:
        close, desks = place()
        symbol = sorted(close.bars)[0]
        old = desks[symbol].planner.close
        desks[symbol].planner.close = replace(old, bar=old.bar._replace(number=old.bar.number - 1))
        wishes = await (await opened(Maker(), Log())).decide(close, desks)  # type: ignore[arg-type]
        assert {wish.symbol for wish in wishes} == set(close.bars) - {symbol}

    virtually(steps)


def test_a_script_says_what_is_due_and_knows_no_state() -> None:
    """The name of its trades is the script's."""
    script = parse_script('{"every": 1, "symbol": "W0/USDT", "action": "EXIT"}', BASE_MS)
    close, _ = place()
    wishes = asyncio.run(ScriptDecider(script, BASE_MS).decide(close, {}))
    assert wishes == (Wish("W0/USDT", int(Action.EXIT), script.policy),)
    assert (wishes[0].state, wishes[0].layout, wishes[0].regime, wishes[0].acts) == (b"", 0, -1, True)
    assert Limits.of(RiskSettings()) == LIMITS
