"""The other machines of the cluster: on each one a small actor that samples it and takes its processes' errors.

They belong to the monitor and end with it. A machine whose disk is the monitor's own is left to the monitor itself.
"""

import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from huracan.health.errors import Spool, Taken
from huracan.health.sampling_host import HostSampler
from huracan.logs import errors_folder, get_logger
from huracan.memory.health import Sample
from serve.faults import own_words
from serve.surroundings import runtime_env

__all__ = ["NodeWatch", "Nodes"]

_ANSWER_S: Final = 5.0


@ray.remote(num_cpus=0, max_restarts=-1)
class NodeWatch:
    """Looks at one machine.

    Args:
        home: HURACAN_HOME there.
        node: its name.
        monitor: the machine of the monitor.
        alone: look also where that is this one: for tests of several nodes on one machine.
    """

    def __init__(self, home: str, node: str, monitor: str, alone: bool = False) -> None:
        self._sampler: HostSampler | None = None
        if socket.gethostname() != monitor or alone:
            Path(home).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sampler, self._spool = HostSampler(Path(home), node=node), Spool(errors_folder(Path(home)))

    def look(self, now_ms: int, counted: Sequence[str]) -> tuple[tuple[Sample, ...], Taken]:
        """Return what this machine is like, and its processes' warnings and errors since the last look.

        Args:
            now_ms: wall clock.
            counted: files that are counted, whoever read them: they are deleted and not read.
        """
        if self._sampler is None:
            return (), Taken((), (), 0)
        self._spool.forget(counted)
        return tuple(self._sampler.sample(now_ms)), self._spool.take(now_ms)

    def forget(self, names: Sequence[str]) -> None:
        """Delete what is counted."""
        if self._sampler is not None:
            self._spool.forget(names)


class Nodes:
    """`Sampler` and `Collector` of all machines but this one.

    Args:
        home: HURACAN_HOME, the same everywhere.
        alone: see `NodeWatch`.
    """

    def __init__(self, home: Path, alone: bool = False) -> None:
        self._home, self._alone = home, alone
        self._watches: dict[str, Any] = {}
        self._asked: dict[Any, tuple[str, frozenset[str]]] = {}
        self._counted: dict[str, set[str]] = {}
        self._taken: list[Taken] = []

    @property
    def source(self) -> str:
        """Return its name."""
        return "host"

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """See `Sampler`; a late answer is taken at a later turn, and its machine is not asked until then."""
        self._follow()
        waiting = {node for node, _ in self._asked.values()}
        for node, watch in self._watches.items():
            if node not in waiting:
                counted = frozenset(self._counted.get(node, ()))
                self._asked[watch.look.remote(now_ms, sorted(counted))] = node, counted
        found: list[Sample] = []
        asked = list(self._asked)
        ready, _ = ray.wait(asked, num_returns=len(asked), timeout=_ANSWER_S) if asked else ([], [])
        for reference in ready:
            node, counted = self._asked.pop(reference)
            try:
                samples, taken = ray.get(reference)
            except RayError as error:
                get_logger().warning("nodes.unanswered", node=node, reason=own_words(error))
                self._watches.pop(node, None)
                continue
            self._counted.get(node, set()).difference_update(counted)
            found += samples
            self._taken.append(replace(taken, names=tuple(f"{node}/{name}" for name in taken.names)))
        return found

    def _follow(self) -> None:
        """Have an actor on each other node that is alive, and none on those that are not."""
        own = ray.get_runtime_context().get_node_id()
        alive = {str(node["NodeID"]): node for node in ray.nodes() if node["Alive"] and node["NodeID"] != own}
        for node in self._watches.keys() - alive.keys():
            del self._watches[node]
        self._counted = {node: names for node, names in self._counted.items() if node in alive}
        for node in alive.keys() - self._watches.keys():
            where = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
            name = str(alive[node].get("NodeManagerHostname") or node)
            self._watches[node] = NodeWatch.options(  # type: ignore[attr-defined]
                scheduling_strategy=where, runtime_env=runtime_env(self._home)
            ).remote(str(self._home), name, socket.gethostname(), self._alone)

    def take(self, now_ms: int) -> Taken:
        """See `Collector`: what came with the samples."""
        taken, self._taken = self._taken, []
        return Taken(
            tuple(event for one in taken for event in one.events),
            tuple(name for one in taken for name in one.names),
            sum(one.lost for one in taken),
        )

    def forget(self, names: Iterable[str]) -> None:
        """See `Collector`; a machine that is not watched, or does not hear, is told before its files are read again."""
        for name in names:
            node, found, file = name.rpartition("/")
            if not found:
                continue
            self._counted.setdefault(node, set()).add(file)
            if node in self._watches:
                with suppress(RayError):
                    self._watches[node].forget.remote([file])
