"""The keeper: what is approved counts at once, facts release it, a halt is obeyed at the next order."""

from dataclasses import replace
from decimal import Decimal as D

import pytest

from huracan.config import ProtectionSettings, RiskSettings
from huracan.risk.live import (
    Approval,
    Breaker,
    CancelOrders,
    CancelScope,
    ClosedTrade,
    DenialCode,
    Denied,
    HaltPolicy,
    OrderRate,
    PairLock,
    RiskGate,
    RiskKeeper,
    RiskLimits,
    RiskView,
    SetState,
    StateChange,
    StateRow,
    TradingState,
    transition,
)
from huracan.trading import ExitReason
from huracan.venue.orders import Side, Unknown
from tests.risk.cases import ACTIVE, BUY, LIMITS, NOW, PERSON, VIEW, reservation

SETTINGS = RiskSettings()


def _keeper(view: RiskView = VIEW, **changes: object) -> RiskKeeper:
    # what is remembered is deliberately unknown to `look`
    seen = replace(view, state=None, locks=None, reservations=None, rate=None)
    parts: dict[str, object] = {
        "gate": RiskGate(LIMITS),
        "breaker": Breaker(SETTINGS, RiskLimits.of(SETTINGS)),
        "breaker_policy": HaltPolicy.CANCEL,
        "rate": OrderRate(4, 10_000),
        "look": lambda: seen,
        "state": ACTIVE,
    }
    return RiskKeeper(**{**parts, **changes})  # type: ignore[arg-type]


def _code(verdict: Approval | Denied) -> DenialCode | None:
    return verdict.code if isinstance(verdict, Denied) else None


def test_an_approval_counts_before_anything_else_happens() -> None:
    """The same intent again is a duplicate; four orders fill the window of four; all are in the view."""
    keeper = _keeper()
    small = replace(BUY, quantity=D(1))
    assert _code(keeper.check(small)) is None
    assert _code(keeper.check(small)) is DenialCode.DUPLICATE
    for number in range(3):
        assert _code(keeper.check(replace(small, key=f"k{number}"))) is None
    assert _code(keeper.check(replace(small, key="k9"))) is DenialCode.ORDER_RATE
    assert len(keeper.reservations.rows) == keeper.view().in_flight == 4


def test_a_question_is_judged_as_an_order_and_leaves_no_trace() -> None:
    """Each approval counts for the next one of the same question, and for nothing afterwards."""
    keeper = _keeper()
    small = [replace(BUY, quantity=D(1), key=f"k{number}") for number in range(5)]
    before = keeper.view()
    asked = [_code(verdict) for verdict in keeper.judge(small)]
    assert asked == [None] * 4 + [DenialCode.ORDER_RATE]
    assert keeper.view() == before
    assert [_code(keeper.check(one)) for one in small] == asked


def test_a_denial_leaves_no_trace() -> None:
    """Nothing is reserved or counted for what does not go out."""
    keeper = _keeper(replace(VIEW, cash=D(1)))
    assert _code(keeper.check(BUY)) is DenialCode.BALANCE
    assert (keeper.reservations.rows, keeper.view().in_flight) == ((), 0)
    assert keeper.view().rate == OrderRate(4, 10_000)


def test_an_order_is_in_flight_once() -> None:
    """Approved it counts here; begun it counts in what the engine shows; ended, or never begun, nowhere."""
    keeper = _keeper()
    keeper.check(BUY)
    assert keeper.view().in_flight == 1
    keeper.begun("i1")
    assert keeper.view().in_flight == 0
    keeper.check(replace(BUY, key="i3", quantity=D(1)))
    keeper.ended("i3", D(0))
    assert keeper.view().in_flight == 0
    assert _keeper(replace(VIEW, in_flight=None)).view().in_flight is None


def test_fills_and_the_end_release_what_was_reserved() -> None:
    """Ten approved, four booked; ended at six, two are still awaited; then nothing is left."""
    keeper = _keeper()
    keeper.check(BUY)
    keeper.filled("i1", D(4))
    keeper.ended("i1", D(6))
    assert [row.left for row in keeper.reservations.rows] == [D(2)]
    keeper.filled("i1", D(2))
    assert keeper.reservations.rows == ()


def test_a_restart_remembers_what_was_stored() -> None:
    """Reservations, locks and state of before bind again."""
    bracket = reservation("oco", side=Side.SELL, quantity=D(10))
    lock = PairLock("A/USDT", 0, NOW + 1, "ann", "news")
    keeper = _keeper(locks=[lock], reservations=[bracket])
    assert _code(keeper.check(BUY)) is DenialCode.LOCKED
    assert keeper.reservations.rows == (bracket,)
    halted = StateRow(TradingState.HALTED, HaltPolicy.CANCEL, "ann", "fire", 1)
    assert _code(_keeper(state=halted).check(BUY)) is DenialCode.HALTED


@pytest.mark.parametrize("looser", [StateChange.RESUME, StateChange.REDUCE])
def test_the_breaker_acts_once_and_starts_anew_after_a_person_loosened(looser: StateChange) -> None:
    """Three unknown outcomes halt and cancel; a fourth adds nothing; after a person's word it takes three again."""
    keeper = _keeper()
    unknown = Unknown("timeout")
    assert keeper.observe(unknown, 1) == keeper.observe(unknown, 2) == ()
    effects = keeper.observe(unknown, 3)
    assert [type(effect) for effect in effects] == [SetState, CancelOrders]
    assert effects[1] == CancelOrders(CancelScope.ENTRIES)
    assert isinstance(effects[0], SetState)
    keeper.obey(effects[0].row)
    assert keeper.observe(unknown, 4) == ()
    resumed = transition(keeper.state, looser, PERSON, "looked", 5)
    assert isinstance(resumed, StateRow)
    keeper.obey(resumed)
    assert keeper.observe(unknown, 6) == keeper.observe(unknown, 7) == ()
    assert keeper.observe(unknown, 8) != ()


def test_locks_are_made_lifted_and_returned_to_be_stored() -> None:
    """By rule, by hand, lifted by a person: each change is handed back once."""
    keeper = _keeper()
    cooldown = [ProtectionSettings(method="CooldownPeriod", stop_duration_candles=5)]
    trades = [ClosedTrade("A/USDT", NOW - 1, 0.01, ExitReason.TAKE_PROFIT)]
    (made,) = keeper.protect(cooldown, trades, {"A/USDT"}, NOW, 60_000)
    assert keeper.protect(cooldown, trades, {"A/USDT"}, NOW, 60_000) == ()
    assert _code(keeper.check(BUY)) is DenialCode.LOCKED
    (lifted,) = keeper.unlock("A/USDT", "ann", NOW)
    assert (lifted.lock_id, lifted.removed_by) == (made.lock_id, "ann")
    assert isinstance(keeper.check(BUY), Approval)
    by_hand = PairLock("*", NOW, None, "ann", "holiday")
    assert keeper.lock(by_hand) == (by_hand,)
    assert keeper.lock(by_hand) == ()
    assert keeper.locks.blocking("B/USDT", NOW) == by_hand
