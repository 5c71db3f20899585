"""Versions inside a trader: which markets and candles they need, their rules, and how another one takes over."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from huracan.config import TradingSettings, load_settings
from huracan.errors import ConfigError
from huracan.execution.commands import Stage
from huracan.signals.policies import LoadedVersion, PolicyBook
from huracan.signals.versions import load_version
from huracan.trader.served import Changes, followed_of, kernels_of, traded_of
from huracan.trading import resolve_settings
from tests.signals.following import fit
from tests.signals.serving import export, row
from tests.signals.stand_ins import market_close

KERNEL = resolve_settings(TradingSettings(), "1m")
QUICK = replace(KERNEL, decision_interval_bars=5, hold_bars=60)
SETTINGS = load_settings(None, {}, {})


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedVersion, LoadedVersion, LoadedVersion]:
    """Two versions of all coins, the second under other rules and of another fit, and one of ADA alone."""
    root: Path = tmp_path_factory.mktemp("versions")
    one = load_version(row(1, export(root / "1", 1), root / "1"))
    two = load_version(row(2, export(root / "2", 2, fit(2), QUICK), root / "2", "champion"))
    ada = load_version(row(3, export(root / "3", 3, fit(3)), root / "3", scope="ADA/USDT"))
    return one, two, ada


class Registry:
    """Served versions that a test replaces."""

    def __init__(self, *loaded: LoadedVersion, shadows: tuple[LoadedVersion, ...] = ()) -> None:
        self.book, self.shadows = PolicyBook(loaded), shadows

    def refresh(self) -> bool:
        """Nothing is read."""
        return False


class Planner:
    """A market that is idle or not."""

    def __init__(self) -> None:
        self.idle, self.rules, self.stage = True, KERNEL.rules, Stage.OPEN


class Desk:
    """A market's desk."""

    def __init__(self) -> None:
        self.planner = Planner()


class Engine:
    """Markets of an engine."""

    def __init__(self, *symbols: str) -> None:
        self.desks = {symbol: Desk() for symbol in symbols}


class Feed:
    """A feed that follows some fits, or cannot."""

    def __init__(self) -> None:
        self.followed: list[str] = []
        self.unable = False
        self.follower = self
        self.symbols = ("ADA/USDT",)

    def serve(self, fits: tuple[object, ...]) -> None:
        """Follow fits."""
        if self.unable:
            raise ConfigError("a version's universe holds XRP/USDT, which the feed does not follow")
        self.followed = [getattr(one, "sha256", "") for one in fits]


def test_markets_are_those_configured_else_all_that_a_version_decides_on(
    versions: tuple[LoadedVersion, ...],
) -> None:
    """Candles are needed of whole universes and of the leader, whatever is traded."""
    one, _, ada = versions
    assert traded_of(SETTINGS, PolicyBook([one])) == ("ADA/USDT", "BTC/USDT", "FET/USDT")
    some = load_settings(None, {"data.symbols": ["FET/USDT", "ADA/USDT"], "data.leader_symbol": "ETH/USDT"}, {})
    assert traded_of(some, PolicyBook([one])) == ("ADA/USDT", "FET/USDT")
    assert traded_of(SETTINGS, PolicyBook([ada])) == ("ADA/USDT",)
    assert followed_of(some, ("ADA/USDT",), PolicyBook([ada])) == ("ADA/USDT", "BTC/USDT", "ETH/USDT", "FET/USDT")
    with pytest.raises(ConfigError, match="no version decides on any spot market: none is served"):
        traded_of(SETTINGS, PolicyBook())
    other = load_settings(None, {"data.symbols": ["XRP/USDT"]}, {})
    with pytest.raises(ConfigError, match=r"decides on XRP/USDT: v1 \(\*\)"):
        traded_of(other, PolicyBook([one]))


def test_each_market_is_traded_by_the_rules_of_its_version(versions: tuple[LoadedVersion, ...]) -> None:
    """Stake and fees stay the operator's; a version of other candles is refused."""
    _, two, ada = versions
    settings = load_settings(None, {"trading.stake_amount": 300.0}, {})
    found = kernels_of(settings, KERNEL, PolicyBook([two, ada]), ("ADA/USDT", "BTC/USDT", "XRP/USDT"))
    assert [kernel.hold_bars for kernel in found.values()] == [720, 60, 720]
    assert {float(kernel.stake_quote) for kernel in found.values()} == {300.0}
    hourly = resolve_settings(TradingSettings(), "1h")
    with pytest.raises(ConfigError, match=r"set data\.timeframe"):
        kernels_of(settings, hourly, PolicyBook([two]), ("BTC/USDT",))


def test_another_book_takes_over_as_a_whole_and_rules_wait_until_a_market_is_idle(
    versions: tuple[LoadedVersion, ...],
) -> None:
    """Whoever holds something keeps the rules it was entered under; the new version decides at once."""
    one, two, _ = versions
    registry, engine, feed = Registry(one), Engine("ADA/USDT", "BTC/USDT"), Feed()
    changes = Changes(registry, SETTINGS, KERNEL, engine, feed)  # type: ignore[arg-type]
    asyncio.run(changes.after_close())
    assert (changes.who("BTC/USDT"), feed.followed) == (one.served, [])
    engine.desks["ADA/USDT"].planner.idle = False
    registry.book = PolicyBook([two])
    assert changes.who("BTC/USDT") == one.served
    asyncio.run(changes.after_close())
    assert (changes.who("BTC/USDT"), feed.followed) == (two.served, [fit(2).sha256])
    assert [desk.planner.rules.hold for desk in engine.desks.values()] == [720, 60]
    engine.desks["ADA/USDT"].planner.idle = True
    asyncio.run(changes.after_close())
    assert [desk.planner.rules.hold for desk in engine.desks.values()] == [60, 60]


def test_a_book_that_cannot_be_followed_is_refused_and_the_one_before_goes_on(
    versions: tuple[LoadedVersion, ...],
) -> None:
    """It is tried once; another one is tried again."""
    one, two, ada = versions
    registry, feed = Registry(one), Feed()
    changes = Changes(registry, SETTINGS, KERNEL, Engine("ADA/USDT"), feed)  # type: ignore[arg-type]
    feed.unable, registry.book = True, PolicyBook([two])
    asyncio.run(changes.after_close())
    assert changes.who("ADA/USDT") == one.served
    feed.unable = False
    asyncio.run(changes.after_close())
    assert changes.who("ADA/USDT") == one.served
    registry.book = PolicyBook([two, ada])
    asyncio.run(changes.after_close())
    assert changes.who("ADA/USDT") == ada.served


def test_where_another_feed_is_followed_a_book_waits_for_its_features(versions: tuple[LoadedVersion, ...]) -> None:
    """It takes over with the first close that has them, and never when they never come; the one before goes on."""
    one, two, _ = versions
    registry = Registry(one)
    changes = Changes(registry, SETTINGS, KERNEL, Engine("ADA/USDT"), None)  # type: ignore[arg-type]
    registry.book = PolicyBook([two])
    for _ in range(3):
        asyncio.run(changes.before_close(market_close(fits=(fit().sha256,))))
        asyncio.run(changes.after_close())
        assert changes.who("ADA/USDT") == one.served
    asyncio.run(changes.before_close(market_close(fits=(fit().sha256, fit(2).sha256))))
    assert changes.who("ADA/USDT") == two.served
