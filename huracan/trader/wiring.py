"""From the configuration to a trader that is ready to start: everything is made here, and nothing is decided."""

import asyncio
import os
import random
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from huracan.clock import Clock, MarketClock
from huracan.config import Settings
from huracan.errors import ConfigError, RefusedError, VenueError
from huracan.execution.engine import Engine
from huracan.execution.failpoints import Failpoints
from huracan.execution.grid import Grid
from huracan.execution.model import Snapshot
from huracan.execution.ports import EngineSettings
from huracan.execution.resolver import ResolverSettings
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.policy import Sureness
from huracan.risk.breaker import Fact
from huracan.risk.live import Breaker, GateLimits, HaltPolicy, OrderRate, RiskGate, RiskKeeper, TradingState
from huracan.signals.follower import Follower, newest_sigma
from huracan.signals.model import CloseSource, MarketClose
from huracan.signals.policies import PolicyBook
from huracan.trader.access import Access, holder_name
from huracan.trader.account_book import AccountBook, Feed, Ledgered
from huracan.trader.beside import BesideLedger, Besides
from huracan.trader.candle_feed import CandleFeed
from huracan.trader.decided import DecisionLog, MemoryDecisions
from huracan.trader.deciding import Decider, PolicyDecider, ScriptDecider
from huracan.trader.guard import Guard, pair_lock, state_row
from huracan.trader.lockstep import LockStep, lock_step_of
from huracan.trader.market_data import MarketData, history_bars, instrument_of
from huracan.trader.market_feed import MarketFeed
from huracan.trader.peak import rebased_from
from huracan.trader.performer import EnginePerformer
from huracan.trader.pulse import Pulse, PulseSource, expected_of
from huracan.trader.reporting import ViewWriter
from huracan.trader.restricting import RestrictionSource
from huracan.trader.script import Script
from huracan.trader.served import (
    Changes,
    Remote,
    Served,
    beside_of,
    context_of,
    fits_of,
    followed_of,
    kernels_of,
    layouts_of,
    markets_of,
    traded_of,
)
from huracan.trader.service import Beside, Trader
from huracan.trader.views import Views
from huracan.trader.watched_venue import WatchedVenue
from huracan.trading import ExitReason, Instrument, KernelSettings, Limits, resolve_settings
from huracan.venue.binance import BinanceVenue
from huracan.venue.budget import WeightBudget
from huracan.venue.klines import Kline, KlineReader, KlineStream
from huracan.venue.orders import Balance, MarketFilters

__all__ = ["Setup", "connect_venue", "open_trader"]

_WEIGHT_PER_MINUTE = 6_000  # until exchangeInfo tells the venue's own
_WATCH_S = 0.5
_STEP_S = 0.005
_FEED_S = 60.0
_DISCOUNT = "BNB"


@dataclass(frozen=True, slots=True)
class Setup:
    """What a trader is made of.

    Attributes:
        settings: whole configuration.
        access: the door to the account.
        script: decisions; None: the versions decide.
        store, views: the account's memory.
        home: folder of huracan's data; what the store could not take is kept there.
        clock: wall clock.
        rng: spreads retries.
        failpoints: places at which tests kill.
        restricting: where restrictions of remedies are read.
        pulses: where the monitor's heartbeat is read.
        lease_wait_s: how long the start waits for another holder's lease.
        accept_balances: book balances that differ from the ledger as a deposit or withdrawal.
        versions: what decides when there is no script; its book has been read.
        decisions: where decisions are kept.
        remote: feed and policies of other processes; None: this one has its own.
        beside: where versions in shadow keep the accounts in which they trade beside; None: they do not.
        bar_s: wall time of a base bar, where market time is known to run faster; None: as long as the bar says.
    """

    settings: Settings
    access: Access
    script: Script | None
    store: Store
    views: Views
    home: Path
    clock: Clock
    rng: random.Random
    failpoints: Failpoints
    restricting: RestrictionSource
    pulses: PulseSource
    lease_wait_s: float
    accept_balances: bool
    versions: Served | None = None
    decisions: DecisionLog = field(default_factory=MemoryDecisions)
    remote: Remote | None = None
    beside: BesideLedger | None = None
    bar_s: float | None = None

    @property
    def book(self) -> PolicyBook:
        """Return the versions that decide; none where a script does."""
        return PolicyBook() if self.script is not None or self.versions is None else self.versions.book


