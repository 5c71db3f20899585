"""`huracan status`: one screen for everything a person asks first; it starts nothing and needs nothing to run."""

import asyncio
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from huracan.config import Settings
    from huracan.memory.health import Severity
    from huracan.signals.contract_status import AdviceRow, StatusAnswer
    from serve.up import Part

__all__ = ["Database", "Found", "find", "status"]


@dataclass(frozen=True, slots=True)
class Database:
    """Whether Postgres answers; `problem`: why nothing can be read, "" when it can."""

    running: bool
    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class Found:
    """What there is.

    Attributes:
        at_ms: wall clock.
        headline: act, look, ok; `next` says why and what to do, the most urgent first.
        next: see `headline`.
        database: where everything is remembered.
        parts: of `huracan serve up`, by Ray's lists; None: its cluster does not run.
        status: the record of `GET /v1/status`; None: the database cannot be read.
    """

    at_ms: int
    headline: Literal["ok", "look", "act"]
    next: "tuple[AdviceRow, ...]"
    database: Database
    parts: "tuple[Part, ...] | None"
    status: "StatusAnswer | None"


@click.group()
def _program() -> None:
    """Hold the command below, which stands directly under the program."""


@command(_program, "status")
@click.option("--account", help="Name of the account; default: execution.account.")
@click.option(
    "--watch",
    type=click.FloatRange(min=0.2),
    is_flag=False,
    flag_value=2.0,
    help="Look again every so many seconds (2) until Ctrl-C.",
)
def status(terminal: Terminal, account: str | None, watch: float | None) -> None:
    """Show trading state, money, versions, data, limits, what is wrong, what was done about it, and what to do next."""
    settings = terminal.settings(execution__account=account)
    if watch is None:
        found = find(settings)
        terminal.show(found, lambda: _print(found))
        return
    if terminal.as_json:
        while True:
            terminal.show(find(settings), "")
            sys.stdout.flush()
            time.sleep(watch)
    _watch(settings, watch)


def find(settings: "Settings") -> Found:
    """Look at database, cluster and account; what is away is a line, never an error.

    Raises:
        ConfigError: the configuration is not usable.
    """
    from huracan.clock import WallClock
    from huracan.config import home_folder
    from huracan.health.overview import headline_of
    from huracan.signals.contract_status import AdviceRow
    from serve.up import glance

    now_ms = WallClock().now_ms()
    database, row = _database(settings, now_ms)
    parts = glance(home_folder())
    advice = [] if row is None else list(row.next)
    if row is None:
        do = (
            "huracan db upgrade"
            if settings.database.url is None or "schema" in database.problem
            else "huracan db status"
        )
        needed = parts is not None or (database.where and settings.database.url is not None)
        level: Severity = "critical" if needed else "warning" if database.where else "info"
        advice.append(AdviceRow(level=level, why=database.problem, do=do))
    advice += [_advice(part) for part in parts or () if part.there and not part.ok]
    if parts == ():
        advice.append(AdviceRow(level="critical", why="Ray runs and does not answer", do="huracan serve status"))
    order = {"critical": 0, "warning": 1, "info": 2}
    found = tuple(sorted(advice, key=lambda one: order[one.level]))
    return Found(now_ms, headline_of(found), found, database, parts, row)


def _advice(part: "Part") -> "AdviceRow":
    from huracan.signals.contract_status import AdviceRow

    words = f"{part.name} is {part.state}" + (f": {part.detail}" if part.detail else "")
    return AdviceRow(level="critical", why=words, do="huracan serve status, then huracan serve up")


def _database(settings: "Settings", now_ms: int) -> "tuple[Database, StatusAnswer | None]":
    """Read the record, as far as the database lets anybody; an embedded server that was stopped stays stopped."""
    from huracan.errors import DatabaseError
    from huracan.memory import connect, database_status, database_url

    found = database_status(settings.database)
    where = found.url or ("embedded" if found.embedded and found.pid else "")
    if not found.running:
        stopped = _embedded_exists() if found.embedded else True
        words = "the database does not answer" if not found.embedded else "the database does not run"
        problem = words if stopped else "nothing was ever started here: there is no database yet"
        return Database(False, where or ("embedded" if stopped else ""), problem), None
    if found.schema != found.schema_needed:
        problem = f"the database has schema {found.schema or 'none'}, this version needs {found.schema_needed}"
        return Database(True, where, problem), None
    engine = connect(database_url(settings.database), settings.database.connect_timeout_s)
    try:
        return Database(True, where, ""), asyncio.run(_read(engine, settings, now_ms))
    except DatabaseError as error:
        return Database(False, where, str(error)), None
    finally:
        engine.dispose()


def _embedded_exists() -> bool:
    from huracan.config import home_folder

    return (home_folder() / "postgres").exists()


async def _read(engine: object, settings: "Settings", now_ms: int) -> "StatusAnswer":
    from sqlalchemy import Engine

    from huracan.health.overview import answer_of, read_health
    from huracan.trader.accounts import stored_account
    from huracan.trader.status import read_status

    assert isinstance(engine, Engine)
    execution = settings.execution
    async with stored_account(engine, execution.account, execution.database_timeout_s) as account:
        found = await read_status(account.store, account.views, now_ms)
    mode: Literal["paper", "live"] = "live" if found.mode == "live" else "paper"
    return answer_of(found, read_health(engine, settings, execution.account, mode, now_ms), settings, now_ms)


def _print(found: Found) -> None:
    from rich.console import Console

    from huracan.commands.status_screen import screen

    stdout = sys.stdout
    console = Console(file=stdout, width=None if stdout.isatty() else 120, highlight=False, markup=False)
    console.print(screen(found, console.width))


def _watch(settings: "Settings", every_s: float) -> None:
    """Show the screen again and again; a look that fails is said on it, and the next one is tried."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from huracan.commands.status_screen import screen
    from huracan.errors import HuracanError

    console = Console(highlight=False, markup=False)
    last = find(settings)
    with Live(screen(last, console.width), console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            time.sleep(every_s)
            try:
                last = find(settings)
                live.update(screen(last, console.width), refresh=True)
            except HuracanError as error:
                live.update(Text(f"{error}\n"), refresh=True)
