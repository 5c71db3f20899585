import os
from pathlib import Path

import pytest

from huracan.config import load_settings
from huracan.errors import ConfigError
from huracan.ray_env import given_cluster, prepare_ray_environment, write_ray_token
from serve.up import cluster_address

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
