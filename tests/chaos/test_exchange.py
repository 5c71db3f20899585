"""The exchange is gone and comes back: asleep, unreachable, killed and restarted from its saved state."""

import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine

from huracan.memory import EmbeddedServer
from tests.chaos.world import BOTH, QUICK, Chaos, chaotic, exchange_words
from tests.trader.processes import ENTER, ROUND_TRIPS, WAIT_S, until, write_candles

pytestmark = pytest.mark.postgres
ACCOUNTS = ("asleep", "unreachable")


def trades_on(world: Chaos, account: str) -> None:
    """Wait until another order is POSTed."""
    posted = len(world.posts(account))
    until("another order", lambda: len(world.posts(account)) > posted)


def asked(world: Chaos, count: int) -> None:
    """Wait until traders have sent so many requests more."""
    before = sum(relay.requests for relay in world.relays)
    until(f"{count} requests", lambda: sum(relay.requests for relay in world.relays) >= before + count)


@pytest.mark.slow
def test_the_exchange_falls_asleep_and_wakes(world: Chaos) -> None:
    """SIGSTOP: connections stand and nothing answers, longer than a request may take; SIGCONT: all is well again."""
    assert world.process is not None
    with world.trader("asleep", ROUND_TRIPS, *QUICK):
        until("a trade", lambda: world.trades("asleep"))
        world.process.send_signal(signal.SIGSTOP)
        try:
            asked(world, 5)
        finally:
            world.process.send_signal(signal.SIGCONT)
        trades_on(world, "asleep")
    with world.trader("asleep", ENTER, *QUICK, *BOTH):
        world.converge("asleep", orders=2)


@pytest.mark.slow
def test_the_exchange_cannot_be_reached_for_a_while(world: Chaos) -> None:
    """Every connection is reset and new ones are refused; eight bars later it is there again."""
    with world.trader("unreachable", ROUND_TRIPS, *QUICK):
        until("a trade", lambda: world.trades("unreachable"))
        relay = world.relays[0]
        relay.shut()
        begun = world.market_ms()
        try:
            until("eight bars", lambda: world.market_ms() >= begun + 8 * 60_000)
        finally:
            relay.open()
        trades_on(world, "unreachable")
    with world.trader("unreachable", ENTER, *QUICK, *BOTH):
        world.converge("unreachable", orders=2)


@pytest.mark.slow
def test_the_exchange_is_killed_and_restarted_from_its_saved_state(
    database: Engine, database_server: EmbeddedServer, tmp_path: Path
) -> None:
    """SIGKILL with a bracket resting: the trader waits, finds it again behind the same address and trades on."""
    name = database.url.database
    assert name is not None
    folder, state = write_candles(tmp_path / "candles"), str(tmp_path / "exchange.state")
    (tmp_path / "home").mkdir()
    accounts = ("restarted",)
    with chaotic(tmp_path / "home", database_server.url(name), folder, accounts, "--state", state) as world:
        assert world.process is not None
        relay, behind = world.relays[0], world.url
        with world.trader("restarted", ROUND_TRIPS, *QUICK):
            until("a trade", lambda: world.trades("restarted"))
            relay.shut()  # what happens after the snapshot is seen by nobody
            world.admin("POST", "snapshot", {})
            world.process.kill()
            assert world.process.wait(WAIT_S) == -signal.SIGKILL
            with world.exchange(folder, *exchange_words(accounts), "--state", state):
                world.exchange_url, world.url = world.url, behind
                port = urlsplit(world.exchange_url).port
                assert port is not None
                relay.target = port
                relay.open()
                trades_on(world, "restarted")
                world.converge("restarted", orders=2)
