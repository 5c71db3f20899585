"""The execution actor: no call of it is ever repeated, and one that cannot start says why and leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from huracan.config import load_settings
from huracan.errors import HuracanError
from serve.cluster import Head, free_port, joined, start_head, stop_head
from serve.execution import OPTIONS, Execution, Orders
from serve.names import EXECUTION, NAMESPACE
from serve.surroundings import keep_settings
from serve.trading import start_trading, stop_trading

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(280)]

NOWHERE = "postgresql+psycopg2://huracan:a-secret@127.0.0.1:{port}/huracan"


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    """A cluster whose actors are told of a database that is not there."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    chosen = {"ray.num_cpus": 2, "ray.object_store_mb": 80, "serve.dashboard_port": 0, "serve.port": free_port()}
    settings = load_settings(None, {**chosen, "execution.url": "http://127.0.0.1:9"}, {})
    keep_settings(settings, NOWHERE.format(port=free_port()), tmp_path)
    found = start_head(settings, tmp_path)
    yield found
    stop_head(found, tmp_path)


def test_ray_restarts_it_for_ever_and_repeats_no_call() -> None:
    """A call may have been carried out although its answer was lost: an order twice is worse than none."""
    assert (OPTIONS["max_restarts"], OPTIONS["max_task_retries"], OPTIONS["lifetime"]) == (-1, 0, "detached")
    groups = Execution._default_options["concurrency_groups"]  # type: ignore[attr-defined]
    assert groups["control"] > 1
    methods = Execution.__ray_metadata__.modified_class  # type: ignore[attr-defined]
    for name in ("halt", "resume", "status", "stop"):
        assert getattr(methods, name).__ray_concurrency_group__ == "control"


def test_a_start_that_fails_is_one_line_and_leaves_no_actor(head: Head, tmp_path: Path) -> None:
    """Whoever ordered it is told what the actor was told, without any secret; nobody trades afterwards."""
    with pytest.raises(HuracanError) as refused:
        start_trading(head.address, Orders({"execution.account": "main"}), tmp_path)
    assert "\n" not in str(refused.value)
    assert "a-secret" not in str(refused.value)
    assert stop_trading(head.address, "main") is None
    with joined(head.address), pytest.raises(ValueError, match=EXECUTION):
        ray.get_actor(EXECUTION, NAMESPACE)
