"""A running trader under remedies: entries are denied with their code or made smaller, exits and stops go on."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from huracan.execution.model import IntentKind, IntentStatus
from huracan.execution.states import write_state
from huracan.risk.live import MONITOR, Restriction, RestrictionKind, TradingState
from huracan.trader.restricting import MemoryRestrictions
from tests.trader.inside import SYMBOL, inside, really
from tests.trader.processes import ENTER

LARGE = ENTER.replace("NORMAL", "LARGE")


def under(kind: str, subject: str = "", value: float | None = None) -> MemoryRestrictions:
    """Return a source with one restriction in force."""
    found = MemoryRestrictions()
    found.rows = (Restriction(7, RestrictionKind(kind), subject, value, None, "a test"),)
    return found


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (under("pause_coin", SYMBOL), "COIN_PAUSED"),
        (under("pause_coin", "*"), "COIN_PAUSED"),
        (under("raise_confidence", "", 0.1), "LOW_CONFIDENCE"),  # a script is not sure of anything
        (under("pause_pattern", "1/1"), "STATE_UNKNOWN"),  # and knows no state
    ],
)
def test_entries_are_denied_with_the_code_until_the_row_is_gone(
    tmp_path: Path, source: MemoryRestrictions, code: str
) -> None:
    """Written into the intent; without the row the next entry goes out, as if there had been none."""

    async def steps() -> None:
        async with inside(tmp_path) as world, world.trading(restricting=source) as trader:
            begun = trader.market_ms
            await world.until("four closes", lambda: trader.market_ms >= begun + 240_000)
            assert world.exchange.trades("main") == []
            intents = world.database.tables("main").book.intents.values()
            entries = [row for row in intents if row.kind is IntentKind.ENTER]
            judged = [row for row in entries if row.status is not IntentStatus.OPEN]
            assert {row.status for row in judged} == {IntentStatus.DENIED}
            assert code in {row.code for row in judged}
            source.rows = ()
            await world.until("an entry", lambda: world.exchange.trades("main"))

    really(steps)


def test_what_is_of_another_coin_or_has_expired_changes_nothing(tmp_path: Path) -> None:
    """Two rows that do not speak of these entries: they go out as ever."""
    source = MemoryRestrictions()
    source.rows = (
        Restriction(1, RestrictionKind.PAUSE_COIN, "ZZZ/USDT", None, None, "another"),
        Restriction(2, RestrictionKind.PAUSE_COIN, SYMBOL, None, 1, "long over"),
        Restriction(3, RestrictionKind.RAISE_CONFIDENCE, "v9", 0.9, None, "another version"),
    )

    async def steps() -> None:
        async with inside(tmp_path) as world, world.trading(restricting=source):
            await world.until("an entry", lambda: world.exchange.trades("main"))

    really(steps)


def test_a_larger_entry_is_made_smaller_and_the_intent_says_so(tmp_path: Path) -> None:
    """1.5 stakes wanted, 0.5 allowed: the intent's action and the quantity that is bought are those of 0.5."""

    async def bought(**changes: Any) -> tuple[int | None, Decimal]:
        async with inside(tmp_path / str(len(changes))) as world, world.trading(LARGE, **changes):
            await world.until("a bracket", world.resting)
            (entry,) = [row for row in (await world.store.load()).intents.values() if row.kind is IntentKind.ENTER]
            assert entry.quantity is not None
            return entry.action, entry.quantity

    async def steps() -> None:
        action, whole = await bought()
        smaller, part = await bought(restricting=under("reduce_size", "", 0.5))
        assert (action, smaller) == (3, 1)
        assert Decimal("0.3") < part / whole < Decimal("0.36")

    really(steps)


def test_a_halt_of_the_monitor_leaves_the_stops_and_a_persons_takes_them(tmp_path: Path) -> None:
    """Nothing is bought, exits may go, what is held keeps its bracket; a machine's halt leaves nobody naked."""

    async def steps() -> None:
        async with inside(tmp_path) as world, world.trading() as trader:
            await world.until("a bracket", world.resting)
            begun = trader.market_ms
            await write_state(world.store, TradingState.HALTED, MONITOR.name, "feed_silent: a test", 1)
            await world.until("a halt", lambda: trader.state is TradingState.HALTED, 5.0)
            await world.until("two closes", lambda: trader.market_ms >= begun + 180_000)
            assert all(row["side"] == "SELL" for row in world.resting())
            held = await trader.held()
            assert held is not None
            assert [row.protected for row in held] == [True] * len(held)
            await write_state(world.store, TradingState.HALTED, "anna@home", "really", 2)
            await world.until("nothing resting", lambda: not world.resting(), 5.0)

    really(steps)
