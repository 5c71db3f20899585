"""The consumer's side of the feed: who is asked, and how often the head is needed for it."""

import asyncio

import pytest
from ray.exceptions import RayActorError

from huracan.signals.model import MarketClose
from serve.feed import FeedSource


class Answers:
    """Stands for Ray's handle: each call of `closes` gives the next answer, a close or the actor's death."""

    def __init__(self, *answers: MarketClose | Exception) -> None:
        self._answers = list(answers)
        self.closes = self

    async def remote(self, after_ms: int) -> list[MarketClose]:
        """Answer."""
        found = self._answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return [found]


@pytest.mark.parametrize("died", [False, True])
def test_a_name_is_looked_up_again_only_after_the_actor_has_failed(died: bool) -> None:
    """Closes come without a head, which alone knows names."""
    closes = [MarketClose(minute * 60_000, False, ("A/USDT",), {}, {}, 0) for minute in (1, 2, 3)]
    looked, first = list[str](), [closes[0], RayActorError()] if died else closes
    handles = [Answers(*first), Answers(*closes[1:])]

    def find(name: str, namespace: str) -> Answers:
        looked.append(f"{namespace}/{name}")
        return handles[len(looked) - 1]

    async def heard() -> list[int]:
        found = list[int]()
        async for close in FeedSource("feed", "here", find).follow(0):
            found.append(close.close_ms)
            if len(found) == len(closes):
                break
        return found

    assert asyncio.run(heard()) == [close.close_ms for close in closes]
    assert looked == ["here/feed"] * (2 if died else 1)
