"""The trading state: a machine tightens, a person loosens, and each state permits what its table says."""

from decimal import Decimal as D
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.risk.live import (
    Author,
    CommandKind,
    HaltPolicy,
    StateChange,
    StateRefused,
    StateRow,
    TradingState,
    permits,
    reduces,
    transition,
)

PERSON, MACHINE = Author("ann", person=True), Author("breaker", person=False)
LOOSENESS = {TradingState.ACTIVE: 2, TradingState.REDUCING: 1, TradingState.HALTED: 0}


def _row(state: TradingState, policy: HaltPolicy = HaltPolicy.HOLD) -> StateRow:
    return StateRow(state, policy if state is TradingState.HALTED else None, "ann", "before", 1)


@pytest.mark.parametrize(("state", "change"), list(product(TradingState, StateChange)))
def test_a_machine_never_loosens(state: TradingState, change: StateChange) -> None:
    """Whatever a machine asks for, what it gets permits no more than before."""
    row = _row(state)
    after = transition(row, change, MACHINE, "why", 2)
    if isinstance(after, StateRow):
        assert LOOSENESS[after.state] <= LOOSENESS[state]
        assert all(permits(row, kind) or not permits(after, kind) for kind in CommandKind)
    else:
        assert "person" in after.reason


@pytest.mark.parametrize(("state", "change"), list(product(TradingState, StateChange)))
def test_a_person_gets_what_is_asked_for(state: TradingState, change: StateChange) -> None:
    """Each change leads to its state, with author, reason and time."""
    wanted = {
        StateChange.RESUME: TradingState.ACTIVE,
        StateChange.REDUCE: TradingState.REDUCING,
        StateChange.HALT: TradingState.HALTED,
    }[change]
    after = transition(_row(state), change, PERSON, " two\nlines ", 2, HaltPolicy.FLATTEN)
    policy = HaltPolicy.FLATTEN if wanted is TradingState.HALTED else None
    assert after == StateRow(wanted, policy, "ann", "two lines", 2)


def test_the_first_halt_stands_against_a_machine() -> None:
    """A person said hold: the breaker does not turn that into flatten, and does not rewrite author or reason."""
    row = _row(TradingState.HALTED, HaltPolicy.HOLD)
    assert transition(row, StateChange.HALT, MACHINE, "trip", 2, HaltPolicy.FLATTEN) == row


@pytest.mark.parametrize(("name", "reason"), [("", "why"), (" ", "why"), ("ann", ""), ("ann", "\n")])
def test_a_change_needs_an_author_and_a_reason(name: str, reason: str) -> None:
    """An unexplained change is refused."""
    assert isinstance(
        transition(_row(TradingState.ACTIVE), StateChange.HALT, Author(name, True), reason, 2), StateRefused
    )


def test_each_state_permits_what_it_says() -> None:
    """Entries when active alone; exits save under hold; cancels always."""
    rows = [_row(TradingState.ACTIVE), _row(TradingState.REDUCING)]
    rows += [_row(TradingState.HALTED, policy) for policy in HaltPolicy]
    assert [permits(row, CommandKind.ENTRY) for row in rows] == [True, False, False, False, False]
    assert [permits(row, CommandKind.EXIT) for row in rows] == [True, True, True, True, False]
    assert all(permits(row, CommandKind.CANCEL) for row in rows)


def test_a_row_that_makes_no_sense_permits_nothing() -> None:
    """HALTED without a policy, or ACTIVE with one, was damaged: nothing is sent."""
    for row in (
        StateRow(TradingState.HALTED, None, "ann", "r", 1),
        StateRow(TradingState.ACTIVE, HaltPolicy.CANCEL, "ann", "r", 1),
    ):
        assert not any(permits(row, kind) for kind in CommandKind)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(StateChange), st.booleans(), st.sampled_from(HaltPolicy), st.booleans()), max_size=30
    )
)
def test_after_a_halt_no_entry_leaves_until_a_person_resumes(
    steps: list[tuple[StateChange, bool, HaltPolicy, bool]],
) -> None:
    """I9: over any history of changes and sends, an entry is sent only where no halt stands since the last resume."""
    row, stopped = _row(TradingState.ACTIVE), False
    for at_ms, (change, person, policy, send_entry) in enumerate(steps):
        after = transition(row, change, PERSON if person else MACHINE, "why", at_ms, policy)
        row = after if isinstance(after, StateRow) else row
        if change is not StateChange.RESUME:
            stopped = True
        elif person:
            stopped = False
        if send_entry:
            assert permits(row, CommandKind.ENTRY) is not stopped


@settings(deadline=None)
@given(st.integers(-50, 50), st.integers(-120, 120))
def test_reducing_makes_a_position_smaller_and_never_turns_it(before: int, change: int) -> None:
    """|after| <= |before| and no change of sign, for long and short; from flat nothing opens."""
    allowed = reduces(D(before), D(change))
    after = before + change
    assert allowed == (min(0, before) <= after <= max(0, before))
    if before == 0 and change != 0:
        assert not allowed
