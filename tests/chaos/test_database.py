"""F14: the database is gone, with a server of its own to stop: before T1, between send and T3, and for a while only."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from huracan.execution.model import Status
from huracan.memory import EmbeddedServer
from tests.chaos.world import BOTH, HASTY, Chaos, chaotic
from tests.memory.own_server import own_server
from tests.trader.processes import ENTER, ROUND_TRIPS, WAIT_S, until, write_candles

pytestmark = pytest.mark.postgres
ACCOUNTS = ("before", "held", "killed", "slow")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server that only this module's processes use."""
    with own_server() as found:
        yield found


@pytest.fixture(scope="module")
def world(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chaos]:
    """An exchange whose traders write to that server."""
    folder = write_candles(tmp_path_factory.mktemp("candles"))
    with chaotic(tmp_path_factory.mktemp("home"), server.url(), folder, ACCOUNTS) as found:
        yield found


def closes(world: Chaos, count: int) -> None:
    """Wait until so many bars have closed at the exchange."""
    begun = world.market_ms()
    until(f"{count} closes", lambda: world.market_ms() >= begun + count * 60_000)


def journal(world: Chaos, account: str) -> Path:
    """Return the file in which a trader keeps what the database could not take."""
    return world.home / "trade" / f"{account}.journal"


def sent_before(world: Chaos, account: str, posted: set[str], gone_ms: int) -> None:
    """See to it that what left while the database was gone had been marked as sent before."""
    rows = {order.cid: order for order in world.orders(account)}
    for cid in posted:
        marked = rows[cid].sent_ms
        assert marked is not None
        assert marked <= gone_ms


@pytest.mark.slow
def test_f14_no_order_leaves_while_the_database_is_gone(world: Chaos, server: EmbeddedServer) -> None:
    """Round trips every other bar, and for eight bars none: each order had its row first; then trading goes on."""
    with world.trader("before", ROUND_TRIPS, *HASTY) as (process, _):
        until("a bracket", lambda: world.lists("before"))
        server.stop()
        gone_ms, known = time.time_ns() // 1_000_000, set(world.posts("before"))
        closes(world, 8)
        late = set(world.posts("before")) - known
        server.start()
        sent_before(world, "before", late, gone_ms)
        posted = len(world.posts("before"))
        until("another order", lambda: len(world.posts("before")) > posted)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    with world.trader("before", ENTER, *HASTY, *BOTH):
        world.converge("before", orders=2)


def without_database_at_t3(world: Chaos, server: EmbeddedServer, account: str) -> str:
    """Stop the database while an answer is on its way, let it come, and return the order's id once it is kept."""
    relay = world.relays[0]
    until("a reply on its way", lambda: relay.held)
    (cid,) = world.posts(account)
    server.stop()
    relay.let_go()
    until("a result kept on disk", lambda: journal(world, account).exists())
    assert list(world.posts(account)) == [cid]
    return cid


def test_f14_gone_between_send_and_t3_the_result_is_held_and_flushed(world: Chaos, server: EmbeddedServer) -> None:
    """The answer waits in the journal, nothing else is sent, and it is booked when the database is back."""
    world.relays[0].hold()
    with world.trader("held", ENTER, *HASTY, "--set", "execution.timeout_ms=60000"):
        cid = without_database_at_t3(world, server, "held")
        closes(world, 4)
        assert list(world.posts("held")) == [cid]
        server.start()
        until("an empty journal", lambda: not journal(world, "held").exists())
        log = world.bracketed("held")
    assert {order.cid: order.status for order in log.orders}[cid] is Status.FILLED


@pytest.mark.slow
def test_f14_gone_between_send_and_t3_and_killed(world: Chaos, server: EmbeddedServer) -> None:
    """The next start books what the journal held, or finds it at the venue."""
    world.relays[0].hold()
    with world.trader("killed", ENTER, *HASTY, "--set", "execution.timeout_ms=60000") as (process, _):
        cid = without_database_at_t3(world, server, "killed")
        process.kill()
        process.wait(WAIT_S)
    server.start()
    assert {order.cid: order.filled for order in world.orders("killed")} == {cid: 0}
    with world.trader("killed", ENTER, *HASTY, "--wait", "20"):
        assert not journal(world, "killed").exists()
        world.bracketed("killed")


@pytest.mark.slow
def test_f14_the_database_dozes_for_longer_than_a_call_may_take(world: Chaos, server: EmbeddedServer) -> None:
    """Every process of the server is stopped and woken; what was doubtful is settled, and trading goes on."""
    with world.trader("slow", ROUND_TRIPS, *HASTY, "--set", "execution.lease_ttl_s=60") as (process, _):
        until("a bracket", lambda: world.lists("slow"))
        pid = server.status().pid
        assert pid is not None
        master = psutil.Process(pid)
        stopped = [master, *master.children(recursive=True)]
        for one in stopped:
            one.suspend()
        try:
            gone_ms, known = time.time_ns() // 1_000_000, set(world.posts("slow"))
            closes(world, 20)
            late = set(world.posts("slow")) - known
        finally:
            for one in stopped:
                one.resume()
        sent_before(world, "slow", late, gone_ms)
        posted = len(world.posts("slow"))
        until("another order", lambda: len(world.posts("slow")) > posted)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    with world.trader("slow", ENTER, *HASTY, *BOTH):
        world.converge("slow", orders=2)
