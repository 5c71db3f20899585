"""What a trader is measured by: wrappers of its ports that count what passes through them, and change nothing of it.

Latencies begin when the newest candle of a close was heard (wall clock): to the decision, to the order's being marked
as sent right before its socket write, to the booking of a fill. What is measured per decision stands in the database as
well: decisions keep when they were heard and made, orders when they were sent, fills when they happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from huracan.clock import Clock
from huracan.execution.model import (
    Booked,
    Draft,
    Intent,
    IntentStatus,
    Lease,
    Order,
    Record,
    Reservation,
    Shortfall,
    Trigger,
)
from huracan.execution.store import Store
from huracan.trader.decided import Decided, DecisionLog
from huracan.trader.views import AccountState, Views
from huracan.trading import Action

__all__ = ["METRICS", "Meter", "MeteredDecisions", "MeteredStore", "MeteredViews", "Metric", "Since"]

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is measured.

    Attributes:
        kind: how.
        words: what it says.
        labels: names of its labels; few values each.
        bounds: upper bounds of a histogram, s.
    """

    kind: Literal["counter", "gauge", "histogram"]
    words: str
    labels: tuple[str, ...] = ("account",)
    bounds: tuple[float, ...] = ()


METRICS: Final[dict[str, Metric]] = {
    "huracan_decisions_total": Metric("counter", "Decisions made, by action.", ("account", "action")),
    "huracan_decision_seconds": Metric("histogram", "Newest candle heard to decision made.", bounds=_SECONDS),
    "huracan_sent_seconds": Metric("histogram", "Newest candle heard to order on its way.", bounds=_SECONDS),
    "huracan_fill_seconds": Metric("histogram", "Newest candle heard to fill booked.", bounds=_SECONDS),
    "huracan_orders_total": Metric("counter", "Orders sent, by side.", ("account", "side")),
    "huracan_rejects_total": Metric("counter", "Orders that the venue refused."),
    "huracan_denials_total": Metric("counter", "Intents denied or given up, by code.", ("account", "code")),
    "huracan_fills_total": Metric("counter", "Fills booked."),
    "huracan_equity": Metric("gauge", "Cash and positions at the last close, quote currency."),
    "huracan_pnl_day": Metric("gauge", "Result of the UTC day, quote currency."),
    "huracan_heat_frac": Metric("gauge", "Loss if every stop is hit, share of equity."),
    "huracan_open_trades": Metric("gauge", "Markets in which something is held or bought."),
    "huracan_market_seconds": Metric("gauge", "Market clock of the last close carried out, s UTC."),
}


class Meter(Protocol):
    """Where measurements go."""

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add to a histogram."""
        ...


@dataclass(slots=True)
class Since:
    """When the newest candle was heard that was decided on, wall clock; 0: none was."""

    heard_ms: int = 0


class MeteredDecisions:
    """A log of decisions that is measured.

    Args:
        inner: the log.
        meter: measures.
        account: name of the account.
        since: told when the candles of the newest decision were heard.
    """

    def __init__(self, inner: DecisionLog, meter: Meter, account: str, since: Since) -> None:
        self._inner, self._meter, self._account, self._since = inner, meter, account, since

    async def newest(self) -> Decided | None:
        """See `DecisionLog`."""
        return await self._inner.newest()

    async def keep(self, decided: Decided) -> None:
        """See `DecisionLog`."""
        await self._inner.keep(decided)
        self._since.heard_ms = decided.heard_ms
        for action in decided.action:
            self._meter.count("huracan_decisions_total", account=self._account, action=Action(int(action)).name)
        seconds = (decided.decided_ms - decided.heard_ms) / 1_000
        self._meter.observe("huracan_decision_seconds", seconds, account=self._account)

    async def close(self) -> None:
        """See `DecisionLog`."""
        await self._inner.close()


class MeteredViews:
    """A view of the account that is measured.

    Args:
        inner: where the view is kept.
        meter: measures.
        account: name of the account.
    """

    def __init__(self, inner: Views, meter: Meter, account: str) -> None:
        self._inner, self._meter, self._account = inner, meter, account

    async def load(self) -> AccountState | None:
        """See `Views`."""
        return await self._inner.load()

    async def keep(self, state: AccountState) -> None:
        """See `Views`."""
        await self._inner.keep(state)
        self._meter.gauge("huracan_market_seconds", state.market_ms / 1_000, account=self._account)
        self._meter.gauge("huracan_pnl_day", float(state.day.pnl), account=self._account)
        if state.report.get("equity") is not None:
            self._meter.gauge("huracan_equity", float(state.report["equity"]), account=self._account)
        used = {row["name"]: row["used"] for row in state.report.get("limits", ())}
        for name, limit in (("huracan_heat_frac", "heat_frac"), ("huracan_open_trades", "open_trades")):
            if limit in used:
                self._meter.gauge(name, float(used[limit]), account=self._account)

    async def close(self) -> None:
        """See `Views`."""
        await self._inner.close()


class MeteredStore:
    """A store that is measured; what it does not measure is the inner one's own.

    Args:
        inner: the store.
        meter: measures.
        clock: wall clock.
        since: when the candles of the newest decision were heard.
    """

    def __init__(self, inner: Store, meter: Meter, clock: Clock, since: Since) -> None:
        self._inner, self._meter, self._clock, self._since = inner, meter, clock, since
        self._sides: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        """Return what the inner store has."""
        return getattr(self._inner, name)

    async def update_intent(
        self, lease: Lease, intent_id: str, status: IntentStatus, code: str = "", quantity: Any = None
    ) -> Intent:
        """See `Store.update_intent`."""
        found = await self._inner.update_intent(lease, intent_id, status, code, quantity)
        if status in (IntentStatus.DENIED, IntentStatus.GIVEN_UP):
            self._meter.count("huracan_denials_total", account=self._inner.account, code=code or "NONE")
        return found

    async def begin_order(
        self, lease: Lease, drafts: Sequence[Draft], reservation: Reservation
    ) -> tuple[Order, ...] | Shortfall:
        """See `Store.begin_order`."""
        found = await self._inner.begin_order(lease, drafts, reservation)
        self._sides |= {draft.cid: str(draft.side) for draft in drafts}
        return found

    async def mark_sent(self, lease: Lease, cids: Sequence[str], at_ms: int) -> None:
        """See `Store.mark_sent`."""
        await self._inner.mark_sent(lease, cids, at_ms)
        for cid in cids:
            side = self._sides.pop(cid, "SELL")
            self._meter.count("huracan_orders_total", account=self._inner.account, side=side)
        self._observe("huracan_sent_seconds", at_ms)

    async def record(self, lease: Lease, record: Record) -> Booked:
        """See `Store.record`."""
        booked = await self._inner.record(lease, record)
        account = self._inner.account
        rejects = sum(fact.trigger is Trigger.REJECT for fact in record.facts)
        if rejects:
            self._meter.count("huracan_rejects_total", rejects, account=account)
        if booked.fills:
            self._meter.count("huracan_fills_total", len(booked.fills), account=account)
            self._observe("huracan_fill_seconds", self._clock.now_ms())
        return booked

    def _observe(self, name: str, at_ms: int) -> None:
        if self._since.heard_ms:
            seconds = max(0, at_ms - self._since.heard_ms) / 1_000
            self._meter.observe(name, seconds, account=self._inner.account)
