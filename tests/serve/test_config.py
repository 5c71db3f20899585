"""serve/config.yaml and `serve run`, by Ray's own command line, on a cluster that runs already."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from huracan.config import load_settings
from huracan.signals.auth import Scope, add_token, token_file
from serve.cluster import Head, free_port, start_head, stop_head
from serve.names import APPLICATION
from tests.serve.parts import call

CHECKOUT = Path(__file__).parents[2]
CONFIG = CHECKOUT / "serve" / "config.yaml"


def test_the_file_holds_no_secret_and_stays_on_loopback() -> None:
    """It is the same for everybody; a halt has the time that its proof takes."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert config["http_options"]["host"] == "127.0.0.1"
    assert config["http_options"]["request_timeout_s"] > load_settings(environ={}).execution.halt_proof_s + 1
    (application,) = config["applications"]
    assert (application["name"], application["import_path"]) == (APPLICATION, "serve.signals:app")
    assert application["runtime_env"] == {}


@dataclass
class Cluster:
    """A head with a token, and a shell that knows it."""

    head: Head
    environment: dict[str, str]
    token: str

    def serve(self, *words: str) -> str:
        """Run Ray Serve's command line."""
        done = subprocess.run(
            [Path(sys.executable).with_name("serve"), *words],
            env=self.environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-1_500:]
        return done.stdout

    def answers(self, port: int) -> None:
        """Wait until the endpoint says that there is no feed, and that the account is as the database has it."""
        end_s = time.monotonic() + 120
        while True:
            try:
                health = call(port, self.token, "GET", "/v1/health")
                if health.status == 503 and health.json["code"] == "FEED_DOWN":
                    break
            except (OSError, ValueError, KeyError):
                pass
            assert time.monotonic() < end_s, "the endpoint does not answer"
            time.sleep(0.5)
        assert call(port, self.token, "GET", "/v1/status").json["state"] == "ACTIVE"
        assert call(port, "nobody", "GET", "/v1/status").status == 401


@pytest.fixture
def cluster(tmp_path: Path, database: Engine) -> Iterator[Cluster]:
    """A cluster started in a shell that exports HURACAN_HOME and the database's address, as the guide says."""
    home = tmp_path / "home"
    home.mkdir()
    url = database.url.render_as_string(hide_password=False)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RAY_")]:
            patch.delenv(name)
        patch.setenv("HURACAN_HOME", str(home))
        settings = load_settings(overrides={"ray.num_cpus": 4, "ray.object_store_mb": 100, "serve.port": free_port()})
        head = start_head(settings, home)
        try:
            environment = {**os.environ, "HURACAN__DATABASE__URL": url, "RAY_ADDRESS": head.address}
            token = add_token(token_file(home), "tests", Scope.READ, 0)
            yield Cluster(head, environment, token)
        finally:
            stop_head(head, home)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_the_endpoint_is_deployed_by_rays_own_commands(cluster: Cluster, tmp_path: Path) -> None:
    """`serve deploy` of the file with another port and places of its own, then `serve run` in the foreground."""
    port, names = free_port(), ("HURACAN_HOME", "HURACAN__DATABASE__URL")
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["http_options"]["port"] = port
    config["applications"][0]["runtime_env"] = {
        "env_vars": {"HURACAN_SERVE_SETTINGS": "", **{name: cluster.environment[name] for name in names}}
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    cluster.serve("deploy", str(path), "--address", cluster.head.dashboard)
    cluster.answers(port)
    cluster.serve("shutdown", "--yes", "--address", cluster.head.dashboard)

    port = free_port()
    cluster.serve("start", "--http-host", "127.0.0.1", "--http-port", str(port))
    with subprocess.Popen(
        [Path(sys.executable).with_name("serve"), "run", "serve.signals:app", "--name", APPLICATION],
        env=cluster.environment, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        try:
            cluster.answers(port)
        finally:
            running.terminate()
