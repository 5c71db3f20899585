"""Which account, where, and with what keys; a paper account never meets the real exchange, nor the other way round."""

import getpass
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psutil
from pydantic import SecretStr

from huracan.config import ExecutionSettings
from huracan.errors import ConfigError, UsageError
from huracan.paper.keys import open_keys
from huracan.venue.credentials import API_KEY_VARIABLE, Credentials, load_credentials

__all__ = ["Access", "Mode", "access_of", "holder_name", "person", "process_of", "user_name"]

Mode = Literal["paper", "live"]
_REAL = ("binance.com", "binance.us", "binance.je")


@dataclass(frozen=True, slots=True)
class Access:
    """The door to one account.

    Attributes:
        account: its name in the ledger.
        mode: "paper" or "live".
        url, websocket_url: of a paper exchange; None: the real one.
        credentials: what signs.
    """

    account: str
    mode: Mode
    url: str | None
    websocket_url: str | None
    credentials: Credentials


def access_of(settings: ExecutionSettings, mode: Mode, home: Path, credentials: Path | None = None) -> Access:
    """Return the door to the configured account.

    Args:
        settings: account and addresses.
        mode: paper needs an address that is not the real exchange's, live allows none.
        home: folder of huracan's data; the paper exchange's keys are under it.
        credentials: file that holds the keys; None: the paper exchange's, or the environment.

    Raises:
        ConfigError: the address or the keys do not fit the mode.
        UsageError: the paper exchange's file of keys is none.
    """
    if mode == "live":
        if settings.url is not None or settings.websocket_url is not None:
            raise ConfigError("live trading goes to the real exchange alone; unset execution.url and websocket_url")
        return Access(settings.account, mode, None, None, load_credentials(credentials))
    if settings.url is None:
        raise ConfigError("no paper exchange; give --url, or set execution.url to what `huracan paper-exchange` prints")
    for address in (settings.url, settings.websocket_url or settings.url):
        host = (urlsplit(address).hostname or "").lower()
        if any(host == real or host.endswith("." + real) for real in _REAL):
            raise ConfigError(f"{address} is the real exchange, not a paper one; --live trades there")
    ws_url = settings.websocket_url or "ws" + settings.url.removeprefix("http")
    return Access(settings.account, mode, settings.url, ws_url, _paper_keys(settings.account, home, credentials))


def _paper_keys(account: str, home: Path, given: Path | None) -> Credentials:
    path = home / "paper" / "keys.json"
    if given is None and path.exists():
        known = open_keys(path, ()).accounts
        if account in known:
            return Credentials(SecretStr(known[account].api_key), SecretStr(known[account].secret))
    if given is None and not os.environ.get(API_KEY_VARIABLE):
        raise UsageError(
            f"no keys for account {account} of the paper exchange: {path} has none; start the exchange with --account "
            f"{account}, or name its keys with --credentials"
        )
    return load_credentials(given)


def user_name() -> str:
    """Return the operating system's name of the user that this process runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry
        return str(os.geteuid())


def person() -> str:
    """Return the name under which the user of this terminal changes things: user@host, never a part of the program."""
    return f"{user_name()}@{socket.gethostname()}"


def holder_name() -> str:
    """Return the name under which this process holds a lease: user@host:pid."""
    return f"{person()}:{os.getpid()}"


def process_of(holder: str) -> int | None:
    """Return the process behind a lease, None when it is on another machine or no trader any more."""
    place, _, number = holder.rpartition(":")
    if place.rpartition("@")[2] != socket.gethostname() or not number.isdecimal():
        return None
    try:
        words = psutil.Process(int(number)).cmdline()
    except psutil.Error:
        return None
    return int(number) if {"trade", "start"} <= set(words) else None
