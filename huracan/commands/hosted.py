"""Trading on what `huracan serve up` has brought up, for `huracan trade`: where it is, start, stop."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from huracan.terminal import Terminal

if TYPE_CHECKING:
    from huracan.config import Settings

__all__ = ["served_at", "start_hosted", "stop_hosted"]


def served_at(settings: "Settings") -> str | None:
    """Return the cluster that something is served on, None when nothing is; asks no cluster."""
    from huracan.config import home_folder
    from serve.surroundings import settings_file
    from serve.up import cluster_address

    home = home_folder()
    return cluster_address(settings, home) if settings_file(home).exists() else None


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
    given = {name: value for name, value in overrides.items() if value is not None}
    pid, doing = start_trading(address, Orders(given, where, wait_s, accept_balances), home_folder())
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
