"""Says that work waits for room on the cluster: Ray itself waits for ever, and without a word."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import ray

from huracan.logs import get_logger

__all__ = ["Waiting"]

FIRST_S: Final = 30.0
AGAIN_S: Final = 60.0


class Waiting:
    """Counts the time in which nothing moves, and warns once it is long and again each minute.

    Args:
        event: of the log.
        needs_cpus: CPUs of each bundle of one piece of work; every bundle must fit on a single node.
        settings: what an operator may lower, by name.
        clock: monotonic seconds.
    """

    def __init__(
        self, event: str, needs_cpus: Sequence[int], settings: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._event, self._needs, self._settings, self._clock = event, tuple(needs_cpus), settings, clock
        self.moved()

    def moved(self) -> None:
        """Begin to count anew: something runs."""
        self._since_s = self._clock()
        self._due_s = self._since_s + FIRST_S

    def look(self, waits: Callable[[], bool]) -> None:
        """Warn when it is time and `waits` says that work waits for room; Ray must be running."""
        now_s = self._clock()
        if now_s < self._due_s or not waits():
            return
        self._due_s = now_s + AGAIN_S
        nodes = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
        get_logger().warning(
            self._event,
            waited_s=round(now_s - self._since_s),
            needs_cpus=sum(self._needs),
            largest_bundle_cpus=max(self._needs),
            cluster_cpus=sum(nodes),
            largest_node_cpus=max(nodes, default=0.0),
            free_cpus=ray.available_resources().get("CPU", 0.0),
            lower=self._settings,
        )
