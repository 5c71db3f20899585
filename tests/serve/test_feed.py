"""The feed as a real Ray actor against a real paper exchange: killed, starved of its exchange, stopped."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import ray
from sqlalchemy import Engine

from huracan import __version__
from huracan.config import RaySettings, Settings
from huracan.errors import DataError
from huracan.features import FeatureFit, compute_raw
from huracan.learn.cluster import ray_session
from huracan.market import MarketShape, martingale
from huracan.memory import Registry, open_run
from huracan.signals.feed import SNAPSHOT_NAME
from huracan.signals.feed_status import FeedAnswer
from huracan.signals.model import MarketClose
from serve.feed import Feed, FeedSource
from serve.names import NAMESPACE
from tests.features.markets import SMALL, K
from tests.signals.serving import export
from tests.trader.processes import BARS, SYMBOLS, World, until, write_candles
from tests.trader.processes import candles as market_candles

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(280)]

MINUTE = 60_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A local Ray of this module's own."""
    with ray_session(RaySettings(num_cpus=2, object_store_mb=80)):
        yield


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A home without a database."""
    return World(tmp_path / "home", "")


@contextmanager
def feed_of(world: World, name: str, **environment: str) -> Iterator[Any]:
    """Start the actor, and end it for good at the end of the block."""
    told = {
        "HURACAN_HOME": str(world.home),
        "HURACAN__EXECUTION__URL": world.url,
        "HURACAN__DATA__SYMBOLS": json.dumps(SYMBOLS),
        "HURACAN__EXECUTION__CANDLES_CHECK_INTERVAL_S": "0.2",
        "HURACAN__SERVE__SNAPSHOT_INTERVAL_S": "1.0",
        **environment,
    }
    if cache := os.environ.get("NUMBA_CACHE_DIR"):
        told["NUMBA_CACHE_DIR"] = cache
    actor = Feed.options(  # type: ignore[attr-defined]
        name=name, namespace=NAMESPACE, get_if_exists=True, runtime_env={"env_vars": told}
    ).remote()
    try:
        yield actor
    finally:
        ray.kill(actor)


def status_of(actor: Any) -> FeedAnswer:
    """Return what the actor says of itself."""
    found: FeedAnswer = ray.get(actor.status.remote(), timeout=60)
    return found


async def consume(name: str, after_ms: int, count: int, seen: list[int]) -> list[MarketClose]:
    """Take `count` closes after a position, whatever becomes of the actor meanwhile."""
    found: list[MarketClose] = []
    async for close in FeedSource(name).follow(after_ms):
        found.append(close)
        seen.append(close.close_ms)
        if len(found) == count:
            break
    return found


def test_killed_in_the_middle_every_consumer_sees_each_close_once(cluster: None, world: World, tmp_path: Path) -> None:
    """Two consumers of one actor, which is killed twice while the exchange goes on at two bars a second."""
    world.home.mkdir()
    folder = write_candles(tmp_path / "data")

    async def steps(actor: Any, first_ms: int) -> list[list[MarketClose]]:
        seen: list[int] = []
        readers = [asyncio.ensure_future(consume("feed-a", first_ms, 90, seen)) for _ in range(2)]
        for kill_after in (20, 90):
            while len(seen) < kill_after:
                await asyncio.sleep(0.05)
            ray.kill(actor, no_restart=False)
        return list(await asyncio.gather(*readers))

    with world.exchange(folder, "--speed", "120"), feed_of(world, "feed-a") as actor:
        until("the feed follows the market", lambda: status_of(actor).status, 120.0)
        pid = ray.get(actor.newest.remote()).close_ms
        found = asyncio.run(steps(actor, pid))
        for closes in found:
            assert [close.close_ms for close in closes] == [pid + (n + 1) * MINUTE for n in range(90)]
            assert all(set(close.bars) == set(SYMBOLS) for close in closes)
        ours, theirs = ([dict(close.bars) for close in closes] for closes in found)
        assert ours == theirs
        answer = status_of(actor)
        assert answer.problem == ""
        assert answer.status is not None
        assert answer.status.caught_up > 0, "it went on from its snapshot"
        assert (answer.status.gaps, answer.status.left_out) == (0, 0)
        with pytest.raises(DataError, match="restart from history"):
            ray.get(actor.closes.remote(0))


def test_the_exchange_goes_and_comes_back(cluster: None, world: World, tmp_path: Path) -> None:
    """Meanwhile the data is said to be stale; then it goes on where it was, on books and candles alike."""
    world.home.mkdir()
    folder, state = write_candles(tmp_path / "data"), tmp_path / "exchange.state"
    words = ("--speed", "240", "--state", str(state))
    with world.exchange(folder, *words) as process:
        port = str(urlsplit(world.url).port)
        with feed_of(world, "feed-b", HURACAN__RISK__FEED_AGE_MAX_S="3.0") as actor:
            until("the feed follows the market", lambda: status_of(actor).status, 120.0)
            first_ms = ray.get(actor.newest.remote()).close_ms
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            until("stale", lambda: (found := status_of(actor).status) and found.stale, 60.0)
            assert status_of(actor).problem == "", "it waits, it has not ended"
            with world.exchange(folder, *words, "--port", port):
                seen: list[int] = []
                closes = asyncio.run(consume("feed-b", first_ms, 40, seen))
                assert seen == [first_ms + (n + 1) * MINUTE for n in range(40)]
                assert all(set(close.bars) == set(SYMBOLS) for close in closes)
                until("fresh", lambda: (found := status_of(actor).status) and not found.stale, 60.0)
                until("books", lambda: (found := status_of(actor).status) and found.reconnects, 90.0)
                answer = status_of(actor).status
                assert answer is not None
                assert answer.book_holes >= len(SYMBOLS)
                _stopped(actor)
                assert (world.home / "feed" / SNAPSHOT_NAME).is_file()


def _stopped(actor: Any) -> None:
    """Stop the actor, and see that it is gone for good."""
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(actor.stop.remote(), timeout=60)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(actor.status.remote(), timeout=60)


def test_what_is_wrong_is_told_and_tried_again(cluster: None, world: World, tmp_path: Path) -> None:
    """No exchange at the address: `status` says so at once, `newest` is a connection error; then it comes up."""
    world.home.mkdir()
    folder = write_candles(tmp_path / "data")
    with world.exchange(folder, "--speed", "60") as process:
        port = str(urlsplit(world.url).port)
        process.kill()
        process.wait(30)
        with feed_of(world, "feed-c") as actor:
            until("it tells", lambda: "exchangeInfo" in status_of(actor).problem, 120.0)
            with pytest.raises(ConnectionError, match="does not follow the market"):
                ray.get(actor.newest.remote())
            with world.exchange(folder, "--speed", "60", "--port", port):
                until("it follows", lambda: status_of(actor).status, 120.0)
                assert status_of(actor).problem == ""


def fit_of(symbols: tuple[str, ...]) -> FeatureFit:
    """Return a fit of some of the exchange's markets."""
    known = {symbol: market_candles(symbol) for symbol in SYMBOLS}
    candles = {symbol: known.get(symbol) or martingale(MarketShape(symbol, "1m"), BARS, seed=9) for symbol in symbols}
    raw = compute_raw(candles, SMALL, K, "BTC/USDT")
    first = int(next(iter(candles.values())).timestamp[0])
    return FeatureFit.fit(raw, first, first + 3_000 * MINUTE, seed=1)


