"""`huracan trade`: the process that trades one account; start, stop, status, and the locks of its coins."""

import asyncio
import os
import random
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from huracan.commands.beside import beside
from huracan.commands.hosted import agree, served_at, start_hosted, stop_hosted
from huracan.commands.replay import replay
from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from huracan.config import Settings
    from huracan.execution.postgres_store import PostgresStore
    from huracan.memory.registry import Registry
    from huracan.signals.versions import Versions
    from huracan.trader.access import Access, Mode
    from huracan.trader.accounts import StoredAccount
    from huracan.trader.beside import StoredBeside
    from huracan.trader.decided import DecisionLog
    from huracan.trader.meters import Meter, MeteredStore
    from huracan.trader.pulse import StoredPulse
    from huracan.trader.restricting import AccountRestrictions
    from huracan.trader.status import Holding, Status
    from huracan.trader.views import Holder, Views
    from huracan.trader.wiring import Setup

__all__ = ["trade"]

_STOP_MARGIN_S = 15.0
_STOP_PAUSE_S = 0.1


@click.group()
def trade() -> None:
    """Trade an account by the served versions or a script of decisions, at a paper exchange or for real."""


trade.add_command(replay)
trade.add_command(beside)


@command(trade, "start")
@click.option("--paper", is_flag=True, help="At a paper exchange, by --url or execution.url.")
@click.option("--live", is_flag=True, help="For real money, at the real exchange; asks for the account's name.")
@click.option(
    "--script",
    "script_path",
    type=click.Path(path_type=Path),
    help="JSON lines of decisions; without it the served versions decide, live the champions alone.",
)
@click.option("--url", help="REST address of the paper exchange; default: execution.url.")
@click.option("--ws-url", help="Its WebSocket address; default: execution.websocket_url, else that of --url.")
@click.option("--account", help="Name of the account; default: execution.account.")
@click.option(
    "--symbol",
    "symbols",
    multiple=True,
    help="A market beside those of the script, or to be traded by the versions; repeatable.",
)
@click.option("--credentials", type=click.Path(path_type=Path), help="0600 YAML file with api_key and secret.")
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, help="Seconds to wait for another trader's lease.")
@click.option("--here", is_flag=True, help="In this process, also when `huracan serve up` has a cluster for it.")
@click.option("--accept-balances", is_flag=True, help="Book balances that differ as a deposit or withdrawal.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    help="Port of Prometheus metrics on loopback; 0: free; not on a cluster.",
)
def start(
    terminal: Terminal,
    paper: bool,
    live: bool,
    script_path: Path | None,
    url: str | None,
    ws_url: str | None,
    account: str | None,
    symbols: tuple[str, ...],
    credentials: Path | None,
    wait: float,
    here: bool,
    accept_balances: bool,
    metrics_port: int | None,
) -> None:
    """Trade until Ctrl-C or SIGTERM: then entries are taken back, brackets stay, the account is let go of.

    On paper, without a script and with `huracan serve up`, the trader is an actor of that cluster and the command
    returns; `huracan trade stop` ends it.
    """
    from huracan.clock import WallClock
    from huracan.config import home_folder
    from huracan.errors import UsageError
    from huracan.execution.failpoints import kill_at
    from huracan.market import timeframe_ms
    from huracan.trader.access import access_of
    from huracan.trader.pulse import expected_of
    from huracan.trader.script import load_script
    from huracan.trader.wiring import Setup

    if paper == live:
        raise UsageError("give either --paper or --live")
    settings = terminal.settings(
        execution__url=url,
        execution__websocket_url=ws_url,
        execution__account=account,
        data__symbols=symbols or None,
    )
    expected_of(settings.health, "live" if live else "paper")  # refused before anything is asked or opened
    if paper and not here and script_path is None and (address := served_at(settings)) is not None:
        travels = {"execution.url": url, "execution.websocket_url": ws_url, "data.symbols": list(symbols) or None}
        given = {name: value for name, value in travels.items() if value is not None}
        if metrics_port is not None:
            raise UsageError(
                "--metrics-port has no effect on the serve cluster, whose figures Ray's agents tell (docs/metrics.md): "
                "leave it out, or trade in this process with --here"
            )
        settings = agree(terminal, given, account)
        start_hosted(terminal, settings, address, given, credentials, wait, accept_balances)
        return
    script = None if script_path is None else load_script(script_path, timeframe_ms(settings.data.traded_timeframe))
    access = access_of(settings.execution, "live" if live else "paper", home_folder(), credentials)
    if live:
        _confirm(access)
    measured = None if metrics_port is None else _metrics(metrics_port)

    def setup(rows: "Rows") -> Setup:
        rows = rows if measured is None else _measured(rows, measured, access.account)
        return Setup(
            settings=settings,
            access=access,
            script=script,
            store=rows.store,
            views=rows.views,
            decisions=rows.decisions,
            beside=rows.beside,
            versions=None if script is not None else _versions(rows, settings, access.mode),
            home=home_folder(),
            clock=WallClock(),
            rng=random.Random(),  # noqa: S311 (spreads retries, guards nothing)
            failpoints=kill_at(os.environ),
            restricting=rows.restricting,
            pulses=rows.pulses,
            lease_wait_s=wait,
            accept_balances=accept_balances,
        )

    caught, held = _trade(terminal, settings, access, setup)
    said = f"stopped trading: entries taken back; {_held(held)}"
    if caught is signal.SIGINT:
        raise KeyboardInterrupt(said)
    click.echo(said, err=True)


