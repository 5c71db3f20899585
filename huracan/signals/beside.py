"""A version that trades beside the one that is served: the same closes, the kernel's fills, an account of its own.

Whoever runs it cannot tell it from portfolio shadow: the laws, the account function and the risk limits are the same,
and a test holds its trades and denials equal to `huracan.shadow.shadow_portfolio`, bar by bar.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huracan.config import RiskSettings, TradingSettings
from huracan.errors import InvariantError
from huracan.execution.commands import ENTRIES, Close
from huracan.execution.grid import Grid
from huracan.execution.positions import Position
from huracan.execution.results import Decision, closed_trade, trade_rows
from huracan.features import STATE_SIZE
from huracan.memory import TradeRows, join_trades
from huracan.policy import Sureness
from huracan.risk import (
    AccountView,
    Approved,
    DayBook,
    DenialCode,
    Denied,
    EntryIntent,
    RiskLimits,
    check_entry,
    reserve,
    sure_enough,
)
from huracan.shadow.trades import regime_of
from huracan.shadow.worst import Ask, entry_at_worst
from huracan.signals.model import MarketClose
from huracan.signals.policies import LoadedVersion
from huracan.signals.states import Seat, StateBook
from huracan.trading import ExitReason, Instrument, Limits, resolve_settings
from huracan.trading.accounting import sellable
from huracan.trading.kernel import step_slot
from huracan.trading.settings import View
from huracan.trading.trader_law import act, force_exit
from huracan.trading.venue_law import Bar, Terms

__all__ = ["BesideAccount", "BesideClose"]

_DAY_MS = 86_400_000
_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class BesideClose:
    """What a close brought.

    Attributes:
        trades: closed by it, mode `shadow`; None: none.
        denied: refused entries by market.
        decided: markets that were decided on.
    """

    trades: TradeRows | None
    denied: Mapping[str, Denied]
    decided: tuple[str, ...]


@dataclass(slots=True)
class _Market:
    """One market of the account, and the decision behind its entry."""

    instrument: Instrument
    position: Position
    close: Close | None = None
    entered: Decision | None = None


class BesideAccount:
    """One account of one version; it holds no money, and nothing outside changes it.

    Args:
        loaded: the version; it trades by the rules that it was trained under.
        instruments: of the markets followed; those it does not decide on are left out.
        trading: configured section of the kernel.
        risk: limits and start balance.
        account: name of the account beside which it trades; its trades are stored under it.

    Raises:
        ConfigError: the version's rules do not hold together with the configured ones.
    """

    def __init__(
        self,
        loaded: LoadedVersion,
        instruments: Mapping[str, Instrument],
        trading: TradingSettings,
        risk: RiskSettings,
        account: str,
    ) -> None:
        self._loaded, self._account = loaded, account
        self._kernel = resolve_settings(loaded.trading(trading), loaded.timeframe)
        self._limits, self._sureness = RiskLimits.of(risk, trading.account_to_quote_rate), Sureness.of(risk)
        self._state_limits = Limits.of(risk, trading.account_to_quote_rate)
        self._markets = {
            symbol: _Market(instrument, Position(Grid.of(instrument), self._kernel.base_ms))
            for symbol, instrument in sorted(instruments.items())
            if loaded.decides_on(symbol)
        }
        self._book = StateBook(self._state_limits, self._state_limits.wallet)
        self._day: DayBook | None = None
        self._peak = self._state_limits.wallet
        self._seq = 0
        self.close_ms = -1

    @property
    def loaded(self) -> LoadedVersion:
        """Return the version."""
        return self._loaded

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets it trades, sorted."""
        return tuple(self._markets)

    @property
    def value(self) -> float:
        """Return start balance and result, marked at the last closes, quote currency."""
        return self._book.value(self._seats())

    def on_close(self, close: MarketClose, closes: Mapping[str, Close]) -> BesideClose:
        """Take the account through one close: the bar's fills, the day, and what is decided now.

        Args:
            close: of the feed; a late one is kept house at, and nothing is decided.
            closes: closed bars of the laws, by market; a market left out has no bar.

        Raises:
            InvariantError: the close is not after the last one, or a trade's parts do not add up.
        """
        if close.close_ms <= self.close_ms:
            raise InvariantError(f"{self._loaded.served.version}: close {close.close_ms} comes after {self.close_ms}")
        self.close_ms = close.close_ms
        mine = [symbol for symbol in self._markets if symbol in closes]
        trades = [row for symbol in mine if (row := self._step(symbol, closes[symbol])) is not None]
        forced = self._turn(close.close_ms)
        decided, denied = ((), {}) if close.late else self._decide(close, mine, forced)
        for symbol in forced:
            force_exit(self._markets[symbol].position.slot, int(ExitReason.RISK_EXIT), self._units(symbol))
        return BesideClose(_joined(trades), denied, decided)

    # ---- a bar ------------------------------------------------------------------------------------------------

    def _step(self, symbol: str, close: Close) -> TradeRows | None:
        """Take one market through its bar; returns the trade that it closed."""
        market = self._markets[symbol]
        position, market.close = market.position, close
        if not step_slot(position.slot, close.bar, close.terms, self._kernel.rules):
            return None
        position.exit_bar = close.bar.number
        trade = closed_trade(position)
        position.learn(close.terms)
        position.clear()
        entered = market.entered or Decision(np.zeros(STATE_SIZE, np.float32), -1, 0.0)
        market.entered = None
        rows = trade_rows(
            [trade], [entered], _NO_RATES, self._loaded.served.version, self._account, "shadow", self._seq
        )
        self._seq += 1
        return rows

    def _turn(self, close_ms: int) -> list[str]:
        """Count the close into the UTC day; returns the markets that a day which lost too much sells."""
        day, value = (close_ms - self._kernel.base_ms) // _DAY_MS, self.value
        if self._day is None:
            self._day = DayBook(day, value, value)
            return []
        self._day = self._day.closed(day, value, self._limits)
        if not self._day.breached:
            return []
        return [symbol for symbol, market in self._markets.items() if self._gross(market) > 0.0]

    # ---- decisions --------------------------------------------------------------------------------------------

    def _decide(
        self, close: MarketClose, mine: Sequence[str], forced: Sequence[str]
    ) -> tuple[tuple[str, ...], dict[str, Denied]]:
        rows = close.fits.get(self._loaded.served.fit)
        if rows is None:  # the feed does not follow this version's fit yet
            return (), {}
        place = {symbol: n for n, symbol in enumerate(close.symbols)}
        due = tuple(symbol for symbol in mine if rows.due[place[symbol]] and rows.ready[place[symbol]])
        if not due:
            return (), {}
        states = self._book.write(close, self._seats(), due)
        self._peak = max(self._peak, self.value)
        decision = self._sureness.of_decision(self._loaded.ensemble.decide(states), states)
        view, denied = self._view(), dict[str, Denied]()
        for row, symbol in enumerate(due):
            action = int(decision.action[row])
            if symbol in forced:
                continue
            if action in ENTRIES:
                sure, least = float(decision.confidence[row]), self._sureness.confidence_min
                if not sure_enough(sure, least):
                    denied[symbol] = Denied(DenialCode.LOW_CONFIDENCE, sure, least)
                    continue
                verdict = check_entry(view, self._ask(symbol, action), self._limits)
                if not isinstance(verdict, Approved):
                    denied[symbol] = verdict
                    continue
                view = reserve(view, verdict)
            self._act(symbol, action, states[row], float(decision.confidence[row]))
        return due, denied

    def _act(self, symbol: str, action: int, state: NDArray[np.float32], confidence: float) -> None:
        market = self._markets[symbol]
        at = market.close
        assert at is not None, "decided without a bar"
        layout = self._loaded.served.layout
        if act(market.position.slot, at.bar, at.terms, at.view, self._kernel.rules, action):
            market.entered = Decision(state.copy(), int(regime_of(state[None])[0]), confidence, layout)

    def _ask(self, symbol: str, action: int) -> EntryIntent:
        market = self._markets[symbol]
        assert market.close is not None, "asked without a bar"
        ask = Ask(action, market.close.bar.close, market.close.view, self._gross(market))
        return entry_at_worst(ask, market.instrument, self._kernel)

    def _view(self) -> AccountView:
        assert self._day is not None, "the day is counted first"
        gross = [self._gross(market) for market in self._markets.values()]
        value, held = self.value, float(np.array(gross).sum())
        return AccountView(
            equity=value,
            equity_peak=max(self._peak, value),
            day_pnl=self._day.judged_pnl(self._limits),
            free_cash=value - held,
            gross=held,
            heat=float(np.array([self._heat(market) for market in self._markets.values()]).sum()),
            open_trades=sum(one > 0.0 for one in gross),
        )

    def _gross(self, market: _Market) -> float:
        """Return the value held and being bought, quote currency."""
        if market.close is None:
            return 0.0
        return self._steps(market) * float(market.close.bar.close) * float(market.instrument.tick_step_quote)

    def _heat(self, market: _Market) -> float:
        """Return what is lost if the stop hits, quote currency."""
        if market.close is None or not self._kernel.rules.stops:
            return 0.0
        distance = max(0, int(market.close.bar.close) - int(market.position.slot.stop))
        return self._steps(market) * float(distance) * float(market.instrument.tick_step_quote)

    def _steps(self, market: _Market) -> int:
        slot = market.position.slot
        return int(sellable(slot, market.position.grid.step_units)) + int(slot.want)

    def _units(self, symbol: str) -> int:
        return self._markets[symbol].position.grid.step_units

    def _seats(self) -> dict[str, Seat]:
        fit = self._loaded.served.fit
        return {
            symbol: Seat(
                market.position,
                market.close,
                self._kernel.rules,
                float(market.instrument.tick_step_quote),
                fit,
                self._loaded.memory,
            )
            for symbol, market in self._markets.items()
        }

    # ---- bytes ------------------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return everything that the next close depends on, but the version itself."""
        markets = {
            symbol: {
                "position": _text(market.position.to_bytes()),
                "close": None if market.close is None else [list(part) for part in _parts(market.close)],
                "entered": None if market.entered is None else _entered(market.entered),
            }
            for symbol, market in self._markets.items()
        }
        head = {
            "format": _FORMAT,
            "version": self._loaded.served.version,
            "sha256": self._loaded.served.sha256,
            "close_ms": self.close_ms,
            "book": _text(self._book.to_bytes()),
            "day": None if self._day is None else asdict(self._day),
            "peak": self._peak,
            "seq": self._seq,
            "markets": markets,
        }
        return json.dumps(head, sort_keys=True).encode()

    def restore(self, data: bytes) -> None:
        """Go on where `to_bytes` was written; markets that are new since begin flat.

        Raises:
            InvariantError: the bytes are not those of this version's account.
        """
        try:
            head = json.loads(data)
            same = (head["format"], head["version"], head["sha256"])
            if same != (_FORMAT, self._loaded.served.version, self._loaded.served.sha256):
                raise InvariantError(f"saved account of {head['version']}, not of {self._loaded.served.version}")
            book = _bytes(head["book"])
            self._book = StateBook.from_bytes(book, self._state_limits) if book else self._book
            self._day = None if head["day"] is None else DayBook(**head["day"])
            self._peak, self._seq, self.close_ms = head["peak"], head["seq"], head["close_ms"]
            for symbol, saved in head["markets"].items():
                if symbol in self._markets:
                    self._take(self._markets[symbol], saved)
        except (ValueError, KeyError, TypeError) as error:
            raise InvariantError(f"{self._loaded.served.version}: {len(data)} bytes are no saved account") from error

    def _take(self, market: _Market, saved: Mapping[str, Any]) -> None:
        market.position = Position.from_bytes(_bytes(saved["position"]), market.position.grid, self._kernel.base_ms)
        if saved["close"] is not None:
            market.close = _close_of(saved["close"])
        if saved["entered"] is not None:
            entered = saved["entered"]
            state = np.frombuffer(_bytes(entered["state"]), "<f4").astype(np.float32)
            layout = entered.get("layout", 0)  # accounts saved by earlier versions do not say it
            market.entered = Decision(state, entered["regime"], entered["confidence"], layout)


_NO_RATES: Mapping[str, Decimal] = {}  # the kernel pays its fees in coin and quote alone


def _joined(rows: Sequence[TradeRows]) -> TradeRows | None:
    return join_trades(rows) if rows else None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _entered(decision: Decision) -> dict[str, Any]:
    state = _text(np.ascontiguousarray(decision.state, "<f4").tobytes())
    return {
        "state": state,
        "regime": decision.regime,
        "confidence": decision.confidence,
        "layout": decision.layout,
    }


def _parts(close: Close) -> tuple[Bar, Terms, View]:
    return close.bar, close.terms, close.view


def _close_of(parts: Sequence[Sequence[Any]]) -> Close:
    bar, terms, view = parts
    return Close(Bar(*bar), Terms(*terms), View(*view))
