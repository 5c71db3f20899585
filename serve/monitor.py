"""The monitor as a detached actor that restarts by itself: a shell over `huracan.health.monitor` on its own thread.

It tries to open until it can: a database that is away, or another monitor on the same home, is waited for. A defect,
or a part that hangs, ends the process, and Ray starts it anew; what was seen is on disk by then.
"""

import os
import threading
from dataclasses import dataclass
from typing import Any, Final

import ray

from huracan.clock import WallClock
from huracan.config import home_folder
from huracan.errors import HuracanError
from huracan.health.gauges import GAUGES, Gauges
from huracan.health.monitor import Monitor as PlainMonitor
from huracan.health.monitor import watch_over
from huracan.health.sampling import Paced
from huracan.health.wiring import Around, open_monitor
from huracan.logs import collect_errors, configure_logging, errors_folder, get_logger
from serve.hands import ServeHands
from serve.metrics import RayMeter
from serve.nodes import Nodes
from serve.sampling import FeedSampler, RaySampler
from serve.surroundings import serving_settings

__all__ = ["OPTIONS", "Monitor", "MonitorAnswer"]

_AGAIN_S: Final = 2.0
_CLUSTER_S: Final = 15.0
_HANGS_S: Final = 60.0
_END_S: Final = 20.0
OPTIONS: Final[dict[str, Any]] = {
    "lifetime": "detached",
    "max_restarts": -1,
    "max_task_retries": 0,
    "num_cpus": 0.1,
}


@dataclass(frozen=True, slots=True)
class MonitorAnswer:
    """What the actor says of itself.

    Attributes:
        pid: its process.
        problem: why it does not watch, "" when it does.
        at_ms: its last turn, wall clock; 0 before the first.
        took_s: how long that took.
        samples, anomalies: of that turn.
        waiting: batches that Postgres has not taken.
        lost: samples lost since the start.
        blind, deaf: detectors and sources that did not answer.
    """

    pid: int
    problem: str
    at_ms: int
    took_s: float
    samples: int
    anomalies: int
    waiting: int
    lost: int
    blind: tuple[str, ...]
    deaf: tuple[str, ...]


@ray.remote(concurrency_groups={"status": 2})
class Monitor:
    """Watches everything.

    Args:
        dashboard: URL of Ray's dashboard, which knows actors, replicas and jobs.
    """

    def __init__(self, dashboard: str) -> None:
        configure_logging(json_lines=True)
        self._settings, self._home, self._dashboard = serving_settings(), home_folder(), dashboard
        collect_errors("monitor", errors_folder(self._home), self._settings.health.errors_max_bytes)
        self._monitor: PlainMonitor | None = None
        self._problem = "it has not started yet"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="monitor", daemon=True)
        self._thread.start()

    @ray.method(concurrency_group="status")
    def status(self) -> MonitorAnswer:
        """Return how the monitor is; it answers whatever the rest does."""
        last = None if self._monitor is None else self._monitor.last
        if last is None:
            return MonitorAnswer(os.getpid(), self._problem, 0, 0.0, 0, 0, 0, 0, (), ())
        standing = f"{last.other} is the monitor" if last.other else ""
        return MonitorAnswer(
            pid=os.getpid(),
            problem=standing or last.database,
            at_ms=last.at_ms,
            took_s=last.took_s,
            samples=len(last.samples),
            anomalies=len(last.anomalies),
            waiting=last.waiting,
            lost=last.lost,
            blind=tuple(sorted(last.blind)),
            deaf=tuple(sorted(last.deaf)),
        )

    def stop(self) -> None:
        """End as it should: nobody waits for its heartbeat; whoever calls ends the actor afterwards."""
        self._stop.set()
        self._thread.join(_END_S)

    # ---- life, on its own thread ------------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    monitor = self._open()
                except (HuracanError, OSError) as error:
                    words = " ".join(str(error).split())
                    if words != self._problem:
                        get_logger().error("monitor.waits", reason=words)
                    self._problem = words
                    self._stop.wait(_AGAIN_S)
                    continue
                self._monitor, self._problem = monitor, ""
                limit_s = max(_HANGS_S, 4 * self._settings.health.interval_s)
                watch = threading.Thread(target=watch_over, args=(monitor, limit_s, self._stop), daemon=True)
                watch.start()
                monitor.run(self._stop)
        except BaseException as error:
            get_logger().critical("monitor.defect", error=repr(error), exc_info=error)
            os._exit(1)  # Ray starts the process anew

    def _open(self) -> PlainMonitor:
        nodes = Nodes(self._home)
        samplers = (FeedSampler(), Paced(RaySampler(self._dashboard), _CLUSTER_S), Paced(nodes, _CLUSTER_S))
        around, show = Around(samplers, (nodes,), ServeHands()), Gauges(RayMeter(GAUGES)).show
        return open_monitor(self._settings, self._home, WallClock(), around, show)
