"""`huracan paper-exchange`: a Binance-compatible exchange over a folder of candles, until it is told to stop."""

import asyncio
import contextlib
import json
import math
import signal
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, command

if TYPE_CHECKING:
    from huracan.config import Settings
    from huracan.paper import PaperAccount, PaperExchange, PaperSettings, RateLimits
    from huracan.paper.keys import Keys
    from huracan.paper.load import LoadedMarkets
    from huracan.paper.server import PaperServer

__all__ = ["paper_exchange"]


@click.group()
def _program() -> None:
    """Hold the command below, which stands directly under the program."""


@command(_program, "paper-exchange")
@click.option("--data", type=PLACE, help="Folder of candles; default: data.folder.")
@click.option("--speed", help="Market seconds per wall second, e.g. 60x; default: paper.speed.")
@click.option("--lockstep", is_flag=True, help="Market time moves by POST /admin/ack alone.")
@click.option("--symbol", "symbols", multiple=True, help="ccxt symbol to list; repeatable; default: all.")
@click.option("--start", help="Market time at the opening, ISO 8601, UTC; default: the middle of the candles.")
@click.option("--host", help="Address to bind to; default: paper.host, this machine alone.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port, 0 for a free one; default: paper.port.")
@click.option("--seed", type=int, help="Of everything the exchange draws; default: paper.seed.")
@click.option("--account", "accounts", multiple=True, default=("main",), show_default=True, help="Name; repeatable.")
@click.option(
    "--balance", "balances", multiple=True, metavar="ASSET=AMOUNT", help="Of each account; default: the paper wallet."
)
@click.option("--fee-asset", help="Asset that pays commissions while there is enough of it, e.g. BNB.")
@click.option("--weight-limit", type=click.IntRange(min=1), help="Request weight per address and minute.")
@click.option("--order-limit", type=click.IntRange(min=1), help="Unfilled orders per account and 10 s; a day: x 2,000.")
@click.option("--faults", "faults_path", type=click.Path(path_type=Path), help="JSON file of faults from the start on.")
@click.option("--keys", "keys_path", type=click.Path(path_type=Path), help="Default: paper/keys.json in the home.")
@click.option("--state", "state_path", type=click.Path(path_type=Path), help="File to go on from, saved at the end.")
def paper_exchange(
    terminal: Terminal,
    data: Location | None,
    speed: str | None,
    lockstep: bool,
    symbols: tuple[str, ...],
    start: str | None,
    host: str | None,
    port: int | None,
    seed: int | None,
    accounts: tuple[str, ...],
    balances: tuple[str, ...],
    fee_asset: str | None,
    weight_limit: int | None,
    order_limit: int | None,
    faults_path: Path | None,
    keys_path: Path | None,
    state_path: Path | None,
) -> None:
    """Serve Binance spot's REST and WebSocket protocols over a folder of candles, until Ctrl-C or SIGTERM."""
    from huracan.clock import WallClock
    from huracan.config import home_folder
    from huracan.errors import ConfigError, UsageError
    from huracan.market import parse_ms
    from huracan.paper import PaperExchange
    from huracan.paper.keys import open_keys
    from huracan.paper.load import default_start_ms, load_markets
    from huracan.paper.replay import parse_speed
    from huracan.paper.saved import fingerprint, load_state, save_state
    from huracan.paper.server import PaperServer, ServerSettings

    if lockstep and speed is not None:
        raise UsageError("--lockstep has no speed: market time moves by acks; give one of the two")
    pace = None if speed is None else parse_speed(speed)
    settings = terminal.settings(paper__speed=pace, paper__host=host, paper__port=port, paper__seed=seed)
    folder = data or settings.data.folder
    if folder is None:
        raise ConfigError("no folder of candles; give --data, or set data.folder")
    loaded = load_markets(folder, settings, symbols)
    start_ms = default_start_ms(loaded, None if start is None else parse_ms(start))
    limits = _limits(weight_limit, order_limit, 1.0 if lockstep else settings.paper.speed)
    rules = _rules(settings, loaded, start_ms, lockstep, limits, faults_path)
    amounts = _balances(balances, settings, loaded)
    keys_path = keys_path or home_folder() / "paper" / "keys.json"
    keys = open_keys(keys_path, accounts)
    owners = _accounts(keys, accounts, amounts, fee_asset)
    exchange = PaperExchange(rules, loaded.markets, owners, settings.paper.seed, WallClock())
    mark = fingerprint(rules, loaded.markets, owners, settings.paper.seed)
    if state_path is not None and (state := load_state(state_path, mark)) is not None:
        exchange.restore(state)

    def save() -> Path:
        assert state_path is not None
        save_state(state_path, mark, exchange.snapshot())
        return state_path

    served = ServerSettings(
        admin_token=keys.admin_token,
        host=settings.paper.host,
        port=settings.paper.port,
        speed=None if lockstep else settings.paper.speed,
    )
    server = PaperServer(exchange, served, save if state_path is not None else None)
    facts = _facts(loaded, exchange, served.speed, accounts, keys_path)
    caught = asyncio.run(_serve(server, lambda: _announce(terminal, server, facts)))
    ending = f"state saved in {save()}" if state_path is not None else "nothing was saved"
    if caught is signal.SIGINT:
        raise KeyboardInterrupt(f"paper exchange closed, {ending}")
    click.echo(f"paper exchange closed, {ending}", err=True)


