"""Hands on a real cluster: the feed comes back as another process, a replica is ended, what is not there is named."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import ray

from huracan.config import RaySettings
from huracan.errors import ServeError
from huracan.learn.cluster import ray_session
from serve.hands import ServeHands

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(240)]
SPACE = "hands"


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A local Ray of this module's own."""
    with ray_session(RaySettings(num_cpus=2, object_store_mb=80)):
        yield


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)
class Part:
    """Something that stays up."""

    def pid(self) -> int:
        """Return its process."""
        return os.getpid()


def until(ask: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Ask until the answer is the one wanted."""
    give_up_s = time.monotonic() + 60
    while time.monotonic() < give_up_s:
        try:
            found = ask()
            if wanted(found):
                return found
        except (ray.exceptions.RayActorError, ValueError):
            pass
        time.sleep(0.2)
    raise AssertionError("it did not come back")


def test_the_feed_comes_back_as_another_process(cluster: None) -> None:
    """The same name, a new process; the actor is not made anew by anybody."""
    feed = Part.options(name="feed-of-hands", namespace=SPACE, lifetime="detached").remote()
    before = ray.get(feed.pid.remote())
    ServeHands("feed-of-hands", SPACE).restart("feed", "")
    after = until(lambda: ray.get(ray.get_actor("feed-of-hands", SPACE).pid.remote()), lambda pid: pid != before)
    assert after != before
    ray.kill(feed)


def test_the_one_replica_that_is_meant_is_ended(cluster: None) -> None:
    """By a part of its name; two that fit, or none, are left alone."""
    names = ["SERVE_REPLICA::signals#Signals#aaa1", "SERVE_REPLICA::signals#Signals#aab2"]
    made = [Part.options(name=name, namespace="serve", lifetime="detached").remote() for name in names]
    ray.get([one.pid.remote() for one in made])
    hands = ServeHands()
    for subject in ("aa", "", "zzz"):
        with pytest.raises(ServeError, match="replicas are called"):
            hands.restart("replica", subject)
    hands.restart("replica", "aaa1")
    until(lambda: [row["name"] for row in ray.util.list_named_actors(True)], lambda rows: names[0] not in rows)
    assert ray.get(made[1].pid.remote()) > 0
    ray.kill(made[1])


def test_what_is_not_up_is_named(cluster: None) -> None:
    """No feed: a refusal in words, not Ray's."""
    with pytest.raises(ServeError, match="there is no feed"):
        ServeHands("nobody", SPACE).restart("feed", "")