@pytest.mark.postgres
def test_it_follows_the_registry(cluster: None, world: World, tmp_path: Path, database: Engine) -> None:
    """Nothing is served: it waits and says so. A version of one market, then one of two: each close comes once.

    A third needs a market that the venue lacks: the second is followed all the same, and the reason is told.
    """
    world.home.mkdir()
    folder = write_candles(tmp_path / "data")
    registry = Registry(database)
    run_id = open_run(database, "train", Settings(), "ab" * 32, __version__)
    fits = [fit_of(("BTC/USDT",)), fit_of(SYMBOLS), fit_of((*SYMBOLS, "ZZZ/USDT"))]

    def register(number: int) -> None:
        place = tmp_path / f"v{number}"
        artefact = export(place, number, fits[number])
        registry.register(run_id, f"v{number}", "*", str(place), artefact.sha256, {}, "tests")

    async def until_second(position: int) -> list[MarketClose]:
        found: list[MarketClose] = []
        async for close in FeedSource("feed-d").follow(position):
            found.append(close)
            if len(found) == 10:
                register(1)
                await asyncio.to_thread(ray.get, actor.reload_versions.remote())
            if fits[1].sha256 in close.fits and not close.late:
                break
        return found

    url = database.url.render_as_string(hide_password=False)
    given = {"HURACAN__DATABASE__URL": url, "HURACAN__DATA__SYMBOLS": "[]"}
    with world.exchange(folder, "--speed", "120"), feed_of(world, "feed-d", **given) as actor:
        until("it tells", lambda: "no market to follow" in status_of(actor).problem, 120.0)
        register(0)
        until("it follows", lambda: status_of(actor).status, 60.0)
        first = ray.get(actor.newest.remote())
        assert (first.symbols, tuple(first.fits)) == (("BTC/USDT",), (fits[0].sha256,))
        closes = asyncio.run(asyncio.wait_for(until_second(first.close_ms), 120.0))
        assert [close.close_ms for close in closes] == [first.close_ms + (n + 1) * MINUTE for n in range(len(closes))]
        assert closes[-1].symbols == SYMBOLS
        assert tuple(closes[-1].fits) == (fits[1].sha256,)
        assert not ray.get(actor.reload_versions.remote()), "nothing is new"
        register(2)
        assert not ray.get(actor.reload_versions.remote()), "it cannot be followed"
        later = ray.get(actor.closes.remote(closes[-1].close_ms))
        assert tuple(later[-1].fits) == (fits[1].sha256,)
        answer = status_of(actor)
        assert (answer.problem, answer.refused) == ("", {"v2": "the venue has no candle of ZZZ/USDT"})
