import ast
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
import ray
from ray._private import node as ray_node

from huracan.config import RaySettings
from huracan.errors import TrainingError
from huracan.learn.cluster import _worker_environment, ray_session


@pytest.mark.ray
def test_an_open_session_is_used_and_left_open(local_ray: None) -> None:
    """A command inside a command does not start a second instance or stop the first."""
    address = ray.get_runtime_context().gcs_address
    with ray_session(RaySettings()):
        assert ray.get_runtime_context().gcs_address == address
    assert ray.is_initialized()


@pytest.mark.ray
def test_a_local_instance_listens_on_loopback_with_its_own_token(local_ray: None) -> None:
    """Nobody else on the network reaches it, nobody else on the machine can read its token."""
    listening = {
        connection.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text()) >= 32


def test_ray_imported_first_is_one_clear_line(tmp_path: Path) -> None:
    """Ray has then decided to run without a token; it is refused before anything starts."""
    program = """
        import ray
        from huracan.config import RaySettings
        from huracan.errors import ConfigError
        from huracan.learn.cluster import ray_session
        try:
            with ray_session(RaySettings()):
                pass
        except ConfigError as error:
            print("refused:", error)
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        env=environ | {"HURACAN_HOME": str(tmp_path)},
    )
    assert "refused: Ray was imported before huracan" in done.stdout, done.stderr
    assert not list(tmp_path.glob("ray/*"))


def test_a_cluster_that_does_not_answer_is_one_clear_line() -> None:
    """A wrong address is reported with the setting to check."""
    program = """
        from huracan.config import RaySettings
        from huracan.errors import ConfigError
        from huracan.learn.cluster import ray_session
        try:
            with ray_session(RaySettings(address="127.0.0.1:1")):
                pass
        except ConfigError as error:
            print("refused:", error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert "refused: the Ray cluster at 127.0.0.1:1 cannot be reached" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 1


def test_the_dashboards_url_for_ray_job_is_no_cluster_to_train_on(tmp_path: Path) -> None:
    """In the shell of `ray job` a local instance is started, features are computed at home, and the URL stays."""
    program = """
        import os
        import sys
        from pathlib import Path
        from huracan.config import RaySettings, load_settings
        from huracan.errors import HuracanError
        from huracan.learn.blocks import load_dataset
        from huracan.learn.cluster import ray_session
        import ray
        try:
            load_dataset(load_settings(None, {"data.folder": Path(sys.argv[1])}, {}))
        except HuracanError as error:
            print(type(error).__name__, ray.is_initialized())
        with ray_session(RaySettings(num_cpus=3, object_store_mb=80)):
            print(ray.cluster_resources()["CPU"], os.environ["RAY_ADDRESS"])
    """
    told = {"HURACAN_HOME": str(tmp_path), "RAY_ADDRESS": "http://127.0.0.1:1", "RAY_AUTH_MODE": "token"}
    told["RAY_AUTH_TOKEN_PATH"] = str(tmp_path / "token")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "nothing")],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | told,
    )
    assert done.stdout.splitlines() == ["DataError False", "3.0 http://127.0.0.1:1"], done.stderr


def _failing_start(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let Ray's node raise `error` where it waits for itself, whether or not a session is open already."""

    def init(**_: object) -> None:
        raise error

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def _words_of_a_slow_start() -> str:
    """Return what the installed Ray's node says when it is not up in time, read from its source."""
    raised = [
        node.exc for node in ast.walk(ast.parse(Path(ray_node.__file__).read_text())) if isinstance(node, ast.Raise)
    ]
    bare = [call for call in raised if isinstance(call, ast.Call) and ast.unparse(call.func) == "Exception"]
    (words,) = [
        str(ast.literal_eval(call.args[0])) for call in bare if "the GCS has become overloaded" in ast.unparse(call)
    ]
    return words


def test_a_start_that_takes_too_long_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's bare exception on a busy machine becomes a line with a remedy; any other exception stays what it is."""
    _failing_start(monkeypatch, Exception(_words_of_a_slow_start()))
    with (
        pytest.raises(TrainingError, match="too busy or short of memory; run again") as caught,
        ray_session(RaySettings()),
    ):
        pass
    assert "\n" not in str(caught.value)
    other = Exception("the raylet and the GCS disagree")
    _failing_start(monkeypatch, other)
    with pytest.raises(Exception, match="disagree") as passed, ray_session(RaySettings()):
        pass
    assert passed.value is other


def test_workers_are_told_once_what_a_job_tells_them() -> None:
    """Ray refuses a variable that both the job and its driver give: the driver leaves out what the job has."""
    job = json.dumps({"runtime_env": {"env_vars": {"HURACAN_HOME": "/home/x", "OTHER": "1"}}})
    environ = {"HURACAN_HOME": "/home/x", "NUMBA_CACHE_DIR": "/cache"}
    alone = _worker_environment(environ)
    inside = _worker_environment(environ | {"RAY_JOB_CONFIG_JSON_ENV_VAR": job})
    assert alone["HURACAN_HOME"] == "/home/x"
    assert set(alone) - set(inside) == {"HURACAN_HOME"}
    assert inside["NUMBA_CACHE_DIR"] == "/cache"
