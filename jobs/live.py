"""What a training made, served and trading: candles it has not seen, through the paper exchange, in lock-step.

Everything is the stack that trades for good: feed, endpoint and execution actor on a Ray head of their own, the paper
exchange in a process of its own. They live in a folder of their own under HURACAN_HOME and are gone at the end.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
from sqlalchemy import Engine, text

from huracan.clock import WallClock
from huracan.config import Settings, home_folder, load_settings
from huracan.env.dataset import Dataset
from huracan.errors import HuracanError, ServeError
from huracan.features import FeatureFit
from huracan.learn.campaign import Campaign, Version
from huracan.logs import get_logger
from huracan.market import format_ms
from huracan.memory import Registry, TradeRows, database_url
from huracan.memory.database import translated
from huracan.paper.keys import open_keys
from huracan.policy import Policy, load_artefact
from huracan.report.model import PaperTrading
from huracan.shadow import PORTFOLIO_ACCOUNT, ByCoin, Fold, cut_tape, shadow_portfolio, stretches, trade_rows
from huracan.shadow.portfolio import Denial
from huracan.shadow.splits import Window
from huracan.signals.parity import compare, denials_of, stored_denials
from huracan.trader.accounts import stored_account
from huracan.trader.lockstep import LockStep
from huracan.trader.status import Status, read_status
from serve.cluster import free_port
from serve.execution import Orders
from serve.trading import start_trading
from serve.up import bring_up, cluster_address, take_down

__all__ = ["BARS_MAX", "CANDLES_MAX", "trade_unseen"]

BARS_MAX: Final = 1_200
"""Closes that are traded: twenty hours of minutes, in which positions open and end; fewer of many markets."""
CANDLES_MAX: Final = 7_200
"""Candles of all markets together, so that many of them take no longer."""
ACCOUNT: Final = "demo"
_FOLDER: Final = "demo"
_CONFIG: Final = "exchange.json"
_PID: Final = "exchange.pid"
_NO_LIMIT: Final = "1000000"
_LONGEST_S: Final = 240.0
_LAST_S: Final = 30.0
_SAY_S: Final = 5.0
_PAUSE_S: Final = 0.25


def trade_unseen(
    dataset: Dataset, fold: Fold, campaign: Campaign, engine: Engine, say: Callable[[str], None] = lambda words: None
) -> PaperTrading:
    """Serve the versions of the newest fold and let them trade the end of its test window; takes all down again.

    Args:
        dataset: the candles, under the rules that the run froze.
        fold: the newest.
        campaign: the finished training.
        engine: the database that the registry stands in.
        say: told how far it is.

    Raises:
        HuracanError: a part does not come up, or trading does not end in time.
    """
    versions = tuple(version for version in campaign.versions if version.fold == fold.index)
    window = _window(dataset, fold)
    names = _names(engine, versions)
    home = home_folder() / _FOLDER
    begun = time.perf_counter()
    say(f"serving {', '.join(name for name, _ in names)}: feed, endpoint and trader come up on a Ray head of their own")
    with _exchange(dataset, home, window) as (url, token, account):
        settings = _settings(dataset, home, url, account, tuple(name for name, _ in names))
        with _served(settings, home) as address:
            start_trading(address, Orders({}), home)
            up = time.perf_counter()
            asyncio.run(
                _until_end(LockStep(url, token, account, dataset.kernel.base_ms), window, dataset.kernel.base_ms, say)
            )
            status = asyncio.run(_settled(engine, account, settings, window.end_ms))
            traded = time.perf_counter()
    paper = asyncio.run(_closed(engine, account, settings))
    shadow, denials = _promised(dataset, fold, versions, window)
    refused = stored_denials(engine, account)
    parity = compare(shadow, paper, denials_of(denials), refused)
    return PaperTrading(
        account=account,
        versions=names,
        symbols=_spot(dataset),
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        closes=(window.end_ms - window.start_ms) // dataset.kernel.base_ms,
        decisions=_decided(engine, account),
        denials=len(refused),
        halted="" if status.state == "ACTIVE" else f"{status.state} by {status.state_author}: {status.state_reason}",
        trades=len(paper),
        open_trades=len(status.positions),
        net=float(paper.net.sum()),
        fees=abs(float(paper.fee.sum())),
        parity_trades=parity.trades,
        parity_denials=sum(parity.denials.values()),
        parity_lines=parity.lines(),
        parity_differences=len(parity.differences),
        up_s=up - begun,
        trade_s=traded - up,
    )


def _window(dataset: Dataset, fold: Fold) -> Window:
    base_ms = dataset.kernel.base_ms
    bars = min(BARS_MAX, CANDLES_MAX // len(dataset.summary.symbols))
    start_ms = max(fold.test.start_ms, fold.test.end_ms - bars * base_ms)
    return Window(start_ms, fold.test.end_ms)


def _names(engine: Engine, versions: Sequence[Version]) -> tuple[tuple[str, str], ...]:
    """Return name and standing of each version in the registry."""
    wanted = {version.sha256 for version in versions}
    newest: dict[str, tuple[str, str]] = {}
    for model in Registry(engine).models():
        if model.sha256 in wanted and model.stage != "retired":
            newest.setdefault(model.sha256, (model.version, model.standing))
    return tuple(sorted(newest.values()))


def _settings(dataset: Dataset, home: Path, url: str, account: str, versions: Sequence[str]) -> Settings:
    """Return the run's settings with the addresses of this exchange and of an endpoint of its own."""
    said = {
        "data.timeframe": dataset.kernel.timeframe,
        "execution.url": url,
        "execution.websocket_url": None,
        "execution.account": account,
        "serve.versions": list(versions),
        "serve.port": free_port(),
        "serve.dashboard_port": free_port(),
        "serve.record_books": False,
        "ray.address": None,
        "database.url": database_url(dataset.settings.database).get_secret_value(),
    }
    return load_settings(None, said, {}, dataset.settings.public())


