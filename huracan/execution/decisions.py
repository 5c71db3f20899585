"""Decisions: an intent is judged, written down and given to its market's planner; fills of it are told to risk."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from huracan.errors import DatabaseError
from huracan.execution.commands import ENTRIES, Place, Role
from huracan.execution.desk import Desk
from huracan.execution.ids import intent_id
from huracan.execution.journal import Journal
from huracan.execution.lease import LeaseKeeper
from huracan.execution.model import Booked, Intent, IntentKind, IntentStatus
from huracan.execution.ports import RiskPort, Verdict
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.risk.live import Approval, DenialCode, Denied, Entry, OrderIntent
from huracan.trading import Action
from huracan.venue.orders import Side

__all__ = ["Decisions"]


class Decisions:
    """The intents of one account that are not over.

    Args:
        desks: by market.
        store: of the account.
        keeper: its lease.
        journal: while it is blocked, entries are denied.
        risk: judges entries.
    """

    def __init__(
        self, desks: Mapping[str, Desk], store: Store, keeper: LeaseKeeper, journal: Journal, risk: RiskPort
    ) -> None:
        self.intents: dict[str, Intent] = {}
        self.closing = False
        self._desks, self._store, self._keeper, self._journal, self._risk = desks, store, keeper, journal, risk
        self._approvals: dict[str, Approval] = {}
        self._unclosed: list[str] = []
        self._obeyed: list[Intent] = []  # told to the planner, and still OPEN in the store
        self._died_over: list[Intent] = []  # claimed by a process that died before it sent anything of them

    async def recover(self, intents: Mapping[str, Intent], still: bool = False) -> None:
        """Take over what an earlier process has claimed; give up what it died over before anything was sent of it.

        Args:
            intents: everything that is not over. What nobody has claimed is left alone.
            still: market time waits for us, and the close at which it died is decided on once more: what is wanted
                again there is sent, and only the rest is given up.

        Raises:
            DatabaseError: the store does not answer.
        """
        slots = [desk.planner.position for desk in self._desks.values()]
        named = {slot.entry_intent for slot in slots} | {slot.exit_intent for slot in slots}
        for intent in intents.values():
            if intent.quantity is None:
                continue
            if intent.intent_id in named or intent.symbol not in self._desks:
                self.intents[intent.intent_id] = intent
                continue
            children = await self._store.children(intent.intent_id)
            if not children:
                self._died_over.append(intent)
            elif all(child.complete for child in children):
                await self._finish(intent, IntentStatus.DONE, "")
            else:
                self.intents[intent.intent_id] = intent
        if not still:
            await self._bury()

    async def _bury(self) -> None:
        """Give up what an earlier process died over, unless it is wanted again by now."""
        while self._died_over:
            intent = self._died_over[0]
            if intent.intent_id not in self.intents:
                found = await self._store.intent(intent.intent_id)
                if found is not None and found.status is IntentStatus.OPEN:
                    await self._finish(intent, IntentStatus.GIVEN_UP, "NEVER_SENT")
            self._died_over.pop(0)

    async def give_up(self, intent: Intent, code: str) -> None:
        """End an intent that nobody has acted on, with a code that says why.

        Raises:
            FencedError: the lease is lost.
            DatabaseError: the store does not answer.
        """
        if intent.intent_id not in self.intents and not self._is_obeyed(intent):
            await self._finish(intent, IntentStatus.GIVEN_UP, code)

    async def conclude(self) -> None:
        """End the exits that were obeyed, once their markets have written down that they want out, and what is over."""
        await self._close_ended()
        try:
            await self._bury()
            while self._obeyed:
                await self._finish(self._obeyed[0], IntentStatus.DONE, "")
                self._obeyed.pop(0)
        except DatabaseError as error:  # the next round tries again
            get_logger().warning("intents.unclosed", count=len(self._obeyed), reason=str(error))

    def _is_obeyed(self, intent: Intent) -> bool:
        return any(row.intent_id == intent.intent_id for row in self._obeyed)

    async def decide(self, intents: Sequence[Intent]) -> dict[str, Verdict]:
        """Judge the intents of one close, in the order of their markets, and tell the planners.

        All are judged at one moment, each approval counting for the next: whatever the world tells in between would
        make the verdict on one depend on how fast another was carried out. Whoever repeats one that was decided changes
        nothing.

        Returns:
            What became of each intent, by id.
        """
        verdicts: dict[str, Verdict] = {}
        known: list[Intent] = []
        for intent in sorted(intents, key=lambda row: row.symbol):
            try:
                written = await self._store.put_intent(intent)
            except DatabaseError as error:
                verdicts[intent.intent_id] = _unknown(f"the store is away: {error}")
                continue
            verdicts[intent.intent_id] = None
            if self._is_new(written):
                known.append(written)
        verdicts |= {intent.intent_id: self._judge(intent) for intent in known}
        for intent in known:
            verdict = verdicts[intent.intent_id]
            try:
                await self._carry_out(intent, verdict)
            except DatabaseError as error:  # an entry has let go of its reservation by itself
                verdicts[intent.intent_id] = _unknown(f"the store is away: {error}")
        return verdicts

    def _is_new(self, intent: Intent) -> bool:
        taken = intent.intent_id in self.intents or self._is_obeyed(intent)
        return intent.status is IntentStatus.OPEN and not taken

    async def _carry_out(self, intent: Intent, verdict: Verdict) -> None:
        if isinstance(verdict, Denied):
            await self._finish(intent, IntentStatus.DENIED, verdict.code)
        elif isinstance(verdict, Approval):
            await self._enter(intent, verdict)
        else:
            self._desks[intent.symbol].planner.decide(intent.action or 0, "", "")
            self._obeyed.append(intent)

    def _judge(self, intent: Intent) -> Verdict:
        """Return risk's word on an entry, None for what needs none; what cannot be an action is denied."""
        order = self.preview(intent)
        return self._risk.check(order) if isinstance(order, OrderIntent) else order

    def preview(self, intent: Intent) -> OrderIntent | Denied | None:
        """Return the order that an intent would need risk's word for now; None: it needs none, or is not possible."""
        desk, action = self._desks.get(intent.symbol), intent.action
        if type(action) is not int or action not in tuple(Action):
            return _unknown("no action")
        if desk is None or desk.planner.close is None:
            return _unknown("no closed bar")
        if action not in ENTRIES:
            return None
        late_ms = desk.planner.close.bar.number * desk.planner.position.base_ms - intent.candle_ms
        if late_ms != 0:
            return Denied(DenialCode.STALE_DATA, late_ms, 0.0, "not decided at the last close")
        if self.closing or not desk.booked or self._journal.blocked or not desk.planner.settled:
            return _unknown("fills of the bar are not booked")
        preview = desk.planner.preview(action) if desk.planner.may_enter else None
        if preview is None:
            return None
        steps, cap, stop = preview
        grid = desk.planner.position.grid
        return OrderIntent(
            key=intent.intent_id,
            symbol=intent.symbol,
            side=Side.BUY,
            quantity=grid.quantity(steps),
            price=grid.price(cap),
            stop=grid.price(stop),
            entry=Entry(intent.symbol, action, intent.policy, intent.confidence, intent.state),
        )

    async def _enter(self, intent: Intent, approval: Approval) -> None:
        desk, lease, quantity = self._desks[intent.symbol], self._keeper.lease, approval.intent.quantity
        sells = Intent(
            intent_id=intent_id(intent.account, intent.symbol, intent.candle_ms, IntentKind.PROTECT),
            account=intent.account,
            symbol=intent.symbol,
            candle_ms=intent.candle_ms,
            kind=IntentKind.PROTECT,
            side=Side.SELL,
            created_ms=intent.created_ms,
            quantity=quantity + _may_still_come(desk),
        )
        before = desk.planner.position.exit_intent
        try:  # its rows first: a slot that names intents which nobody wrote down could never be traded again
            entry, written = await self._store.begin_entry(lease, intent.intent_id, quantity, sells)
            self.intents |= {entry.intent_id: entry, written.intent_id: written}
        except DatabaseError:
            self._drop(intent, sells)
            raise
        if not desk.planner.decide(intent.action or 0, intent.intent_id, sells.intent_id):
            self._drop(intent, sells)
            await self._finish(sells, IntentStatus.GIVEN_UP, "VOID")
            await self._finish(intent, IntentStatus.GIVEN_UP, "VOID")
            return
        self._approvals[intent.intent_id] = approval
        if before:
            self._unclosed.append(before)

    def _drop(self, intent: Intent, sells: Intent) -> None:
        """Forget an entry that was approved and is not decided."""
        self.intents.pop(sells.intent_id, None)
        self.intents.pop(intent.intent_id, None)
        self._risk.ended(intent.intent_id, Decimal(0))

    async def _close_ended(self) -> None:
        """End the intents of trades before: their sells, and the entries decided at the same candle.

        Nothing waits for it, so it comes after what was decided has been sent.
        """
        try:
            while self._unclosed:
                sells = self._unclosed[0]
                await self._store.update_intent(self._keeper.lease, sells, IntentStatus.DONE)
                first = self.intents.pop(sells, None)
                if first is not None:
                    entry = intent_id(first.account, first.symbol, first.candle_ms, IntentKind.ENTER)
                    if self.intents.pop(entry, None) is not None:
                        await self._store.update_intent(self._keeper.lease, entry, IntentStatus.DONE)
                self._unclosed.pop(0)
        except DatabaseError as error:  # they only stay open a while longer
            get_logger().warning("intents.unclosed", count=len(self._unclosed), reason=str(error))

    async def _finish(self, intent: Intent, status: IntentStatus, code: str) -> None:
        await self._store.update_intent(self._keeper.lease, intent.intent_id, status, code)

    def exposure(self, place: Place) -> tuple[Decimal, Decimal]:
        """Return (notional, heat) that risk counts for a command; a sell adds none."""
        approval = self._approvals.get(place.intent) if place.role is Role.ENTRY else None
        if approval is None:
            return Decimal(0), Decimal(0)
        return approval.reservation.notional, approval.reservation.heat

    def booked(self, desk: Desk, booked: Booked) -> None:
        """Tell risk of fills, and of entries that are over."""
        owner = {order.cid: order.draft.intent_id for order in booked.orders}
        for fill in booked.fills:
            if fill.cid is not None and owner[fill.cid] in self._approvals:
                self._risk.filled(owner[fill.cid], fill.quantity)
        for key in [key for key, approval in self._approvals.items() if approval.intent.symbol == desk.symbol]:
            self._end_entry(desk, key)

    def _end_entry(self, desk: Desk, key: str) -> None:
        """Tell risk that an entry is over: nothing wanted, nothing at the venue, every fill booked."""
        planner = desk.planner
        if planner.entry is None and int(planner.position.slot.want) == 0:
            del self._approvals[key]
            grid = planner.position.grid
            filled = grid.quantity(sum(child.filled for child in planner.retired.values() if child.intent == key))
            self._risk.ended(key, filled)


def _may_still_come(desk: Desk) -> Decimal:
    """Return the coins that a position may hold beyond its own entry: parked ones, and a given-up entry's fills."""
    planner = desk.planner
    grid = planner.position.grid
    parked = grid.quantity(-(-planner.position.parked // grid.step_units))
    before = planner.entry
    return parked if before is None else parked + before.request.quantity - grid.quantity(before.filled)


def _unknown(words: str) -> Denied:
    return Denied(DenialCode.STATE_UNKNOWN, float("nan"), float("nan"), words)
