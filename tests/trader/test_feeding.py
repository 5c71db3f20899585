"""A feed made from the configuration, against a served paper exchange: closes, books, record, snapshot, refusals."""

import asyncio
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from huracan.clock import WallClock
from huracan.config import Settings, load_settings
from huracan.errors import ConfigError, VenueError
from huracan.market import books_folder, read_books
from huracan.signals.feed import SNAPSHOT_NAME
from huracan.signals.follower import BARE
from huracan.signals.history import stored_candles
from huracan.signals.model import MarketClose
from huracan.signals.policies import PolicyBook
from huracan.signals.versions import load_version
from huracan.trader.feeding import followable, followed_by, open_feed, record_folder
from tests.paper import serving as paper
from tests.signals.following import fit
from tests.signals.serving import export, row
from tests.venue.scripted import run

MINUTE = 60_000


def settings_of(url: str, **overrides: Any) -> Settings:
    """Return the configuration of a feed at an exchange."""
    given = {"execution.url": url, "data.symbols": list(paper.SYMBOLS), "execution.candles_check_interval_s": 0.05}
    return load_settings(None, given | overrides, {})


async def follow(settings: Settings, home: Path, count: int, after_ms: int | None = None) -> list[MarketClose]:
    """Return closes of a feed that lives as long as it takes."""
    found: list[MarketClose] = []
    async with open_feed(settings, home, WallClock(), random.Random(1), PolicyBook()) as feed:
        stop = asyncio.Event()
        task = asyncio.ensure_future(feed.run(stop))
        newest = feed.newest()
        assert newest is not None
        position = newest.close_ms if after_ms is None else after_ms
        while len(found) < count:
            for close in await feed.closes(position):
                found.append(close)
                position = close.close_ms
        stop.set()
        await task
    return found


def test_the_configured_markets_are_followed_and_their_books_recorded(tmp_path: Path) -> None:
    """Consecutive closes of both coins, over a restart from the snapshot.

    The books of the exchange are modelled from its candles: what is seen must agree with its candles' prices, and must
    not lie beside the stored ones, where training would take it for real.
    """
    store = paper.write_store(tmp_path / "data")
    record = tmp_path / "feed" / "paper" / "1m"

    async def steps() -> list[MarketClose]:
        async with paper.serving(paper.exchange(), speed=600.0) as server:
            settings = settings_of(server.url, **{"data.folder": str(tmp_path / "data")})
            first = await follow(settings, tmp_path, 20)
            assert (tmp_path / "feed" / SNAPSHOT_NAME).is_file()
            await asyncio.sleep(0.5)
            return first + await follow(settings, tmp_path, 40, first[-1].close_ms)

    found = run(steps)
    times = [close.close_ms for close in found]
    assert times == [times[0] + n * MINUTE for n in range(len(times))]
    assert all(set(close.bars) == set(paper.SYMBOLS) for close in found)
    assert {tuple(close.fits) for close in found} == {(BARE,)}
    opens = np.array(times) - MINUTE
    for symbol in paper.SYMBOLS:
        assert not books_folder(store, symbol).exists()
        book = read_books(record, symbol, "1m", opens)
        assert book is not None
        seen = ~np.isnan(book[:, 0])
        assert seen.sum() >= 25
        candles = paper.candles(symbol)
        tick = float(paper.market(symbol).instrument.tick)
        low = candles.low[np.searchsorted(candles.timestamp, opens[seen])]
        assert (book[seen, 0] > 0).all()
        assert (book[seen, 0] * low < 200 * tick).all()


def test_without_recording_nobody_looks_at_books(tmp_path: Path) -> None:
    """`serve.record_books` off: no folder, no stream."""

    async def steps() -> None:
        async with paper.serving(paper.exchange(), speed=600.0) as server:
            await follow(settings_of(server.url, **{"serve.record_books": False}), tmp_path, 3)

    run(steps)
    assert [path.name for path in (tmp_path / "feed").iterdir()] == [SNAPSHOT_NAME]


