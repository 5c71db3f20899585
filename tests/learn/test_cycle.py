"""The plan of a retraining cycle: whatever stops it and wherever, starting it again finishes it."""

import itertools
from collections.abc import Mapping
from functools import partial

import pytest

from huracan.errors import InvariantError, RefusedError
from huracan.learn.cycle import STEPS, Outcome, Work, next_step, run_cycle


class Killed(Exception):
    """Stands for the end of the process: nothing is noted any more."""


class Memory:
    """A cycle's log that survives its process, which dies at the n-th thing that it would note."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.dies_in = -1
        self.dead = False

    def states(self) -> Mapping[str, str]:
        """Return the rows."""
        return dict(self.rows)

    def start(self, step: str) -> None:
        """Note it, and perhaps die right after."""
        self.rows[step] = "running"
        self._count()

    def done(self, step: str, wall_s: float, outcome: Outcome) -> None:
        """Perhaps die right before, else note it."""
        self._count()
        self.rows[step] = "done"

    def failed(self, step: str, wall_s: float, error: str) -> None:
        """Note it, unless the process is dead."""
        if not self.dead:
            self.rows[step], self.errors[step] = "failed", error

    def _count(self) -> None:
        self.dies_in -= 1
        if self.dies_in == 0:
            self.dead = True
            raise Killed


def noting(worked: list[str]) -> dict[str, Work]:
    """Return steps that note that they were done."""

    def work(step: str) -> Outcome:
        worked.append(step)
        return {"line": step}

    return {step: partial(work, step) for step in STEPS}


def test_a_cycle_killed_anywhere_is_finished_by_starting_it_again() -> None:
    """At each of the two moments of each step: those before are done once, the step itself once more, the rest once."""
    for dies_in in range(1, 2 * len(STEPS) + 1):
        log, worked = Memory(), []
        works = noting(worked)
        log.dies_in = dies_in
        with pytest.raises(Killed):
            run_cycle(log, works)
        at = STEPS[(dies_in - 1) // 2]
        assert next_step(log.states()) == at
        log.dead = False
        run_cycle(log, works)
        assert next_step(log.states()) is None
        again = [at] if dies_in % 2 == 0 else []
        assert sorted(worked) == sorted([*STEPS, *again])
        assert [step for step, _ in itertools.groupby(worked)] == list(STEPS)


@pytest.mark.parametrize("error", [RefusedError("the newest candle is old; download"), KeyboardInterrupt()])
def test_a_fault_ends_the_cycle_at_its_step(error: BaseException) -> None:
    """Its line is kept, later steps do not run, and the next start begins with it."""
    log, worked = Memory(), []

    def fail() -> Outcome:
        raise error

    works = noting(worked) | {"quality": fail}
    line = str(error) or "interrupted; run the same command again to go on"
    with pytest.raises(type(error)) as raised:
        run_cycle(log, works)
    assert str(raised.value) == ("" if isinstance(error, KeyboardInterrupt) else f"quality: {line}")
    assert worked == ["health_before", "download"]
    assert log.rows["quality"] == "failed"
    assert log.errors["quality"] == line
    assert next_step(log.states()) == "quality"


def test_a_finished_cycle_does_nothing() -> None:
    """Done is done."""
    log = Memory()
    log.rows = dict.fromkeys(STEPS, "done")
    run_cycle(log, {})


@pytest.mark.parametrize(
    ("states", "complaint"), [({"train": "done"}, "train was started although"), ({"dance": "done"}, "do not exist")]
)
def test_rows_that_no_cycle_leaves_are_a_defect(states: dict[str, str], complaint: str) -> None:
    """A step without those before it, or one that does not exist, is told."""
    with pytest.raises(InvariantError, match=complaint):
        next_step(states)
