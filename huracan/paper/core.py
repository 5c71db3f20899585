"""What every part of the exchange shares: settings, markets, accounts, the state, its generators and its event log."""

import json
import random
from collections.abc import Sequence

from huracan.clock import Clock
from huracan.errors import ConfigError
from huracan.paper.account import open_account
from huracan.paper.errors import bad_symbol
from huracan.paper.faults import FaultKind, strike
from huracan.paper.filters import Filters, make_filters
from huracan.paper.market import PaperMarket, futures_symbol
from huracan.paper.matching import make_terms
from huracan.paper.settings import PaperAccount, PaperSettings
from huracan.paper.state import AccountState, ClockState, ExchangeState, Limiter, MarketState, Phase
from huracan.trading.venue_law import Bar, Terms

__all__ = ["Core"]

GENERATORS = ("latency", "faults", "events")


class Core:
    """Settings, markets and state, with the look-ups that need more than one of them.

    Args:
        settings, markets, accounts, seed, clock: as of `PaperExchange`.

    Raises:
        ConfigError: no market or account, two of one name or key, bars of different length, or none after the start.
    """

    def __init__(
        self,
        settings: PaperSettings,
        markets: Sequence[PaperMarket],
        accounts: Sequence[PaperAccount],
        seed: int,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.markets = {market.venue_symbol: market for market in markets}
        self.accounts = {account.name: account for account in accounts}
        self.keys = {account.api_key: account.name for account in accounts}
        self._check(markets, accounts)
        self.clock = clock
        self.filters: dict[str, Filters] = {
            symbol: make_filters(market, settings.position_max.get(market.base))
            for symbol, market in self.markets.items()
        }
        self._terms: dict[tuple[str, int], Terms] = {}
        self.random = {name: random.Random(f"{seed}:{name}") for name in GENERATORS}  # noqa: S311 - a simulation
        self.base_ms = markets[0].base_ms
        self.state = self._open()

    def _check(self, markets: Sequence[PaperMarket], accounts: Sequence[PaperAccount]) -> None:
        if not markets or not accounts:
            raise ConfigError("the paper exchange needs at least one market and one account")
        if len(self.markets) < len(markets):
            raise ConfigError("two markets have one venue symbol; leave one out")
        if not self.spot:
            raise ConfigError(
                "the paper exchange trades spot markets, and shows a perpetual's candles; list a spot market"
            )
        if len(self.accounts) < len(accounts) or len(self.keys) < len(accounts):
            raise ConfigError("two accounts share a name or an API key; give each its own")
        if len({market.base_ms for market in markets}) > 1:
            raise ConfigError("the markets have bars of different length; give candles of one timeframe")

    def _open(self) -> ExchangeState:
        """Return the state before the first bar: rows that have closed by the start are history."""
        start = -(-self.settings.start_ms // self.base_ms)
        rows = {symbol: int(market.bars[:, 0].searchsorted(start)) for symbol, market in self.markets.items()}
        ahead = [
            int(self.markets[symbol].bars[row, 0])
            for symbol, row in rows.items()
            if row < len(self.markets[symbol].bars)
        ]
        if not ahead:
            raise ConfigError("no bar opens at or after the exchange's start; start it earlier")
        markets = {}
        for symbol, row in rows.items():
            market, before = self.markets[symbol], max(0, row - 1)
            shown = int(market.bars[before, 4 if row else 1])
            markets[symbol] = MarketState(row=row, phase=Phase.GAP, shown=shown, shown_row=before)
        first = min(ahead)
        clock = ClockState(now_ms=start * self.base_ms, bar=first, step=4, closed=start - 1)
        accounts = {account.name: open_account(account) for account in self.accounts.values()}
        return ExchangeState(clock, markets, accounts, self.settings.faults)

    # ---- generators ---------------------------------------------------------------------------------------------

    def save_random(self) -> dict[str, str]:
        """Return the state of every generator as text."""
        return {name: json.dumps(rng.getstate()) for name, rng in self.random.items()}

    def load_random(self, states: dict[str, str]) -> None:
        """Take over the generators' states."""
        for name, text in states.items():
            version, internal, gauss = json.loads(text)
            self.random[name].setstate((version, tuple(internal), gauss))

    def delay_ms(self, base_ms: int, mean_ms: float) -> int:
        """Draw one latency: base plus an exponential of the mean, cut at ten means."""
        if mean_ms <= 0:
            return base_ms
        return base_ms + round(min(self.random["latency"].expovariate(1.0 / mean_ms), 10.0 * mean_ms))

    def strikes(self, kind: FaultKind, probability: float, route: str = "", account: str | None = None) -> str | None:
        """Return how a request's fault strikes, None when it does not."""
        return strike(kind, probability, self.state.script, self.random["faults"], route, account)

    # ---- look-ups -----------------------------------------------------------------------------------------------

    @property
    def wall_ms(self) -> int:
        """Return the venue's wall clock, with its skew."""
        return self.clock.now_ms() + self.state.faults.clock_skew_ms

    @property
    def spot(self) -> tuple[str, ...]:
        """Return the names of the markets that are traded."""
        return tuple(name for name, market in self.markets.items() if not market.perpetual)

    def market(self, symbol: str) -> PaperMarket:
        """Return a market that is traded.

        Raises:
            Refusal: there is none of this name.
        """
        if symbol not in self.markets or self.markets[symbol].perpetual:
            raise bad_symbol()
        return self.markets[symbol]

    def perpetual(self, symbol: str) -> PaperMarket:
        """Return a perpetual by the name that futures have at the venue, which is that of the spot market.

        Raises:
            Refusal: there is none of this name.
        """
        found = next((one for one in self.markets.values() if one.perpetual and futures_symbol(one) == symbol), None)
        if found is None:
            raise bad_symbol()
        return found

    def account(self, name: str) -> AccountState:
        """Return an account's state."""
        return self.state.accounts[name]

    def limiter(self, client: str) -> Limiter:
        """Return the request weight of an address."""
        return self.state.limiters.setdefault(client, Limiter())

    def bar_row(self, symbol: str) -> int:
        """Return the row of the bar at hand; the last one after the end."""
        return min(self.state.markets[symbol].row, len(self.markets[symbol].bars) - 1)

    def bar(self, symbol: str) -> Bar:
        """Return the bar at hand."""
        return self.markets[symbol].bar(self.bar_row(symbol))

    def terms(self, symbol: str, row: int) -> Terms:
        """Return the costs of a row's day."""
        market = self.markets[symbol]
        key = (symbol, market.day(row))
        if key not in self._terms:
            self._terms[key] = make_terms(market, row, self.settings)
        return self._terms[key]

    def last(self, symbol: str, account: str) -> int:
        """Return the last trade that an account's commands meet, ticks.

        In the window the open, after a resting buy of the account was filled its price; between windows what is
        public; after the last bar its close.
        """
        state = self.state.markets[symbol]
        if state.phase is Phase.FINAL:
            return self.bar(symbol).close
        if state.phase in (Phase.WINDOW, Phase.BUYS):
            return state.last.get(account, self.bar(symbol).open)
        return state.shown

    def last_close(self, symbol: str) -> int:
        """Return the close of the last closed bar, ticks; before the first one its open."""
        row, market = self.state.markets[symbol].row, self.markets[symbol]
        return int(market.bars[row - 1, 4]) if row else int(market.bars[0, 1])

    def time_ms(self, symbol: str) -> int:
        """Return the market time of what happens in a market now: in a window at least the bar's opening."""
        state, now = self.state.markets[symbol], self.state.clock.now_ms
        if state.phase is Phase.WINDOW:
            return max(now, self.markets[symbol].open_ms(state.row))
        return now

    def halted(self, symbol: str) -> bool:
        """Return whether a market is in status BREAK."""
        return symbol in self.state.faults.halted
