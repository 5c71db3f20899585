"""The error tree: every fault is a HuracanError with the exit code its family promises."""

import re

import pytest

from huracan import errors

FAMILY = {
    "HuracanError": (1, Exception),
    "UsageError": (2, errors.HuracanError),
    "ConfigError": (2, errors.UsageError),
    "DataError": (2, errors.UsageError),
    "ArtefactError": (2, errors.UsageError),
    "DatabaseError": (1, errors.HuracanError),
    "FencedError": (1, errors.HuracanError),
    "VenueError": (1, errors.HuracanError),
    "TrainingError": (1, errors.HuracanError),
    "ServeError": (1, errors.HuracanError),
    "StorageError": (1, errors.HuracanError),
    "RefusedError": (3, errors.HuracanError),
    "EvidenceError": (3, errors.RefusedError),
    "InvariantError": (1, errors.HuracanError),
}


@pytest.mark.parametrize("name", sorted(FAMILY))
def test_each_error_has_its_parent_and_exit_code(name: str) -> None:
    """The exit code is 2 for bad input, 3 for a refusal, 1 for anything else."""
    code, parent = FAMILY[name]
    error = getattr(errors, name)
    assert error.exit_code == code
    assert error.__bases__ == (parent,)


def test_the_drawn_tree_is_the_tree() -> None:
    """The tree in the module's docstring names exactly the classes the module exports, with their exit codes."""
    drawn = dict(re.findall(r"(\w+Error)\s+(\d)\b", errors.__doc__ or ""))
    assert drawn == {name: str(getattr(errors, name).exit_code) for name in errors.__all__}
    assert set(errors.__all__) == set(FAMILY)
