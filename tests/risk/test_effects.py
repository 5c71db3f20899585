"""Effects: what risk decides is performed, in order and whole; the kill switch leaves no entry behind."""

import asyncio

import pytest

from huracan.risk.live import (
    Author,
    CancelOrders,
    CancelScope,
    CommandKind,
    DayBook,
    Effect,
    Flatten,
    HaltPolicy,
    RiskLimits,
    SetState,
    StateRefused,
    StateRow,
    TradingState,
    day_effects,
    kill,
    perform,
    permits,
)
from huracan.trading import ExitReason

PERSON = Author("ann", person=True)
ACTIVE = StateRow(TradingState.ACTIVE, None, "ann", "start", 1)


class Account:
    """A performer over three orders and a position, which does what it is told and nothing else."""

    def __init__(self) -> None:
        self.row = ACTIVE
        self.orders = {"entry": "entries", "bracket": "exits", "maker exit": "exits"}
        self.position = 10
        self.reason: ExitReason | None = None
        self.entries_possible_while_cancelling = False

    async def set_state(self, row: StateRow) -> None:
        """Obey the row."""
        self.row = row

    async def cancel_orders(self, scope: CancelScope) -> None:
        """Cancel, one answer after the other, while others might still send."""
        for name, kind in list(self.orders.items()):
            await asyncio.sleep(0)
            self.entries_possible_while_cancelling |= permits(self.row, CommandKind.ENTRY)
            if scope is CancelScope.ALL or kind == scope.value:
                del self.orders[name]

    async def flatten(self, reason: ExitReason) -> None:
        """Sell, if the state lets a sale pass."""
        if permits(self.row, CommandKind.EXIT):
            self.position, self.reason = 0, reason


def _done(effects: tuple[Effect, ...] | StateRefused) -> Account:
    assert not isinstance(effects, StateRefused)
    account = Account()
    asyncio.run(perform(effects, account))
    return account


def test_the_kill_switch_cancels_everything() -> None:
    """Cancel: no order is left, the bracket included; the position stays; no entry was possible at any time."""
    account = _done(kill(ACTIVE, HaltPolicy.CANCEL, PERSON, "fire", 5))
    assert (account.row.state, account.orders, account.position) == (TradingState.HALTED, {}, 10)
    assert not account.entries_possible_while_cancelling
    assert account.row.reason == "fire"


def test_the_kill_switch_sells_when_that_is_its_policy() -> None:
    """Flatten: no order and no position, and the trades say why."""
    account = _done(kill(ACTIVE, HaltPolicy.FLATTEN, PERSON, "fire", 5))
    assert (account.orders, account.position, account.reason) == ({}, 0, ExitReason.KILL_SWITCH)


def test_the_kill_switch_cancels_again_when_it_is_repeated() -> None:
    """An order that was on its way at the first halt is cancelled by the second."""
    halted = StateRow(TradingState.HALTED, HaltPolicy.CANCEL, "ann", "fire", 2)
    assert _done(kill(halted, HaltPolicy.CANCEL, PERSON, "still", 5)).orders == {}


def test_the_kill_switch_needs_a_reason() -> None:
    """Who halts says why."""
    assert isinstance(kill(ACTIVE, HaltPolicy.CANCEL, PERSON, "", 5), StateRefused)


@pytest.mark.parametrize(
    ("effect", "untouched"),
    [
        (SetState(StateRow(TradingState.REDUCING, None, "ann", "r", 2)), ("orders", "position")),
        (CancelOrders(CancelScope.ENTRIES), ("row", "position")),
        (CancelOrders(CancelScope.ALL), ("row", "position")),
        (Flatten(ExitReason.RISK_EXIT), ("row", "orders")),
    ],
)
def test_each_effect_is_wired_to_its_act(effect: Effect, untouched: tuple[str, ...]) -> None:
    """Performing one effect changes what it names, and nothing else."""
    account, before = _done((effect,)), Account()
    changed = {name for name in ("row", "orders", "position") if getattr(account, name) != getattr(before, name)}
    assert changed == {"row", "orders", "position"} - set(untouched)


def test_cancelling_entries_leaves_the_protection_at_the_venue() -> None:
    """Stops and exits go on working."""
    assert set(_done((CancelOrders(CancelScope.ENTRIES),)).orders) == {"bracket", "maker exit"}


def test_a_lost_day_sells_everything_and_a_day_like_others_does_nothing() -> None:
    """The effect of a breach lasts until midnight, at every close."""
    limits = RiskLimits(5_000.0, 500.0, 0.15, 1.0, 0.2, 50)
    book = DayBook(10, 10_000.0, 10_000.0)
    assert day_effects(book) == ()
    lost = book.closed(10, 9_500.0, limits)
    assert _done(day_effects(lost)).reason is ExitReason.RISK_EXIT
    assert day_effects(lost.closed(10, 9_900.0, limits)) == (Flatten(ExitReason.RISK_EXIT),)
    assert day_effects(lost.closed(11, 9_900.0, limits)) == ()
