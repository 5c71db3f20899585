"""The cluster sampled: what the feed, the dashboard and the control store say, as figures; a real Ray underneath."""

from collections.abc import Iterator
from typing import Any

import pytest
import ray

from huracan.config import RaySettings
from huracan.errors import ServeError
from huracan.learn.cluster import ray_session
from huracan.signals.feed_status import FeedAnswer, FeedStatus, MarketAge
from serve.names import FEED, NAMESPACE
from serve.sampling import FeedSampler, RaySampler, _actor, _jobs, _replicas, feed_samples

T = 1_760_000_040_000


def status(**changes: Any) -> FeedStatus:
    """Return a feed of two markets, one of them stale."""
    plain: dict[str, Any] = dict.fromkeys(FeedStatus.__dataclass_fields__, 0)
    plain |= {"stream_ages_s": {}, "fits": (), "record_failed": "", "snapshot_failed": "", "stale": False}
    plain |= {
        "age_s": 1.5,
        "gaps": 3,
        "markets": (MarketAge("A/USDT", 1.5, 0, 0, False), MarketAge("B/USDT", 99.0, 2, 5, True)),
    }
    return FeedStatus(**{**plain, **changes})


def figures(rows: Any) -> dict[tuple[str, str], float]:
    """Return values by name and subject."""
    return {(row.name, row.subject): row.value for row in rows}


def test_the_feed_by_its_own_word() -> None:
    """Its age and each market's; a feed that waits is down and has no age."""
    found = figures(feed_samples(T, FeedAnswer("", {}, status())))
    assert found[("feed.up", "")] == 1
    assert (found[("feed.candle_age_s", "")], found[("feed.candle_age_s", "B/USDT")]) == (1.5, 99.0)
    assert (found[("feed.behind_bars", "B/USDT")], found[("feed.stale", "")], found[("feed.gaps", "")]) == (2, 1, 3)
    assert figures(feed_samples(T, FeedAnswer("the exchange is away", {}, None))) == {("feed.up", ""): 0}
    assert ("feed.candle_age_s", "") not in figures(feed_samples(T, FeedAnswer("", {}, status(age_s=None))))


def test_what_the_dashboard_tells() -> None:
    """A restarting actor, a replica that is missing, a failed job; one that was ended as it should be is no loss."""

    def listed(*rows: dict[str, Any]) -> Any:
        return {"data": {"result": {"result": [{"ray_namespace": NAMESPACE, **row} for row in rows]}}}

    up = figures(_actor(T, "x", listed({"state": "RESTARTING", "num_restarts": "2"}, {"state": "DEAD"})))
    assert up == {("ray.actor_up", "x"): 0, ("ray.actor_restarts", "x"): 2}
    assert _actor(T, "x", listed({"state": "DEAD"})) == _actor(T, "x", None) == ()
    replicas = [{"state": "RUNNING", "replica_id": "ab12"}, {"state": "STARTING", "replica_id": "cd34"}]
    deployment = {"replicas": replicas, "target_num_replicas": 2}
    answer = {"applications": {"signals": {"deployments": {"Signals": deployment}}}}
    assert figures(_replicas(T, answer)) == {
        ("ray.replicas", ""): 1,
        ("ray.replicas_wanted", ""): 2,
        ("ray.replica_up", "ab12"): 1,
        ("ray.replica_up", "cd34"): 0,
    }
    assert _replicas(T, None) == _replicas(T, {"applications": {}}) == ()
    jobs = [{"type": "SUBMISSION", "status": one} for one in ("RUNNING", "FAILED", "SUCCEEDED")] + [{"type": "DRIVER"}]
    assert figures(_jobs(T, jobs)) == {("ray.jobs_running", ""): 1, ("ray.jobs_failed", ""): 1}
    assert _jobs(T, None) == ()


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A local Ray of this module's own, without a dashboard."""
    with ray_session(RaySettings(num_cpus=2, object_store_mb=80)):
        yield


@ray.remote(num_cpus=0)
class Said:
    """A feed that says what it is told, or has a fault."""

    def __init__(self, answer: FeedAnswer | None) -> None:
        self._answer = answer

    def status(self) -> FeedAnswer:
        """Answer, or raise."""
        if self._answer is None:
            raise ZeroDivisionError
        return self._answer


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(200)
def test_a_real_cluster(cluster: None) -> None:
    """A node that is alive, a feed that is not there, one that answers, one that has a fault; no dashboard."""
    assert figures(FeedSampler().sample(T)) == {("feed.up", ""): 0}
    for answer in (FeedAnswer("", {}, status()), None):
        actor = Said.options(name=FEED, namespace=NAMESPACE).remote(answer)  # type: ignore[attr-defined]
        ray.get(actor.__ray_ready__.remote(), timeout=120)
        if answer is None:
            with pytest.raises(ServeError, match="ZeroDivisionError"):
                FeedSampler().sample(T)
        else:
            assert figures(FeedSampler().sample(T))[("feed.up", "")] == 1
        ray.kill(actor)
    found = figures(RaySampler("http://127.0.0.1:1").sample(T))
    assert (found[("ray.nodes", "")], found[("ray.nodes_dead", "")], found[("ray.up", "")]) == (1, 0, 0)
    assert (FeedSampler().source, RaySampler("").source) == ("feed", "ray")
