"""Trading on what `huracan serve up` has brought up, for `huracan trade`: where it is, start, stop."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from huracan.terminal import Terminal

if TYPE_CHECKING:
    from huracan.config import Settings

__all__ = ["agree", "served_at", "start_hosted", "stop_hosted"]

_TRADED_BY: Final = ("data", "execution", "features", "health", "policy", "risk", "serve", "trading")
"""Sections that a trader on the cluster goes by; it has them from `huracan serve up`."""


def served_at(settings: "Settings") -> str | None:
    """Return the cluster that something is served on, None when nothing is; asks no cluster."""
    from huracan.config import home_folder
    from serve.surroundings import settings_file
    from serve.up import cluster_address

    home = home_folder()
    return cluster_address(settings, home) if settings_file(home).exists() else None


def agree(terminal: Terminal, given: Mapping[str, Any], account: str | None) -> "Settings":
    """Return what a trader on the cluster goes by; refuse a start that says something else than what is served.

    What the start does not say at all (by options, `--set`, `--config`, environment) is as `huracan serve up` had it.

    Args:
        terminal: with what the start says.
        given: dotted settings that travel with the start, by options of its own; those may differ.
        account: named by its option; the endpoint answers for the account of `huracan serve up` alone.

    Raises:
        RefusedError: a setting differs; the line names each.
        ConfigError: what is served cannot be read.
    """
    from huracan.config import home_folder
    from huracan.errors import RefusedError
    from serve.surroundings import read_settings, settings_file

    path = settings_file(home_folder())
    before = read_settings(path).public()
    options = {name.replace(".", "__"): value for name, value in given.items()}
    said: Settings = terminal.settings_of(path.read_text(encoding="utf-8"), execution__account=account, **options)
    after = said.public()
    changed = [
        f"{section}.{name}"
        for section in _TRADED_BY
        for name in sorted(after[section])
        if after[section][name] != before[section][name] and f"{section}.{name}" not in given
    ]
    if changed:
        raise RefusedError(
            f"the cluster serves with other settings, and a trader there has them from it: {', '.join(changed)}; run "
            "`huracan serve down`, then `huracan serve up` with them, or trade in this process with --here"
        )
    return said


def start_hosted(
    terminal: Terminal,
    settings: "Settings",
    address: str,
    overrides: dict[str, Any],
    credentials: Path | None,
    wait_s: float,
    accept_balances: bool,
) -> None:
    """Start the execution actor and return; it trades until `huracan trade stop` or `huracan serve down`."""
    from huracan.config import home_folder
    from serve.execution import Orders
    from serve.trading import start_trading

    where = None if credentials is None else str(credentials.resolve())
    pid, doing = start_trading(address, Orders(overrides, where, wait_s, accept_balances), home_folder())
    account = settings.execution.account
    facts = {
        "account": account,
        "mode": "paper",
        "url": settings.execution.url,
        "symbols": list(doing.symbols),
        "pid": pid,
        "market_ms": doing.market_ms,
        "state": doing.state,
        "cluster": address,
    }
    terminal.show(
        facts,
        f"trading {account} (paper, {doing.state}): {', '.join(doing.symbols)}; on the cluster at {address}, process "
        f"{pid}; `huracan trade stop` ends it",
    )


def stop_hosted(settings: "Settings") -> int | None:
    """Stop the account's execution actor and return the process it had; None when there is none."""
    address = served_at(settings)
    if address is None:
        return None
    from serve.trading import stop_trading

    ended = stop_trading(address, settings.execution.account)
    return None if ended is None else ended[0]
