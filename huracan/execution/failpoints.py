"""Failpoints: named places of the submit protocol at which a process is killed, or a test's callback runs."""

import os
import signal
from collections.abc import Callable, Mapping
from enum import StrEnum

from huracan.errors import ConfigError

__all__ = ["FAILPOINT_VARIABLE", "Failpoint", "Failpoints", "kill_at", "no_failpoints"]

FAILPOINT_VARIABLE = "HURACAN_FAILPOINT"


class Failpoint(StrEnum):
    """Where a process may die; each leaves another trace behind."""

    AFTER_T1 = "after_t1"
    """The order is written down and not yet marked as sent."""
    AFTER_T2 = "after_t2"
    """It is marked as sent and not yet sent."""
    AFTER_ACCEPT = "after_accept"
    """The venue has answered and nothing of it is booked."""
    AFTER_BOOK = "after_book"
    """The answer is booked and nothing follows from it."""


Failpoints = Callable[[Failpoint], None]
"""Called at each place; returns, raises, or does not come back."""


def no_failpoints(_: Failpoint) -> None:
    """Go on."""


def kill_at(environment: Mapping[str, str]) -> Failpoints:
    """Return the failpoints that an environment asks for: SIGKILL at the one it names, else none.

    Raises:
        ConfigError: it names none of them.
    """
    wanted = environment.get(FAILPOINT_VARIABLE)
    if not wanted:
        return no_failpoints
    if wanted not in tuple(Failpoint):
        raise ConfigError(f"{FAILPOINT_VARIABLE}={wanted} is none of {', '.join(Failpoint)}")

    def hit(place: Failpoint) -> None:
        if place == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return hit
