"""The account as risk sees it: money and positions of the ledger, prices of closed candles, the day and the peak."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from huracan.clock import Clock, MarketClock
from huracan.errors import DatabaseError
from huracan.execution.commands import Close, Stage
from huracan.execution.desk import Desk
from huracan.execution.grid import Grid
from huracan.execution.model import Snapshot, StateChange
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.risk.live import AccountResult, CoinView, DayBook, RiskLimits, RiskView
from huracan.trader.peak import Rebased, resumed_after_drawdown
from huracan.trader.pulse import Pulse
from huracan.trader.watched_venue import WatchedVenue
from huracan.trading import Instrument
from huracan.venue.orders import MarketFilters
from huracan.venue.wire import plain_text

__all__ = ["AccountBook", "Feed", "Heard", "Ledgered"]

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Ledgered:
    """What must survive a restart beside the ledger, quote currency.

    Attributes:
        day: the UTC day and what it began with.
        peak: highest value so far, or since it began anew.
        rebased: when that was; None: never.
    """

    day: DayBook
    peak: Decimal
    rebased: Rebased | None = None


@dataclass(slots=True)
class Feed:
    """How fresh the market data is.

    Attributes:
        clock: wall clock.
        bar_s: wall time from one close to the next.
        heard_ms: when the newest close came, wall clock; None: never.
        silent_until_ms: until when the venue wants silence, wall clock.
        still: market time stands still until we have finished: data does not age meanwhile.
    """

    clock: Clock
    bar_s: float = 0.0
    heard_ms: int | None = None
    silent_until_ms: int = 0
    still: bool = False

    @property
    def overdue_s(self) -> float | None:
        """Return for how long the next close has been due, s; None before the first."""
        if self.heard_ms is None:
            return None
        return 0.0 if self.still else max(0.0, (self.clock.now_ms() - self.heard_ms) / 1_000 - self.bar_s)

    @property
    def throttled_s(self) -> float:
        """Return for how long the venue still wants silence, s."""
        return max(0, self.silent_until_ms - self.clock.now_ms()) / 1_000


@dataclass(frozen=True, slots=True)
class Heard:
    """A market's last closed candle.

    Attributes:
        close_ms: its close, ms UTC.
        times: at how many closes since the start the market was there.
        closes: how many there were of all markets until then, that one included.
    """

    close_ms: int
    times: int
    closes: int


class AccountBook:
    """One account's money and positions, refreshed before every decision.

    Args:
        desks: the engine's, by market.
        instruments: by market.
        filters: the venue's demands, by market.
        limits: in quote currency.
        market: market clock.
        venue: tells the distance of the clocks.
        feed: tells how fresh the data is.
        pulse: tells for how long nobody has watched.
        kept: as stored by an earlier process; None: this is the first close.
        reserved: intents that risk has a reservation of.
    """

    def __init__(
        self,
        desks: Mapping[str, Desk],
        instruments: Mapping[str, Instrument],
        filters: Mapping[str, MarketFilters],
        limits: RiskLimits,
        market: MarketClock,
        venue: WatchedVenue,
        feed: Feed,
        pulse: Pulse,
        kept: Ledgered | None,
        reserved: Callable[[], Collection[str]],
    ) -> None:
        self.kept = kept
        self.snapshot: Snapshot | None = None
        self._desks, self._instruments, self._filters = desks, instruments, filters
        self._limits, self._market, self._venue, self._feed = limits, market, venue, feed
        self._reserved, self._pulse = reserved, pulse
        self._prices: dict[str, tuple[Decimal, int]] = {}
        self._resumed: StateChange | None = None  # the peak begins anew as soon as the account's value is known
        self._closes = 0
        self._heard: dict[str, Heard] = {}

    @property
    def quote(self) -> str:
        """Return the currency that everything is counted in."""
        return Grid.of(next(iter(self._instruments.values()))).quote

    @property
    def prices(self) -> dict[str, Decimal]:
        """Return the last close of each market."""
        return {symbol: price for symbol, (price, _) in self._prices.items()}

    @property
    def steps(self) -> dict[str, Decimal]:
        """Return the quantity step of each market."""
        return {symbol: instrument.step for symbol, instrument in self._instruments.items()}

    @property
    def closes(self) -> int:
        """Return how many closes were heard since the start."""
        return self._closes

    @property
    def heard(self) -> dict[str, "Heard"]:
        """Return when each market was heard last; one that was not heard since the start is left out."""
        return dict(self._heard)

    def mark(self, closes: Mapping[str, Close], close_ms: int) -> None:
        """Note the prices of a close, and which markets were heard at it."""
        self._closes += 1
        for symbol, close in closes.items():
            self._prices[symbol] = (close.bar.close * self._instruments[symbol].tick, close_ms)
            times = self._heard[symbol].times + 1 if symbol in self._heard else 1
            self._heard[symbol] = Heard(close_ms, times, self._closes)

    async def refresh(self, store: Store) -> None:
        """Read the ledger; when it is away nothing is known, and every entry is denied."""
        try:
            self.snapshot = await store.load()
        except DatabaseError as error:
            self.snapshot = None
            get_logger().warning("account.unknown", reason=str(error))

    @property
    def cash(self) -> Decimal | None:
        """Return the quote currency of the ledger, locked or not."""
        if self.snapshot is None or self.quote not in self.snapshot.balances:
            return None
        return self.snapshot.balances[self.quote].total

    @property
    def equity(self) -> Decimal | None:
        """Return cash and positions at the last close; coins that the engine did not buy count for nothing."""
        cash = self.cash
        if cash is None or self.snapshot is None:
            return None
        total = cash
        for symbol, position in self.snapshot.positions.items():
            if position.holding > 0:
                if symbol not in self._prices:
                    return None
                total += position.holding * self._prices[symbol][0]
        return total

    def close_day(self) -> AccountResult | None:
        """Count the close into the day and the peak; return what the breaker is told, None when nothing is known."""
        equity = self.equity
        if equity is None:
            return None
        day = (self._market.now_ms() - 1) // _DAY_MS
        value = float(equity)
        if self.kept is None:
            self.kept = Ledgered(DayBook(day, value, value), equity)
        self._rebase()
        book = self.kept.day.closed(day, value, self._limits)
        self.kept = replace(self.kept, day=book, peak=max(self.kept.peak, equity))
        fall = float((self.kept.peak - equity) / self.kept.peak) if self.kept.peak > 0 else 1.0
        return AccountResult(max(fall, 0.0), book.pnl)

    def resumed(self, rows: Sequence[StateChange]) -> None:
        """Let the peak begin anew at what the account is worth, once for each resume after a trip of the drawdown.

        The day's loss is left alone.

        Args:
            rows: whole history of the trading state, oldest first.
        """
        done = None if self.kept is None else self.kept.rebased
        self._resumed = resumed_after_drawdown(rows, 0 if done is None else done.seq)
        self._rebase()

    def _rebase(self) -> None:
        row, equity = self._resumed, self.equity
        if row is None or self.kept is None or equity is None:
            return
        found = Rebased(row.seq, row.author, row.reason, plain_text(self.kept.peak), plain_text(equity))
        self.kept, self._resumed = replace(self.kept, peak=equity, rebased=found), None
        get_logger().warning(
            "risk.peak_rebased", before=found.before, after=found.after, author=row.author, reason=row.reason
        )

    def look(self) -> RiskView:
        """Return the account now; state, locks, restrictions, reservations and rate are the keeper's to fill in."""
        kept = self.kept
        sent = [desk.planner.entry for desk in self._desks.values()] + [
            desk.planner.sale for desk in self._desks.values()
        ]
        return RiskView(
            now_ms=self._market.now_ms(),
            rate_ms=self._market.now_ms() if self._feed.still else self._feed.clock.now_ms(),
            state=None,
            equity=self.equity,
            equity_peak=None if kept is None else kept.peak,
            day_pnl=None if kept is None else _figure(kept.day.judged_pnl(self._limits)),
            cash=self.cash,
            coins={symbol: self._coin(symbol, desk) for symbol, desk in self._desks.items()},
            locks=None,
            restrictions=None,
            reservations=None,
            rate=None,
            in_flight=sum(child is not None and child.stage is Stage.SENT for child in sent),
            feed_age_s=self._feed.overdue_s,
            skew_ms=float(-self._venue.skew_ms),
            throttled_s=self._feed.throttled_s,
            unwatched_s=self._pulse.silent_s,
        )

    def _coin(self, symbol: str, desk: Desk) -> CoinView:
        instrument, position = self._instruments[symbol], desk.planner.position
        price, price_ms = self._prices.get(symbol, (None, None))
        # what an earlier process was buying has no reservation here: it counts as bought
        buying = max(int(position.slot.want), 0) if position.entry_intent not in self._reserved() else 0
        return CoinView(
            filters=self._filters[symbol],
            price=price,
            price_ms=price_ms,
            fee_frac=Decimal(instrument.fee_taker_ppm).scaleb(-6),
            position=(position.sellable + buying) * instrument.step,
            stop=int(position.slot.stop) * instrument.tick if position.held and int(position.slot.stop) > 0 else None,
            booked=desk.booked and desk.planner.settled,
        )


def _figure(value: float) -> Decimal:
    """Return a difference of floats as a figure that risk can know: digits behind the eighteenth are noise."""
    return Decimal(f"{value:.18f}")