def _metrics(port: int) -> "Meter":
    """Return what measures the trader, told to Prometheus at a port of loopback."""
    from huracan.trader.meters import METRICS
    from huracan.trader.prometheus import PrometheusMeter

    meter = PrometheusMeter(METRICS)
    click.echo(f"metrics at {meter.serve(port)}", err=True)
    return meter


def _measured(rows: "Rows", meter: "Meter", account: str) -> "Rows":
    """Return the rows with everything that passes through them measured."""
    from huracan.clock import WallClock
    from huracan.trader.meters import MeteredDecisions, MeteredStore, MeteredViews, Since

    since = Since()
    return replace(
        rows,
        store=MeteredStore(rows.store, meter, WallClock(), since),
        views=MeteredViews(rows.views, meter, account),
        decisions=MeteredDecisions(rows.decisions, meter, account, since),
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """An account in the database, and the registry beside it."""

    store: "PostgresStore | MeteredStore"
    views: "Views"
    decisions: "DecisionLog"
    beside: "StoredBeside"
    restricting: "AccountRestrictions"
    pulses: "StoredPulse"
    registry: "Registry"


def _versions(rows: Rows, settings: "Settings", mode: "Mode") -> "Versions":
    """Return the versions that decide, and say of each what it is worth."""
    from huracan.errors import RefusedError
    from huracan.memory.registry import standing
    from huracan.signals.versions import Versions

    versions = Versions(rows.registry.models, mode, settings.serve.versions)
    versions.refresh()
    if versions.problem:
        raise RefusedError(versions.problem)
    if not versions.book.loaded:
        wanted = "champion; promote a version" if mode == "live" else "version; train one"
        raise RefusedError(f"the registry has no {wanted}, or give a --script")
    for one in versions.book.loaded:
        served = one.served
        click.echo(f"{served.version} decides on {served.scope}: {standing(served.stage, served.proven)}", err=True)
    return versions


def _held(rows: "Sequence[Holding] | None") -> str:
    """Return in words what is held, and what of it has a stop at the venue."""
    if rows is None:
        return "the database does not say what is held"
    safe, bare = sum(row.protected for row in rows), [row for row in rows if not row.protected]
    words = f"{len(rows)} position{'' if len(rows) == 1 else 's'}"
    if safe:
        words += f", {safe} with {'its bracket' if safe == 1 else 'brackets'} at the venue"
    if bare:
        words += f", {', '.join(f'{row.symbol} {row.quantity}' for row in bare)} WITHOUT a stop"
    return words


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


def _trade(
    terminal: Terminal, settings: "Settings", access: "Access", setup: Any
) -> "tuple[signal.Signals, Sequence[Holding] | None]":
    """Open the database, trade, and return the signal that ended it, and what is held then."""
    import huracan
    from huracan.execution.postgres_store import PostgresStore
    from huracan.memory import open_database, run
    from huracan.memory.registry import Registry
    from huracan.trader.accounts import run_kind
    from huracan.trader.beside import StoredBeside
    from huracan.trader.decided import AccountDecisions
    from huracan.trader.pulse import StoredPulse
    from huracan.trader.restricting import AccountRestrictions
    from huracan.trader.views import AccountViews

    engine = open_database(settings.database)
    timeout_s = settings.execution.database_timeout_s
    try:
        with run(engine, run_kind(access.mode), settings, "", huracan.__version__) as run_id:
            rows = Rows(
                PostgresStore(engine, access.account, run_id, timeout_s),
                AccountViews(engine, access.account, timeout_s),
                AccountDecisions(engine, access.account, timeout_s),
                StoredBeside(engine, access.account, run_id, timeout_s),
                AccountRestrictions(engine, access.account, timeout_s),
                StoredPulse(engine, timeout_s),
                Registry(engine),
            )
            return asyncio.run(_serve(terminal, setup(rows)))
    finally:
        engine.dispose()


async def _serve(terminal: Terminal, setup: "Setup") -> "tuple[signal.Signals, Sequence[Holding] | None]":
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
                "versions": {name: asdict(one) for name, one in setup.book.versions.items()},
                "pid": os.getpid(),
                "market_ms": trader.market_ms,
                "state": trader.state,
            }
            terminal.show(
                facts,
                f"trading {facts['account']} ({facts['mode']}, {facts['state']}): {', '.join(trader.symbols)}; "
                "Ctrl-C ends it",
            )
            sys.stdout.flush()
            await trader.run(stop)
            return caught[0], await trader.held()
    finally:
        parts = (setup.store, setup.views, setup.decisions, setup.restricting, setup.pulses, setup.beside)
        await asyncio.gather(*(part.close() for part in parts if part is not None))


