"""The exchange's credentials on disk: one 0600 file with the API key of each account and the administrator's token."""

import json
import os
import secrets
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from huracan.errors import UsageError
from huracan.market import atomic_file

__all__ = ["ApiKey", "Keys", "open_keys"]

_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Key and secret of one account."""

    api_key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """What the file holds.

    Attributes:
        admin_token: for the header `Authorization: Bearer TOKEN` of requests to /admin.
        accounts: by name.
    """

    admin_token: str = field(repr=False)
    accounts: Mapping[str, ApiKey]


def open_keys(path: Path, names: Sequence[str], new_token: Callable[[int], str] = secrets.token_hex) -> Keys:
    """Read the file, or create it; accounts that it lacks are added.

    Args:
        path: the file; its folder is created.
        names: accounts that are needed.
        new_token: draws a secret of so many bytes, hexadecimal.

    Raises:
        UsageError: the file can be read by others, or is none of ours.
    """
    known = _read(path) if path.exists() else Keys(new_token(_TOKEN_BYTES), {})
    added = {
        name: ApiKey(new_token(_TOKEN_BYTES), new_token(_TOKEN_BYTES)) for name in names if name not in known.accounts
    }
    if not added and path.exists():
        return known
    keys = Keys(known.admin_token, {**known.accounts, **added})
    accounts = {name: {"api_key": one.api_key, "secret": one.secret} for name, one in keys.accounts.items()}
    with atomic_file(path) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(json.dumps({"admin_token": keys.admin_token, "accounts": accounts}, indent=2).encode() + b"\n")
    return keys


def _read(path: Path) -> Keys:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(f"{path} can be read by others than its owner; run chmod 600 {path}")
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        accounts = {
            str(name): ApiKey(str(one["api_key"]), str(one["secret"])) for name, one in held["accounts"].items()
        }
        return Keys(str(held["admin_token"]), accounts)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(f"{path} is no file of the exchange's keys; remove it, or name another with --keys") from None
