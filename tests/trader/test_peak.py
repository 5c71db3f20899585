"""When the peak begins anew: by a person's resume from a drawdown trip, and by nothing else."""

import json

import pytest

from huracan.execution.model import StateChange
from huracan.risk.breaker import BREAKER, Trip
from huracan.risk.live import MONITOR, TradingState
from huracan.trader.peak import Rebased, rebased_from, rebased_report, resumed_after_drawdown, tripped_by

ANNA = "anna@home"


def history(*rows: tuple[str, str, str]) -> tuple[StateChange, ...]:
    """Return a history of (state, author, reason), numbered from 1."""
    return tuple(
        StateChange(seq, TradingState(state), author, reason, seq)
        for seq, (state, author, reason) in enumerate(rows, 1)
    )


def tripped(trigger: str) -> tuple[str, str, str]:
    """Return the row that the breaker itself writes."""
    return ("HALTED", BREAKER.name, Trip(trigger, 0.21, 0.2).reason)  # type: ignore[arg-type]


RESUMED = ("ACTIVE", ANNA, "goes on with what is left")


def test_a_persons_resume_from_a_drawdown_trip_is_found_once() -> None:
    """The last one counts; what is known already is not found again."""
    rows = history(tripped("drawdown"), RESUMED, tripped("drawdown"), ("ACTIVE", ANNA, "again"))
    found = resumed_after_drawdown(rows, 0)
    assert found is not None
    assert (found.seq, found.author, found.reason) == (4, ANNA, "again")
    assert resumed_after_drawdown(rows, 4) is None
    assert resumed_after_drawdown(rows[:3], 2) is None


@pytest.mark.parametrize("trigger", ["daily_loss", "slippage", "stale_data"])
def test_a_resume_from_another_trip_leaves_the_peak(trigger: str) -> None:
    """Only the drawdown is measured from the peak."""
    assert resumed_after_drawdown(history(tripped(trigger), RESUMED), 0) is None


def test_what_a_person_halts_further_is_still_caused_by_the_drawdown() -> None:
    """The kill switch after the trip changes nothing of it."""
    found = resumed_after_drawdown(history(tripped("drawdown"), ("HALTED", ANNA, "be sure"), RESUMED), 0)
    assert found is not None
    assert found.seq == 3


def test_a_program_that_loosens_ends_nothing() -> None:
    """Its row is not obeyed; the person's later one counts."""
    rows = history(tripped("drawdown"), ("ACTIVE", MONITOR.name, "a fault"), RESUMED)
    assert resumed_after_drawdown(rows[:2], 0) is None
    found = resumed_after_drawdown(rows, 0)
    assert found is not None
    assert found.seq == 3


def test_a_persons_words_are_no_trip() -> None:
    """Whoever halts by hand and quotes the breaker is a person."""
    assert tripped_by(history(("HALTED", ANNA, tripped("drawdown")[2]))) == frozenset()


def test_the_triggers_of_the_state_in_force_are_told() -> None:
    """Both until a person resumes."""
    rows = history(tripped("drawdown"), tripped("daily_loss"), RESUMED)
    assert tripped_by(rows[:2]) == {"drawdown", "daily_loss"}
    assert tripped_by(rows) == frozenset()


def test_the_view_gives_back_what_it_was_given() -> None:
    """Through JSON; a view from before knows of none."""
    rebased = Rebased(4, ANNA, "again", "1000000.5", "790000.25")
    assert rebased_from(json.loads(json.dumps(rebased_report(rebased)))) == rebased
    assert rebased_from(rebased_report(None)) is None
