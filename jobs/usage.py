"""Peak memory of a run: the process, its Ray workers and whatever they start, sampled while the block runs."""

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import psutil

__all__ = ["MemoryWatch", "PeakMemory"]

SAMPLE_EVERY_S: Final = 1.0
RAY_SERVICES: Final = (
    "raylet",
    "gcs_server",
    "log_monitor",
    "monitor.py",
    "runtime_env/agent",
    "dashboard",
    "ray_client_server",
)


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Largest proportional set size seen, MB: shared pages count once over all processes.

    Attributes:
        own_mb: the command and its Ray workers.
        ray_mb: Ray's own services (raylet, GCS, agents) at their own peak.
    """

    own_mb: float
    ray_mb: float


class MemoryWatch:
    """Samples the process tree once a second; use as a context manager, then read `peak`."""

    def __init__(self) -> None:
        self.peak = PeakMemory(0.0, 0.0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while True:
            own, ray = _sample(me)
            self.peak = PeakMemory(max(self.peak.own_mb, own), max(self.peak.ray_mb, ray))
            if self._done.wait(SAMPLE_EVERY_S):
                return


def _sample(root: psutil.Process) -> tuple[float, float]:
    """Return (own, Ray's services) in MB now; a process that ends meanwhile counts nothing."""
    own = ray = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            size = process.memory_full_info().pss / 2**20
            command = " ".join(process.cmdline()[:3])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != root.pid and any(name in command for name in RAY_SERVICES):
            ray += size
        else:
            own += size
    return own, ray
