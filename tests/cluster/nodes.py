"""A cluster of several Ray nodes on one machine, each as a machine of its own would be: killed, frozen, cut off whole.

A node is `ray start --block` in a session of its own with a loopback address of its own. To kill it is SIGKILL to every
process of that session at once, as when a machine loses its power; to freeze it is SIGSTOP to all of them, or to its
raylet alone. A worker may be given disks of its own: a mount namespace in which the driver's folders are empty.
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

from huracan.ray_env import write_ray_token
from serve.cluster import Head, ask_dashboard, free_port, processes
from tests.trader.processes import until

__all__ = ["RAY", "ROOT", "START_S", "Node", "Nodes", "nodes", "redis_store"]

ROOT = Path(__file__).parents[2]
FAKE_PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
"""Named as a foreign one: under its own name Ray wants an example.yaml that its wheel lacks."""
RAY = str(Path(sys.executable).with_name("ray"))
HEAD = "127.0.1.1"  # 127.0.0.1 itself Ray takes for this machine, and puts its address on the network instead
START_S = 180.0
_OWN_DISKS = ["unshare", "--mount", "--propagation", "private", "sh", "-ec"]
TIMES = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    "RAY_memory_monitor_refresh_ms": "0",  # the machine's memory is no node's own
}
"""A node that does not answer is given up after some fifteen seconds instead of more than a minute; workers wait for a
head that is away as long as those of KubeRay do."""


@dataclass
class Node:
    """A node that was started; `address` is its own, its first process leads its session."""

    name: str
    address: str
    process: "subprocess.Popen[bytes]"
    created_s: float
    log: Path

    @property
    def members(self) -> list[psutil.Process]:
        """Return every process of it that runs."""
        return processes(Head(self.process.pid, self.created_s, "", "", ""))

    @property
    def raylet(self) -> psutil.Process:
        """Return the process that speaks for it."""
        (found,) = [one for one in self.members if one.name() == "raylet"]
        return found

    @property
    def titles(self) -> list[str]:
        """Return what its processes call themselves, but for those that end just now."""
        found = []
        for one in self.members:
            with suppress(psutil.Error):
                found.append(" ".join(one.cmdline()))
        return found

    def runs(self, pid: int) -> bool:
        """Return whether a process is one of its."""
        return any(one.pid == pid for one in self.members)

    def send(self, number: signal.Signals) -> int:
        """Send a signal to all of it at once; return to how many."""
        members = self.members
        for one in members:
            with suppress(psutil.Error):
                one.send_signal(number)
        return len(members)

    def kill(self) -> int:
        """End it as a power cut does; return how many processes went."""
        killed = self.send(signal.SIGKILL)
        self.send(signal.SIGKILL)  # what was being started meanwhile
        self.process.wait(30)
        return killed


@dataclass
class Nodes:
    """A head and its workers, with token authentication; use `nodes`.

    Attributes:
        folder: of Ray's sessions and the logs; short, its paths hold sockets.
        told: environment of every node beside what Ray needs.
        storage: environment of the head by which it survives itself; empty: it does not.
    """

    folder: Path
    told: Mapping[str, str] = field(default_factory=dict)
    storage: Mapping[str, str] = field(default_factory=dict)
    head: Node | None = None
    workers: list[Node] = field(default_factory=list)
    port: int = 0
    dashboard_port: int = 0
    _made: int = 0

    @property
    def address(self) -> str:
        """Return the cluster's."""
        return f"{HEAD}:{self.port}"

    @property
    def dashboard(self) -> str:
        """Return the URL of dashboard and jobs."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    @property
    def access(self) -> dict[str, str]:
        """Return the environment with which the cluster is spoken to."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.folder / "token")}

    @contextmanager
    def spoken_to(self) -> Iterator[None]:
        """Have this process's environment speak to the cluster, for the block."""
        before = {name: os.environ.get(name) for name in self.access}
        os.environ.update(self.access)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY", "HURACAN"))}
        own = {"RAY_JOB_STOP_WAIT_TIME_S": "60", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
        path = f"{Path(RAY).parent}:{kept['PATH']}"
        return kept | own | TIMES | {"RAY_prestart_worker_first_driver": "0", "PATH": path} | self.access

    def start_head(self, *words: str, cpus: int = 0, **told: str) -> Node:
        """Start the head, or start it again at the same address; returns when the dashboard answers."""
        self.port, self.dashboard_port = self.port or free_port(), self.dashboard_port or free_port()
        given = [
            *("--head", "--port", str(self.port), "--temp-dir", str(self.folder / "s"), "--num-cpus", str(cpus)),
            *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(self.dashboard_port)),
            *("--ray-client-server-port", str(free_port()), *words),
            *(("--redis-password", self.storage["REDIS_PASSWORD"]) if self.storage else ()),
        ]
        # Ray takes workers on its own machine for the head that has died
        (self.folder / "s" / "ray_current_cluster").unlink(missing_ok=True)
        self.head = self._start("head", HEAD, given, dict(self.storage) | told)
        until("the head", lambda: self.head is not None and "head" in self.alive(), START_S)
        return self.head

    def start_scaling_head(self, workers_max: int, idle_s: float) -> Node:
        """Start a head whose autoscaler starts and ends workers of one CPU on this machine, by Ray's fake provider."""
        self.port = free_port()
        given = {"gcs_address": self.address, "head_node_id": FAKE_HEAD_NODE_ID, "launch_multiple": True}
        same = {"use_node_id_as_ip": True, "disable_node_updaters": True, "disable_launch_config_check": True}
        worker = {"CPU": 1, "object_store_memory": 100 * 2**20}
        config: dict[str, Any] = {
            "cluster_name": "nodes",
            "max_workers": workers_max,
            "provider": {"type": "external", "module": FAKE_PROVIDER, **given, **same},
            "available_node_types": {
                "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
                "worker": {"resources": worker, "node_config": {}, "min_workers": 0, "max_workers": workers_max},
            },
            "head_node_type": "ray.head.default",
            "idle_timeout_minutes": idle_s / 60,
            "upscaling_speed": 1.0,
            **{name: {} for name in ("docker", "auth", "file_mounts")},
            **{name: [] for name in ("cluster_synced_files", "initialization_commands", "setup_commands")},
            **{name: [] for name in ("head_setup_commands", "worker_setup_commands")},
            **{name: [] for name in ("head_start_ray_commands", "worker_start_ray_commands")},
        }
        path = self.folder / "scaling.json"
        path.write_text(json.dumps(config))
        return self.start_head(
            "--autoscaling-config",
            str(path),
            RAY_FAKE_CLUSTER="1",
            AUTOSCALER_UPDATE_INTERVAL_S="1",
            RAY_enable_autoscaler_v2="1",
            RAY_CLOUD_INSTANCE_ID=FAKE_HEAD_NODE_ID,
            RAY_OVERRIDE_NODE_ID_FOR_TESTING=FAKE_HEAD_NODE_ID,
        )

    def add(self, cpus: int = 1, hidden: Sequence[Path] = (), wait: bool = True, **resources: float) -> Node:
        """Start a worker; returns when the head knows it.

        Args:
            cpus: logical ones.
            hidden: folders of this machine that are empty on the worker.
            wait: until the head knows it.
            resources: further ones.
        """
        self._made += 1
        name, address = f"worker-{self._made}", f"127.0.0.{self._made + 1}"
        given = ["--address", self.address, "--num-cpus", str(cpus)]
        if resources:
            given += ["--resources", str(resources).replace("'", '"')]
        node = self._start(name, address, given, {}, hidden)
        self.workers.append(node)
        if wait:
            until(name, lambda: address in self.alive().values(), START_S)
        return node

    def _start(
        self, name: str, address: str, words: Sequence[str], told: Mapping[str, str], hidden: Sequence[Path] = ()
    ) -> Node:
        command = [
            *(RAY, "start", "--block", "--disable-usage-stats", "--node-ip-address", address),
            *("--dashboard-agent-listen-port", "0", "--min-worker-port", "0", "--max-worker-port", "0"),
            *("--object-store-memory", str(100 * 2**20), *words),
        ]
        if hidden:
            script = "".join(f"mount -t tmpfs tmpfs {path}; " for path in hidden) + 'exec "$@"'
            command = [*_OWN_DISKS, script, "sh", *command]
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                command,
                env=self._environment() | dict(self.told) | dict(told),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Node(name, address, process, psutil.Process(process.pid).create_time(), log)

    def alive(self) -> dict[str, str]:
        """Return the nodes that the head believes in: Ray's id (or "head") to address."""
        rows = self.rows("nodes")
        return {
            "head" if row["is_head_node"] else row["node_id"]: row["node_ip"] for row in rows if row["state"] == "ALIVE"
        }

    def rows(self, kind: str, query: str = "detail=true&limit=10000") -> list[dict[str, Any]]:
        """Return Ray's own list of nodes, actors or tasks."""
        with self.spoken_to():
            found = ask_dashboard(self.dashboard, f"/api/v0/{kind}?{query}")
        return ((found or {}).get("data") or {}).get("result", {}).get("result") or []

    def node_of(self, pid: int) -> Node:
        """Return the node that a process runs on."""
        (found,) = [one for one in (self.head, *self.workers) if one is not None and one.runs(pid)]
        return found

    def lose(self, node: Node) -> float:
        """Kill a worker, and return how long the head needed to notice, s."""
        killed, begun = node.kill(), time.monotonic()
        self.workers.remove(node)
        until("its death noticed", lambda: node.address not in self.alive().values(), START_S)
        noticed_s = time.monotonic() - begun
        print(f"killed {node.name}: {killed} processes; noticed after {noticed_s:.1f} s")
        return noticed_s

    def run(self, *words: str, check: bool = True, timeout_s: float = 600.0, **told: str) -> str:
        """Run a command of Ray or Python that speaks to the cluster, and return what it prints."""
        environment = self._environment() | {"RAY_ADDRESS": self.dashboard} | told
        done = subprocess.run(
            list(words), env=environment, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT, check=False
        )
        assert not check or done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)

    def end(self) -> None:
        """End everything that was started here."""
        for node in (*self.workers, self.head):
            if node is not None:
                node.kill()
        self.workers.clear()


@contextmanager
def redis_store(folder: Path) -> Iterator[dict[str, str]]:
    """Run a Redis on loopback for the block; yield the environment of a head that keeps its state there."""
    port, password = free_port(), secrets.token_hex(16)
    conf = folder / "redis.conf"
    conf.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\ndir {folder}\n')
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("redis-server")), str(conf)], stdout=subprocess.DEVNULL
    )
    try:
        yield {
            "RAY_REDIS_ADDRESS": f"127.0.0.1:{port}",
            "RAY_external_storage_namespace": "huracan",
            "REDIS_PASSWORD": password,
        }
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def nodes(storage: Mapping[str, str] | None = None, **told: str) -> Iterator[Nodes]:
    """Give a cluster that has no node yet; nothing of it stays, whatever fails.

    Args:
        storage: environment of the head that makes it survive itself.
        told: environment of every node.
    """
    folder = Path(tempfile.mkdtemp(prefix="hn-"))
    made = Nodes(folder, told, storage or {})
    with made.spoken_to():
        write_ray_token()
    try:
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)
