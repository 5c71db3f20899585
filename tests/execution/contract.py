"""What every store promises, run against each of them: a subclass gives the stores, `World` their shared database."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from huracan.errors import FencedError, InvariantError
from huracan.execution.model import (
    Alarm,
    AlarmCode,
    Balances,
    Held,
    IntentKind,
    IntentStatus,
    Lease,
    Lock,
    Record,
    Shortfall,
    SlotRow,
    StateChange,
    Status,
    Transfer,
    Trigger,
)
from huracan.execution.replay import differences
from huracan.execution.store import Store
from tests.execution.samples import (
    CANDLE_MS,
    NOW_MS,
    SYMBOL,
    D,
    Desk,
    awaited,
    bracket,
    buy,
    closed_trades,
    fact,
    fill,
    intent,
    market_sell,
    reserve,
)

OpenStore = Callable[[], Store]
"""Gives another store of the test's account, as another process would have it."""


class StoreContract:
    """Tests of `huracan.execution.store.Store`; fixture `opened` opens stores of a fresh account named `main`."""

    # ---- lease -----------------------------------------------------------------------------------------------------

    @awaited
    async def test_a_held_lease_is_not_given(self, opened: OpenStore) -> None:
        """Whoever asks while it lasts learns who has it; after release the epoch goes on rising."""
        mine, other = opened(), opened()
        first = await mine.acquire("first", 600.0)
        assert isinstance(first, Lease)
        assert (first.account, first.holder, first.epoch) == ("main", "first", 1)
        found = await other.acquire("second", 600.0)
        assert isinstance(found, Held)
        assert (found.holder, found.epoch) == ("first", 1)
        assert 590_000 < found.remaining_ms <= 600_000
        await mine.release(first)
        second = await other.acquire("second", 600.0)
        assert isinstance(second, Lease)
        assert second.epoch == 2
        with pytest.raises(FencedError):
            await mine.renew(first, 600.0)
        await mine.release(first)  # too late to release anything
        assert isinstance(await mine.acquire("first", 600.0), Held)
        assert (await other.renew(second, 900.0)).expires_ms > second.expires_ms

    @awaited
    async def test_an_expired_lease_is_given(self, opened: OpenStore) -> None:
        """A holder who does not renew loses it, and is fenced from every write from then on."""
        mine, other = opened(), opened()
        desk = await Desk.open(mine)
        await mine.put_intent(parent := intent())
        draft = buy(parent)
        await desk.submit(draft)
        await self.expire(mine, desk.lease)
        taken = await other.acquire("second", 600.0)
        assert isinstance(taken, Lease)
        assert taken.epoch == desk.lease.epoch + 1
        before = await other.log()
        with pytest.raises(FencedError):
            await mine.begin_order(desk.lease, [buy(parent, 1)], reserve(buy(parent, 1)))
        with pytest.raises(FencedError):
            await mine.record(desk.lease, Record(facts=(fact(draft, Trigger.ACCEPT),)))
        with pytest.raises(FencedError):
            await mine.update_intent(desk.lease, parent.intent_id, IntentStatus.DONE)
        with pytest.raises(FencedError):
            await mine.renew(desk.lease, 1.0)
        assert await other.log() == before

    @awaited
    async def test_a_fenced_holder_cannot_mark_an_order_sent(self, opened: OpenStore) -> None:
        """The write before the socket fails, so a paused executor that wakes up sends nothing (F17)."""
        mine, other = opened(), opened()
        desk = await Desk.open(mine)
        await mine.put_intent(parent := intent())
        draft = buy(parent)
        await mine.begin_order(desk.lease, [draft], reserve(draft))
        await self.expire(mine, desk.lease)
        assert isinstance(await other.acquire("second", 600.0), Lease)
        with pytest.raises(FencedError):
            await mine.mark_sent(desk.lease, [draft.cid], NOW_MS)
        found = await other.order(draft.cid)
        assert found is not None
        assert found.sent_ms is None

    async def expire(self, store: Store, lease: Lease) -> None:
        """Let a lease expire."""
        raise NotImplementedError

    # ---- intents ---------------------------------------------------------------------------------------------------

    @awaited
    async def test_a_repeated_intent_is_the_first_one(self, opened: OpenStore) -> None:
        """Account, market, candle and kind decide; the first figures stay, whoever asks."""
        mine, other = opened(), opened()
        figures = {"confidence": 0.625, "action": 2, "policy": "v1", "regime": 3, "layout": -(2**63)}
        first = intent(state=bytes(range(240)) + bytes(80), **figures)
        assert await mine.put_intent(first) == first
        assert await other.put_intent(intent(quantity=D(9), reason="again")) == first
        assert await other.intent(first.intent_id) == first
        assert await mine.put_intent(intent(kind=IntentKind.EXIT)) != first
        assert await mine.intent("0" * 16) is None

    @awaited
    async def test_what_nobody_has_acted_on_is_found(self, opened: OpenStore) -> None:
        """Open entries and exits without a quantity, oldest first; a claim or an end takes them out."""
        mine, other = opened(), opened()
        entry, leave = (intent(kind=kind, quantity=None, action=2) for kind in (IntentKind.ENTER, IntentKind.EXIT))
        late = intent(candle_ms=CANDLE_MS + 60_000, created_ms=CANDLE_MS + 120_000, quantity=None)
        sells = intent(kind=IntentKind.PROTECT)
        assert await mine.unclaimed() == ()
        for row in (late, entry, leave, sells):
            await other.put_intent(row)
        found = await mine.unclaimed()
        assert found[-1] == late
        assert set(found) == {late, entry, leave}
        lease = await mine.acquire("first", 600.0)
        assert isinstance(lease, Lease)
        await mine.begin_entry(lease, entry.intent_id, D(3), sells)
        await mine.update_intent(lease, leave.intent_id, IntentStatus.GIVEN_UP, "EXPIRED")
        assert await mine.unclaimed() == await other.unclaimed() == (late,)

    @awaited
    async def test_an_intent_under_a_false_name_is_refused(self, opened: OpenStore) -> None:
        """The name is a function of the key; an intent of another account does not get in."""
        with pytest.raises(InvariantError, match="no intent of main"):
            await opened().put_intent(replace(intent(), intent_id="0" * 16))
        with pytest.raises(InvariantError, match="no intent of main"):
            await opened().put_intent(intent(account="other"))

    @awaited
    async def test_a_quantity_is_set_once(self, opened: OpenStore) -> None:
        """An intent without a quantity gets one before its first order; it never becomes another."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent(quantity=None, state=bytes(320)))
        with pytest.raises(InvariantError, match="no quantity"):
            await store.begin_order(desk.lease, [buy(parent)], reserve(buy(parent)))
        updated = await store.update_intent(desk.lease, parent.intent_id, IntentStatus.OPEN, quantity=D(3))
        assert updated == replace(parent, quantity=D(3)) == await store.intent(parent.intent_id)
        with pytest.raises(InvariantError, match="cannot become"):
            await store.update_intent(desk.lease, parent.intent_id, IntentStatus.OPEN, quantity=D(4))
        denied = await store.update_intent(desk.lease, parent.intent_id, IntentStatus.DENIED, "HEAT")
        assert (denied.status, denied.code, denied.state) == (IntentStatus.DENIED, "HEAT", bytes(320))
        with pytest.raises(InvariantError, match="not open"):
            await store.begin_order(desk.lease, [buy(parent)], reserve(buy(parent)))
        done = await store.update_intent(desk.lease, parent.intent_id, IntentStatus.DONE)
        assert (done.status, done.code, done.state) == (IntentStatus.DONE, "", b"")

    @awaited
    async def test_an_entry_begins_with_the_intent_of_its_sells(self, opened: OpenStore) -> None:
        """Both or neither: what it may buy, and who sells it again; asked twice it is the same."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent(quantity=None))
        sells = intent(kind=IntentKind.PROTECT, quantity=D(3))
        entry, written = await store.begin_entry(desk.lease, parent.intent_id, D(3), sells)
        assert (entry, written) == (replace(parent, quantity=D(3)), sells)
        assert await store.intent(parent.intent_id) == entry
        assert await store.intent(sells.intent_id) == sells
        assert await store.begin_entry(desk.lease, parent.intent_id, D(3), sells) == (entry, sells)
        other = intent(candle_ms=parent.candle_ms + 60_000, quantity=None)
        lost = intent(candle_ms=parent.candle_ms + 60_000, kind=IntentKind.PROTECT, quantity=D(3))
        with pytest.raises(InvariantError):
            await store.begin_entry(desk.lease, other.intent_id, D(3), lost)  # nobody put it
        assert await store.intent(lost.intent_id) is None

    # ---- T1, T2, T3 ------------------------------------------------------------------------------------------------

    @awaited
    async def test_an_order_goes_from_paper_to_filled(self, opened: OpenStore) -> None:
        """T1 locks, T2 marks, T3 books both fills with their fees and releases what was not spent."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        draft = buy(parent, price="110")
        (order,) = await desk.submit(draft)
        assert (order.status, order.sent_ms, order.seq) == (Status.SUBMITTED, None, 1)
        snapshot = await store.load()
        assert snapshot.orders[draft.cid].sent_ms == NOW_MS + 1
        assert snapshot.balances["USDT"] == Balances(free=D(670), locked=D(330), external=D(-1000))
        assert snapshot.reservations == {draft.cid: reserve(draft)}
        booked = await desk.book(
            fill(draft, "1", "1"),
            fill(draft, "2", "2", price="101"),
            facts=(fact(draft, Trigger.ACCEPT, venue_id="77"),),
            cursors={SYMBOL: "2"},
            slots=(SlotRow(SYMBOL, 7, b"slot"),),
        )
        (after,) = booked.orders
        assert (after.status, after.filled, after.cost, after.venue_id) == (Status.FILLED, D(3), D(302), "77")
        assert [event.trigger for event in booked.events] == [Trigger.ACCEPT, Trigger.FILL_PART, Trigger.FILL_ALL]
        assert [event.seq for event in booked.events] == [2, 3, 4]
        assert not booked.alarms
        assert not booked.locks
        snapshot = await store.load()
        assert snapshot.balances["USDT"] == Balances(free=D(698), venue=D(302), external=D(-1000))
        assert snapshot.balances["BTC"] == Balances(free=D("2.997"), venue=D(-3), fees=D("0.003"))
        position = snapshot.positions[SYMBOL]
        assert (position.quantity, position.holding, position.paid) == (D(3), D("2.997"), D(302))
        assert snapshot.reservations == {}
        assert snapshot.cursors == {SYMBOL: "2"}
        assert snapshot.slots == {SYMBOL: SlotRow(SYMBOL, 7, b"slot")}
        assert snapshot.orders == {draft.cid: after}  # its intent is open
        await store.update_intent(desk.lease, parent.intent_id, IntentStatus.DONE)
        snapshot = await store.load()
        assert not snapshot.orders
        assert not snapshot.intents
        assert await store.order(draft.cid) == after
        assert await store.children(parent.intent_id) == (after,)

    @awaited
    async def test_what_is_not_there_is_not_locked(self, opened: OpenStore) -> None:
        """A reservation beyond the free balance is refused as a value, and nothing is written."""
        store = opened()
        desk = await Desk.open(store, funds="299")
        await store.put_intent(parent := intent())
        found = await store.begin_order(desk.lease, [buy(parent)], reserve(buy(parent)))
        assert found == Shortfall("USDT", D(299), D(300))
        assert await store.children(parent.intent_id) == ()
        assert (await store.load()).balances["USDT"] == Balances(free=D(299), external=D(-299))

    @awaited
    async def test_repeating_t1_writes_nothing(self, opened: OpenStore) -> None:
        """The same draft gives the order as it stands; another order under the same id is a defect."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        draft = buy(parent)
        await desk.submit(draft)
        before = await store.log()
        again = await store.begin_order(desk.lease, [draft], reserve(draft))
        assert isinstance(again, tuple)
        assert again[0].sent_ms == NOW_MS + 1
        with pytest.raises(InvariantError, match="another order already"):
            await store.begin_order(desk.lease, [buy(parent, price="99")], reserve(buy(parent, price="99")))
        assert await store.log() == before

    @awaited
    async def test_an_order_is_sent_once(self, opened: OpenStore) -> None:
        """Marking twice, an unknown order or one that is over is refused: nothing may be sent then."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        draft = buy(parent)
        await desk.submit(draft)
        for cids in ([draft.cid], ["h0000000000000000-0"]):
            with pytest.raises(InvariantError, match="not to be sent"):
                await store.mark_sent(desk.lease, cids, NOW_MS + 9)
        found = await store.order(draft.cid)
        assert found is not None
        assert found.sent_ms == NOW_MS + 1

    @awaited
    async def test_an_order_that_was_never_sent_is_abandoned(self, opened: OpenStore) -> None:
        """Killed between T1 and T2: NEVER_SENT, everything released (F1); one that was marked cannot be abandoned."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        draft = buy(parent)
        await store.begin_order(desk.lease, [draft], reserve(draft))
        again = await Desk.open(await self.restarted(store, desk.lease, opened), funds="1")
        booked = await again.book(facts=(fact(draft, Trigger.ABANDON, reason="restart"),))
        assert [(order.status, order.reason) for order in booked.orders] == [(Status.NEVER_SENT, "restart")]
        snapshot = await again.store.load()
        assert snapshot.reservations == {}
        assert snapshot.balances["USDT"].locked == 0
        await again.submit(second := buy(parent, 1))
        with pytest.raises(InvariantError, match="ABANDON is impossible"):
            await again.book(facts=(fact(second, Trigger.ABANDON),))

    async def restarted(self, store: Store, lease: Lease, opened: OpenStore) -> Store:
        """Return a new store after the old one's holder let go."""
        await store.release(lease)
        return opened()

    @awaited
    async def test_one_order_of_an_intent_lives_at_a_time(self, opened: OpenStore) -> None:
        """The next child waits for the end of the one before, and all together never want more than the intent (I4)."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        first = buy(parent)
        await desk.submit(first)
        second = buy(parent, 1, quantity="1")
        with pytest.raises(InvariantError, match="is not over"):
            await store.begin_order(desk.lease, [second], reserve(second))
        await desk.book(facts=(fact(first, Trigger.LOSE),))
        with pytest.raises(InvariantError, match="is not over"):
            await store.begin_order(desk.lease, [second], reserve(second))
        await desk.book(fill(first, "1", "2"), facts=(fact(first, Trigger.EXPIRE, venue_filled=D(2)),))
        more = buy(parent, 1, quantity="1.1")
        with pytest.raises(InvariantError, match="could fill where the intent wants 3"):
            await store.begin_order(desk.lease, [more], reserve(more))
        await desk.submit(second)
        assert [order.cid for order in await store.children(parent.intent_id)] == [first.cid, second.cid]

    @awaited
    async def test_an_order_is_not_over_until_its_trades_are_booked(self, opened: OpenStore) -> None:
        """Expired with 2 executed of which none is booked: the reservation stays, the order is still loaded (I8)."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        draft = buy(parent)
        await desk.submit(draft)
        await desk.book(facts=(fact(draft, Trigger.EXPIRE, venue_filled=D(2)),))
        await store.update_intent(desk.lease, parent.intent_id, IntentStatus.DONE)
        snapshot = await store.load()
        assert snapshot.orders[draft.cid].status is Status.EXPIRED
        assert [row.left for row in snapshot.reservations.values()] == [D(300)]
        booked = await desk.book(fill(draft, "1", "2"))
        assert booked.alarms == ()
        snapshot = await store.load()
        assert not snapshot.orders
        assert not snapshot.reservations
        assert snapshot.balances["USDT"].free == D(800)

    @awaited
    async def test_an_order_list_shares_one_reservation(self, opened: OpenStore) -> None:
        """Both legs lock the coins once; a fill of one takes them, the end of both releases the rest."""
        store = opened()
        desk = await Desk.open(store)
        await desk.bought(intent())
        await store.put_intent(parent := intent(kind=IntentKind.PROTECT))
        above, below = bracket(parent, 0, "2.9", "110", "90")
        await desk.submit(above, below)
        snapshot = await store.load()
        assert snapshot.balances["BTC"].locked == D("2.9")
        assert list(snapshot.reservations) == [above.list_cid]
        await desk.book(facts=(fact(above, Trigger.ACCEPT), fact(below, Trigger.ACCEPT)))
        await desk.book(fill(above, "3", "1", price="110"))
        assert (await store.load()).balances["BTC"].locked == D("1.9")
        await desk.book(facts=(fact(below, Trigger.EXPIRE),))
        assert (await store.load()).balances["BTC"].locked == D("1.9")
        await desk.book(facts=(fact(above, Trigger.CANCEL, venue_filled=D(1)),))
        snapshot = await store.load()
        assert snapshot.reservations == {}
        assert snapshot.balances["BTC"].free == D("1.997")
        await desk.submit(exit_order := market_sell(parent, 3, "1.9"))
        booked = await desk.book(fill(exit_order, "4", "1.9", price="105"))
        assert booked.orders[0].status is Status.FILLED
        assert (await store.load()).positions[SYMBOL].holding == D("0.097")
        assert differences(await store.log()) == ()

    @awaited
    async def test_a_fact_of_no_order_is_refused_whole(self, opened: OpenStore) -> None:
        """One impossible fact and nothing of the record is written: all or nothing (F4)."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        draft = buy(parent)
        await desk.submit(draft)
        before = await store.log()
        with pytest.raises(InvariantError, match="there is no order"):
            await desk.book(fill(draft, "1", "3"), facts=(fact(buy(parent, 5), Trigger.ACCEPT),))
        with pytest.raises(InvariantError, match="now it is said to be 78"):
            await desk.book(
                facts=(fact(draft, Trigger.ACCEPT, venue_id="77"), fact(draft, Trigger.ACCEPT, venue_id="78"))
            )
        assert await store.log() == before

    # ---- repeated and changed trades -------------------------------------------------------------------------------

    @awaited
    async def test_a_repeated_record_changes_nothing(self, opened: OpenStore) -> None:
        """Everything told again, by stream and by REST, within a record and by a restarted executor: one row (F7)."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        draft = buy(parent)
        await desk.submit(draft)
        told: dict[str, Any] = {
            "facts": (fact(draft, Trigger.ACCEPT, venue_id="77", venue_filled=D(3)),),
            "cursors": {SYMBOL: "10"},
        }
        fills = (fill(draft, "9", "1"), fill(draft, "10", "2"))
        await desk.book(*fills, fills[0], replace(fills[1], maker=True, at_ms=NOW_MS + 900), **told)
        before = await store.log()
        assert [item.trade_id for item in before.fills] == ["9", "10"]
        again = await desk.book(*fills, **told)
        assert (again.orders, again.events, again.fills, again.alarms) == ((), (), (), ())
        await desk.book(cursors={SYMBOL: "9"})
        other = await self.restarted(store, desk.lease, opened)
        lease = await other.acquire("second", 600.0)
        assert isinstance(lease, Lease)
        await other.record(lease, Record(fills=fills, **told))
        assert await other.log() == before
        assert (await other.load()).cursors == {SYMBOL: "10"}

    @awaited
    async def test_unseen_trades_are_told_apart(self, opened: OpenStore) -> None:
        """Booked trades are left out, repeated ones kept once; a slot together with a booked trade is refused."""
        store = opened()
        desk = await Desk.open(store)
        draft = await desk.bought(intent())
        known, fresh = fill(draft, "2", "1.5"), fill(draft, "3", "0.1")
        assert await store.unseen((known, fresh, fresh, known)) == (fresh,)
        assert await store.unseen(()) == ()
        before = await store.log()
        with pytest.raises(InvariantError, match="count it twice"):
            await desk.book(known, slots=(SlotRow(SYMBOL, 8, b"twice"),))
        assert await store.log() == before
        assert (await store.load()).slots == {}

    @awaited
    async def test_a_trade_with_other_figures_halts_its_symbol(self, opened: OpenStore) -> None:
        """The first figures stay, an alarm and a lock without end are written once (F7b)."""
        store = opened()
        desk = await Desk.open(store)
        draft = await desk.bought(intent())
        before = await store.log()
        booked = await desk.book(changed := fill(draft, "2", "1.4"))
        assert [alarm.code for alarm in booked.alarms] == [AlarmCode.TRADE_CHANGED]
        (lock,) = booked.locks
        assert (lock.symbol, lock.code, lock.author, lock.until_ms) == (SYMBOL, "TRADE_CHANGED", "ledger", None)
        assert lock.lock_id > 0
        again = await desk.book(changed)
        assert (again.alarms, again.locks) == ((), ())
        after = await store.log()
        assert (after.fills, after.entries, after.orders) == (before.fills, before.entries, before.orders)
        assert after.alarms == booked.alarms
        assert await store.locks() == (lock,)

    @awaited
    async def test_an_overfill_is_booked_and_halts(self, opened: OpenStore) -> None:
        """The venue's trade is the truth: money and position follow it, the excess is flagged (I3)."""
        store = opened()
        desk = await Desk.open(store)
        draft = await desk.bought(intent())
        booked = await desk.book(fill(draft, "3", "0.5"))
        assert [alarm.code for alarm in booked.alarms] == [AlarmCode.OVERFILL]
        assert [lock.symbol for lock in booked.locks] == [SYMBOL]
        found = await store.order(draft.cid)
        assert found is not None
        assert (found.status, found.filled, found.overfill, found.leaves) == (Status.FILLED, D("3.5"), D("0.5"), D(0))
        assert (await store.load()).positions[SYMBOL].bought == D("3.5")
        assert differences(await store.log()) == ()

    @awaited
    async def test_a_fill_after_the_end_is_booked(self, opened: OpenStore) -> None:
        """After a cancel it is ordinary; after a reject, long after it was let go of, it is an alarm too (F8)."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        first, second = buy(parent, quantity="1"), buy(parent, 1, quantity="1")
        await desk.submit(first)
        await desk.book(facts=(fact(first, Trigger.CANCEL),))
        await desk.submit(second)
        await desk.book(facts=(fact(second, Trigger.REJECT, reason="never arrived"),))
        await store.update_intent(desk.lease, parent.intent_id, IntentStatus.GIVEN_UP)
        late = await desk.book(fill(first, "1", "0.4"))
        assert [(order.status, order.filled) for order in late.orders] == [(Status.CANCELED, D("0.4"))]
        assert late.alarms == ()
        revived = await desk.book(fill(second, "2", "1"))
        assert [(order.status, order.filled) for order in revived.orders] == [(Status.FILLED, D(1))]
        assert [alarm.code for alarm in revived.alarms] == [AlarmCode.FILL_AFTER_END]
        snapshot = await store.load()
        assert snapshot.balances["USDT"].free == D(860)
        assert differences(await store.log()) == ()

    @awaited
    async def test_an_external_trade_is_booked_and_halts(self, opened: OpenStore) -> None:
        """A manual trade moves real money: balances follow it, a person must look (F20)."""
        store = opened()
        desk = await Desk.open(store)
        parent = intent()
        booked = await desk.book(fill(buy(parent), "5", "1", cid=None))
        assert [alarm.code for alarm in booked.alarms] == [AlarmCode.EXTERNAL_FILL]
        assert [lock.symbol for lock in booked.locks] == [SYMBOL]
        assert (await store.load()).balances["USDT"].free == D(900)
        assert differences(await store.log()) == ()

    @awaited
    async def test_fees_in_a_third_asset_and_rebates(self, opened: OpenStore) -> None:
        """A fee is an asset of its own in the ledger; without a balance of it there is an alarm, not an error (F21)."""
        store = opened()
        desk = await Desk.open(store)
        await store.put_intent(parent := intent())
        draft = buy(parent)
        await desk.submit(draft)
        booked = await desk.book(fill(draft, "1", "1", commission=D("0.01"), commission_asset="BNB"))
        assert [alarm.code for alarm in booked.alarms] == [AlarmCode.BALANCE_SHORT]
        assert booked.locks == ()
        await desk.book(fill(draft, "2", "2", commission=D("-0.2"), commission_asset="USDT"))
        balances = (await store.load()).balances
        assert balances["BNB"] == Balances(free=D("-0.01"), fees=D("0.01"))
        assert balances["USDT"] == Balances(free=D("700.2"), venue=D(300), fees=D("-0.2"), external=D(-1000))

    @awaited
    async def test_money_comes_and_goes(self, opened: OpenStore) -> None:
        """Deposits and withdrawals are entries from and to external; the sum over accounts stays zero."""
        store = opened()
        desk = await Desk.open(store)
        await desk.book(transfers=(Transfer("USDT", D("-250.5"), NOW_MS, "withdrawal by ann"),))
        assert (await store.load()).balances["USDT"] == Balances(free=D("749.5"), external=D("-749.5"))
        assert [entry.reason for entry in (await store.log()).entries] == ["opening balance", "withdrawal by ann"]

    # ---- locks, state, trades --------------------------------------------------------------------------------------

    @awaited
    async def test_locks_are_kept_until_ended(self, opened: OpenStore) -> None:
        """Expiry is the market clock's business; a person ends a lock by name and reason, once."""
        mine, other = opened(), opened()
        lock = Lock("*", "StoplossGuard", "4 stops in 60 bars", "risk", CANDLE_MS, CANDLE_MS + 3_600_000)
        written = await mine.put_lock(lock)
        assert written == replace(lock, lock_id=written.lock_id)
        second = await other.put_lock(replace(lock, symbol=SYMBOL, until_ms=None))
        assert await other.locks() == (written, second)
        with pytest.raises(InvariantError, match="an author and a reason"):
            await mine.end_lock(written.lock_id, "", "looked", NOW_MS)
        assert await mine.end_lock(written.lock_id, "ann", "looked", NOW_MS)
        assert not await mine.end_lock(written.lock_id, "ann", "looked", NOW_MS)
        assert (await mine.load()).locks == (second,)

    @awaited
    async def test_an_alarm_of_the_caller_halts(self, opened: OpenStore) -> None:
        """A mismatch found by reconciliation is written with its lock, once; after its lock is ended, again."""
        store = opened()
        desk = await Desk.open(store)
        alarm = Alarm(AlarmCode.BALANCE_MISMATCH, "*", NOW_MS, "USDT 1000 here, 999 there")
        first = await desk.book(alarms=(alarm,))
        assert [lock.symbol for lock in first.locks] == ["*"]
        assert (await desk.book(alarms=(alarm,))).alarms == ()
        assert await store.end_lock(first.locks[0].lock_id, "ann", "looked", NOW_MS)
        assert (await desk.book(alarms=(alarm,))).alarms == (alarm,)
        assert (await store.log()).alarms == (alarm, alarm)

    @awaited
    async def test_the_trading_state_has_a_history(self, opened: OpenStore) -> None:
        """Each change has an author and a reason, needs no lease, and loses to one that came in between."""
        mine, other = opened(), opened()
        assert await mine.state() is None
        active = StateChange(1, "ACTIVE", "ann", "start", NOW_MS)
        halted = StateChange(2, "HALTED", "bob", "kill switch", NOW_MS + 5)
        assert await mine.change_state(active)
        assert await other.change_state(halted)
        assert not await mine.change_state(StateChange(2, "REDUCING", "ann", "late", NOW_MS + 6))
        assert not await mine.change_state(StateChange(4, "REDUCING", "ann", "gap", NOW_MS + 6))
        with pytest.raises(InvariantError, match="an author and a reason"):
            await mine.change_state(StateChange(3, "ACTIVE", "ann", " ", NOW_MS))
        assert await mine.state() == halted == (await mine.load()).state
        assert await mine.state_history() == (active, halted)

    @awaited
    async def test_closed_trades_are_kept_with_their_fills(self, opened: OpenStore) -> None:
        """They are written in the same transaction, read back by time, and never another account's."""
        store = opened()
        desk = await Desk.open(store)
        draft = await desk.bought(intent())
        before = await store.log()
        with pytest.raises(InvariantError, match="no trades of account main"):
            await desk.book(fill(draft, "9", "1"), trades=closed_trades("other", 1))
        with pytest.raises(InvariantError, match="no trades of account main"):
            await desk.book(fill(draft, "9", "1"), trades=closed_trades("main", 1, mode="shadow"))
        assert await store.log() == before
        await desk.book(trades=closed_trades("main", 2))
        await desk.book(trades=closed_trades("main", 1, first=2))
        found = await store.closed_trades(CANDLE_MS + 120_000)
        assert found.seq.tolist() == [1, 2]
        assert np.array_equal(found.entry_state, closed_trades("main", 2).entry_state)
        assert len(await store.closed_trades(CANDLE_MS + 999_000)) == 0

    @awaited
    async def test_a_new_account_is_empty(self, opened: OpenStore) -> None:
        """Reading before anything was written gives nothing, and no error."""
        store = opened()
        snapshot = await store.load()
        assert snapshot.state is None
        assert not snapshot.orders
        assert not snapshot.balances
        assert (await store.log()).entries == ()
        assert await store.order("h0000000000000000-0") is None
        assert len(await store.closed_trades(0)) == 0
