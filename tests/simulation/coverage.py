"""What a run has met: faults by number, statuses and transitions of orders, and what all seeds together must meet."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from huracan.execution.model import OrderEvent, Status, Trigger

__all__ = ["IMPOSSIBLE", "REQUIRED", "events_met", "missing"]

IMPOSSIBLE: Final = {
    "F16": "the engine sees closed bars and no order book; tests/paper and the feed's own tests meet gaps and crossings"
}
"""Faults that cannot strike here, and where they are met instead."""

REQUIRED: Final = (
    "F1 killed after T1",
    "F2 killed after T2",
    "F3 killed after the venue accepted",
    "F4 killed after booking",
    "F4 killed inside a transaction",
    "F5 answer lost, order taken",
    "F6 request lost",
    "F6 request late",
    "F7 trade told again",
    "F7 trade told otherwise",
    "F8 fill before its acknowledgement",
    "F8 fill after the end",
    "F9 cancel finds a filled order",
    "F9 cancelled after a partial fill",
    "F10 cancel without an answer",
    "F11 asked to wait (429)",
    "F11 banned (418)",
    "F12 error that leaves a POST unknown",
    "F12 error on a question",
    "F13 clock refused (-1021)",
    "F14 store away before T1",
    "F14 store away before T2",
    "F14 store away after the send",
    "F14 store lost its answer",
    "F14 store slow",
    "F15 stream silent while the account changes",
    "F17 fenced after a pause",
    "F18 would match",
    "F18 no balance",
    "F18 market closed",
    "F19 expired with a remainder",
    "F20 order of a stranger",
    "F20 deposit",
    "F21 fee in a third asset",
    "F22 no action",
    "F23 intent repeated",
    "F24 caller cancelled",
    "outside intent carried out",
    "outside intent expired",
    "halt in process",
    "halt by the store",
    "reduce",
    "resume",
    "stop in flight",
    "two markets",
    "dust",
    *(f"status {status}" for status in Status),
    *(
        f"{status} {trigger}"
        for status, trigger in (
            (Status.SUBMITTED, Trigger.LOSE),
            (Status.SUBMITTED, Trigger.ACCEPT),
            (Status.SUBMITTED, Trigger.REJECT),
            (Status.SUBMITTED, Trigger.ABANDON),
            (Status.SUBMITTED, Trigger.EXPIRE),
            (Status.UNKNOWN, Trigger.ACCEPT),
            (Status.UNKNOWN, Trigger.REJECT),
            (Status.UNKNOWN, Trigger.EXPIRE),
            (Status.ACCEPTED, Trigger.FILL_ALL),
            (Status.ACCEPTED, Trigger.FILL_PART),
            (Status.ACCEPTED, Trigger.CANCEL),
            (Status.ACCEPTED, Trigger.CANCEL_SENT),
            (Status.PARTIALLY_FILLED, Trigger.FILL_ALL),
            (Status.PENDING_CANCEL, Trigger.CANCEL),
            (Status.PENDING_CANCEL, Trigger.FILL_ALL),
        )
    ),
)
"""What all seeds together must have met; a swarm that misses one of these proves less than it says."""


def events_met(events: Iterable[OrderEvent], before: dict[str, Status]) -> Counter[str]:
    """Return statuses and transitions among new events; `before` holds each order's last status and moves on."""
    met: Counter[str] = Counter()
    for event in events:
        was = before.get(event.cid)
        met[f"status {event.status}"] += 1
        if was is not None:
            met[f"{was} {event.trigger}"] += 1
            if event.trade_id is not None and was in (Status.CANCELED, Status.EXPIRED):
                met["F8 fill after the end"] += 1
        before[event.cid] = event.status
    return met


def missing(met: Counter[str]) -> tuple[str, ...]:
    """Return what should have been met and was not."""
    return tuple(name for name in REQUIRED if not met[name])