def _limits(weight_limit: int | None, order_limit: int | None, speed: float) -> "RateLimits":
    """Return the limits; the exchange's own grow with the pace, at which a client does as much in less time."""
    from huracan.paper import RateLimits

    usual, times = RateLimits(), max(1, math.ceil(speed))
    orders = times * usual.orders_10s if order_limit is None else order_limit
    return RateLimits(
        weight_1m=times * usual.weight_1m if weight_limit is None else weight_limit,
        orders_10s=orders,
        orders_1d=orders * (usual.orders_1d // usual.orders_10s),
    )


def _rules(
    settings: "Settings",
    loaded: "LoadedMarkets",
    start_ms: int,
    lockstep: bool,
    limits: "RateLimits",
    faults_path: Path | None,
) -> "PaperSettings":
    from huracan.errors import UsageError
    from huracan.paper import NO_FAULTS, Latency, PaperSettings
    from huracan.paper.faults import faults_from_json

    faults = NO_FAULTS
    if faults_path is not None:
        try:
            text = faults_path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{faults_path} cannot be read: {error}; give a JSON file of faults") from None
        faults, script = faults_from_json(text)
        if script:
            raise UsageError(f"{faults_path}: single faults are for POST /admin/faults; give probabilities here")
    paper = settings.paper
    delays = {name: getattr(paper, name) for name in Latency.__dataclass_fields__}
    return PaperSettings(
        start_ms=start_ms,
        lockstep=lockstep,
        share_num=loaded.kernel.share_num,
        share_den=loaded.kernel.share_den,
        stop_slip_range_frac=loaded.kernel.stop_slip_range_frac,
        latency=Latency(**delays),
        limits=limits,
        faults=faults,
    )


def _balances(given: Sequence[str], settings: "Settings", loaded: "LoadedMarkets") -> dict[str, Decimal]:
    """Return the free amounts of each account: those given, or the paper wallet in each quote currency."""
    from huracan.errors import UsageError

    if not given:
        wallet = Decimal(str(settings.risk.dry_run_wallet)) * Decimal(str(settings.trading.account_to_quote_rate))
        return {market.quote: wallet for market in loaded.markets}
    amounts: dict[str, Decimal] = {}
    for item in given:
        asset, _, text = item.partition("=")
        amount = None
        with contextlib.suppress(InvalidOperation):
            amount = Decimal(text)
        if not asset.strip() or amount is None or not amount.is_finite() or amount < 0:
            raise UsageError(f"--balance {item}: not of the form ASSET=AMOUNT, e.g. USDT=100000")
        amounts[asset.strip().upper()] = amount
    return amounts


def _accounts(
    keys: "Keys", names: Sequence[str], amounts: dict[str, Decimal], fee_asset: str | None
) -> "list[PaperAccount]":
    from huracan.paper import PaperAccount

    found = []
    for name in dict.fromkeys(names):
        key = keys.accounts[name]
        found.append(PaperAccount(name, key.api_key, key.secret, dict(amounts), fee_asset=fee_asset))
    return found


def _facts(
    loaded: "LoadedMarkets", exchange: "PaperExchange", speed: float | None, accounts: Sequence[str], keys_path: Path
) -> dict[str, Any]:
    from huracan.market import format_ms

    return {
        "mode": "lockstep" if speed is None else "replay",
        "speed": speed,
        "accounts": list(dict.fromkeys(accounts)),
        "keys": str(keys_path.absolute()),
        "symbols": [market.symbol for market in loaded.markets],
        "timeframe": loaded.kernel.timeframe,
        "first_ms": loaded.first_ms,
        "now_ms": exchange.now_ms,
        "end_ms": loaded.last_ms,
        "now": format_ms(exchange.now_ms),
        "end": format_ms(loaded.last_ms),
    }


def _announce(terminal: Terminal, server: "PaperServer", facts: dict[str, Any]) -> None:
    """Write the line that says where it is; a program that started us waits for it."""
    if terminal.as_json:
        urls = {"url": server.url, "ws_url": f"{server.ws_url}/stream/ws", "ws_api_url": f"{server.ws_url}/ws-api/v3"}
        click.echo(json.dumps({**urls, **facts}))
    else:
        pace = "lock-step" if facts["speed"] is None else f"{facts['speed']:g}x"
        click.echo(
            f"paper exchange on {server.url}, {pace}: {len(facts['symbols'])} markets of {facts['timeframe']} candles, "
            f"{facts['now']} to {facts['end']}; keys and admin token in {facts['keys']}; Ctrl-C ends it"
        )
    sys.stdout.flush()


async def _serve(server: "PaperServer", announce: Callable[[], None]) -> signal.Signals:
    """Serve until a signal comes, and return it; a defect of the exchange is raised."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[signal.Signals] = loop.create_future()

    def caught(number: signal.Signals) -> None:
        if not stop.done():
            stop.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, caught, number)
    await server.start()
    waiting: list[asyncio.Future[Any]] = [stop, asyncio.ensure_future(server.wait_failed())]
    try:
        announce()
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await server.stop()
    if not stop.done():
        await waiting[1]
    waiting[1].cancel()
    return stop.result()
