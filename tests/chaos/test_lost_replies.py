"""F5 over real HTTP: the order is taken and its reply is lost, in every way that a connection can lose it."""

import signal

import pytest

from huracan.execution.model import Status
from huracan.paper.faults import LOST_HOW
from tests.chaos.world import QUICK, Chaos
from tests.trader.processes import ENTER, WAIT_S

pytestmark = pytest.mark.postgres
ACCOUNTS = tuple(f"lost-{how.lower()}" for how in LOST_HOW)
FAST = "RESET"


@pytest.mark.parametrize("how", [how if how == FAST else pytest.param(how, marks=pytest.mark.slow) for how in LOST_HOW])
def test_f5_the_reply_is_lost_after_the_order_was_taken(how: str, world: Chaos) -> None:
    """One POST a client order id, the order is found again with what it filled in between, and a bracket follows."""
    account = f"lost-{how.lower()}"
    world.lose(account, how)
    with world.trader(account, ENTER, *QUICK) as (process, _):
        log = world.bracketed(account)
        lost = log.orders[0]
        assert any(event.cid == lost.cid and event.status is Status.UNKNOWN for event in log.events)
        assert lost.filled > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