@contextmanager
def _exchange(dataset: Dataset, home: Path, window: Window) -> Iterator[tuple[str, str, str]]:
    """Run the paper exchange over the run's candles; yields its address, its administrator's token, and the account."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = f"{ACCOUNT}-{time.time_ns() // 1_000_000}"  # its orders and trades stay; another run begins another
    config = home / _CONFIG
    config.write_text(json.dumps(dataset.settings.public()), encoding="utf-8")
    words = ["paper-exchange", "--json", "--config", str(config), "--lockstep", "--port", "0", "--account", account]
    words += ["--start", format_ms(window.start_ms), "--weight-limit", _NO_LIMIT, "--order-limit", _NO_LIMIT]
    words += [word for symbol in dataset.summary.symbols for word in ("--symbol", symbol)]
    _end_orphan(home)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HURACAN__")}
    log = home / "exchange.log"
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [str(Path(sys.executable).with_name("huracan")), *words],
            env=environ | {"HURACAN_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    (home / _PID).write_text(str(process.pid), encoding="utf-8")
    try:
        assert process.stdout is not None, "it is a pipe"
        line = process.stdout.readline()
        if not line:
            raise ServeError(f"the paper exchange does not start: {log.read_text(encoding='utf-8').strip()[-300:]}")
        facts = json.loads(line)
        yield facts["url"], open_keys(home / "paper" / "keys.json", ()).admin_token, account
    finally:
        process.terminate()
        process.wait()


def _end_orphan(home: Path) -> None:
    """End the exchange of a run that was killed before it could."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int((home / _PID).read_text(encoding="utf-8")))
        if {"paper-exchange", str(home / _CONFIG)} <= set(process.cmdline()):
            process.terminate()
            process.wait(_LAST_S)


def _spot(dataset: Dataset) -> tuple[str, ...]:
    return tuple(symbol for symbol in dataset.summary.symbols if ":" not in symbol)


