"""Processor time and memory of this process and its Ray workers, phase by phase, while a real run goes on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

from jobs.usage import RAY_SERVICES

EVERY_S = 0.2


@dataclass
class Watch:
    """Samples the tree of processes; Ray's own services are left out, as the plan leaves them out.

    Attributes:
        core_s: processor time by phase.
        worker_bytes: largest own memory (not shared) of a worker.
        driver_bytes: largest resident size of this process less what it shares.
    """

    core_s: dict[str, float] = field(default_factory=dict)
    worker_bytes: int = 0
    driver_bytes: int = 0

    def __enter__(self) -> Self:
        self._seen: dict[tuple[int, float], float] = {}
        self._lock, self._done = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what the block takes, in all processes, under a name."""
        before = self._total()
        try:
            yield
        finally:
            self.core_s[name] = self.core_s.get(name, 0.0) + self._total() - before

    def _run(self) -> None:
        while not self._done.wait(EVERY_S):
            self._total()

    def _total(self) -> float:
        """Look at every process once; what has ended counts as it was seen last."""
        with self._lock:
            me = psutil.Process()
            for process in (me, *me.children(recursive=True)):
                self._look(process, process.pid == me.pid)
            return sum(self._seen.values())

    def _look(self, process: psutil.Process, is_driver: bool) -> None:
        try:
            command = " ".join(process.cmdline()[:3])
            if not is_driver and any(name in command for name in RAY_SERVICES):
                return
            times, born = process.cpu_times(), process.create_time()
            memory = process.memory_full_info().uss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return
        self._seen[process.pid, born] = times.user + times.system
        if is_driver:
            self.driver_bytes = max(self.driver_bytes, memory)
        elif "ray::" in command:
            self.worker_bytes = max(self.worker_bytes, memory)
