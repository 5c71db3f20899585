"""The breaker: each trigger trips at its limit, does what its policy says, and closes for a person alone."""

import asyncio
import math
from typing import get_args

import pytest

from huracan.config import BreakerTrigger, RiskSettings
from huracan.risk.breaker import BREAKER, Fact, trigger_table
from huracan.risk.live import (
    AccountResult,
    Author,
    BalanceCheck,
    Breaker,
    BreakerState,
    CancelOrders,
    CancelScope,
    ClockSkew,
    FeedAge,
    Flatten,
    HaltPolicy,
    RiskLimits,
    SetState,
    Slippage,
    StateChange,
    StateRefused,
    StateRow,
    TradingState,
    Trip,
    perform,
    respond,
    transition,
)
from huracan.trading import ExitReason
from huracan.venue.orders import Accepted, RejectCode, Rejected, Unknown
from tests.risk.test_effects import ACTIVE, PERSON, Account

SETTINGS = RiskSettings(breaker_triggers=get_args(BreakerTrigger))
BREAKER_RULES = Breaker(SETTINGS, RiskLimits.of(SETTINGS))
FINE: tuple[Fact, ...] = (
    Accepted(()),
    Slippage(99.9),
    Slippage(-500.0),
    FeedAge(599.0),
    ClockSkew(-4_999.0),
    BalanceCheck("A", 0.0),
    AccountResult(0.199, -499.0),
)


def _reject(code: RejectCode) -> Rejected:
    return Rejected(code, None, "no")


TRIPS: dict[BreakerTrigger, list[list[Fact]]] = {
    "unknown_outcomes": [[Unknown("timeout")] * 3],
    "rejects": [[_reject(RejectCode.FILTER)] * 5, [_reject(RejectCode.AUTH)]],
    "slippage": [[Slippage(100.0)], [Slippage(math.nan)]],
    "stale_data": [[FeedAge(600.0)], [FeedAge(math.nan)]],
    "clock_skew": [[ClockSkew(5_000.0)], [ClockSkew(-30_000.0)], [ClockSkew(math.nan)]],
    "throttled": [
        [_reject(RejectCode.RATE_LIMIT)] * 3,
        [_reject(RejectCode.ORDER_LIMIT)] * 3,
        [_reject(RejectCode.BANNED)],
    ],
    "balance_mismatch": [[BalanceCheck("A", -1e-8)], [BalanceCheck("A", math.nan)]],
    "drawdown": [[AccountResult(0.2, 0.0)], [AccountResult(math.nan, 0.0)]],
    "daily_loss": [[AccountResult(0.0, -500.0)], [AccountResult(0.0, math.nan)]],
}
EACH_TRIP = [
    pytest.param(trigger, facts, id=f"{trigger}-{number}")
    for trigger, many in TRIPS.items()
    for number, facts in enumerate(many)
]


def _run(facts: list[Fact], breaker: Breaker = BREAKER_RULES) -> tuple[BreakerState, list[Trip]]:
    state, trips = BreakerState(), []
    for fact in facts:
        state, trip = breaker.observe(state, fact)
        if trip is not None:
            trips.append(trip)
    return state, trips


def test_every_trigger_can_trip() -> None:
    """No configured name is decoration."""
    assert set(TRIPS) == set(get_args(BreakerTrigger))


@pytest.mark.parametrize(("trigger", "facts"), EACH_TRIP)
def test_each_trigger_trips_at_its_limit_and_not_before(trigger: BreakerTrigger, facts: list[Fact]) -> None:
    """The last fact trips, once; the ones before it, and every healthy fact, do not."""
    assert _run([*FINE, *facts[:-1]])[1] == []
    state, trips = _run([*FINE, *facts, *facts])
    assert [trip.trigger for trip in trips] == [trigger]
    assert state.trip == trips[0]
    assert trigger in trips[0].reason


@pytest.mark.parametrize(("trigger", "facts"), EACH_TRIP)
def test_a_trigger_that_is_switched_off_does_not_trip(trigger: BreakerTrigger, facts: list[Fact]) -> None:
    """Only what the settings name trips."""
    others = RiskSettings(breaker_triggers=tuple(name for name in get_args(BreakerTrigger) if name != trigger))
    assert _run(facts, Breaker(others, RiskLimits.of(others)))[1] == []


def test_an_accepted_order_ends_every_streak() -> None:
    """Two unknowns, four rejects, two 429: forgotten when the venue takes an order."""
    almost: list[Fact] = [Unknown("x")] * 2 + [_reject(RejectCode.FILTER)] * 4 + [_reject(RejectCode.RATE_LIMIT)] * 2
    assert _run([*almost, Accepted(()), *almost])[1] == []
    assert len(_run([*almost, *almost])[1]) >= 1


