"""Lock-step with a real paper exchange: market time moves when the trader has finished, and not before."""

import asyncio
from pathlib import Path

import pytest

from huracan.errors import VenueError
from huracan.paper import PaperExchange
from huracan.paper.keys import open_keys
from huracan.trader.access import Access
from huracan.trader.lockstep import LockStep, Step, lock_step_of
from tests.paper.serving import TOKEN, exchange, serving, start_ms
from tests.trader.inside import CREDENTIALS, really

MINUTE = 60_000


def access(url: str, account: str = "main") -> Access:
    """Return the door to an account of a paper exchange."""
    return Access(account, "paper", url, "ws" + url.removeprefix("http"), CREDENTIALS)


def cleared(found: PaperExchange) -> int:
    """Return the bar whose close the exchange waits with."""
    assert found.stage is not None
    return found.stage.bar


def test_time_moves_bar_by_bar_with_each_ack() -> None:
    """The first stage is the close at which the exchange opens; each ack brings the next close."""

    async def steps() -> None:
        found = exchange(lockstep=True)
        async with serving(found) as server:
            pace = LockStep(server.url, TOKEN, "main", MINUTE)
            for turn in range(3):
                step = await pace.next()
                assert (step.stage, step.mine, step.ended) == ("close", True, False)
                assert step.closed_ms(MINUTE) == pace.closed_ms == start_ms() + turn * MINUTE
                assert await pace.ack(step)
                assert cleared(found) == step.bar + 1
            await pace.close()

    really(steps)


def test_an_event_that_the_step_does_not_know_of_holds_time_back() -> None:
    """Something came in after we looked: the ack is not taken, the next look knows of it."""

    async def steps() -> None:
        found = exchange(lockstep=True)
        async with serving(found) as server:
            pace = LockStep(server.url, TOKEN, "main", MINUTE)
            step = await pace.next()
            found.deposit("main", "USDT", "5")
            assert not await pace.ack(step)
            assert cleared(found) == step.bar
            assert await pace.ack(await pace.next())
            assert cleared(found) == step.bar + 1
            await pace.close()

    really(steps)


def test_time_waits_for_every_account() -> None:
    """Whoever has acked waits for the other, and is not asked again for the same stage."""

    async def steps() -> None:
        found = exchange(lockstep=True, names=("main", "other"))
        async with serving(found) as server:
            one, two = (LockStep(server.url, TOKEN, name, MINUTE) for name in ("main", "other"))
            step = await one.next()
            assert await one.ack(step)
            assert not (await one.look()).mine
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(one.next(), 0.2)
            assert await two.ack(await two.next())
            assert (await one.next()).bar == step.bar + 1
            await asyncio.gather(one.close(), two.close())

    really(steps)


def test_fills_inside_a_bar_belong_to_the_bar_before_its_close() -> None:
    """At the stage of fills the newest closed bar is the one before."""
    assert Step(100, "fills", True, 0, False).closed_ms(MINUTE) == 100 * MINUTE
    assert Step(100, "close", True, 0, False).closed_ms(MINUTE) == 101 * MINUTE
    assert Step(100, "", False, 0, True).closed_ms(MINUTE) == 101 * MINUTE


def test_a_lock_step_is_found_where_there_is_one(tmp_path: Path) -> None:
    """In free run, without the keys of the exchange, and where nobody answers, time moves by itself."""

    async def steps() -> None:
        open_keys(tmp_path / "paper" / "keys.json", ("main",), lambda _: TOKEN)
        async with serving(exchange(lockstep=True)) as server:
            found = await lock_step_of(access(server.url), tmp_path, MINUTE)
            assert found is not None
            assert found.closed_ms == start_ms()
            await found.close()
            assert await lock_step_of(access(server.url), tmp_path / "elsewhere", MINUTE) is None
        async with serving(exchange(), speed=60.0) as server:
            assert await lock_step_of(access(server.url), tmp_path, MINUTE) is None
        assert await lock_step_of(access("http://127.0.0.1:9"), tmp_path, MINUTE) is None

    really(steps)


def test_a_wrong_token_is_told_and_nothing_moves() -> None:
    """Only the administrator may move time; the message says where it was asked."""

    async def steps() -> None:
        found = exchange(lockstep=True)
        async with serving(found) as server:
            pace = LockStep(server.url, "wrong", "main", MINUTE)
            with pytest.raises(VenueError, match="admin/state"):
                await pace.look()
            assert not await pace.ack(Step(cleared(found), "close", True, 0, False))
            await pace.close()

    really(steps)
