"""What must stand in the environment before Ray is imported: token authentication with our own file, and loopback.

Ray reads both once, at import. Without the mode a local instance would write a token that others can read; with it set
on one side only, both sides wait for each other. Without the switch for single machines a local instance listens on
every interface, whatever address it is given. Importing `huracan.learn` calls `prepare_ray_environment`.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huracan.config import home_folder
from huracan.errors import ConfigError

__all__ = ["given_cluster", "only_clusters", "prepare_ray_environment", "write_ray_token"]

_ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's name for "this machine may be part of a cluster"; 0 makes it use the loopback address, on Linux too."""


def given_cluster() -> str | None:
    """Return the cluster that `RAY_ADDRESS` names; None: none, or the dashboard, whose URL `ray job` takes there."""
    address = os.environ.get("RAY_ADDRESS") or None
    return None if address is not None and address.startswith(("http://", "https://")) else address


@contextmanager
def only_clusters() -> Iterator[None]:
    """Take the dashboard's URL out of `RAY_ADDRESS` for the block: Ray, when it starts, would take it for a cluster."""
    found = os.environ.pop("RAY_ADDRESS", None) if given_cluster() is None else None
    try:
        yield
    finally:
        if found is not None:
            os.environ["RAY_ADDRESS"] = found


def prepare_ray_environment() -> None:
    """Choose loopback and token authentication with a token under HURACAN_HOME for instances of our own.

    Nothing is chosen when `RAY_ADDRESS` names a cluster, and no authentication when `RAY_AUTH_MODE` is set: then the
    cluster's owner, or the caller, has decided.
    """
    if given_cluster():
        return
    os.environ.setdefault(_ONE_MACHINE, "0")
    if "RAY_AUTH_MODE" in os.environ:
        return
    os.environ["RAY_AUTH_MODE"] = "token"
    if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(home_folder() / "ray" / "token")


def write_ray_token() -> None:
    """Create the token file that `RAY_AUTH_TOKEN_PATH` names, readable by its owner only, if there is none.

    Raises:
        ConfigError: it cannot be written, or others can read it.
    """
    if os.environ.get("RAY_AUTH_MODE") != "token" or "RAY_AUTH_TOKEN_PATH" not in os.environ:
        return
    path = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if path.stat().st_mode & 0o077:
                raise ConfigError(f"{path} can be read by other users; run: chmod 600 {path}") from None
            return
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    except OSError as error:
        raise ConfigError(f"Ray's token cannot be written to {path}: {error.strerror}; set HURACAN_HOME") from None
