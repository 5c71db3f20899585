"""Parity on the live stack: one case traded by portfolio shadow here, and by two processes over HTTP and Postgres."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import FeatureSettings, Settings, load_settings
from huracan.features import HEAD_SIZE, MARKET_SIZE, FeatureFit, apply_fit, compute_raw
from huracan.market import Candles, CandleStore
from huracan.memory import Registry, TradeRows, open_run, select_trades
from huracan.policy import Decision, load_artefact
from huracan.shadow.collect import Confident
from huracan.shadow.portfolio import PortfolioResult, shadow_portfolio
from huracan.shadow.rows import trade_rows
from huracan.shadow.splits import Window
from huracan.signals.parity import ParityReport, compare, denials_of, stored_denials
from huracan.trading import (
    Action,
    ExitReason,
    Tape,
    build_cost_table,
    build_tape,
    infer_instrument,
    legal_actions,
    resolve_settings,
)
from huracan.trading.slot import SLOT
from tests.signals.serving import export
from tests.trader.processes import World

BASE_MS = 60_000
WAYS_OUT = (ExitReason.POLICY_EXIT, ExitReason.STOP_LOSS, ExitReason.TAKE_PROFIT, ExitReason.TIME_LIMIT)
WITHOUT_END = "1000000000"
BESIDE = "live-parity-beside"
"""The same policy once more, in stage shadow."""
TRADER = Path(__file__).with_name("live_trader.py")


class Eager:
    """Decides by the bits of the state: enters and leaves often, in all sizes, for no reason at all.

    Whoever has another bit in his state decides otherwise, so that nothing of it can differ unnoticed.
    """

    name = "eager"

    def __init__(self, enter: int = 4, leave: int = 12) -> None:
        self.enter, self.leave = enter, leave

    def decide(self, states: NDArray[np.float32]) -> Decision:
        """Return an action of every state and how sure nobody is of it."""
        bits = np.ascontiguousarray(states).view(np.uint32)[:, :MARKET_SIZE].astype(np.uint64)
        weights = np.arange(1, 2 * MARKET_SIZE, 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        draw = ((bits * weights).sum(axis=1) >> np.uint64(33)).astype(np.int64)
        legal, count = legal_actions(states), len(states)
        entry = np.where(draw % self.enter == 0, 1 + draw // self.enter % 3, int(Action.DO_NOTHING))
        held = np.where(draw % self.leave == 0, int(Action.EXIT), int(Action.HOLD))
        action = np.where(legal[:, int(Action.HOLD)], held, entry)
        action = np.where(legal[np.arange(count), action], action, int(Action.DO_NOTHING))
        confidence = (draw % 1_000 / 1_000).astype(np.float32)
        probs = np.zeros((count, 6), np.float32)
        return Decision(action, np.zeros(count, np.float32), probs, np.zeros(count, np.float32), confidence)

    def act(self, states: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the actions alone."""
        return self.decide(states).action


