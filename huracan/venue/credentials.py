"""The account's key and secret: from the environment or a file that only its owner can read, and never shown."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import SecretStr

from huracan.config import CREDENTIAL_VARIABLES
from huracan.errors import ConfigError

__all__ = ["API_KEY_VARIABLE", "SECRET_VARIABLE", "Credentials", "load_credentials"]

API_KEY_VARIABLE, SECRET_VARIABLE = CREDENTIAL_VARIABLES


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs requests; shows as asterisks wherever it is printed."""

    api_key: SecretStr
    secret: SecretStr

    def __post_init__(self) -> None:
        for value in (self.api_key.get_secret_value(), self.secret.get_secret_value()):
            if not value or not value.isascii() or not value.isprintable() or " " in value:
                raise ConfigError("the venue's API key or secret is empty or holds odd characters; copy it again")


def load_credentials(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Credentials:
    """Return the credentials of the environment, or of the file when the environment has none.

    Args:
        path: YAML file with `api_key` and `secret`, mode 0600 or stricter, owned by this user.
        environ: where to look for `HURACAN__VENUE__API_KEY` and `HURACAN__VENUE__SECRET`; None: the process's.

    Raises:
        ConfigError: half of a pair, nothing at all, or a file that others may read or that holds something else.
    """
    given = os.environ if environ is None else environ
    key, secret = given.get(API_KEY_VARIABLE, ""), given.get(SECRET_VARIABLE, "")
    if bool(key) != bool(secret):
        raise ConfigError(f"only one of {API_KEY_VARIABLE} and {SECRET_VARIABLE} is set; set both")
    if key:
        return Credentials(SecretStr(key), SecretStr(secret))
    if path is None:
        raise ConfigError(f"no venue credentials; set {API_KEY_VARIABLE} and {SECRET_VARIABLE}, or name a 0600 file")
    return _read(path)


def _read(path: Path) -> Credentials:
    try:
        with path.open(encoding="utf-8") as file:
            facts = os.fstat(file.fileno())  # of what was opened, not of what the path names a moment later
            if not stat.S_ISREG(facts.st_mode):
                raise ConfigError(f"credentials file {path} is no regular file")
            if facts.st_mode & 0o077 or facts.st_uid != os.geteuid():
                raise ConfigError(f"credentials file {path} is open to others; make it yours alone: chmod 600 {path}")
            loaded = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"credentials file {path} cannot be read: {type(error).__name__}") from None
    except yaml.YAMLError:  # its message quotes the line, which may be the secret
        raise ConfigError(f"credentials file {path} is not YAML; write `api_key: ...` and `secret: ...`") from None
    if not isinstance(loaded, dict) or set(loaded) != {"api_key", "secret"}:
        raise ConfigError(f"credentials file {path} must hold `api_key` and `secret`, nothing else")
    return Credentials(SecretStr(str(loaded["api_key"])), SecretStr(str(loaded["secret"])))
