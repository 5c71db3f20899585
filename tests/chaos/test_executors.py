"""F17: an executor that was stopped (SIGSTOP) wakes up (SIGCONT) when another one has its account."""

import signal
import subprocess

import pytest

from huracan.execution.model import EventLog
from tests.chaos.relay import Relay
from tests.chaos.world import BOTH, QUICK, Chaos
from tests.trader.processes import ENTER, ROUND_TRIPS, WAIT_S, until

pytestmark = pytest.mark.postgres
ACCOUNTS = ("answered", "trading")
FENCED = 1
"""Exit code of a `FencedError`."""


def woken(world: Chaos, account: str, old: subprocess.Popen[str], through: Relay) -> EventLog:
    """Start a second trader beside a stopped one, wake the old one, and return the history that both leave behind."""
    key = world.keys.accounts[account].api_key
    before = tuple(through.sent[key])
    with world.relayed(), world.trader(account, ENTER, *QUICK) as (new, _):
        status = world.status(account)
        assert status.holder is not None
        assert str(new.pid) in status.holder
        taken_over = world.log(account)
        through.let_go()
        old.send_signal(signal.SIGCONT)
        assert old.wait(WAIT_S) == FENCED
        assert tuple(through.sent[key]) == before, "the old one sent something after the takeover"
        assert new.poll() is None
        log = world.bracketed(account)
        assert set(taken_over.events) <= set(log.events)
    return log


def test_f17_an_old_executor_wakes_with_an_answer_in_its_hands(world: Chaos) -> None:
    """It was stopped between send and T3: the new one adopts the order; the old one books nothing and sends nothing."""
    with world.relayed() as through:
        through.hold()
        with world.trader("answered", ENTER, *QUICK, "--set", "execution.timeout_ms=60000") as (old, _):
            until("a reply on its way", lambda: through.held)
            old.send_signal(signal.SIGSTOP)
            log = woken(world, "answered", old, through)
    assert {fill.trade_id for fill in log.fills} == {trade.trade_id for trade in world.truth("answered").trades}


@pytest.mark.slow
def test_f17_an_old_executor_wakes_in_the_midst_of_trading(world: Chaos) -> None:
    """Stopped wherever it was, with closes and decisions waiting for it."""
    with world.relayed() as through, world.trader("trading", ROUND_TRIPS, *QUICK) as (old, _):
        until("a trade", lambda: world.trades("trading"))
        old.send_signal(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            old.wait(0.1)
        words = ("trading", ROUND_TRIPS, *QUICK)
        key = world.keys.accounts["trading"].api_key
        before = tuple(through.sent[key])
        with world.relayed(), world.trader(*words) as (new, _):
            old.send_signal(signal.SIGCONT)
            assert old.wait(WAIT_S) == FENCED
            assert tuple(through.sent[key]) == before
            count = len(world.trades("trading"))
            until("more trades", lambda: len(world.trades("trading")) > count)
            new.send_signal(signal.SIGTERM)
            assert new.wait(WAIT_S) == 0
    with world.trader("trading", ENTER, *QUICK, *BOTH):
        world.converge("trading")