@dataclass
class Case:
    """What is traded on both sides.

    Attributes:
        candles: by symbol, from long before the start; they end with the case.
        start_ms: first decision, ms UTC.
        settings: dotted keys of the configuration.
        policy: decides, on both sides.
        shadow_settings: dotted keys in which shadow differs: a deliberate error.
        version: name of the version in the registry whose artefact the live side serves; "": `policy` itself.
        known: the fit that the policy was trained with; None: one on everything before the start.
    """

    candles: Mapping[str, Candles]
    start_ms: int
    settings: Mapping[str, Any]
    policy: Confident = field(default_factory=Eager)
    shadow_settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    known: FeatureFit | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets, sorted."""
        return tuple(sorted(self.candles))

    @property
    def end_ms(self) -> int:
        """Return when the last bar closes."""
        return max(int(rows.timestamp[-1]) for rows in self.candles.values()) + BASE_MS

    def configuration(self, **more: Any) -> Settings:
        """Return the configuration of one side."""
        return load_settings(None, {**self.settings, "data.symbols": list(self.symbols), **more}, {})

    @cached_property
    def fit(self) -> FeatureFit:
        """Return the features' fit."""
        if self.known is not None:
            return self.known
        settings = self.configuration()
        interval = resolve_settings(settings.trading, "1m").decision_interval_bars
        past = {symbol: rows.between(0, self.start_ms) for symbol, rows in self.candles.items()}
        raw = compute_raw(past, FeatureSettings(), interval, None)
        first = min(int(rows.timestamp[0]) for rows in past.values())
        return FeatureFit.fit(raw, first, self.start_ms, 1)

    def left_open(self) -> Mapping[str, bytes]:
        """Return shadow's slots by symbol after the last close, on which nobody decides, with what is open kept.

        Shadow sells at its last bar; so it is given one more, which is never traded.
        """
        return self.shadow({symbol: _one_more(rows) for symbol, rows in self.candles.items()}, self.end_ms).slots

    def shadow(self, candles: Mapping[str, Candles] | None = None, until_ms: int | None = None) -> PortfolioResult:
        """Trade the case in portfolio shadow; `candles` may hold a deliberate error."""
        settings = self.configuration(**self.shadow_settings)
        kernel, found = resolve_settings(settings.trading, "1m"), candles or self.candles
        raw = compute_raw(found, FeatureSettings(), kernel.decision_interval_bars, None)
        tapes: list[Tape] = []
        for symbol in sorted(found):
            instrument = infer_instrument(self.candles[symbol], kernel)
            costs = build_cost_table(self.candles[symbol], instrument, kernel)
            tape = build_tape(found[symbol], raw[symbol], instrument, costs, kernel)
            features = np.zeros((len(tape.rows), HEAD_SIZE), np.float32)
            features[:, :MARKET_SIZE] = apply_fit(self.fit, raw[symbol])
            tapes.append(tape.with_features(features))
        window = Window(self.start_ms, max(int(rows.timestamp[-1]) for rows in found.values()) + BASE_MS)
        return shadow_portfolio(
            self.policy,  # type: ignore[arg-type]
            tapes,
            window,
            kernel,
            settings.risk,
            name="live-parity",
            fold=0,
            until_ms=until_ms,
        )

    def served_as(self, name: str, folder: Path, engine: Engine, least: int = 2, first: int = 1) -> "Case":
        """Return the case decided by networks: exported, registered, and served by name; the seed is printed.

        Args:
            name: of the version.
            folder: for artefacts.
            engine: database of the registry.
            least: trades that must end in each way.
            first: seed that is tried first.
        """
        kernel = resolve_settings(self.configuration().trading, "1m")
        for seed in range(first, first + 40):
            place = folder / f"{name}-{seed}"
            artefact = export(place, seed, self.fit, kernel)
            found = replace(self, policy=load_artefact(place).ensemble, version=name)
            reasons = Counter(found.shadow().result.trades.reason.tolist())
            if min(reasons[reason] for reason in WAYS_OUT) >= least:
                print(f"seed {seed}, in shadow by reason {dict(reasons)}")
                run_id = open_run(engine, "train", Settings(), "ab" * 32, __version__)
                Registry(engine).register(run_id, name, "*", str(place), artefact.sha256, {}, "tests")
                return found
        raise AssertionError("no seed trades and leaves in every way")


@dataclass
class Live:
    """What the live stack made of a case.

    Attributes:
        engine: the database that it wrote to.
        account: its account.
        slots: bytes of each market's slot after the last close, by symbol; a stop takes entries back.
    """

    engine: Engine
    account: str
    slots: Mapping[str, bytes] = field(default_factory=dict)

    def trades(self, mode: str = "paper") -> TradeRows:
        """Return the account's closed trades, or those that were traded beside it (`shadow`)."""
        values = {"account": self.account, "mode": mode}
        with self.engine.connect() as connection:
            cursor = connection.connection.cursor()
            return select_trades(cursor, "WHERE account = %(account)s AND mode = %(mode)s ORDER BY seq", values)

    def report(self, shadow: PortfolioResult) -> ParityReport:
        """Compare with shadow."""
        rows = trade_rows(shadow.result, "portfolio")
        return compare(rows, self.trades(), denials_of(shadow.denials), stored_denials(self.engine, self.account))

    def count(self, query: str) -> int:
        """Return a number that a query over this account's rows gives; `:account` is its name."""
        with self.engine.connect() as connection:
            return int(connection.execute(text(query), {"account": self.account}).scalar() or 0)

    @property
    def partial_maker_fills(self) -> int:
        """Return resting entries and targets that filled in part."""
        return self.count(
            "SELECT count(*) FROM fills f JOIN orders o USING (order_no) JOIN markets m ON m.market_no = f.market_no "
            "JOIN accounts a USING (account_no) WHERE a.name = :account AND f.maker AND f.quantity < o.quantity"
        )


def trade(case: Case, world: World, engine: Engine, account: str, wait_s: float) -> Live:
    """Trade a case on a paper exchange in lock-step, by a trader in a process of its own."""
    with trading(case, world, account) as (url, process):
        wait_for_end(world, url, account, process, wait_s)
        slots = slots_of(engine, account)
    return Live(engine, account, slots)


def slots_of(engine: Engine, account: str) -> dict[str, bytes]:
    """Return the slots that are stored, by symbol, without what stands beside them."""
    query = "SELECT symbol, data FROM slots JOIN accounts USING (account_no) WHERE name = :account"
    with engine.connect() as connection:
        rows = connection.execute(text(query), {"account": account})
        return {row[0]: bytes(row[1])[: SLOT.itemsize] for row in rows}


