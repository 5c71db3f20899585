"""Decisions by handle: the answer as it is, a deployment that is away as one kind of fault, found again next time."""

import asyncio
from typing import Any

import numpy as np
import pytest
from ray.exceptions import RayActorError

from huracan.signals.model import Decisions
from serve.ports import ServedDecisions

ANSWER = Decisions(("A/USDT",), np.array([2]), np.zeros((1, 6), np.float32), np.ones(1, np.float32), ("v1",))


class Deployment:
    """Stands for a handle: dies as often as it is told, then answers."""

    def __init__(self, deaths: int, wait_s: float = 0.0) -> None:
        self.deaths, self.wait_s, self.found, self.asked = deaths, wait_s, 0, 0

    def find(self) -> "Deployment":
        """Be found."""
        self.found += 1
        return self

    @property
    def decide(self) -> "Deployment":
        """Return the method."""
        return self

    async def remote(self, close_ms: int, symbols: tuple[str, ...], states: Any) -> Decisions:
        """Answer, or die."""
        self.asked += 1
        if self.deaths:
            self.deaths -= 1
            raise RayActorError
        await asyncio.sleep(self.wait_s)
        return ANSWER


def ask(maker: ServedDecisions) -> Decisions:
    """Ask for the decision of one market."""
    return asyncio.run(maker.decide(1, ("A/USDT",), np.zeros((1, 80), np.float32)))


def test_a_deployment_is_found_once_and_asked_once_a_decision() -> None:
    """What it answers is what is decided."""
    there = Deployment(0)
    maker = ServedDecisions(there.find)
    assert ask(maker) is ANSWER
    assert ask(maker) is ANSWER
    assert (there.found, there.asked) == (1, 2)


def test_a_dead_replica_is_no_decision_and_is_looked_for_again() -> None:
    """Nothing is asked a second time by itself: the close may be over."""
    there = Deployment(1)
    maker = ServedDecisions(there.find)
    with pytest.raises(ConnectionError):
        ask(maker)
    assert there.asked == 1
    assert ask(maker) is ANSWER
    assert there.found == 2


def test_a_deadline_gives_up() -> None:
    """The caller's time is over: whatever comes later is heard by nobody."""
    maker = ServedDecisions(Deployment(0, 10.0).find)

    async def late() -> None:
        async with asyncio.timeout(0.05):
            await maker.decide(1, ("A/USDT",), np.zeros((1, 80), np.float32))

    with pytest.raises(TimeoutError):
        asyncio.run(late())
