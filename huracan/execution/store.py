"""What execution needs of a store, as a protocol: the order of its transactions is the order protocol T1-T3.

A store is of one account. Everything that the lease's holder writes states the lease and is refused with `FencedError`
once someone else has acquired it, in the transaction that would have written. Each method is one transaction: all of it
happens, or nothing.

After a `DatabaseError` nobody knows whether the write happened. Do not repeat `mark_sent` to send: treat the order as
maybe sent. Everything else may be repeated: writing what is written changes nothing.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from huracan.execution.model import (
    Booked,
    Draft,
    EventLog,
    Fill,
    Held,
    Intent,
    IntentStatus,
    Lease,
    Lock,
    Order,
    Record,
    Reservation,
    Shortfall,
    Snapshot,
    StateChange,
)
from huracan.memory import TradeRows

__all__ = ["Store"]


class Store(Protocol):
    """One account's memory.

    Every method raises `DatabaseError` when the store does not answer in time, and `InvariantError` when what it is
    asked to write contradicts what is written: a defect of the caller.
    """

    @property
    def account(self) -> str:
        """Return the account's name."""
        ...

    async def acquire(self, holder: str, ttl_s: float) -> Lease | Held:
        """Take the lease for `ttl_s` seconds when it is released or has expired by the store's own clock.

        Each acquisition raises the epoch by one, also a repeated one by the same holder: whoever wrote under an older
        epoch is fenced from then on.
        """
        ...

    async def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """Return the same lease with a later expiry, counted from now.

        Raises:
            FencedError: someone else has acquired it since.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Let others acquire it at once; nothing happens when someone already has."""
        ...

    async def put_intent(self, intent: Intent) -> Intent:
        """Write an intent down, or return the one already written for its account, market, candle and kind.

        Needs no lease: whoever decides may ask, only the holder acts.
        """
        ...

    async def intent(self, intent_id: str) -> Intent | None:
        """Return one intent."""
        ...

    async def unclaimed(self) -> tuple[Intent, ...]:
        """Return the entries and exits that somebody has written down and nobody has acted on, oldest first.

        They are OPEN, and no quantity is set: `begin_entry` is the claim of an entry. Needs no lease.
        """
        ...

    async def update_intent(
        self, lease: Lease, intent_id: str, status: IntentStatus, code: str = "", quantity: Decimal | None = None
    ) -> Intent:
        """Set how an intent stands; `quantity` sets what its children may fill, once, before the first child.

        DONE lets go of its `state`: close an ENTER when its trade is closed and recorded.

        Raises:
            FencedError: the lease is someone else's.
        """
        ...

    async def begin_entry(
        self, lease: Lease, intent_id: str, quantity: Decimal, sells: Intent
    ) -> tuple[Intent, Intent]:
        """Set what an approved entry may buy, and write down the intent of its sells, in one transaction.

        Returns:
            The entry, and the intent of its sells as it stands.

        Raises:
            FencedError: the lease is someone else's.
        """
        ...

    async def children(self, intent_id: str) -> tuple[Order, ...]:
        """Return every order of an intent, oldest child first; `ids.next_child` of their ids is the next one."""
        ...

    async def order(self, cid: str) -> Order | None:
        """Return one order, however old."""
        ...

    async def begin_order(
        self, lease: Lease, drafts: Sequence[Draft], reservation: Reservation
    ) -> tuple[Order, ...] | Shortfall:
        """T1: write the order (or both legs of a list) as SUBMITTED, and lock what it may spend.

        `reservation.ref` is the drafts' `ref`, `left == amount`; `amount` moves from free to locked. Repeating the same
        drafts returns the orders as they stand.

        Returns:
            The orders, or `Shortfall` with nothing written.

        Raises:
            FencedError: the lease is someone else's.
            InvariantError: another child of the intent is not complete, the children could fill more than the intent's
                quantity, or the cid is of another order.
        """
        ...

    async def mark_sent(self, lease: Lease, cids: Sequence[str], at_ms: int) -> None:
        """T2: write when the order (or both legs) is sent, before the socket write; wall clock.

        Raises:
            FencedError: the lease is someone else's: do not send.
            InvariantError: it was already marked, or is not SUBMITTED: do not send.
        """
        ...

    async def unseen(self, fills: Sequence[Fill]) -> tuple[Fill, ...]:
        """Return those whose trade id is not booked, once each, in their order."""
        ...

    async def record(self, lease: Lease, record: Record) -> Booked:
        """T3: book what happened: events, fills, ledger, projections, cursors, slots, released reservations.

        A fact or fill that is known changes nothing. A known trade id with other figures is kept as it was first, and
        raises an alarm that halts its symbol.

        Raises:
            FencedError: the lease is someone else's.
            InvariantError: a fact of an order that does not exist, an event that the order machine forbids, or a slot
                together with a fill that is already booked.
        """
        ...

    async def put_lock(self, lock: Lock) -> Lock:
        """Write a lock of a person or of risk, and return it with its number; needs no lease."""
        ...

    async def end_lock(self, lock_id: int, author: str, reason: str, at_ms: int) -> bool:
        """End a lock; return whether it was in force. Needs no lease."""
        ...

    async def locks(self) -> tuple[Lock, ...]:
        """Return locks that nobody ended, oldest first, expired ones included."""
        ...

    async def change_state(self, change: StateChange) -> bool:
        """Append to the trading state's history; False when `change.seq` is not the next number: read it again.

        Needs no lease, so that an operator can halt whatever the holder does.
        """
        ...

    async def state(self) -> StateChange | None:
        """Return the trading state in force."""
        ...

    async def state_history(self) -> tuple[StateChange, ...]:
        """Return every change of the trading state, oldest first."""
        ...

    async def load(self) -> Snapshot:
        """Return everything that is not over, as of one moment."""
        ...

    async def log(self) -> EventLog:
        """Return the whole history of orders and money, for replay and the monitor."""
        ...

    async def closed_trades(self, since_ms: int) -> TradeRows:
        """Return trades of this account that were closed at or after `since_ms`, oldest first."""
        ...

    async def close(self) -> None:
        """Wait for the write in progress and let go of connections; the lease stays as it is."""
        ...
