"""A machine as the monitor sees it: cores, memory, disk, and our own processes on it."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil

from huracan.health.sampling import sample
from huracan.memory.health import Sample

__all__ = ["HostSampler", "own_processes"]


def own_processes() -> dict[str, psutil.Process]:
    """Return this user's processes that are huracan's, by a name that says what each is.

    Commands are known by their words, actors and replicas of Ray by the title that it gives them.
    """
    found: dict[str, psutil.Process] = {}
    user = os.geteuid()
    for process in psutil.process_iter():
        try:
            if process.uids().effective != user:
                continue
            name = _name(process.cmdline())
        except psutil.Error:
            continue
        if name:
            found[name if name not in found else f"{name}:{process.pid}"] = process
    return found


def _name(words: Sequence[str]) -> str:
    if not words:
        return ""
    if words[0].startswith("ray::"):
        actor = words[0].removeprefix("ray::").split(".")[0].split("(")[0].strip().split(":")[-1]
        return "" if actor in ("IDLE", "") else f"ray {actor}"
    names = [Path(word).name for word in words[:2]]
    if "huracan" not in names:
        return ""
    rest = words[names.index("huracan") + 1 :]
    nouns = [word for word in rest if word.isascii() and word.replace("-", "").isalpha() and word[0] != "-"]
    return " ".join(["huracan", *nouns[:2]])


class HostSampler:
    """Asks the operating system.

    Args:
        home: folder whose disk is looked at.
        processes: finds our own ones.
        node: the machine's name.
        processes_s: how often the processes are looked for.
    """

    def __init__(
        self,
        home: Path,
        processes: Callable[[], dict[str, psutil.Process]] = own_processes,
        node: str | None = None,
        processes_s: float = 30.0,
    ) -> None:
        self._home, self._find, self._node = home, processes, node or socket.gethostname()
        self._processes_ms = round(1e3 * processes_s)
        self._looked_ms: int | None = None
        self._known: dict[str, tuple[int, float, float]] = {}  # pid, cpu seconds, when
        psutil.cpu_percent()  # the first figure is since here

    @property
    def source(self) -> str:
        """Return its name."""
        return "host"

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """See `Sampler`."""
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(self._home))
        found = [
            *sample(now_ms, "host.cpu_frac", psutil.cpu_percent() / 100, self._node),
            *sample(now_ms, "host.load_frac", os.getloadavg()[0] / (os.cpu_count() or 1), self._node),
            *sample(now_ms, "host.memory_frac", 1.0 - memory.available / memory.total, self._node),
            *sample(now_ms, "host.disk_frac", disk.percent / 100, self._node),
            *sample(now_ms, "host.disk_free_mb", disk.free / 1e6, self._node),
        ]
        if self._looked_ms is None or not 0 <= now_ms - self._looked_ms < self._processes_ms:
            self._looked_ms = now_ms
            found += self._look(now_ms)
        return found

    def _look(self, now_ms: int) -> Iterable[Sample]:
        known: dict[str, tuple[int, float, float]] = {}
        for name, process in self._find().items():
            try:
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info().rss
                    used_s, files = times.user + times.system, process.num_fds()
                    limit = process.rlimit(psutil.RLIMIT_NOFILE)[0]
            except psutil.Error:  # it has just ended
                continue
            at_s = time.monotonic()
            yield from sample(now_ms, "host.process_memory_mb", memory / 1e6, name)
            if limit > 0:
                yield from sample(now_ms, "host.process_files_frac", files / limit, name)
            before = self._known.get(name)
            if before is not None and before[0] == process.pid and at_s > before[2]:
                yield from sample(now_ms, "host.process_cpu_frac", (used_s - before[1]) / (at_s - before[2]), name)
            known[name] = (process.pid, used_s, at_s)
        self._known = known
