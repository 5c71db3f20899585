"""The served versions inside a trader: which markets they trade, by which rules, and how another version takes over."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from huracan.config import Settings
from huracan.errors import ConfigError, DataError
from huracan.execution.engine import Engine
from huracan.execution.ports import Market
from huracan.features import FeatureContext, FeatureFit, find_leader, windows_for
from huracan.logs import get_logger
from huracan.signals.model import CloseSource, DecisionMaker, Decisions, MarketClose, ServedVersion
from huracan.signals.policies import LoadedVersion, PolicyBook
from huracan.trader.market_feed import MarketFeed
from huracan.trading import Instrument, KernelSettings, resolve_settings
from huracan.trees import Remembers

__all__ = [
    "Changes",
    "Remote",
    "Served",
    "beside_of",
    "context_of",
    "fits_of",
    "followed_of",
    "kernels_of",
    "layouts_of",
    "markets_of",
    "traded_of",
]


class Served(Protocol):
    """The versions that decide, kept up with the registry."""

    @property
    def book(self) -> PolicyBook:
        """Return what decides now."""
        ...

    @property
    def shadows(self) -> tuple[LoadedVersion, ...]:
        """Return what trades beside it, in shadow."""
        ...

    def refresh(self) -> bool:
        """Look at the registry once, on whatever thread; returns whether the book is another now."""
        ...


@dataclass(frozen=True, slots=True)
class Remote:
    """Feed and policies of other processes.

    Attributes:
        source: closes; it can still tell those of some minutes ago.
        maker: decides.
    """

    source: CloseSource
    maker: DecisionMaker


def traded_of(settings: Settings, book: PolicyBook) -> tuple[str, ...]:
    """Return the markets that versions trade: those configured, else every spot market that one decides on, sorted.

    Raises:
        ConfigError: nobody decides on any of them.
    """
    symbols = settings.data.symbols or tuple(symbol for symbol in book.markets if ":" not in symbol)
    if not any(book.version_of(symbol) is not None for symbol in symbols):
        known = ", ".join(f"{one.served.version} ({one.served.scope})" for one in book.loaded) or "none is served"
        raise ConfigError(
            f"no version decides on {', '.join(symbols) or 'any spot market'}: {known}; train one, promote one, or "
            "name it in serve.versions"
        )
    return tuple(sorted(symbols))


def followed_of(settings: Settings, traded: Sequence[str], book: PolicyBook) -> tuple[str, ...]:
    """Return the markets whose candles are needed: those traded, the leader, and the universes of the versions."""
    universes = {symbol for fit in book.fits for symbol in fit.context.universe}
    leader = settings.data.leader_symbol
    return tuple(sorted({*traded, *universes, *(() if leader is None else (leader,))}))


def beside_of(served: Served, followed: Sequence[str]) -> tuple[LoadedVersion, ...]:
    """Return the versions in shadow whose markets are followed; the feed begins no new market for them."""
    return tuple(one for one in served.shadows if set(one.universe) <= set(followed))


def fits_of(served: Served, followed: Sequence[str]) -> tuple[FeatureFit, ...]:
    """Return the fits of everything that decides on the markets followed, in shadow too."""
    return (*served.book.fits, *(one.fit for one in beside_of(served, followed)))


def context_of(settings: Settings, kernel: KernelSettings, followed: Sequence[str]) -> FeatureContext:
    """Return the context of the machines alone."""
    windows = windows_for(kernel.timeframe, settings.features.windows)
    leader = find_leader(dict.fromkeys(followed), settings.data.leader_symbol)
    interval, gap = kernel.decision_interval_bars, settings.features.gap_fill_max_bars
    return FeatureContext(windows, interval, tuple(sorted(followed)), leader, gap)


def kernels_of(
    settings: Settings, kernel: KernelSettings, book: PolicyBook, symbols: Sequence[str]
) -> dict[str, KernelSettings]:
    """Return the rules of each market: what a search chose is the version's, the rest is configured.

    Raises:
        ConfigError: a version is of another timeframe, or its rules do not fit the configured ones.
    """
    found = {}
    for symbol in symbols:
        one = book.loaded_of(symbol)
        if one is not None and one.timeframe != kernel.timeframe:
            raise ConfigError(
                f"{one.served.version} decides on {one.timeframe} candles and {kernel.timeframe} ones are traded; set "
                "data.timeframe"
            )
        trading = settings.trading if one is None else one.trading(settings.trading)
        found[symbol] = resolve_settings(trading, kernel.timeframe)
    return found


def layouts_of(book: PolicyBook, symbols: Sequence[str]) -> dict[str, int]:
    """Return the layout of the states that each market is decided on; one that nobody decides on is left out."""
    found = {symbol: book.version_of(symbol) for symbol in symbols}
    return {symbol: one.layout for symbol, one in found.items() if one is not None}


def markets_of(instruments: Mapping[str, Instrument], kernels: Mapping[str, KernelSettings]) -> dict[str, Market]:
    """Return the markets as the engine trades them."""
    return {symbol: Market(instrument, kernels[symbol]) for symbol, instrument in instruments.items()}


class Changes:
    """Follows the registry while the trader runs; another book takes over between two closes, as a whole.

    Rules of a version hold for what is entered under it: a market that holds or wants something keeps its own until it
    is idle, while the new version decides already. Where another process's feed is followed, a book takes over with the
    first close that has the rows of its features, as it does at the endpoint; one whose features never come never does.

    Args:
        served: kept up with the registry.
        settings: whole configuration.
        kernel: configured rules.
        engine: whose markets change their rules.
        feed: follows the fits; None: another process's feed does.
    """

    def __init__(
        self, served: Served, settings: Settings, kernel: KernelSettings, engine: Engine, feed: MarketFeed | None
    ) -> None:
        self._served, self._settings, self._kernel = served, settings, kernel
        self._engine, self._feed = engine, feed
        self._book = served.book
        self._refused: PolicyBook | None = None
        self._waiting: set[str] = set()

    @property
    def book(self) -> PolicyBook:
        """Return what decides."""
        return self._book

    def who(self, symbol: str) -> ServedVersion | None:
        """Return the version that decides on a market."""
        return self._book.version_of(symbol)

    def memory(self, symbol: str) -> Remembers | None:
        """Return what the version that decides on a market remembers."""
        found = self._book.loaded_of(symbol)
        return None if found is None else found.memory

    async def decide(self, close_ms: int, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """See `huracan.signals.model.DecisionMaker`."""
        return await self._book.decide(close_ms, symbols, states)

    async def look(self) -> None:
        """Look at the registry from time to time until cancelled; nothing that it finds takes effect here."""
        while True:
            await asyncio.sleep(self._settings.serve.registry_interval_s)
            await asyncio.to_thread(self._served.refresh)

    async def before_close(self, close: MarketClose) -> None:
        """Let what the registry wants take over if another process's feed has its features at this close."""
        if self._feed is None and all(fit.sha256 in close.fits for fit in self._served.book.fits):
            await self._apply()

    async def after_close(self) -> None:
        """Let what the registry wants take over; called when a close is carried out and before the next one is asked.

        A book that cannot be followed is refused, and the one before goes on.
        """
        if self._feed is not None:
            await self._apply()
        self._change_rules()

    async def _apply(self) -> None:
        book = self._served.book
        if book is not self._book and book is not self._refused:
            try:
                await self._take(book)
            except (ConfigError, DataError) as error:
                self._refused = book
                get_logger().error("serve.refused", reason=str(error), served=sorted(self._book.versions))

    async def _take(self, book: PolicyBook) -> None:
        kernels_of(self._settings, self._kernel, book, tuple(self._engine.desks))
        if self._feed is not None:
            await asyncio.to_thread(self._feed.serve, fits_of(self._served, self._feed.follower.symbols))
        self._book, self._waiting = book, set(self._engine.desks)
        get_logger().info("trader.versions", served={one.scope: one.version for one in book.versions.values()})

    def _change_rules(self) -> None:
        if not self._waiting:
            return
        kernels = kernels_of(self._settings, self._kernel, self._book, tuple(self._engine.desks))
        for symbol in sorted(self._waiting):
            planner = self._engine.desks[symbol].planner
            if planner.idle:
                planner.rules = kernels[symbol].rules
                self._waiting.discard(symbol)