@pytest.mark.parametrize("code", [RejectCode.WOULD_MATCH, RejectCode.UNKNOWN_ORDER, RejectCode.STOP_WOULD_TRIGGER])
def test_rejects_that_are_part_of_trading_do_not_count(code: RejectCode) -> None:
    """A maker that comes too late a hundred times is no fault, and hides none either."""
    assert _run([_reject(code)] * 100)[1] == []
    assert _run([_reject(RejectCode.FILTER), _reject(code)] * 5)[1] != []


def test_an_open_breaker_trips_again_only_for_the_worse() -> None:
    """Throttled, then unknown outcomes: a halt follows the reduction; further facts change nothing."""
    facts: list[Fact] = [_reject(RejectCode.BANNED), _reject(RejectCode.BANNED), *[Unknown("x")] * 5, FeedAge(9_999.0)]
    assert [trip.trigger for trip in _run(facts)[1]] == ["throttled", "unknown_outcomes"]


def _after(trip: Trip, policy: HaltPolicy, row: StateRow = ACTIVE) -> Account:
    account = Account()
    account.row = row
    asyncio.run(perform(respond(trip, row, policy, 5), account))
    return account


TRIP = Trip("unknown_outcomes", 3, 3, "timeout")


def test_cancel_takes_entries_back_and_keeps_the_protection() -> None:
    """A position without its stop would be a worse risk than the one that tripped."""
    account = _after(TRIP, HaltPolicy.CANCEL)
    assert (account.row.state, account.row.policy) == (TradingState.HALTED, HaltPolicy.CANCEL)
    assert (set(account.orders), account.position) == ({"bracket", "maker exit"}, 10)
    assert (account.row.author, account.row.reason) == (BREAKER.name, "breaker: unknown_outcomes 3, limit 3 timeout")


def test_flatten_sells_everything() -> None:
    """Orders first, then positions, as a risk exit."""
    account = _after(TRIP, HaltPolicy.FLATTEN)
    assert (account.orders, account.position, account.reason) == ({}, 0, ExitReason.RISK_EXIT)


def test_hold_touches_nothing() -> None:
    """The state alone changes."""
    account = _after(TRIP, HaltPolicy.HOLD)
    assert account.row.state is TradingState.HALTED
    assert (account.orders, account.position) == (Account().orders, 10)


def test_an_unknown_figure_sells_nothing() -> None:
    """NaN trips, and takes entries back; it does not sell blindly."""
    effects = respond(Trip("slippage", math.nan, 100.0), ACTIVE, HaltPolicy.FLATTEN, 5)
    assert [type(effect) for effect in effects] == [SetState, CancelOrders]
    assert not any(isinstance(effect, Flatten) for effect in effects)


@pytest.mark.parametrize("policy", HaltPolicy)
def test_a_throttled_venue_leads_to_reducing(policy: HaltPolicy) -> None:
    """Nothing is sold to a venue that takes no orders; entries are cancelled unless the policy is to hold."""
    effects = respond(Trip("throttled", 1, 1), ACTIVE, policy, 5)
    assert isinstance(effects[0], SetState)
    assert effects[0].row.state is TradingState.REDUCING
    assert effects[1:] == (() if policy is HaltPolicy.HOLD else (CancelOrders(CancelScope.ENTRIES),))


@pytest.mark.parametrize("trip", [TRIP, Trip("throttled", 1, 1)])
def test_a_trip_leaves_a_persons_halt_alone(trip: Trip) -> None:
    """Halted by hand with hold: a later trip neither cancels nor sells."""
    halted = StateRow(TradingState.HALTED, HaltPolicy.HOLD, "ann", "mine", 2)
    assert respond(trip, halted, HaltPolicy.FLATTEN, 5) == ()


def test_only_a_person_closes_it() -> None:
    """The program's own resume is refused; after a person's the counts start anew."""
    row = _after(TRIP, HaltPolicy.CANCEL).row
    assert isinstance(
        transition(row, StateChange.RESUME, Author("engine", person=False), "fine again", 9), StateRefused
    )
    resumed = transition(row, StateChange.RESUME, PERSON, "looked at it", 9)
    assert isinstance(resumed, StateRow)
    assert resumed.state is TradingState.ACTIVE
    assert _run([Unknown("x")] * 2)[1] == []


def test_the_table_names_every_trigger() -> None:
    """One row each, with the default of the settings."""
    rows = trigger_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(get_args(BreakerTrigger))
    assert [row.split("`")[1] for row in rows if row.endswith("| off |")] == ["drawdown", "daily_loss"]
