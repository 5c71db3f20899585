"""Jobs submitted to a cluster of several nodes, as an operator submits them, and what they leave."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huracan.learn.train import CHECKPOINT_NAME
from huracan.market import SyntheticSpec, write_synthetic
from serve.cluster import ask_dashboard
from tests.cluster.nodes import RAY, Node, Nodes
from tests.trader.processes import until

__all__ = ["LONG_S", "Site", "make_site"]

LONG_S = 900.0


@dataclass
class Site:
    """A cluster and what its jobs need: a home and candles on the head's disk, a database that all reach."""

    cluster: Nodes
    home: Path
    candles: Path
    url: str

    def submit(self, name: str, *words: str, **environment_of: str) -> None:
        """Submit a job, without waiting for it; huracan is installed on every node, as in an image."""
        places = {"HURACAN_HOME": str(self.home), "HURACAN__DATABASE__URL": self.url, **environment_of}
        environment = json.dumps({"env_vars": places})
        given = ["--submission-id", name, "--no-wait", "--runtime-env-json", environment]
        self.cluster.run(RAY, "job", "submit", *given, "--", "python", "-m", *words)

    def logs(self, name: str) -> str:
        """Return what a job has said."""
        with self.cluster.spoken_to():
            return str((ask_dashboard(self.cluster.dashboard, f"/api/jobs/{name}/logs") or {}).get("logs"))

    def status(self, name: str) -> str:
        """Return Ray's word for where a job stands."""
        with self.cluster.spoken_to():
            return str((ask_dashboard(self.cluster.dashboard, f"/api/jobs/{name}") or {}).get("status"))

    def wait(self, name: str, what: str, find: Callable[[], Any]) -> Any:
        """Wait for something that a job does; one that ends without it fails the test at once, with its words."""

        def look() -> Any:
            ended = self.status(name) in ("SUCCEEDED", "FAILED", "STOPPED")
            found = find()
            if not found:
                assert not ended, f"{what}: {name} has ended\n{self.logs(name)[-3_000:]}"
                time.sleep(1.0)
            return found

        return until(what, look, LONG_S)

    def done(self, name: str) -> str:
        """Wait until a job has succeeded, and return what it said."""
        self.wait(name, f"the end of {name}", lambda: self.status(name) == "SUCCEEDED")
        return self.logs(name)

    def checkpoint(self, run_id: int) -> Path:
        """Return where a run's training is kept while it goes on."""
        return self.home / "runs" / str(run_id) / "fold-0" / "all" / "seed-1" / CHECKPOINT_NAME

    def busy(self, word: str) -> Node | None:
        """Return the worker on which a task whose name holds a word runs."""
        for node in self.cluster.workers:
            if any(word in title for title in node.titles):
                return node
        return None

    @property
    def hidden(self) -> tuple[Path, ...]:
        """Return the folders of the head's disk that no worker sees; none without root, who alone can hide them."""
        return (self.home, self.candles) if os.geteuid() == 0 else ()


def make_site(cluster: Nodes, folder: Path, url: str) -> Site:
    """Lay out home and candles under a folder."""
    home, candles = folder / "home", folder / "candles"
    home.mkdir()
    write_synthetic(candles, SyntheticSpec(bars=40_000, planted=2, null=1), 1)
    return Site(cluster, home, candles, url)