def connect_venue(
    settings: Settings, access: Access, clock: Clock, budget: WeightBudget, rng: random.Random
) -> BinanceVenue:
    """Return a connection to the account; nothing is asked yet."""
    execution = settings.execution
    return BinanceVenue(
        access.credentials,
        access.url,
        access.websocket_url,
        clock,
        budget,
        rng,
        timeout_ms=execution.timeout_ms,
        recv_window_ms=execution.recv_window_ms,
    )


@asynccontextmanager
async def open_trader(setup: Setup) -> AsyncIterator[Trader]:
    """Connect, read the history, and yield a trader that has started; connections are closed at the end.

    Raises:
        RefusedError: another trader has the account, the books do not agree, or money and limits do not fit the stake.
        ConfigError: the markets do not belong together.
        DataError: a market is unknown or unfit.
        VenueError: the venue does not answer.
    """
    settings, access, clock = setup.settings, setup.access, setup.clock
    kernel = resolve_settings(settings.trading, settings.data.traded_timeframe)
    _check_stake(settings, kernel)
    budget = WeightBudget(_WEIGHT_PER_MINUTE)
    venue = connect_venue(settings, access, clock, budget, setup.rng)
    reader = KlineReader(access.url, clock, budget, settings.execution.timeout_ms)
    lock_step = await lock_step_of(access, setup.home, kernel.base_ms)
    try:
        trader = await _assemble(setup, kernel, venue, reader, lock_step)
        await trader.start(setup.accept_balances)
        yield trader
    finally:
        closing = (reader.close(), venue.close(), *((lock_step.close(),) if lock_step is not None else ()))
        await asyncio.gather(*closing, return_exceptions=True)