def test_what_to_follow_must_be_known(tmp_path: Path) -> None:
    """Neither a market nor a version: refused. An exchange that is not there is the venue's fault."""
    with pytest.raises(ConfigError, match=r"data\.symbols"):
        followed_by(Settings(), PolicyBook())
    settings = settings_of("http://127.0.0.1:9", **{"data.leader_symbol": "BTC/USDT", "data.symbols": ["ADA/USDT"]})
    assert followed_by(settings, PolicyBook()) == (("ADA/USDT",), ("ADA/USDT", "BTC/USDT"))

    async def steps() -> None:
        with pytest.raises(VenueError, match="exchangeInfo"):
            async with open_feed(settings, tmp_path, WallClock(), random.Random(1), PolicyBook()):
                pass

    run(steps)


def test_the_record_lies_where_training_will_look(tmp_path: Path) -> None:
    """In the folder of the stored candles; without a store where a download will put them; without both at home.

    Of a paper exchange it lies where training never looks.
    """
    store = stored_candles(paper.write_store(tmp_path / "data"), "1m")
    given = load_settings(None, {"data.folder": str(tmp_path / "new")}, {})
    assert record_folder(given, store, "1m", tmp_path) == tmp_path / "data" / "1m"
    assert record_folder(given, None, "1m", tmp_path) == tmp_path / "new" / "1m"
    assert record_folder(Settings(), None, "1m", tmp_path) == tmp_path / "feed" / "candles" / "1m"
    assert record_folder(settings_of("http://x"), store, "1m", tmp_path) == tmp_path / "feed" / "paper" / "1m"


def test_a_perpetual_is_followed_beside_spot_markets(tmp_path: Path) -> None:
    """Every close has its candle, its own and not the spot market's of the same coin; nobody looks at its book."""
    symbols = (*paper.SYMBOLS, paper.PERPETUAL)

    async def steps() -> list[MarketClose]:
        async with paper.serving(paper.exchange(symbols=symbols), speed=600.0) as server:
            return await follow(settings_of(server.url, **{"data.symbols": list(symbols)}), tmp_path, 20)

    found = run(steps)
    candles = paper.candles(paper.PERPETUAL)
    for close in found:
        at = int(np.searchsorted(candles.timestamp, close.close_ms - MINUTE))
        assert float(close.bars[paper.PERPETUAL].close) == pytest.approx(candles.close[at], rel=1e-12)
    record = record_folder(settings_of("http://127.0.0.1:9"), None, "1m", tmp_path)
    assert not books_folder(record, paper.PERPETUAL).exists()
    assert books_folder(record, paper.SYMBOLS[0]).exists()


def test_versions_of_markets_or_candles_that_the_venue_lacks_are_left_out(tmp_path: Path) -> None:
    """The reason is told; what is followed already is not asked for, and a venue that is away is no answer."""
    books = {
        "good": load_version(row(1, export(tmp_path / "1", 1), tmp_path / "1", scope="ADA/USDT")),
        "lacks": load_version(row(2, export(tmp_path / "2", 2), tmp_path / "2")),
    }
    both = PolicyBook(books.values())
    lacking = set(fit().context.universe) - set(paper.SYMBOLS)
    assert lacking == {"FET/USDT"}

    async def steps() -> None:
        async with paper.serving(paper.exchange()) as server:
            kept, refused = await followable(settings_of(server.url), WallClock(), both)
            assert not kept.loaded
            assert refused == dict.fromkeys(("v1", "v2"), "the venue has no candle of FET/USDT")
            kept, refused = await followable(settings_of(server.url), WallClock(), both, ("FET/USDT",))
            assert (kept.loaded, refused) == (both.loaded, {})
        hourly = settings_of(server.url, **{"data.timeframe": "1h"})
        _, refused = await followable(hourly, WallClock(), both)
        assert refused == dict.fromkeys(("v1", "v2"), "it decides on 1m candles, 1h ones are followed")
        with pytest.raises(VenueError, match="attempts"):
            await followable(settings_of(server.url), WallClock(), both)

    run(steps)
