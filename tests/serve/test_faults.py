"""A fault that travels through Ray is told in its own words: one line, without traceback or path."""

import pytest
from ray.exceptions import GetTimeoutError, RayTaskError

from huracan.errors import VenueError
from serve.faults import own_fault, own_words


def _wrapped(cause: Exception) -> RayTaskError:
    """Return what a caller gets when an actor's method raises."""
    return RayTaskError("closes", f'Traceback:\n  File "/somewhere/feed.py", line 105\n{cause}', cause)


@pytest.mark.parametrize("cause", [VenueError("the venue is away"), ConnectionError("nothing is\n  followed")])
def test_a_fault_of_ours_is_told_as_it_was_raised(cause: Exception) -> None:
    """Also as the class that Ray derives from the cause's."""
    for error in (_wrapped(cause), _wrapped(cause).as_instanceof_cause()):
        assert own_fault(error) is cause
        assert own_words(error) == " ".join(str(cause).split())


def test_a_defect_is_told_by_its_class() -> None:
    """What a foreign error says may be anything, a path or a secret: it stays in the log."""
    assert own_words(_wrapped(KeyError("/home/x/secret"))) == "a fault of KeyError; its log has more"


def test_rays_own_words_are_one_line_of_bounded_length() -> None:
    """A dead actor's report is cut, and an error without words has its name."""
    assert "\n" not in own_words(GetTimeoutError("died\n" * 500))
    assert len(own_words(GetTimeoutError("died\n" * 500))) <= 300
    assert own_words(TimeoutError()) == "TimeoutError"
