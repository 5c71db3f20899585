"""Starting Ray for one command, or joining the cluster that is there."""

import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import ray
from ray._private.authentication.authentication_utils import is_token_auth_enabled

from huracan.config import RaySettings
from huracan.errors import ConfigError, HuracanError, TrainingError
from huracan.ray_env import given_cluster, only_clusters, write_ray_token

__all__ = ["own_faults", "ray_session"]

CONNECT_TIMEOUT_S: Final = 5.0
_WORKER_ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_HANDED_ON: Final = ("AWS_REQUEST_CHECKSUM_CALCULATION", "HURACAN_HOME", "NUMBA_CACHE_DIR")
_SLOW_START: Final = "timed out during startup"
"""Ray's words, in a bare `Exception`, when its node is not up within its 30 seconds."""


@contextmanager
def ray_session(settings: RaySettings) -> Iterator[None]:
    """Join the cluster of `settings.address` or `RAY_ADDRESS`, else run a local instance, for the block.

    The dashboard's URL in `RAY_ADDRESS`, which is there for `ray job`, is no cluster.

    A local instance listens on loopback only, with token authentication and without dashboard unless asked for. A
    session that is already open is used and left open. A handler of SIGTERM that the process has stays in place.

    Raises:
        ConfigError: the cluster does not answer, or refuses the token; or Ray was imported before `huracan.learn`, so
            without the token.
        TrainingError: the machine is too busy to start a local instance in the time Ray gives it.
    """
    if ray.is_initialized():
        yield
        return
    address = settings.address or given_cluster()
    common = {
        "runtime_env": {"env_vars": _worker_environment(os.environ)},
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with only_clusters():
            if address:
                _check_reachable(address)
                ray.init(address=address, **common)
            else:
                _check_token_mode()
                write_ray_token()
                ray.init(
                    num_cpus=settings.num_cpus,
                    object_store_memory=settings.object_store_mb * 2**20,
                    include_dashboard=settings.include_dashboard,
                    dashboard_host="127.0.0.1",
                    _node_ip_address="127.0.0.1",
                    **common,
                )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where = f"the Ray cluster at {address}" if address else "a local Ray instance"
        raise ConfigError(f"{where} cannot be reached: {' '.join(str(error).split())}; check ray.address") from None
    except Exception as error:  # Ray has no class for a slow start: known by its words, anything else goes on as it is
        if _SLOW_START not in str(error):
            raise
        raise TrainingError(
            "a local Ray instance did not start in the time Ray gives it: this machine is too busy or short of memory; "
            "run again when it has less to do, or with a smaller ray.object_store_mb"
        ) from None
    # Ray puts its own handlers in place, one of them native: it prints a stack and aborts. Going, it leaves none.
    ours = callable(on_sigterm) and threading.current_thread() is threading.main_thread()
    try:
        if ours:
            signal.signal(signal.SIGTERM, on_sigterm)
        yield
    finally:
        ray.shutdown()
        if ours:
            signal.signal(signal.SIGTERM, on_sigterm)


@contextmanager
def own_faults(what: str, advice: str) -> Iterator[None]:
    """Raise what a task raised as itself, not as Ray's wrapping of it, for the block.

    Args:
        what: what cannot go on when workers keep dying.
        advice: what to do then.

    Raises:
        HuracanError: a task's own.
        TrainingError: Ray gave the tasks up.
    """
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, HuracanError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise TrainingError(f"{what}: {' '.join(str(error).split())[:300]}; {advice}") from None


def _worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that workers need and a submitted job does not give them: Ray refuses to be told twice."""
    wanted = _WORKER_ENVIRONMENT | {name: environ[name] for name in _HANDED_ON if name in environ}
    job = json.loads(environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}")
    given = (job.get("runtime_env") or {}).get("env_vars") or {}
    return {name: value for name, value in wanted.items() if name not in given}


def _check_token_mode() -> None:
    """Refuse a start that could only fail: Ray has fixed its mode at its import, before the token was asked for."""
    if os.environ.get("RAY_AUTH_MODE") == "token" and not is_token_auth_enabled():
        raise ConfigError(
            "Ray was imported before huracan and so without token authentication; import huracan.learn first, "
            "or set RAY_AUTH_MODE=token before this process starts"
        )


def _check_reachable(address: str) -> None:
    """Raise `OSError` unless something listens at `host:port`: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
