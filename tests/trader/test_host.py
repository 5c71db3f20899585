"""The host: one trader on a thread of its own; it answers, stops, and starts again where a person need not look."""

import asyncio
import threading
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from huracan.errors import InvariantError, RefusedError
from huracan.execution.model import Lease
from huracan.trader.host import Doing, Host, Phase
from huracan.trader.service import Trader
from huracan.trader.wiring import open_trader
from tests.trader.inside import Inside, inside, really

WAIT_S = 20.0


class Hosted:
    """A host over a world's account, and what became of its process."""

    def __init__(self, world: Inside, again: bool = False, **changes: Any) -> None:
        self.ended = threading.Event()
        self.opened = 0
        self._world, self._changes = world, changes
        self.host = Host(self._open, again, self.ended.set)
        self.host.start()

    def _open(self, again: bool) -> AbstractAsyncContextManager[Trader]:
        self.opened += 1
        return open_trader(self._world.setup(**self._changes))

    async def settled(self) -> Doing:
        """Return what it is doing after its first start."""
        return await asyncio.to_thread(self.host.settled, WAIT_S)

    async def stop(self) -> Doing:
        """Stop it."""
        return await asyncio.to_thread(self.host.stop, WAIT_S)


def test_it_trades_answers_and_stops(tmp_path: Path) -> None:
    """Questions are answered from another thread while it trades; a stop says what is held and gives the lease back."""

    async def steps() -> None:
        async with inside(tmp_path) as world:
            hosted = Hosted(world)
            doing = await hosted.settled()
            assert (doing.phase, doing.reason, doing.state) == (Phase.TRADING, "", "ACTIVE")
            assert doing.symbols

            async def market_ms(trader: Trader) -> int:
                return trader.market_ms

            assert await asyncio.to_thread(hosted.host.ask, market_ms, 5.0) >= (doing.market_ms or 0)
            await world.until("a bracket", world.resting)
            ended = await hosted.stop()
            assert (ended.phase, ended.reason) == (Phase.STOPPED, "")
            assert ended.held is not None
            assert [row.protected for row in ended.held] == [True]
            assert isinstance(await world.store.acquire("another", 60.0), Lease)
            with pytest.raises(ConnectionError, match="STOPPED"):
                hosted.host.ask(market_ms, 1.0)

    really(steps)


def test_a_first_start_that_is_refused_is_told_and_not_repeated(tmp_path: Path) -> None:
    """A person asked for it: the reason and the exit code are the command's."""

    async def steps() -> None:
        async with inside(tmp_path) as world:
            assert isinstance(await world.store.acquire("another", 60.0), Lease)
            hosted = Hosted(world)
            doing = await hosted.settled()
            assert (doing.phase, doing.exit_code) == (Phase.REFUSED, RefusedError.exit_code)
            assert "another" in doing.reason
            assert hosted.opened == 1

    really(steps)


def test_the_successor_of_a_process_that_died_waits_until_it_may(tmp_path: Path) -> None:
    """What it died with still has the lease: it starts again and again, and trades once the lease is free."""

    async def steps() -> None:
        async with inside(tmp_path) as world:
            lease = await world.store.acquire("the one that died", 60.0)
            assert isinstance(lease, Lease)
            hosted = Hosted(world, again=True)
            await world.until("a second try", lambda: hosted.opened >= 2)
            assert hosted.host.doing().phase is Phase.STARTING
            assert "the one that died" in hosted.host.doing().reason
            await world.store.release(lease)
            assert (await hosted.settled()).phase is Phase.TRADING
            await hosted.stop()

    really(steps)


def test_a_stop_does_not_wait_for_a_start_that_waits_for_a_lease(tmp_path: Path) -> None:
    """The start is given up at once, nothing is traded, and another may have the account."""

    async def steps() -> None:
        async with inside(tmp_path) as world:
            lease = await world.store.acquire("another", 3_600.0)
            assert isinstance(lease, Lease)
            hosted = Hosted(world, again=True, lease_wait_s=3_600.0)
            await asyncio.sleep(1.0)
            assert hosted.host.doing().phase is Phase.STARTING
            ended = await hosted.stop()
            assert ended.phase is Phase.STOPPED
            assert hosted.opened == 1
            await world.store.release(lease)
            assert isinstance(await world.store.acquire("a third", 60.0), Lease)

    really(steps)


def test_whoever_lost_the_lease_ends_its_process(tmp_path: Path) -> None:
    """Nothing more may be sent: the process goes, at once."""

    async def steps() -> None:
        async with inside(tmp_path) as world:
            hosted = Hosted(world)
            assert (await hosted.settled()).phase is Phase.TRADING
            world.database.tables("main").lease = None
            assert isinstance(await world.store.acquire("another", 60.0), Lease)
            assert await asyncio.to_thread(hosted.ended.wait, WAIT_S)
            assert hosted.host.doing().phase is Phase.FENCED

    really(steps)


def test_a_defect_ends_trading_and_is_told(tmp_path: Path) -> None:
    """Starting again would only repeat it: it stands still, and says so."""

    async def steps() -> None:
        async with inside(tmp_path) as world:
            hosted = Hosted(world, again=True, rng=None, settings=None)
            doing = await hosted.settled()
            assert doing.phase is Phase.FAULT
            assert doing.exit_code == InvariantError.exit_code
            assert hosted.opened == 1
            assert not hosted.ended.is_set()

    really(steps)


def test_a_cancellation_from_inside_is_no_silent_end(tmp_path: Path) -> None:
    """Nobody cancels a host: what comes as a cancellation from a library ends trading, and is told as well."""

    class Cancelled:
        async def __aenter__(self) -> Trader:
            raise asyncio.CancelledError

        async def __aexit__(self, *_: object) -> None:
            pass

    host = Host(lambda _again: Cancelled(), True, lambda: None)  # type: ignore[arg-type,return-value]
    host.start()
    assert host.settled(WAIT_S).phase is Phase.FAULT
