"""Market time: the phases of each bar, by the clock in free run, by acknowledgement in lock-step."""

from dataclasses import dataclass

from huracan.errors import UsageError
from huracan.paper.core import Core
from huracan.paper.desk import Desk
from huracan.paper.feed import Feed
from huracan.paper.matching import Part, maker_fill, stop_parts
from huracan.paper.state import AccountState, Order, Phase, Side
from huracan.trading.venue_law import stop_touch

__all__ = ["AckOutcome", "Clockwork", "LockStage"]

_QUARTERS = 4
_UNOPENED = 4


@dataclass(frozen=True, slots=True)
class LockStage:
    """Where a lock-step exchange waits: `bar` and `stage` ("fills" or "close"), and for which accounts' acks."""

    bar: int
    stage: str
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AckOutcome:
    """Answer to an ack: accepted (200), or why not (409)."""

    accepted: bool
    reason: str = ""


class Clockwork:
    """Takes every market through P0 (window), P1 (resting buys), P2 (stops), P3 (resting sells) and P4 (close).

    In free run the phases fall on the quarters of the bar and the window is its first quarter. In lock-step the window
    of a market's next bar opens with the close of the one before, and time stands still until all accounts have acked.
    """

    def __init__(self, core: Core, desk: Desk, feed: Feed) -> None:
        self._core = core
        self._desk = desk
        self._feed = feed

    def start(self) -> None:
        """Open the exchange before its first bar."""
        if self._core.settings.lockstep:
            self._open_windows(list(self._core.markets))
            clock = self._core.state.clock
            clock.step = 0
            self._wait("close", list(self._core.accounts))

    # ---- free run -----------------------------------------------------------------------------------------------

    def next_ms(self) -> int | None:
        """Return the market time of the next phase, None after the last bar and in lock-step."""
        clock = self._core.state.clock
        if clock.ended or self._core.settings.lockstep:
            return None
        return self._phase_ms(clock.bar, clock.step)

    def _phase_ms(self, bar: int, step: int) -> int:
        if step == _UNOPENED:
            return bar * self._core.base_ms
        return bar * self._core.base_ms + (step + 1) * self._core.base_ms // _QUARTERS

    def advance(self, to_ms: int) -> None:
        """Move the market clock to `to_ms`, through every phase on the way.

        Raises:
            UsageError: the exchange runs in lock-step, or the time lies in the past.
        """
        clock = self._core.state.clock
        if self._core.settings.lockstep:
            raise UsageError("a lock-step exchange moves by acks; start it without lock-step to move it by a clock")
        if to_ms < clock.now_ms:
            raise UsageError(f"market time cannot go back from {clock.now_ms} to {to_ms}")
        due = self.next_ms()
        while due is not None and due <= to_ms:
            clock.now_ms = max(clock.now_ms, due)
            self._phase()
            due = self.next_ms()
        clock.now_ms = to_ms

    def _phase(self) -> None:
        """Do what is due next."""
        clock = self._core.state.clock
        if clock.step == _UNOPENED:
            clock.step = 0
            self._open_windows(self._playing())
        elif clock.step == _QUARTERS - 1:
            self._close()
        else:
            self._match(clock.step)
            clock.step += 1

    # ---- lock-step ----------------------------------------------------------------------------------------------

    @property
    def stage(self) -> LockStage | None:
        """Return where lock-step waits; None in free run and after the last bar."""
        clock = self._core.state.clock
        if not clock.stage:
            return None
        bar = clock.closed if clock.stage == "close" else clock.bar
        return LockStage(bar, clock.stage, tuple(clock.waiting))

    def ack(self, account: str, bar: int, stage: str, seq: int, requests_open: int) -> AckOutcome:
        """Take one account's word that it has finished; the last one moves time to the next stage.

        A stage that was acked before, or has passed, is accepted again and changes nothing.
        """
        now = self.stage
        if now is None:
            return AckOutcome(False, "no stage is waiting")
        order = {"fills": 0, "close": 1}
        if account not in self._core.accounts or stage not in order:
            return AckOutcome(False, "no such account or stage")
        if (bar, order[stage]) < (now.bar, order[now.stage]):
            return AckOutcome(True, "passed")
        if (bar, stage) != (now.bar, now.stage):
            return AckOutcome(False, f"waiting for {now.stage} of bar {now.bar}")
        if requests_open:
            return AckOutcome(False, f"{requests_open} requests are open")
        last = self._core.account(account).seq
        if seq != last:
            return AckOutcome(False, f"the last private event is {last}, not {seq}")
        waiting = self._core.state.clock.waiting
        if account in waiting:
            waiting.remove(account)
            if not waiting:
                self._move_on(now.stage)
        return AckOutcome(True)

    def _wait(self, stage: str, accounts: list[str]) -> None:
        clock = self._core.state.clock
        clock.stage, clock.waiting = stage, sorted(accounts)

    def _move_on(self, stage: str) -> None:
        """Run the phases up to the next stage at which somebody has something to do."""
        clock = self._core.state.clock
        if stage == "close":
            clock.now_ms = self._phase_ms(clock.bar, 0)
            filled = self._match(0)
            clock.step = 1
            if filled:
                self._wait("fills", sorted(filled))
                return
        for step in (1, 2):
            clock.now_ms = self._phase_ms(clock.bar, step)
            self._match(step)
            clock.step = step + 1
        clock.now_ms = self._phase_ms(clock.bar, _QUARTERS - 1)
        self._close()
        self._wait("" if clock.ended else "close", [] if clock.ended else list(self._core.accounts))

    # ---- phases -------------------------------------------------------------------------------------------------

    def _playing(self) -> list[str]:
        """Return the markets that have a bar now."""
        bar, found = self._core.state.clock.bar, []
        for symbol, market in self._core.markets.items():
            row = self._core.state.markets[symbol].row
            if row < len(market.bars) and int(market.bars[row, 0]) == bar:
                found.append(symbol)
        return found

    def _open_windows(self, symbols: list[str]) -> None:
        for symbol in symbols:
            state = self._core.state.markets[symbol]
            over = state.row >= len(self._core.markets[symbol].bars)
            state.phase = Phase.FINAL if over else Phase.WINDOW
            state.fills = 0
            state.last.clear()
            state.used.clear()
            self._desk.release_held(symbol)

    def _match(self, step: int) -> set[str]:
        """Do P1, P2 or P3 of every market that has a bar; return the accounts whose resting orders were filled."""
        filled: set[str] = set()
        for symbol in self._playing():
            state, bar = self._core.state.markets[symbol], self._core.bar(symbol)
            state.phase, state.fills = (Phase.BUYS, Phase.STOPS, Phase.SELLS)[step], 0
            if bar.volume > 0 and not self._core.halted(symbol):
                if step == 1:
                    self._match_stops(symbol)
                else:
                    filled |= self._match_limits(symbol, Side.BUY if step == 0 else Side.SELL)
            self._show(symbol, step)
        return filled

    def _show(self, symbol: str, index: int) -> None:
        state, row = self._core.state.markets[symbol], self._core.bar_row(symbol)
        if self._core.bar(symbol).volume > 0:
            self._feed.show(symbol, index)
        else:
            state.shown_row = row
        if index < _QUARTERS - 1 and state.prints:
            self._feed.candle(symbol)

    def _resting(self, account: AccountState, symbol: str) -> list[Order]:
        orders = (account.orders[key] for key in account.open_orders)
        return [order for order in orders if order.symbol == symbol and not order.held]

    def _match_limits(self, symbol: str, side: Side) -> set[str]:
        """Fill resting limits that the bar trades through, best price first, by each account's share of the volume."""
        core, filled = self._core, set()
        state, bar = core.state.markets[symbol], core.bar(symbol)
        terms = core.terms(symbol, state.row)
        sign = -1 if side is Side.BUY else 1
        for name in sorted(core.accounts):
            account = core.account(name)
            orders = [
                order
                for order in self._resting(account, symbol)
                if order.side is side
                and order.working
                and order.limit
                and not (order.phase is Phase.BUYS and order.row == state.row)
            ]
            for order in sorted(orders, key=lambda order: (sign * order.limit, order.order_id)):
                if not order.is_open:
                    continue
                used = state.used.get(f"{name} {side}", 0)
                quantity = maker_fill(side, order.limit, order.rest, order.lot, used, bar, terms)
                if quantity:
                    state.used[f"{name} {side}"] = used + quantity
                    self._desk.fill(order, Part(order.limit, quantity), maker=True)
                    filled.add(name)
                    if side is Side.BUY:
                        state.last[name] = order.limit
        return filled

    def _match_stops(self, symbol: str) -> None:
        """Trigger the stops that the bar touches, the highest first."""
        core = self._core
        bar, terms = core.bar(symbol), core.terms(symbol, core.state.markets[symbol].row)
        for name in sorted(core.accounts):
            stops = [order for order in self._resting(core.account(name), symbol) if order.stop and not order.working]
            for order in sorted(stops, key=lambda order: (-order.stop, order.order_id)):
                if order.is_open and stop_touch(order.stop, bar):
                    self._desk.trigger(order, stop_parts(order.stop, order.rest, bar, terms))

    def _close(self) -> None:
        """P4: the bars close, their candles are final, and the next bar is looked for."""
        core, clock = self._core, self._core.state.clock
        playing = self._playing()
        clock.closed = clock.bar
        for symbol in playing:
            state = core.state.markets[symbol]
            self._show(symbol, _QUARTERS - 1)
            state.row += 1
            state.phase = Phase.GAP
            state.prints.clear()
            state.shown = core.last_close(symbol)
            self._feed.candle(symbol)
        ahead = [
            int(market.bars[core.state.markets[symbol].row, 0])
            for symbol, market in core.markets.items()
            if core.state.markets[symbol].row < len(market.bars)
        ]
        clock.ended = not ahead
        clock.bar = min(ahead, default=clock.bar + 1)
        over = [symbol for symbol in playing if core.state.markets[symbol].row >= len(core.markets[symbol].bars)]
        if core.settings.lockstep:
            clock.step = 0
            self._open_windows(playing)
            return
        self._open_windows(over)
        clock.step = _UNOPENED
        if not clock.ended and clock.bar * core.base_ms <= clock.now_ms:
            clock.step = 0
            self._open_windows(self._playing())
