"""SIGKILL at each named failpoint: what the next start finds, decides, and never sends again."""

import signal
from collections.abc import Callable

import pytest

from huracan.execution.failpoints import Failpoint
from huracan.execution.model import EventLog, Order, Status
from tests.chaos.world import QUICK, Chaos
from tests.trader.processes import ENTER, until

pytestmark = pytest.mark.postgres
EXIT = '{"every": 1, "symbol": "BTC/USDT", "action": "EXIT"}'
ACCOUNTS = tuple(f"{place}-{side}" for place in Failpoint for side in ("entry", "exit"))


def dead_after_t1(order: Order, world: Chaos, account: str) -> None:
    """Written down, not marked; its money is bound."""
    assert (order.status, order.sent_ms) == (Status.SUBMITTED, None)
    assert order.cid not in world.posts(account)


def dead_after_t2(order: Order, world: Chaos, account: str) -> None:
    """Marked as sent, and it never left."""
    assert order.status is Status.SUBMITTED
    assert order.sent_ms is not None
    assert order.cid not in world.posts(account)


def dead_after_accept(order: Order, world: Chaos, account: str) -> None:
    """The venue has it, and nothing of that is booked."""
    assert (order.status, order.filled) == (Status.SUBMITTED, 0)
    assert world.posts(account)[order.cid] == 1
    assert order.cid in {one.cid for one in world.truth(account).orders}


def dead_after_book(order: Order, world: Chaos, account: str) -> None:
    """The answer is booked whole: status, fills, position and money tell the same story."""
    assert order.status not in (Status.SUBMITTED, Status.UNKNOWN)
    assert order.venue_id is not None


DEAD: dict[Failpoint, Callable[[Order, Chaos, str], None]] = {
    Failpoint.AFTER_T1: dead_after_t1,
    Failpoint.AFTER_T2: dead_after_t2,
    Failpoint.AFTER_ACCEPT: dead_after_accept,
    Failpoint.AFTER_BOOK: dead_after_book,
}
NEVER_LEFT = {Failpoint.AFTER_T1: Status.NEVER_SENT, Failpoint.AFTER_T2: Status.REJECTED}


def found_dead(world: Chaos, account: str, place: Failpoint) -> Order:
    """Look at what a killed trader left behind, and return the order it died with."""
    log = world.log(account)
    assert not world.violations(account, converged=False)
    last = log.orders[-1]
    DEAD[place](last, world, account)
    assert place is Failpoint.AFTER_BOOK or last.draft.ref in log.reservations
    return last


def check_fate(world: Chaos, account: str, place: Failpoint, died_with: Order, log: EventLog) -> None:
    """Look at what became of the order that a trader died with."""
    fate = {order.cid: order for order in log.orders}[died_with.cid]
    theirs = {one.cid: one for one in world.truth(account).orders}
    if place in NEVER_LEFT:
        assert (fate.status, fate.filled) == (NEVER_LEFT[place], 0)
        assert fate.cid not in world.posts(account)
        assert fate.cid not in theirs
        assert fate.draft.ref not in log.reservations
    else:
        assert world.posts(account)[fate.cid] == 1
        assert fate.venue_id == theirs[fate.cid].venue_id
        assert fate.filled == theirs[fate.cid].filled
    assert {fill.trade_id for fill in log.fills} == {trade.trade_id for trade in world.truth(account).trades}


@pytest.mark.parametrize("place", Failpoint)
def test_f1_to_f4_killed_with_an_entry(place: Failpoint, world: Chaos) -> None:
    """What never left is NEVER_SENT or REJECTED by proof, what the venue took is adopted by its id; trading goes on."""
    account = f"{place}-entry"
    assert world.die(account, place) == -signal.SIGKILL
    died_with = found_dead(world, account, place)
    with world.trader(account, ENTER, *QUICK):
        check_fate(world, account, place, died_with, world.bracketed(account))


@pytest.mark.slow
@pytest.mark.parametrize("place", Failpoint)
def test_f1_to_f4_killed_with_an_exit(place: Failpoint, world: Chaos) -> None:
    """A position is not sold twice, nor left without a way out."""
    account = f"{place}-exit"
    with world.trader(account, ENTER, *QUICK) as (process, _):
        world.bracketed(account)
        process.kill()
        process.wait(20)
    assert world.die(account, place, EXIT) == -signal.SIGKILL
    died_with = found_dead(world, account, place)
    with world.trader(account, EXIT, *QUICK):
        until("a sale", lambda: world.truth(account).balances.keys() <= {"USDT"} or _sold(world, account))
        check_fate(world, account, place, died_with, world.converge(account))


def _sold(world: Chaos, account: str) -> bool:
    """Return whether less than one step of coins is left."""
    held, step = world.truth(account).balances["BTC"], world.grids["BTC/USDT"][1]
    return held.free + held.locked < step
