"""The log of stream events: numbers private ones, and loses, repeats or reorders them when a fault says so."""

import copy
from decimal import Decimal
from typing import Any

from huracan.paper.core import Core
from huracan.paper.faults import FaultKind
from huracan.paper.wire import StreamEvent

__all__ = ["EventLog"]

_PENDING_MAX = 1_000_000


class EventLog:
    """Events that were not drained yet, in order."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._pending: list[StreamEvent] = []
        self._held: dict[str, StreamEvent] = {}

    def public(self, stream: str, payload: dict[str, Any]) -> None:
        """Add an event of a market stream."""
        if not self._core.state.faults.silent:
            self._add(StreamEvent(stream, None, payload))

    def private(self, name: str, payload: dict[str, Any]) -> None:
        """Add an event of an account's user stream."""
        account, faults = self._core.account(name), self._core.state.faults
        account.seq += 1
        account.updated_ms = self._core.state.clock.now_ms
        latency = self._core.settings.latency
        delay = self._core.delay_ms(latency.event_ms, latency.event_mean_ms)
        event = StreamEvent("user", name, payload, delay, account.seq)
        if faults.silent or self._strikes(FaultKind.STREAM_DROP, faults.stream_drop, name):
            return
        if name not in self._held and self._strikes(FaultKind.STREAM_REORDER, faults.stream_reorder, name):
            self._held[name] = event
            return
        self._add(event)
        if self._strikes(FaultKind.STREAM_DUPLICATE, faults.stream_duplicate, name):
            self._add(event)
        if payload.get("x") == "TRADE" and self._strikes(FaultKind.TRADE_ID_REPEAT, faults.trade_id_repeat, name):
            self._add(self._other_quantity(event))
        if name in self._held:
            self._add(self._held.pop(name))

    def _strikes(self, kind: FaultKind, probability: float, name: str) -> bool:
        return self._core.strikes(kind, probability, account=name) is not None

    def _other_quantity(self, event: StreamEvent) -> StreamEvent:
        """Return the same trade with twice the quantity: one id, two stories."""
        payload = copy.deepcopy(event.payload)
        payload["l"] = f"{2 * Decimal(payload['l']):f}"
        return StreamEvent(event.stream, event.account, payload, event.delay_ms, event.seq)

    def _add(self, event: StreamEvent) -> None:
        assert len(self._pending) < _PENDING_MAX, "nobody drains the events of the paper exchange"
        self._pending.append(event)

    def drain(self) -> list[StreamEvent]:
        """Return the events since the last call; one held back for reordering comes last at the latest."""
        events = [*self._pending, *self._held.values()]
        self._pending, self._held = [], {}
        return events
