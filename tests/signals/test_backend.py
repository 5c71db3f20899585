"""The records between routes and backend hold what they say."""

import dataclasses

import pytest

from huracan.signals.backend import Problem, Quote
from huracan.signals.contract import ErrorCode


def test_a_problem_is_a_value_that_nobody_changes() -> None:
    """Two refusals for the same reason are the same; none can be edited on its way."""
    problem = Problem(ErrorCode.FEED_DOWN, "away")
    assert problem == Problem(ErrorCode.FEED_DOWN, "away")
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.message = "here"  # type: ignore[misc]
    assert Quote("A/B", 1, None, None, None) == Quote("A/B", 1, None, None, None)