async def _assemble(
    setup: Setup, kernel: KernelSettings, venue: BinanceVenue, reader: KlineReader, lock_step: LockStep | None
) -> Trader:
    settings, access, store, clock = setup.settings, setup.access, setup.store, setup.clock
    execution, risk = settings.execution, settings.risk
    symbols = _symbols(setup)
    filters = await _instruments(venue, symbols, access)
    instruments = {symbol: instrument_of(filters[symbol], kernel) for symbol in symbols}
    kernels = kernels_of(settings, kernel, setup.book, symbols)
    await venue.sync_clock()
    quote = _quote(instruments)
    snapshot, balances = await store.load(), await venue.balances()
    rates = await _rates(balances, reader, kernel, quote, symbols)
    state, locks, trades, kept = (
        await store.state(),
        await store.locks(),
        await store.closed_trades(0),
        await setup.views.load(),
    )
    feed, newest, told = await _past(setup, kernel, venue, reader, symbols, lock_step)
    data = MarketData(settings, kernel, instruments, told, newest_sigma(newest))
    bar_s = kernel.base_ms / 1_000 if setup.bar_s is None else setup.bar_s
    fresh, market = Feed(clock, bar_s, still=lock_step is not None), MarketClock(newest.close_ms)
    health, rate = settings.health, settings.trading.account_to_quote_rate
    limits = GateLimits.of(risk, kernel.base_ms, rate, health.monitor_silent_s)
    pulse = Pulse(setup.pulses, clock, expected_of(health, access.mode), health.monitor_silent_s)
    breaker_halt = state is not None and (state.state, state.author) == (TradingState.HALTED, "breaker")
    keeper = RiskKeeper(
        gate=RiskGate(limits),
        breaker=Breaker(risk, limits.money),
        breaker_policy=HaltPolicy(risk.breaker_policy),
        rate=OrderRate.of(risk),
        look=lambda: book.look(),
        state=state_row(state, risk),
        locks=[pair_lock(lock) for lock in locks],
    )

    def tell(fact: Fact) -> None:
        guard.tell(fact)

    def silence(until_ms: int) -> None:
        fresh.silent_until_ms = max(fresh.silent_until_ms, until_ms)

    watched = WatchedVenue(venue, clock, tell, keeper.begun, lambda symbol: book.prices.get(symbol), silence)
    engine = Engine(
        markets=markets_of(instruments, kernels),
        venue=watched,
        store=store,
        clock=clock,
        risk=keeper,
        settings=EngineSettings(
            mode=access.mode,
            lease_ttl_s=execution.lease_ttl_s,
            lease_wait_s=setup.lease_wait_s,
            watch_s=_WATCH_S,
            orders_s=execution.open_check_interval_s,
            trades_s=execution.trades_check_interval_s,
            balances_s=execution.balance_check_interval_s,
            halt_s=execution.halt_proof_s,
            halt_policy=HaltPolicy.HOLD if breaker_halt else HaltPolicy(risk.halt_policy),
            still=lock_step is not None,
            rates=rates,
            resolver=ResolverSettings(execution.absent_answers, execution.recv_window_ms),
        ),
        holder=holder_name(),
        folder=_folder(setup.home),
        failpoints=setup.failpoints,
    )
    book = AccountBook(
        engine.desks,
        instruments,
        filters,
        limits.money,
        market,
        watched,
        fresh,
        pulse,
        None if kept is None or setup.accept_balances else Ledgered(kept.day, kept.peak, rebased_from(kept.report)),
        lambda: {row.key for row in keeper.reservations.rows},
    )
    book.resumed(await store.state_history())
    book.mark(data.closes(), newest.close_ms)
    _check_money(snapshot, balances.get(quote), book, kernel, len(symbols))
    performer = EnginePerformer(engine)
    if breaker_halt and risk.breaker_policy == "flatten":
        performer.flattening = ExitReason.RISK_EXIT
    guard = Guard(
        keeper,
        performer,
        store,
        risk,
        clock,
        market,
        kernel.base_ms,
        settings.trading.stop_slip_range_frac,
        0 if state is None else state.seq,
        locks,
        {int(number) for number in trades.seq},
        setup.restricting,
        lambda: layouts_of(setup.book, symbols),
        pulse,
        book.resumed,
    )
    await guard.begin()
    remote = setup.remote
    source: CloseSource | None = feed if remote is None else remote.source
    assert source is not None
    decider: Decider
    beside: tuple[Beside, ...] = () if feed is None else (feed.listen,)
    before_close, after_close = None, None
    besides = None
    if setup.script is not None:
        decider = ScriptDecider(setup.script, kernel.base_ms)
    else:
        assert setup.versions is not None
        changes = Changes(setup.versions, settings, kernel, engine, feed)
        beside = (*beside, changes.look)
        before_close, after_close = changes.before_close, changes.after_close
        decider = PolicyDecider(
            changes if remote is None else remote.maker,
            changes.who,
            changes.memory,
            setup.decisions,
            instruments,
            Limits.of(risk, settings.trading.account_to_quote_rate),
            lambda: book.cash,
            clock,
            None if lock_step is not None else settings.serve.decision_timeout_s,
            Sureness.of(risk),
        )
        await decider.open(setup.accept_balances)
        if setup.beside is not None:
            versions, followed = setup.versions, newest.symbols
            besides = Besides(settings, instruments, store.account, setup.beside, lambda: beside_of(versions, followed))
    return Trader(
        engine=engine,
        source=source,
        newest=newest,
        data=data,
        decider=decider,
        book=book,
        guard=guard,
        keeper=keeper,
        performer=performer,
        venue=watched,
        store=store,
        writer=ViewWriter(setup.views, access.mode, keeper, limits, book, clock),
        fresh=fresh,
        clock=clock,
        market=market,
        base_ms=kernel.base_ms,
        drain_s=execution.drain_s,
        users=venue.user_stream(),
        beside=beside,
        before_close=before_close,
        after_close=after_close,
        besides=besides,
        lock_step=lock_step,
    )


def _symbols(setup: Setup) -> tuple[str, ...]:
    """Return the markets that are traded, sorted."""
    if setup.script is not None:
        return tuple(sorted({*setup.script.symbols, *setup.settings.data.symbols}))
    return traded_of(setup.settings, setup.book)


async def _past(
    setup: Setup,
    kernel: KernelSettings,
    venue: BinanceVenue,
    reader: KlineReader,
    symbols: tuple[str, ...],
    lock_step: LockStep | None,
) -> tuple[MarketFeed | None, MarketClose, dict[str, tuple[Kline, ...]]]:
    """Return a feed that has taken in the past, the newest close, and what the venue told of the traded markets."""
    settings, access, clock = setup.settings, setup.access, setup.clock
    execution, book = settings.execution, setup.book if setup.remote is None else PolicyBook()
    followed = followed_of(settings, symbols, book)
    if lock_step is not None:
        await lock_step.look()
    candles = CandleFeed(
        reader,
        followed,
        kernel.timeframe,
        kernel.base_ms,
        execution.candles_check_interval_s if lock_step is None else _STEP_S,
        execution.candles_patience_s if lock_step is None else 0.0,
        _venue_ms(access, venue, clock, lock_step),
    )
    own = setup.versions if setup.script is None and setup.remote is None else None
    fits = book.fits if own is None else fits_of(own, followed)
    follower = Follower(context_of(settings, kernel, followed), symbols, fits)
    stream = KlineStream(access.websocket_url, followed, kernel.timeframe, setup.rng)
    feed = MarketFeed(candles, follower, clock, settings.data.folder, stream)
    told = await feed.start(history_bars(settings, kernel))
    if setup.remote is None:
        return feed, feed.newest, told
    try:
        async with asyncio.timeout(_FEED_S):
            return None, await anext(setup.remote.source.follow(feed.newest.close_ms - kernel.base_ms)), told
    except TimeoutError:
        raise VenueError(f"the feed has told no close within {_FEED_S:g} s; look at its state") from None


