"""Failpoints: a process dies exactly where its environment says."""

import subprocess
import sys

import pytest

from huracan.errors import ConfigError
from huracan.execution.failpoints import FAILPOINT_VARIABLE, Failpoint, kill_at

PROGRAM = """
import os
from huracan.execution.failpoints import Failpoint, kill_at
hit = kill_at(os.environ)
for place in Failpoint:
    print(place, flush=True)
    hit(place)
"""


@pytest.mark.parametrize("place", list(Failpoint))
def test_a_process_is_killed_at_the_place_named(place: Failpoint) -> None:
    """SIGKILL, no clean-up, nothing after it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={FAILPOINT_VARIABLE: place.value, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -9, done.stderr
    assert done.stdout.split()[-1] == place.value


def test_without_the_variable_nothing_happens() -> None:
    """In production."""
    for place in Failpoint:
        kill_at({})(place)


def test_an_unknown_place_is_refused() -> None:
    """A typing error must not make a chaos test pass."""
    with pytest.raises(ConfigError, match="after_lunch"):
        kill_at({FAILPOINT_VARIABLE: "after_lunch"})