@command(trade, "stop")
@click.option("--account", help="Name of the account; default: execution.account.")
def stop(terminal: Terminal, account: str | None) -> None:
    """Stop the trader of an account on this machine, as Ctrl-C would, and wait until it has let go."""
    from huracan.errors import RefusedError, UsageError
    from huracan.trader.access import process_of

    settings = terminal.settings(execution__account=account)
    name = settings.execution.account
    if (hosted := stop_hosted(settings)) is not None:
        terminal.show({"account": name, "stopped": True, "holder": f"process {hosted}"}, f"stopped process {hosted}")
        return
    holder = _holder(settings)
    if holder is None:
        terminal.show({"account": name, "stopped": False}, f"no trader runs for {name}")
        return
    number = process_of(holder.name)
    if number is None:
        raise UsageError(f"{holder.name} holds {name}, which is no trader on this machine; stop it where it runs")
    os.kill(number, signal.SIGTERM)
    give_up = time.monotonic() + settings.execution.drain_s + _STOP_MARGIN_S
    while process_of(holder.name) is not None:
        if time.monotonic() > give_up:
            raise RefusedError(f"{holder.name} did not end within {settings.execution.drain_s:g} s; use `huracan halt`")
        time.sleep(_STOP_PAUSE_S)
    terminal.show({"account": name, "stopped": True, "holder": holder.name}, f"stopped {holder.name}")


@command(trade, "status")
@click.option("--account", help="Name of the account; default: execution.account.")
def status(terminal: Terminal, account: str | None) -> None:
    """Show positions, orders, limits used, locks and trading state, from the database alone."""
    from huracan.clock import WallClock
    from huracan.trader.status import read_status

    settings = terminal.settings(execution__account=account)

    async def read(found: "StoredAccount") -> "Status":
        return await read_status(found.store, found.views, WallClock().now_ms())

    found: Status = _with_account(settings, read)
    terminal.show(found, lambda: _print_status(terminal, found))


def _print_status(terminal: Terminal, found: "Status") -> None:
    from huracan.market import format_ms

    def moment(at_ms: int | None) -> str | None:
        return None if at_ms is None else format_ms(at_ms)

    facts = [
        ("account", f"{found.account} ({found.mode or 'never traded'})"),
        ("state", f"{found.state}, {found.state_author}: {found.state_reason}"),
        ("breaker", found.breaker or "closed"),
        ("trader", f"{found.holder}, lease for {found.holder_for_s:.0f} s" if found.holder else "none runs"),
        ("started with agreeing books", moment(found.reconciled_ms)),
        ("last close", moment(found.market_ms)),
        ("equity", None if found.equity is None else f"{float(found.equity):,.2f} {found.currency}"),
        ("day", None if found.day_result is None else f"{found.day_result:+,.2f} {found.currency}"),
        ("orders of unknown fate", found.unknown),
    ]
    terminal.table("", ("what", "value"), facts)
    positions = [(row.symbol, row.quantity, row.price, row.value, row.result) for row in found.positions]
    terminal.table("positions", ("symbol", "quantity", "price", "value", "result"), positions)
    orders = [
        (row.cid, row.list_cid, row.symbol, row.side, row.kind, row.status, row.quantity, row.filled, row.price,
         row.stop_price)
        for row in found.orders
    ]  # fmt: skip
    columns = ("order", "list", "symbol", "side", "kind", "status", "quantity", "filled", "price", "stop")
    asked = "" if found.holder else ", as the ledger has them; no trader runs that would ask the venue"
    terminal.table(f"open orders{asked}", columns, orders)
    limits = [(row.name, f"{row.used:.4g}", None if row.limit is None else f"{row.limit:g}") for row in found.limits]
    terminal.table("limits", ("limit", "used", "allowed"), limits)
    locks = [(row.symbol, row.code, moment(row.until_ms) or "unlocked", row.author, row.detail) for row in found.locks]
    terminal.table("locks", ("symbol", "code", "until", "by", "why"), locks)


