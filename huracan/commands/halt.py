"""`huracan halt` and `huracan resume`: the kill switch, and a person's decision to trade again."""

import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from decimal import Decimal

    from sqlalchemy import Engine

    from huracan.config import Settings
    from huracan.trader.access import Access
    from huracan.trader.kill_switch import Halted

__all__ = ["halt", "resume"]


@click.group()
def _program() -> None:
    """Hold the commands below, which stand directly under the program."""


@command(_program, "halt")
@click.option("--reason", required=True, help="Why, one line; it is stored.")
@click.option("--account", help="Name of the account; default: execution.account.")
@click.option("--url", help="REST address of the paper exchange; default: where the account was traded last.")
@click.option("--live", is_flag=True, help="At the real exchange; default: where the account was traded last.")
@click.option(
    "--symbol", "symbols", multiple=True, help="A market to look at beside those of the database; repeatable."
)
@click.option("--credentials", type=click.Path(path_type=Path), help="0600 YAML file with api_key and secret.")
def halt(
    terminal: Terminal,
    reason: str,
    account: str | None,
    url: str | None,
    live: bool,
    symbols: tuple[str, ...],
    credentials: Path | None,
) -> None:
    """Stop trading now: cancel every order, prove that none rests, and leave it so until `huracan resume`.

    Exit code 0 only when the venue has shown that nothing rests and the database holds the halt.
    """
    from huracan.errors import VenueError

    _needs_words(reason)
    settings = terminal.settings(execution__url=url, execution__account=account)
    engine, access = _where(settings, live, credentials)
    try:
        found = asyncio.run(_halt(settings, engine, access, (*symbols, *settings.data.symbols), reason))
    finally:
        if engine is not None:
            engine.dispose()
    markets = ", ".join(found.markets) or "no market known"
    if not (found.proven and found.stored):
        left = f"{len(found.open)} open orders or lists ({', '.join(found.open)})" if found.open else "none seen open"
        state = "the halt is stored" if found.stored else "the halt is NOT stored, a trader may send again"
        raise VenueError(
            f"HALT NOT PROVEN for {access.account}: {left if not found.proven else 'zero open orders'} in {markets}, "
            f"{state}; {found.problem or 'no answer in time'}; run it again"
        )
    by = f"by {found.holder} and from here" if found.holder else "no trader runs"
    terminal.show(
        found,
        f"halted {access.account}: zero open orders in {markets} ({by}; {found.canceled} cancelled from here); "
        f"{_held(found)}",
    )


def _held(found: "Halted") -> str:
    """Return in words what has no stop any more."""
    if found.held is None:
        return "what it holds is not known, and has no stop"
    bare = ", ".join(f"{row.symbol} {row.quantity}" for row in found.held)
    return f"holds {bare} WITHOUT a stop" if bare else "holds nothing"


def _where(settings: "Settings", live: bool, credentials: Path | None) -> "tuple[Engine | None, Access]":
    """Return the database, None when it is away, and the door to the account."""
    from huracan.config import home_folder
    from huracan.errors import DatabaseError, UsageError
    from huracan.logs import get_logger
    from huracan.memory import open_database
    from huracan.trader.access import access_of
    from huracan.trader.accounts import LastRun, last_run

    engine, execution = None, settings.execution
    last = None
    try:
        engine = open_database(settings.database)
        last = last_run(engine, execution.account)
    except DatabaseError as error:
        get_logger().error("halt.database", reason=str(error))
    if live:
        last = LastRun("live", None, None)
    elif execution.url is not None:
        last = LastRun("paper", execution.url, execution.websocket_url)
    if last is None:
        raise UsageError(
            f"nobody knows where account {execution.account} is traded; give --url of the paper exchange, or --live"
        )
    changed = execution.model_copy(update={"url": last.url, "websocket_url": last.websocket_url})
    return engine, access_of(changed, last.mode, home_folder(), credentials)


async def _halt(
    settings: "Settings", engine: "Engine | None", access: "Access", symbols: tuple[str, ...], reason: str
) -> "Halted":
    from huracan.clock import WallClock
    from huracan.trader.access import person
    from huracan.trader.accounts import stored_account
    from huracan.trader.kill_switch import halt_account
    from huracan.trader.status import steps_of
    from huracan.trader.wiring import connect_venue
    from huracan.venue.budget import WeightBudget

    clock, execution = WallClock(), settings.execution
    venue = connect_venue(settings, access, clock, WeightBudget(6_000), random.Random())  # noqa: S311

    async def carry_out(store: Any, steps: "Callable[[], Awaitable[Mapping[str, Decimal]]]") -> "Halted":
        return await halt_account(store, venue, symbols, person(), reason, clock, execution.halt_proof_s, steps)

    async def no_steps() -> "Mapping[str, Decimal]":
        return {}

    try:
        if engine is None:
            return await carry_out(None, no_steps)
        async with stored_account(engine, access.account, execution.database_timeout_s) as found:

            async def steps() -> "Mapping[str, Decimal]":
                return steps_of(await found.views.load())

            return await carry_out(found.store, steps)
    finally:
        await venue.close()


@command(_program, "resume")
@click.option("--reason", required=True, help="What was found and done, one line; it is stored.")
@click.option("--account", help="Name of the account; default: execution.account.")
def resume(terminal: Terminal, reason: str, account: str | None) -> None:
    """Let an account trade again; a running trader does so within a second. Closes the breaker as well."""
    from huracan.memory import open_database

    _needs_words(reason)
    settings = terminal.settings(execution__account=account)
    engine = open_database(settings.database)
    try:
        before, said = asyncio.run(_resume(settings, engine, reason))
    finally:
        engine.dispose()
    name = settings.execution.account
    terminal.show({"account": name, "before": before, "state": "ACTIVE"}, f"{name}: {before} -> ACTIVE{said}")


_SAID = {
    "drawdown": "the peak of equity begins anew at what the account is worth now",
    "daily_loss": "the day's loss stays, and halts again at a close that is beyond it, until 00:00 UTC",
}


async def _resume(settings: "Settings", engine: "Engine", reason: str) -> tuple[str, str]:
    """Write the resume; return the state before it, and what follows from how that came about."""
    from huracan.clock import WallClock
    from huracan.errors import UsageError
    from huracan.execution.states import write_state
    from huracan.risk.live import TradingState
    from huracan.trader.access import person
    from huracan.trader.accounts import stored_account
    from huracan.trader.peak import tripped_by

    execution = settings.execution
    async with stored_account(engine, execution.account, execution.database_timeout_s) as found:
        before = await found.store.state()
        triggers = tripped_by(await found.store.state_history())
        if before is None and await found.views.load() is None:
            raise UsageError(f"account {execution.account} was never traded here; name another with --account")
        await write_state(found.store, TradingState.ACTIVE, person(), reason, WallClock().now_ms())
        said = "".join(f"; {words}" for trigger, words in _SAID.items() if trigger in triggers)
        return ("ACTIVE" if before is None else before.state), said


def _needs_words(reason: str) -> None:
    from huracan.errors import UsageError

    if not reason.strip():
        raise UsageError("--reason is empty; say why in one line")
