"""Starting Ray for one command, or joining the cluster that is there."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import ray

from huracan.config import RaySettings
from huracan.errors import ConfigError
from huracan.ray_env import write_ray_token

__all__ = ["ray_session"]

CONNECT_TIMEOUT_S: Final = 5.0
_WORKER_ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


@contextmanager
def ray_session(settings: RaySettings) -> Iterator[None]:
    """Join the cluster of `settings.address` or `RAY_ADDRESS`, else run a local instance, for the block.

    A local instance listens on loopback only, with token authentication and without dashboard unless asked for. A
    session that is already open is used and left open.

    Raises:
        ConfigError: the cluster does not answer, or refuses the token.
    """
    if ray.is_initialized():
        yield
        return
    address = settings.address or os.environ.get("RAY_ADDRESS")
    environment = {name: os.environ[name] for name in ("HURACAN_HOME", "NUMBA_CACHE_DIR") if name in os.environ}
    common = {
        "runtime_env": {"env_vars": _WORKER_ENVIRONMENT | environment},
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        if address:
            _check_reachable(address)
            ray.init(address=address, **common)
        else:
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
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise `OSError` unless something listens at `host:port`: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
