"""`huracan trade`: the process that trades one account; start, stop, status, and the locks of its coins."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from huracan.config import Settings
    from huracan.trader.access import Access
    from huracan.trader.wiring import Setup

__all__ = ["trade"]


@click.group()
def trade() -> None:
    """Trade an account by a script of decisions, at a paper exchange or for real."""


@command(trade, "start")
@click.option("--paper", is_flag=True, help="At a paper exchange, by --url or execution.url.")
@click.option("--live", is_flag=True, help="For real money, at the real exchange; asks for the account's name.")
@click.option(
    "--script", "script_path", required=True, type=click.Path(path_type=Path), help="JSON lines of decisions."
)
@click.option("--url", help="REST address of the paper exchange; default: execution.url.")
@click.option("--ws-url", help="Its WebSocket address; default: execution.websocket_url, else that of --url.")
@click.option("--account", help="Name of the account; default: execution.account.")
@click.option("--symbol", "symbols", multiple=True, help="A market beside those of the script; repeatable.")
@click.option("--credentials", type=click.Path(path_type=Path), help="0600 YAML file with api_key and secret.")
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, help="Seconds to wait for another trader's lease.")
@click.option("--accept-balances", is_flag=True, help="Book balances that differ as a deposit or withdrawal.")
def start(
    terminal: Terminal,
    paper: bool,
    live: bool,
    script_path: Path,
    url: str | None,
    ws_url: str | None,
    account: str | None,
    symbols: tuple[str, ...],
    credentials: Path | None,
    wait: float,
    accept_balances: bool,
) -> None:
    """Trade until Ctrl-C or SIGTERM: then entries are taken back, brackets stay, the account is let go of."""
    from huracan.clock import WallClock
    from huracan.config import home_folder
    from huracan.errors import UsageError
    from huracan.execution.failpoints import kill_at
    from huracan.market import timeframe_ms
    from huracan.trader.access import access_of
    from huracan.trader.script import load_script
    from huracan.trader.wiring import Setup, base_timeframe

    if paper == live:
        raise UsageError("give either --paper or --live")
    settings = terminal.settings(
        execution__url=url,
        execution__websocket_url=ws_url,
        execution__account=account,
        data__symbols=symbols or None,
    )
    script = load_script(script_path, timeframe_ms(base_timeframe(settings)))
    access = access_of(settings.execution, "live" if live else "paper", home_folder(), credentials)
    if live:
        _confirm(access)

    def setup(store: Any, views: Any) -> Setup:
        return Setup(
            settings=settings,
            access=access,
            script=script,
            store=store,
            views=views,
            home=home_folder(),
            clock=WallClock(),
            rng=random.Random(),  # noqa: S311 (spreads retries, guards nothing)
            failpoints=kill_at(os.environ),
            lease_wait_s=wait,
            accept_balances=accept_balances,
        )

    caught = _trade(terminal, settings, access, setup)
    if caught is signal.SIGINT:
        raise KeyboardInterrupt("stopped trading: entries taken back, brackets left at the venue")
    click.echo("stopped trading: entries taken back, brackets left at the venue", err=True)


def _confirm(access: "Access") -> None:
    """Ask for the account's name; whoever has no terminal gives it on stdin."""
    from huracan.errors import RefusedError
    from huracan.trader.access import user_name

    click.echo(
        f"LIVE TRADING of account {access.account} with real money, as operating system user {user_name()}.\n"
        "Type the account's name to confirm: ",
        nl=False,
        err=True,
    )
    if sys.stdin.readline().strip() != access.account:
        raise RefusedError(f"not confirmed: the answer is not {access.account}; nothing was sent")


def _trade(terminal: Terminal, settings: "Settings", access: "Access", setup: Any) -> signal.Signals:
    """Open the database, trade, and return the signal that ended it."""
    import huracan
    from huracan.execution.postgres_store import PostgresStore
    from huracan.memory import open_database, run
    from huracan.trader.views import AccountViews

    engine = open_database(settings.database)
    timeout_s = settings.execution.database_timeout_s
    try:
        with run(engine, f"trade-{access.mode}", settings, "", huracan.__version__) as run_id:
            store = PostgresStore(engine, access.account, run_id, timeout_s)
            views = AccountViews(engine, access.account, timeout_s)
            return asyncio.run(_serve(terminal, setup(store, views)))
    finally:
        engine.dispose()


async def _serve(terminal: Terminal, setup: "Setup") -> signal.Signals:
    from huracan.trader.wiring import open_trader

    stop, loop, caught = asyncio.Event(), asyncio.get_running_loop(), [signal.SIGTERM]

    def catch(number: signal.Signals) -> None:
        caught[0] = number
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, catch, number)
    try:
        async with open_trader(setup) as trader:
            facts = {
                "account": setup.access.account,
                "mode": setup.access.mode,
                "url": setup.access.url,
                "symbols": list(trader.symbols),
                "pid": os.getpid(),
                "market_ms": trader.market_ms,
            }
            terminal.show(
                facts, f"trading {facts['account']} ({facts['mode']}): {', '.join(trader.symbols)}; Ctrl-C ends it"
            )
            sys.stdout.flush()
            await trader.run(stop)
    finally:
        await setup.store.close()
        await setup.views.close()
    return caught[0]