@command(trade, "lock")
@click.argument("symbol")
@click.option("--for", "length", help="How long, e.g. 90m, 2h, 1d of market time; default: until it is unlocked.")
@click.option("--reason", required=True, help="Why, one line; it is stored.")
@click.option("--account", help="Name of the account; default: execution.account.")
def lock(terminal: Terminal, symbol: str, length: str | None, reason: str, account: str | None) -> None:
    """Keep entries out of SYMBOL, or with '*' out of every market; exits go on."""
    from huracan.clock import WallClock
    from huracan.execution.model import Lock
    from huracan.trader.access import person

    settings = terminal.settings(execution__account=account)
    _check_lock(symbol, reason)
    length_ms = None if length is None else _length_ms(length)

    async def write(found: "StoredAccount") -> Lock:
        view = await found.views.load()
        now_ms = WallClock().now_ms() if view is None else view.market_ms
        until_ms = None if length_ms is None else now_ms + length_ms
        return await found.store.put_lock(Lock(symbol, "MANUAL", reason, person(), now_ms, until_ms))

    written: Lock = _with_account(settings, write)
    terminal.show(written, f"locked {symbol}{f' for {length}' if length else ' until it is unlocked'}")


@command(trade, "unlock")
@click.argument("symbol")
@click.option("--reason", required=True, help="Why, one line; it is stored.")
@click.option("--account", help="Name of the account; default: execution.account.")
def unlock(terminal: Terminal, symbol: str, reason: str, account: str | None) -> None:
    """Lift every lock of SYMBOL; with '*' those of all markets together, not those of single ones."""
    from huracan.clock import WallClock
    from huracan.trader.access import person

    settings = terminal.settings(execution__account=account)
    _check_lock(symbol, reason)

    async def end(found: "StoredAccount") -> int:
        rows = [row for row in await found.store.locks() if row.symbol == symbol]
        now_ms = WallClock().now_ms()
        ended = [await found.store.end_lock(row.lock_id, person(), reason, now_ms) for row in rows]
        return sum(ended)

    count: int = _with_account(settings, end)
    terminal.show({"symbol": symbol, "ended": count}, f"lifted {count} locks of {symbol}")


def _check_lock(symbol: str, reason: str) -> None:
    from huracan.errors import UsageError

    if symbol != "*" and (symbol.count("/") != 1 or symbol.strip() != symbol):
        raise UsageError(f"{symbol!r} is no market; write it as ccxt does, e.g. BTC/USDT, or '*' for every one")
    if not reason.strip():
        raise UsageError("--reason is empty; say why in one line")


def _length_ms(text: str) -> int:
    from huracan.errors import UsageError

    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    if found is None:
        raise UsageError(f"--for {text}: no length; write 90m, 2h or 1d")
    return int(found[1]) * {"m": 60_000, "h": 3_600_000, "d": 86_400_000}[found[2]]


def _holder(settings: "Settings") -> "Holder | None":
    async def read(found: "StoredAccount") -> "Holder | None":
        return await found.views.holder()

    holder: Holder | None = _with_account(settings, read)
    return holder


def _with_account(settings: "Settings", work: "Callable[[StoredAccount], Awaitable[Any]]") -> Any:
    """Run something with an account's rows."""
    from huracan.memory import open_database
    from huracan.trader.accounts import stored_account

    engine = open_database(settings.database)

    async def run() -> Any:
        execution = settings.execution
        async with stored_account(engine, execution.account, execution.database_timeout_s) as found:
            return await work(found)

    try:
        return asyncio.run(run())
    finally:
        engine.dispose()
