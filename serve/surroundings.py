"""What every actor and replica is given: the configuration as `huracan serve up` read it, by a file of its owner alone.

The database's URL holds a password, and what stands in a runtime environment, an environment variable of a job or a
command line is shown by Ray's dashboard, its logs or `ps`. So Ray is told where a file lies, and never what is in it.
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from huracan.config import Settings, home_folder, load_settings
from huracan.errors import ConfigError

__all__ = ["SETTINGS_VARIABLE", "keep_settings", "read_settings", "runtime_env", "serving_settings", "settings_file"]

SETTINGS_VARIABLE: Final = "HURACAN_SERVE_SETTINGS"
"""Names the file, for processes that Ray starts."""
_THREADS: Final = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def settings_file(home: Path) -> Path:
    """Return where the configuration of what is served lies under HURACAN_HOME."""
    return home / "serve" / "settings.json"


def keep_settings(settings: Settings, database_url: str, home: Path) -> Path:
    """Write the configuration down, the database's URL in it, readable by its owner alone, and return where.

    Raises:
        ConfigError: the file cannot be written.
    """
    path = settings_file(home)
    content = settings.public()
    content["database"] = settings.database.model_dump(mode="json") | {"url": database_url}
    content["notices"]["destinations"] = [
        one.model_dump(mode="json") | {"url": one.url.get_secret_value()} for one in settings.notices.destinations
    ]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staging = path.with_suffix(".new")
        staging.unlink(missing_ok=True)
        with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file, indent=1)
        os.replace(staging, path)
    except OSError as error:
        raise ConfigError(f"the settings cannot be written to {path}: {error.strerror}; set HURACAN_HOME") from None
    return path


def read_settings(path: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the configuration that `keep_settings` wrote, with dotted keys that say otherwise.

    Raises:
        ConfigError: there is no such file, others can read it, or it holds something else.
    """
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_mode & 0o077 or facts.st_uid != os.geteuid():
                raise ConfigError(f"{path} is open to others; make it yours alone: chmod 600 {path}")
            base = json.load(file)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; run `huracan serve up`") from None
    except ValueError:  # what it holds is secret: it is not quoted
        raise ConfigError(f"{path} holds no settings; run `huracan serve down` and `huracan serve up`") from None
    if not isinstance(base, dict):
        raise ConfigError(f"{path} holds no settings; run `huracan serve down` and `huracan serve up`")
    return load_settings(None, overrides, {}, base)


def serving_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the configuration of this process's part: of `huracan serve up`, else as the environment has it.

    Args:
        overrides: dotted keys that say otherwise, nothing secret.

    Raises:
        ConfigError: it is not usable.
    """
    named = os.environ.get(SETTINGS_VARIABLE)
    return read_settings(Path(named), overrides) if named else load_settings(None, overrides)


def runtime_env(home: Path | None = None) -> dict[str, Any]:
    """Return the runtime environment of actors and replicas: places and numbers, nothing secret."""
    folder = home_folder() if home is None else home
    places = {"HURACAN_HOME": str(folder), SETTINGS_VARIABLE: str(settings_file(folder))}
    if cache := os.environ.get("NUMBA_CACHE_DIR"):
        places["NUMBA_CACHE_DIR"] = cache
    return {"env_vars": {**places, **_THREADS}}
