"""One decision round of 1,000 coins, for real: candles to features in stream, states, policies, risk's word on each.

Everything is the product's own: the feed's `Follower`, the `StateBook`, the `PolicyBook` with versions of three
networks of the default size, and the `RiskKeeper`. The account is flat: every entry is legal. Twenty coins want to
enter; apart from that once all of them do, which is the worst case for risk.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from huracan.config import FeatureSettings, load_settings
from huracan.execution.commands import ENTRIES
from huracan.execution.feed import ClosedCandle
from huracan.execution.feed import closes_of as bars_of
from huracan.execution.grid import Grid
from huracan.execution.positions import Position
from huracan.features import FeatureFit, compute_raw
from huracan.market import Candles, symbol_to_stem, write_candles
from huracan.patterns import state_layout
from huracan.policy import Ensemble, NetworkSpec, Normaliser, PolicyNet
from huracan.risk.breaker import Breaker
from huracan.risk.live import (
    Approval,
    CoinView,
    Denied,
    Entry,
    GateLimits,
    HaltPolicy,
    LockBook,
    OrderIntent,
    OrderRate,
    ReservationBook,
    Restrictions,
    RiskGate,
    RiskKeeper,
    RiskLimits,
    RiskView,
    StateRow,
    TradingState,
)
from huracan.signals.follower import Follower
from huracan.signals.history import History, closes_of, stored_candles
from huracan.signals.model import Decisions, MarketClose, ServedVersion
from huracan.signals.policies import EVERY_COIN, LoadedVersion, PolicyBook
from huracan.signals.states import Seat, StateBook
from huracan.trading import (
    Action,
    Instrument,
    Limits,
    build_cost_table,
    infer_instrument,
    resolve_settings,
)
from huracan.venue.klines import Kline
from huracan.venue.orders import MarketFilters, Side
from tests.bench.harness import Measurement
from tests.bench.markets import LEADER, martingales

COINS, ROUNDS, EAGER, INTERVAL = 1_000, 40, 20, 5
ROUNDS_ALL = 2
"""Rounds in which every coin wants to enter at once: risk is asked 1,000 times."""
WARM_BARS = 5_600
"""Bars of the past: the features' machines are warm after 5,040, the fit needs a hundred decisions."""
STAKE = Decimal(1_000)
AT_MS = 0
STAGES = ("features", "closes", "states", "policy", "risk")


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """What one decision round said and took.

    Attributes:
        close: of the feed.
        decisions: of the policies.
        verdicts: risk's word on every coin that wants to enter, by symbol.
        seconds: wall time by stage, in the order of `STAGES`.
        core_seconds: processor time of all stages.
    """

    close: MarketClose
    states: NDArray[np.float32]
    decisions: Decisions
    verdicts: Mapping[str, Approval | Denied]
    seconds: tuple[float, ...]
    core_seconds: float