def _venue_ms(
    access: Access, venue: BinanceVenue, clock: Clock, lock_step: LockStep | None
) -> Callable[[], int] | None:
    """Return the clock by which a candle is known to be closed; None in a replay, where only later ones tell."""
    if lock_step is not None:
        return lambda: lock_step.closed_ms + 1  # whatever has a bar has shown it by now
    return (lambda: clock.now_ms() - venue.skew_ms) if access.mode == "live" else None


async def _instruments(venue: BinanceVenue, symbols: tuple[str, ...], access: Access) -> dict[str, MarketFilters]:
    """Return what the venue demands of each market; it is the first thing that is asked at all."""
    try:
        return await venue.instruments(symbols)
    except VenueError as error:
        if access.url is None:
            raise
        raise VenueError(
            f"{access.url} does not answer as an exchange ({error}); is `huracan paper-exchange` running there?"
        ) from None


def _check_stake(settings: Settings, kernel: KernelSettings) -> None:
    largest = Decimal("1.5") * kernel.stake_quote
    limit = Decimal(str(settings.risk.symbol_notional_max)) * Decimal(str(settings.trading.account_to_quote_rate))
    if largest > limit:
        raise RefusedError(
            f"the largest entry is 1.5 stakes, {largest} in quote currency, and risk.symbol_notional_max allows "
            f"{limit}: lower trading.stake_amount or raise the limit"
        )


def _check_money(
    snapshot: Snapshot, cash: Balance | None, book: AccountBook, kernel: KernelSettings, coins: int
) -> None:
    """Refuse an account that cannot pay for every market at once, what it holds already included."""
    total = Decimal(0) if cash is None else cash.free + cash.locked
    for symbol, position in snapshot.positions.items():
        total += max(position.holding, Decimal(0)) * book.prices.get(symbol, Decimal(0))
    needed = coins * Decimal("1.5") * kernel.stake_quote * Decimal("1.01")
    if total < needed:
        raise RefusedError(
            f"the account is worth {total} {book.quote}, and {coins} markets need {needed}: 1.5 stakes of "
            f"{kernel.stake_quote} each and one percent; trade fewer markets or lower trading.stake_amount"
        )


def _quote(instruments: Mapping[str, Instrument]) -> str:
    quotes = sorted({Grid.of(instrument).quote for instrument in instruments.values()})
    if len(quotes) != 1:
        raise ConfigError(f"markets in {', '.join(quotes)}: one account trades one quote currency")
    return quotes[0]


async def _rates(
    balances: Mapping[str, Balance],
    reader: KlineReader,
    kernel: KernelSettings,
    quote: str,
    symbols: tuple[str, ...],
) -> dict[str, Decimal]:
    """Return the price of the venue's discount token when it is not traded here: fees may be paid in it one day.

    Whoever holds none may be given some while the trader runs; an open trade may have paid with what is spent by now.
    """
    symbol = f"{_DISCOUNT}/{quote}"
    if symbol in symbols or quote == _DISCOUNT:
        return {}
    try:
        rows = await reader.klines(symbol, kernel.timeframe, None, 1)
    except VenueError as error:
        rows = ()
        get_logger().info("trader.no_rate", asset=_DISCOUNT, reason=str(error))
    if rows:
        return {_DISCOUNT: rows[-1].close}
    if _DISCOUNT in balances:
        raise RefusedError(
            f"the account holds {_DISCOUNT}, which may pay fees, and {symbol} has no price; move it away"
        )
    return {}


def _folder(home: Path) -> Path:
    """Return the folder of the journal, which holds fills and orders: its owner's alone."""
    folder = home / "trade"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
        raise ConfigError(f"{folder} is open to others; make it yours alone: chmod 700 {folder}")
    return folder
