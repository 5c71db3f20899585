"""The cluster as the monitor sees it: nodes, actors, replicas, jobs, and the feed by its own word."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import ray
from ray.exceptions import RayError

from huracan.errors import ServeError
from huracan.health.sampling import sample
from huracan.memory.health import Sample
from huracan.signals.feed_status import FeedAnswer
from serve.cluster import ask_dashboard
from serve.faults import own_words
from serve.names import APPLICATION, DEPLOYMENT, EXECUTION, FEED, NAMESPACE

__all__ = ["FeedSampler", "RaySampler", "feed_samples"]

_ANSWER_S: Final = 5.0
_ACTOR: Final = "/api/v0/actors?detail=true&filter_keys=name&filter_predicates=%3D&filter_values="
_APPLICATIONS: Final = "/api/serve/applications/"
_JOBS: Final = "/api/jobs/"


class FeedSampler:
    """Asks the feed actor.

    Args:
        name: of the actor.
        namespace: its namespace.
    """

    def __init__(self, name: str = FEED, namespace: str = NAMESPACE) -> None:
        self._name, self._namespace = name, namespace

    @property
    def source(self) -> str:
        """Return its name."""
        return "feed"

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """See `Sampler`; that there is no feed, or that it does not follow, is a sample as well.

        Raises:
            ServeError: it is there and does not answer.
        """
        try:
            answer = ray.get(ray.get_actor(self._name, self._namespace).status.remote(), timeout=_ANSWER_S)
        except ValueError:
            return sample(now_ms, "feed.up", 0.0)
        except RayError as error:
            raise ServeError(f"{self._name} does not answer: {own_words(error)}") from None
        return feed_samples(now_ms, answer)


def feed_samples(now_ms: int, answer: FeedAnswer) -> tuple[Sample, ...]:
    """Return what the feed says of itself as samples."""
    status = answer.status
    if answer.problem or status is None:
        return sample(now_ms, "feed.up", 0.0)
    found = [
        *sample(now_ms, "feed.up", 1.0),
        *sample(now_ms, "feed.candle_age_s", status.age_s),
        *sample(now_ms, "feed.gaps", status.gaps),
        *sample(now_ms, "feed.late", status.late),
        *sample(now_ms, "feed.reconnects", status.reconnects),
        *sample(now_ms, "feed.stale", sum(market.stale for market in status.markets)),
    ]
    for market in status.markets:
        found += sample(now_ms, "feed.candle_age_s", market.age_s, market.symbol)
        found += sample(now_ms, "feed.behind_bars", market.age_bars, market.symbol)
    return tuple(found)


class RaySampler:
    """Asks Ray's control store for nodes, and the dashboard for actors, replicas and jobs.

    Args:
        dashboard: its URL.
    """

    def __init__(self, dashboard: str) -> None:
        self._dashboard = dashboard

    @property
    def source(self) -> str:
        """Return its name."""
        return "ray"

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """See `Sampler`."""
        nodes = ray.nodes()
        alive = sum(bool(node["Alive"]) for node in nodes)
        found = [
            *sample(now_ms, "ray.nodes", alive),
            *sample(now_ms, "ray.nodes_dead", len(nodes) - alive),
        ]
        answers = {name: ask_dashboard(self._dashboard, _ACTOR + name) for name in (FEED, EXECUTION)}
        serve, jobs = ask_dashboard(self._dashboard, _APPLICATIONS), ask_dashboard(self._dashboard, _JOBS)
        up = any(one is not None for one in (*answers.values(), serve, jobs))
        found += sample(now_ms, "ray.up", float(up))
        for name, answer in answers.items():
            found += _actor(now_ms, name, answer)
        return (*found, *_replicas(now_ms, serve), *_jobs(now_ms, jobs))


def _actor(now_ms: int, name: str, answer: Any) -> tuple[Sample, ...]:
    """Return how an actor is; nothing of one that nobody has started, or that was ended as it should be."""
    rows = (((answer or {}).get("data") or {}).get("result") or {}).get("result") or []
    rows = [row for row in rows if row["ray_namespace"] == NAMESPACE and row["state"] != "DEAD"]
    if not rows:
        return ()
    restarts = rows[0].get("num_restarts")
    return (
        *sample(now_ms, "ray.actor_up", float(rows[0]["state"] == "ALIVE"), name),
        *sample(now_ms, "ray.actor_restarts", None if restarts is None else float(restarts), name),
    )


def _replicas(now_ms: int, answer: Mapping[str, Any] | None) -> tuple[Sample, ...]:
    application = ((answer or {}).get("applications") or {}).get(APPLICATION)
    deployment = ((application or {}).get("deployments") or {}).get(DEPLOYMENT)
    if deployment is None:
        return ()
    rows = deployment.get("replicas") or ()
    running = sum(row.get("state") == "RUNNING" for row in rows)
    return (
        *(
            one
            for row in rows
            if row.get("replica_id")
            for one in sample(now_ms, "ray.replica_up", float(row.get("state") == "RUNNING"), str(row["replica_id"]))
        ),
        *sample(now_ms, "ray.replicas", running),
        *sample(now_ms, "ray.replicas_wanted", deployment.get("target_num_replicas")),
    )


def _jobs(now_ms: int, answer: Any) -> tuple[Sample, ...]:
    if not isinstance(answer, list):
        return ()
    states = [row.get("status") for row in answer if row.get("type") == "SUBMISSION"]
    return (
        *sample(now_ms, "ray.jobs_running", states.count("RUNNING") + states.count("PENDING")),
        *sample(now_ms, "ray.jobs_failed", states.count("FAILED")),
    )
