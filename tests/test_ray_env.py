import json
import os
from pathlib import Path

import psutil
import pytest
from ray._private import services

from huracan.config import load_settings
from huracan.errors import ConfigError
from huracan.ray_env import given_cluster, only_clusters, prepare_ray_environment, write_ray_token
from serve.up import cluster_address

PRODUCTION = Path(__file__).parents[1] / "configs" / "production.yaml"
NAMES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No choice made yet, data under a temporary folder; Ray's own state is not touched."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))


def test_a_local_instance_gets_a_token_of_its_own(tmp_path: Path) -> None:
    """Mode and path are set; the file is written once, for its owner only."""
    prepare_ray_environment()
    assert os.environ["RAY_AUTH_MODE"] == "token"
    path = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    assert path.is_relative_to(tmp_path)
    assert not path.exists()
    write_ray_token()
    first = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(first) == 64
    write_ray_token()
    assert path.read_text() == first


def test_the_clusters_owner_has_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joining a cluster changes nothing in the environment."""
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    before = dict(os.environ)
    prepare_ray_environment()
    write_ray_token()
    assert dict(os.environ) == before


def test_the_dashboards_url_for_ray_job_is_no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who exported it for `ray job`, as the guides say, sees and starts his own cluster from the same shell."""
    settings = load_settings(None, {}, {})
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert given_cluster() == cluster_address(settings, tmp_path) == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    assert given_cluster() is cluster_address(settings, tmp_path) is None
    prepare_ray_environment()
    assert os.environ["RAY_AUTH_MODE"] == "token"


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The clusters that have a node on this machine, as Ray reads them from its processes."""
    found: set[str] = set()
    monkeypatch.setattr(services, "_find_address_from_flag", lambda flag: set(found))
    return found


def test_auto_is_the_head_started_here_else_the_only_cluster_there_is(
    running: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As Ray has it the variable says more than the setting; where several could be meant none is taken."""
    settings = load_settings(PRODUCTION, {}, {})
    assert settings.ray.address == "auto"
    assert cluster_address(settings, tmp_path) is None
    running.add("127.0.0.1:6379")
    assert cluster_address(settings, tmp_path) == "127.0.0.1:6379"
    running.add("127.0.0.1:7000")
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:6379, 127\.0\.0\.1:7000; set ray\.address"):
        cluster_address(settings, tmp_path)
    head = {"pid": os.getpid(), "created_s": psutil.Process().create_time(), "address": "127.0.0.1:8000"}
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "head.json").write_text(json.dumps(head | {"dashboard": "", "folder": ""}))
    assert cluster_address(settings, tmp_path) == "127.0.0.1:8000"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert cluster_address(settings, tmp_path) == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert cluster_address(load_settings(None, {}, {}), tmp_path) == "127.0.0.1:8000"


def test_the_dashboards_url_is_hidden_from_ray_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `ray job` needs is there again after the block; a cluster's address is left as it is."""
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    with only_clusters():
        assert "RAY_ADDRESS" not in os.environ
    assert os.environ["RAY_ADDRESS"] == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with only_clusters():
        assert os.environ["RAY_ADDRESS"] == "10.0.0.1:6379"


def test_an_explicit_mode_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever switches authentication off gets no token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    prepare_ray_environment()
    write_ray_token()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    assert not list(tmp_path.iterdir())


def test_a_token_that_others_can_read_is_refused() -> None:
    """The message gives the command that mends it."""
    prepare_ray_environment()
    write_ray_token()
    Path(os.environ["RAY_AUTH_TOKEN_PATH"]).chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        write_ray_token()


def test_an_unwritable_home_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file where the folder must be is reported with what to set."""
    (tmp_path / "ray").write_text("")
    prepare_ray_environment()
    with pytest.raises(ConfigError, match="HURACAN_HOME"):
        write_ray_token()
