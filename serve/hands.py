"""Hands of the remedies on a cluster: a part is ended, and Ray or Serve puts a new one in its place."""

from typing import Any, Final

import ray
from ray.exceptions import RayError

from huracan.errors import ServeError
from huracan.logs import get_logger
from serve.faults import own_words
from serve.names import DEPLOYMENT, FEED, NAMESPACE

__all__ = ["ServeHands"]

_REPLICA: Final = "SERVE_REPLICA::"


class ServeHands:
    """Restarts the feed actor, or one replica of the endpoint.

    Nothing of an account is touched: the trader goes on from its own position when the feed is back, its brackets rest
    at the venue meanwhile; a replica that is asked while it is replaced answers from another, or callers ask again.

    Args:
        feed: name of the feed actor.
        namespace: its namespace.
    """

    def __init__(self, feed: str = FEED, namespace: str = NAMESPACE) -> None:
        self._feed, self._namespace = feed, namespace

    def restart(self, part: str, subject: str) -> None:
        """See `huracan.health.remedies.Hands`; a replica is named by any part of its actor's name.

        Raises:
            ServeError: there is no such part, or Ray does not do it.
        """
        try:
            actor = self._find_feed() if part == "feed" else self._find_replica(subject)
            ray.kill(actor, no_restart=part != "feed")  # the feed's actor comes back itself, Serve makes a new replica
        except ValueError:
            raise ServeError(f"there is no {part} to restart: it is not up") from None
        except RayError as error:
            raise ServeError(f"{part} was not restarted: {own_words(error)}") from None
        get_logger().warning("remedy.restarted", part=part, subject=subject)

    def _find_feed(self) -> Any:
        return ray.get_actor(self._feed, self._namespace)

    def _find_replica(self, subject: str) -> Any:
        rows = [row for row in ray.util.list_named_actors(all_namespaces=True) if row["name"].startswith(_REPLICA)]
        found = [row for row in rows if DEPLOYMENT in row["name"] and subject and subject in row["name"]]
        if len(found) != 1:
            raise ServeError(f"{len(found)} replicas are called {subject!r}: one must be meant, nothing is restarted")
        return ray.get_actor(found[0]["name"], found[0]["namespace"])
