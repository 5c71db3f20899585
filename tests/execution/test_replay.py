"""Replay: the history gives the projections, and every damage to either is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import Balances, EventLog, IntentKind, Trigger
from huracan.execution.replay import differences, replay_orders
from tests.execution.samples import NOW_MS, SYMBOL, D, Desk, awaited, bracket, fact, fill, intent
from tests.execution.test_memory_store import HandClock


async def history() -> EventLog:
    """Return the log of a bought position whose bracket has partly filled."""
    desk = await Desk.open(MemoryStore(MemoryDatabase(HandClock()), "main"))
    await desk.bought(intent())
    await desk.store.put_intent(parent := intent(kind=IntentKind.PROTECT))
    legs = bracket(parent, 0, "2.9", "110", "90")
    await desk.submit(*legs)
    await desk.book(fill(legs[0], "3", "1", price="110"), facts=tuple(fact(leg, Trigger.ACCEPT) for leg in legs))
    return await desk.store.log()


@awaited
async def test_a_sound_history_has_no_difference() -> None:
    """Orders, positions, balances and reservations follow from the log to the last digit (I12)."""
    log = await history()
    assert differences(log) == ()
    assert list(replay_orders(log)) == [order.cid for order in log.orders]
    assert log.balances["BTC"] == Balances(free=D("0.097"), locked=D("1.9"), venue=D(-2), fees=D("0.003"))


def _order(**changes: object) -> Callable[[EventLog], EventLog]:
    return lambda log: replace(log, orders=(replace(log.orders[0], **changes), *log.orders[1:]))  # type: ignore[arg-type]


DAMAGE: dict[str, Callable[[EventLog], EventLog]] = {
    "a sum of an order": _order(filled=D("2.9")),
    "a cost of an order": _order(cost=D("300.00000001")),
    "a venue id": _order(venue_id=None),
    "an event gone": lambda log: replace(log, events=(log.events[0], *log.events[2:])),
    "an event twice": lambda log: replace(log, events=(log.events[0], *log.events)),
    "a fill gone": lambda log: replace(log, fills=log.fills[1:]),
    "a fill without event": lambda log: replace(log, fills=(*log.fills, replace(log.fills[0], trade_id="9"))),
    "a fill's price": lambda log: replace(log, fills=(replace(log.fills[0], price=D(1)), *log.fills[1:])),
    "an entry gone": lambda log: replace(log, entries=log.entries[:-1]),
    "an entry's amount": lambda log: replace(log, entries=(*log.entries[:-1], replace(log.entries[-1], amount=D(7)))),
    "a balance": lambda log: replace(log, balances={**log.balances, "BTC": Balances()}),
    "a position": lambda log: replace(log, positions={SYMBOL: replace(log.positions[SYMBOL], sold=D(2))}),
    "a reservation gone": lambda log: replace(log, reservations={}),
}


@pytest.mark.parametrize("damage", DAMAGE)
@awaited
async def test_damage_is_found(damage: str) -> None:
    """One figure changed, one row more or less: there is a difference."""
    assert differences(DAMAGE[damage](await history())) != ()


@awaited
async def test_times_are_kept() -> None:
    """An order was last touched when its last event happened."""
    assert {order.updated_ms for order in (await history()).orders} == {NOW_MS + 500, NOW_MS + 400}