def slot_differences(shadow: Mapping[str, bytes], live: Mapping[str, bytes]) -> list[str]:
    """Return every field that is not the same on both sides, for people.

    A sale that falls due at the very last close is in shadow still to come; the exchange, whose time has ended, fills
    it at that close, which is no bar of anybody's: there live must have sold, and nothing else is compared.
    """
    if shadow.keys() != live.keys():
        return [f"shadow has {sorted(shadow)}, live has {sorted(live)}"]
    found = []
    for symbol in sorted(shadow):
        ours, theirs = (np.frombuffer(side[symbol], SLOT)[0] for side in (shadow, live))
        if ours["exit_mode"] and theirs["coins"] < ours["coins"]:
            continue
        names = [name for name in SLOT.names or () if ours[name] != theirs[name]]
        found += [f"{symbol}: {name} is {ours[name]} in shadow and {theirs[name]} live" for name in names]
    return found


@contextmanager
def trading(case: Case, world: World, account: str) -> Iterator[tuple[str, "TraderProcess"]]:
    """Run exchange and trader; the trader is stopped as a person stops it."""
    root = world.home / "candles" / account
    for rows in case.candles.values():
        CandleStore(root).write(rows)
    moment = np.datetime64(case.start_ms, "ms").astype("datetime64[s]")
    config = world.home / f"{account}.yaml"
    config.write_text(yaml.safe_dump(_tree({**case.settings, "data.folder": str(root / "1m")})))
    with world.program(
        "--config", str(config), "paper-exchange", "--json", "--data", str(root / "1m"), "--port", "0", "--lockstep",
        "--start", f"{moment}", "--account", account, "--weight-limit", WITHOUT_END, "--order-limit", "10000000",
    ) as (_, facts):  # fmt: skip
        world.url = facts["url"]
        (world.home / f"{account}.fit.json").write_text(case.fit.to_json())
        process = TraderProcess(case, world, account, config)
        process.start()
        try:
            yield world.url, process
            process.stop()
        finally:
            process.kill()


@dataclass
class TraderProcess:
    """The trader of a case; may be killed and started again."""

    case: Case
    world: World
    account: str
    config: Path
    process: subprocess.Popen[str] | None = None
    starts: int = 0
    errors: Path = Path()

    def start(self, dies_at: str = "") -> None:
        """Start it and wait until it trades, or until it is dead: `dies_at` names the place of its first entry."""
        self.starts += 1
        self.errors = self.world.home / f"{self.account}.{self.starts}.err"
        policy = self.case.policy
        given = {"enter": policy.enter, "leave": policy.leave} if isinstance(policy, Eager) else {}
        words = {
            "config": str(self.config),
            "fit": str(self.world.home / f"{self.account}.fit.json"),
            "url": self.world.url,
            "account": self.account,
            "symbols": list(self.case.symbols),
            "policy": given,
            "version": self.case.version,
            "dies_at": dies_at,
        }
        with self.errors.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.parity.live_trader", json.dumps(words)],
                env=self.world.environment,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        assert self.process.stdout is not None
        if dies_at:
            assert self.process.wait(120.0) == -signal.SIGKILL, self.errors.read_text()[-4_000:]
            self.kill()
            return
        line = self.process.stdout.readline()
        assert line.strip() == "trading", self.errors.read_text()[-4_000:]

    def decided(self) -> int:
        """Return how many decisions it has told of, over all its lives."""
        texts = (path.read_text() for path in self.world.home.glob(f"{self.account}.*.err"))
        return sum(found.count("trade.decision") for found in texts)

    @property
    def alive(self) -> bool:
        """Return whether it runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Stop it with SIGTERM and hold that it ends well."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(60.0) == 0, self.errors.read_text()[-4_000:]

    def kill(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(60.0)
            if self.process.stdout is not None:
                self.process.stdout.close()


def wait_for_end(world: World, url: str, account: str, process: TraderProcess, wait_s: float) -> None:
    """Wait until every bar has closed and the trader has carried out the last close."""
    give_up = time.monotonic() + wait_s
    while "trader.market_ended" not in process.errors.read_text():
        assert process.alive, process.errors.read_text()[-4_000:]
        assert time.monotonic() < give_up, (
            f"{account}: not over within {wait_s:g} s\n{process.errors.read_text()[-2_000:]}"
        )
        time.sleep(0.1)


def _one_more(rows: Candles) -> Candles:
    """Return candles whose last bar comes once more."""
    names = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")
    given = {name: getattr(rows, name) for name in names}
    columns = {name: np.append(values, values[-1]) for name, values in given.items() if values is not None}
    return replace(rows, timestamp=np.append(rows.timestamp, rows.timestamp[-1] + BASE_MS), **columns)


def _tree(dotted: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in dotted.items():
        section, _, key = name.partition(".")
        tree.setdefault(section, {})[key] = value
    return tree