class World:
    """Coins without an edge, followed and decided on in one process.

    Args:
        coins: number of markets.
        rounds: decision rounds that the candles last for.
        folder: scratch space for the past as Parquet.
        eager: coins with a version of their own that always wants to enter; the others' version never does.
        interval: bars between two decisions.
    """

    def __init__(self, coins: int, rounds: int, folder: Path, eager: int, interval: int = INTERVAL) -> None:
        settings = load_settings(overrides={"trading.decision_interval_bars": interval}, environ={})
        self.kernel = resolve_settings(settings.trading, "1m")
        self.candles = martingales(coins, WARM_BARS + rounds * interval)
        self._past_ms = int(self.candles[LEADER].timestamp[WARM_BARS])
        past = {name: rows.between(0, self._past_ms) for name, rows in self.candles.items()}
        for rows in past.values():
            write_candles(rows, folder / f"{symbol_to_stem(rows.symbol)}.parquet")
        raw = compute_raw(past, FeatureSettings(), interval, LEADER)
        first_ms = int(past[LEADER].timestamp[0])
        self.fit = FeatureFit.fit(raw, first_ms, self._past_ms, seed=1)
        del raw
        self.instruments = {name: infer_instrument(rows, self.kernel) for name, rows in self.candles.items()}
        self.costs = {n: build_cost_table(rows, self.instruments[n], self.kernel) for n, rows in self.candles.items()}
        self.positions = {name: Position(Grid.of(one), self.kernel.base_ms) for name, one in self.instruments.items()}
        self.limits = Limits.of(settings.risk)
        self.book = StateBook(self.limits, self.limits.wallet)
        names = tuple(sorted(self.candles))
        self._fit_name = self.fit.sha256
        own = [_version(self.fit, names, name, Action.ENTER_LONG_NORMAL) for name in names[: eager % coins]]
        rest = Action.ENTER_LONG_NORMAL if eager == coins else Action.DO_NOTHING
        self.policies = PolicyBook([*own, _version(self.fit, names, EVERY_COIN, rest)])
        self.follower = Follower(self.fit.context, tuple(self.candles), [self.fit])
        told = dict(_bars_of(past, self._past_ms - self.kernel.base_ms, self._past_ms))
        self.follower.start(History("1m", stored_candles(folder, "1m"), told))
        self._risk = settings.risk
        self.push_core_s: list[float] = []
        self._view = self._flat_view()
        self.keeper = self._keeper()

    @property
    def open_trades_max(self) -> int:
        """Return how many positions risk lets be open."""
        return self._risk.max_open_trades

    def rounds(self) -> Iterator[Round]:
        """Go through the closes after the past, one at a time; yield the rounds, a decision each."""
        for close_ms, bars in closes_of(self.candles, self._past_ms, 2**62):
            begun, core = time.perf_counter(), time.process_time()
            close = self.follower.push(close_ms, bars, False, close_ms)
            self.push_core_s.append(time.process_time() - core)
            features_s = time.perf_counter() - begun
            if close.fits[self._fit_name].due.any():
                yield self._decide(close, features_s, core)

    def _decide(self, close: MarketClose, features_s: float, core: float) -> Round:
        marks = [time.perf_counter()]
        rows = close.fits[self._fit_name]
        closed = {
            symbol: ClosedCandle(
                symbol, bar.open_ms, bar.open, bar.high, bar.low, bar.close, bar.volume, float(rows.sigma[place])
            )
            for place, symbol in enumerate(close.symbols)
            if (bar := close.bars.get(symbol)) is not None
        }
        closes = bars_of(closed, self.instruments, self.costs, self.kernel)
        seats = {
            symbol: Seat(
                self.positions[symbol],
                closes.get(symbol),
                self.kernel.rules,
                float(self.instruments[symbol].tick_step_quote),
                self._fit_name,
            )
            for symbol in close.symbols
        }
        due = tuple(symbol for place, symbol in enumerate(close.symbols) if rows.due[place] and rows.ready[place])
        marks.append(time.perf_counter())
        states = self.book.write(close, seats, due)
        marks.append(time.perf_counter())
        decisions = self.policies.decide_now(due, states)
        marks.append(time.perf_counter())
        self._look(close)
        asked = [
            self._order(symbol, close, decisions, states, row)
            for row, symbol in enumerate(due)
            if int(decisions.action[row]) in ENTRIES
        ]
        verdicts = dict(zip((one.symbol for one in asked), self.keeper.judge(asked), strict=True))
        marks.append(time.perf_counter())
        stages = (features_s, *np.diff(marks).tolist())
        return Round(close, states, decisions, verdicts, stages, time.process_time() - core)

    # ---- risk -------------------------------------------------------------------------------------------------

    def _order(
        self, symbol: str, close: MarketClose, said: Decisions, states: NDArray[np.float32], row: int
    ) -> OrderIntent:
        """Return the order that an entry asks for: a cap above the close, a stop below it, one stake."""
        price, step, tick = close.bars[symbol].close, self.instruments[symbol].step, self.instruments[symbol].tick
        cap = (price * Decimal("1.003") // tick) * tick
        entry = Entry(symbol, int(said.action[row]), said.version[row], float(said.confidence[row]), b"")
        quantity = (STAKE / cap // step) * step
        stop = (price * Decimal("0.99") // tick) * tick
        return OrderIntent(f"{close.close_ms}-{symbol}", symbol, Side.BUY, quantity, cap, stop, entry=entry)

    def _look(self, close: MarketClose) -> None:
        coins = {
            symbol: replace(self._view.coins[symbol], price=bar.close, price_ms=close.close_ms)
            for symbol, bar in close.bars.items()
        }
        self._view = replace(self._view, now_ms=close.close_ms, rate_ms=close.close_ms, coins=coins)

    def _flat_view(self) -> RiskView:
        wallet = Decimal(str(self.limits.wallet))
        coins = {name: _flat(one) for name, one in self.instruments.items()}
        return RiskView(
            now_ms=AT_MS, rate_ms=AT_MS, state=None, equity=wallet, equity_peak=wallet, day_pnl=Decimal(0), cash=wallet,
            coins=coins, locks=LockBook(), restrictions=Restrictions(), reservations=ReservationBook(),
            rate=OrderRate(self._risk.order_rate_max, 1_000 * self._risk.order_rate_window_s), in_flight=0,
            feed_age_s=0.0, skew_ms=0.0, throttled_s=0.0, unwatched_s=0.0,
        )  # fmt: skip

    def _keeper(self) -> RiskKeeper:
        risk = self._risk
        return RiskKeeper(
            gate=RiskGate(GateLimits.of(risk, self.kernel.base_ms)),
            breaker=Breaker(risk, RiskLimits.of(risk)),
            breaker_policy=HaltPolicy.CANCEL,
            rate=OrderRate(risk.order_rate_max, 1_000 * risk.order_rate_window_s),
            look=lambda: self._view,
            state=StateRow(TradingState.ACTIVE, None, "bench", "start", AT_MS),
        )


def _flat(instrument: Instrument) -> CoinView:
    base, _, quote = instrument.symbol.partition("/")
    filters = MarketFilters(
        symbol=instrument.symbol, market_id=base + quote, base=base, quote=quote, status="TRADING",
        tick=instrument.tick, step=instrument.step, price_min=instrument.tick, price_max=Decimal(10**6),
        quantity_min=instrument.step, quantity_max=Decimal(10**6), market_quantity_max=Decimal(10**6),
        notional_min=Decimal(5), order_types=("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS"), oco_allowed=True,
    )  # fmt: skip
    return CoinView(filters, None, None, Decimal("0.001"), Decimal(0), None, True)


def _version(fit: FeatureFit, universe: tuple[str, ...], scope: str, action: Action) -> LoadedVersion:
    """Return a version of three networks of the default size that wants one action wherever it is legal."""
    scaler = fit.scaler
    normaliser = Normaliser(scaler.center, scaler.scale, scaler.clip, np.ones(80, np.bool_))
    nets = [PolicyNet(NetworkSpec(), normaliser, seed=seed) for seed in (1, 2, 3)]
    for net in nets:
        net.policy_head.weight.data.zero_()
        net.policy_head.bias.data[int(action)] = 10.0
    served = ServedVersion(
        f"bench-{scope}", scope, "shadow", False, "0" * 64, fit.sha256, state_layout(fit.context.windows)
    )
    return LoadedVersion(served, Ensemble(nets), fit, universe, "1m", {})


def _bars_of(past: Mapping[str, Candles], after_ms: int, until_ms: int) -> Iterator[tuple[str, list[Kline]]]:
    """Yield the last candle of every market, as the venue tells it."""
    for _, bars in closes_of(past, after_ms, until_ms):
        for symbol, bar in bars.items():
            yield symbol, [bar]


# ---- the measurement ----------------------------------------------------------------------------------------------


def measure() -> list[Measurement]:
    """Measure in a process of its own, so that its memory is that of the round alone."""
    seen = simulate(COINS, ROUNDS, EAGER)
    worst = simulate(COINS, ROUNDS_ALL, COINS)
    wall = np.array(seen.wall_s)
    p50, p99 = (1e3 * float(np.quantile(wall, q)) for q in (0.5, 0.99))
    parts = ", ".join(f"{name} {1e3 * s:.0f} ms" for name, s in zip(STAGES, seen.stage_s, strict=True))
    note = f"{COINS} coins, {EAGER} want to enter; median of stages: {parts}"
    spread = float(wall.max() - wall.min()) / float(np.median(wall))
    core = 1e3 * float(np.median(seen.core_s))
    all_core = 1e3 * float(np.median(worst.core_s))
    memory = seen.bytes_base + seen.bytes_coins
    return [
        Measurement("round_1000_p50", p50, "ms", ROUNDS, spread, 1, {}, note),
        Measurement("round_1000_p99", p99, "ms", ROUNDS, spread, 1, {}, note),
        Measurement("round_1000_core", core, "ms", ROUNDS, 0.0, 1, {}, "processor time of one round, median"),
        Measurement("round_1000_all_core", all_core, "ms", ROUNDS_ALL, 0.0, 1, {}, "the same, all 1,000 want to enter"),
        Measurement("round_1000_memory", memory / 2**20, "MB", 1, 0.0, 1, {}, "the process, less the future candles"),
    ]


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulation in a process of its own took; one entry a round.

    Attributes:
        wall_s: of the whole round.
        core_s: processor time of it.
        push_core_s: processor time of one close taken in, median.
        stage_s: medians by stage, wall.
        bytes_base: memory before the first coin.
        bytes_coins: what the coins added, their candles of the future left out.
    """

    wall_s: list[float]
    core_s: list[float]
    push_core_s: float
    stage_s: list[float]
    bytes_base: int
    bytes_coins: int


def simulate(coins: int, rounds: int, eager: int) -> Simulated:
    """Run `rounds` decision rounds in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.round", str(coins), str(rounds), str(eager)],
        capture_output=True, text=True, check=True, timeout=1_200,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
    )  # fmt: skip
    return Simulated(**json.loads(done.stdout.splitlines()[-1]))


def main(coins: int, rounds: int, eager: int) -> None:
    """Simulate, and print what it took as JSON."""
    torch.set_num_threads(1)
    process = psutil.Process()
    with tempfile.TemporaryDirectory(prefix="huracan-") as folder:
        _warm_up(Path(folder) / "warm")
        base = process.memory_info().rss
        world = World(coins, rounds + 1, Path(folder) / "candles", eager)
        found = list(world.rounds())[1:]
        own = sum(rows.timestamp.nbytes * 9 for rows in world.candles.values())
        bytes_coins = max(process.memory_info().rss - base - own, 1)
    print(
        json.dumps(
            asdict(
                Simulated(
                    [sum(one.seconds) for one in found],
                    [one.core_seconds for one in found],
                    float(np.median(world.push_core_s)),
                    np.median([one.seconds for one in found], axis=0).tolist(),
                    base,
                    bytes_coins,
                )
            )
        )
    )


def _warm_up(folder: Path) -> None:
    """Compile and import everything on a small world."""
    for _ in World(2, 2, folder, 1).rounds():
        pass


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