@contextmanager
def _served(settings: Settings, home: Path) -> Iterator[str]:
    """Bring everything up for the block, and take it down after it."""
    take_down(settings, home)  # what a killed run has left
    try:
        bring_up(settings, home)
        address = cluster_address(settings, home)
        assert address is not None, "it was just started"
        yield address
    finally:
        try:
            take_down(settings, home)
        except HuracanError as error:
            get_logger().error("live.left_up", reason=str(error), home=str(home))


async def _until_end(step: LockStep, window: Window, base_ms: int, say: Callable[[str], None]) -> None:
    """Return when every bar of the exchange has closed.

    Raises:
        ServeError: trading stands still.
    """
    stood_s = said_s = time.monotonic()
    before, closes = (0, ""), (window.end_ms - window.start_ms) // base_ms
    try:
        while True:
            now = await step.look()
            if now.ended:
                return
            if (now.bar, now.stage) != before:
                before, stood_s = (now.bar, now.stage), time.monotonic()
            elif time.monotonic() - stood_s > _LONGEST_S:
                raise ServeError(f"trading stands still at bar {now.bar} ({now.stage}); look into the logs of the demo")
            if time.monotonic() - said_s > _SAY_S:
                said_s = time.monotonic()
                say(f"on paper: {(now.closed_ms(base_ms) - window.start_ms) // base_ms:,} of {closes:,} closes")
            await asyncio.sleep(_PAUSE_S)
    finally:
        await step.close()


async def _settled(engine: Engine, account: str, settings: Settings, end_ms: int) -> Status:
    """Return how the account stands once the last close is carried out.

    Raises:
        ServeError: it is not.
    """
    give_up_s = time.monotonic() + _LAST_S
    async with stored_account(engine, account, settings.execution.database_timeout_s) as found:
        while True:
            status = await read_status(found.store, found.views, WallClock().now_ms())
            if (status.market_ms or 0) >= end_ms:
                return status
            if time.monotonic() > give_up_s:
                raise ServeError(
                    f"the trader of {account} stands at {status.market_ms}, before the last close {end_ms}"
                )
            await asyncio.sleep(_PAUSE_S)


def _promised(
    dataset: Dataset, fold: Fold, versions: Sequence[Version], window: Window
) -> tuple[TradeRows, tuple[Denial, ...]]:
    """Return what portfolio shadow does with the same versions on the same candles."""
    tapes, policies = [], []
    for version in versions:
        artefact = load_artefact(version.artefact)
        fit = FeatureFit.from_json(json.dumps(artefact.card.fit))
        chosen = set(version.symbols) & set(_spot(dataset))
        for tape in dataset.fold_tapes(fit, artefact.memory, artefact.tree):
            if tape.symbol in chosen:
                tapes.append(cut_tape(tape, window, dataset.kernel.base_ms))
                policies.append(artefact.ensemble)
    order = sorted(range(len(tapes)), key=lambda n: tapes[n].symbol)
    tapes, policies = [tapes[n] for n in order], [policies[n] for n in order]
    policy: Policy = policies[0]
    if len(versions) > 1:
        policy = ByCoin(policies, stretches(tapes, window, dataset.kernel.base_ms))
    settings = dataset.settings
    found = shadow_portfolio(
        policy,
        tapes,
        window,
        dataset.kernel,
        settings.risk,
        account_to_quote_rate=settings.trading.account_to_quote_rate,
        name="promised",
        fold=fold.index,
    )
    return trade_rows(found.result, PORTFOLIO_ACCOUNT, dataset.layout), found.denials


def _decided(engine: Engine, account: str) -> int:
    """Return how many states were decided on."""
    with translated(engine), engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT coalesce(sum(cardinality(symbols)), 0) FROM decisions JOIN accounts USING (account_no) "
                "WHERE name = :account"
            ),
            {"account": account},
        ).scalar()
    return int(found or 0)


async def _closed(engine: Engine, account: str, settings: Settings) -> TradeRows:
    async with stored_account(engine, account, settings.execution.database_timeout_s) as found:
        return await found.store.closed_trades(0)
