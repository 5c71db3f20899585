"""Whole markets through the real gate: candles, search, walk-forward, database, registry, promotion.

Each market is hourly, of one coin. Planted, an AR(1) predictor foretells the next hour and stands in the state
(`huracan.market.predictor_market`, whose optimum is known); null, the same number stands there and foretells nothing.
The versions are rules on that number, a threshold for going long and one for going flat, as the optimum has them: a
search of 16 rules picks the best on its validation days, three seeds have learnt it with an error, two folds trade it
through the kernel at its costs beside baselines and random policies. Nothing is trained: what is asked here is what the
gate says of a walk-forward, and not what PPO finds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from huracan.baselines import BASELINES, Pace
from huracan.config import GateSettings, Settings, TradingSettings
from huracan.features.layout import HEAD_SIZE, S_EMA_SLOW, S_IS_LONG, S_RET_240, S_RET_1440
from huracan.market import LONG_FLAT, Ar1Problem, MarketShape, ar1_optimum, predictor_market
from huracan.memory import Registry, Trial, open_run, record_shadow_days, record_trial, record_trial_days, write_trades
from huracan.policy import Policy
from huracan.shadow import (
    DAY_MS,
    Fold,
    FoldOutcome,
    GateReport,
    ShadowResult,
    Window,
    daily_rows,
    random_block,
    run_gate,
    shadow_block,
    trade_rows,
)
from huracan.trading import (
    Action,
    KernelSettings,
    Tape,
    build_cost_table,
    build_tape,
    infer_instrument,
    resolve_settings,
)
from tests.shadow.proof import register
from tests.shadow.worlds import LIMITS, Columns

PROBLEM = Ar1Problem(rho=0.8, innovation=6.0, cost=2.5)
"""In units of 0.3 bp: the predictor's deviation is 3 bp an hour, the cost of a side 0.75 bp."""
UNIT_PPM = 30.0
NOISE = 30.0
BEST = ar1_optimum(PROBLEM, LONG_FLAT)
BARS_A_DAY = 24
WARM_DAYS, VALIDATION_DAYS, FOLD_DAYS, FOLDS = 2, 60, 100, 2
SLOT = 3
THRESHOLDS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
SETTINGS = GateSettings()


@dataclass(frozen=True, slots=True)
class SignalRule:
    """Long above a threshold of the predictor, in its deviations, flat below its negative; `side` -1 trades against."""

    threshold: float
    side: float = 1.0

    def act(self, states: np.ndarray) -> np.ndarray:
        """Return the rule's legal actions; states are float32[N, 80]."""
        signal = self.side * states[:, SLOT]
        held = states[:, S_IS_LONG] > 0.5
        inside = np.where(signal < -self.threshold, Action.EXIT, Action.HOLD)
        outside = np.where(signal > self.threshold, Action.ENTER_LONG_NORMAL, Action.DO_NOTHING)
        return np.where(held, inside, outside).astype(np.int64)


def kernel_settings() -> KernelSettings:
    """Return hourly rules: a decision a bar, the fee the only cost that matters, stops far away."""
    return resolve_settings(
        TradingSettings(
            decision_interval_bars=1,
            hold_bars=48,
            fee_taker_ppm=round(PROBLEM.cost * UNIT_PPM),
            fee_maker_ppm=round(PROBLEM.cost * UNIT_PPM),
            fee_asset="quote",
            spread_floor_bps=0.0,
        ),
        "1h",
    )


def market_tape(seed: int, planted: bool, kernel: KernelSettings) -> Tape:
    """Return a market as shadow trading sees it; the rules of the baselines see returns of 4 and 24 hours."""
    days = WARM_DAYS + VALIDATION_DAYS + FOLDS * FOLD_DAYS + 1
    bars = days * BARS_A_DAY
    problem = PROBLEM if planted else Ar1Problem(PROBLEM.rho, 1e-9, PROBLEM.cost)
    shape = MarketShape("P/USDT", "1h", price=1.0, price_decimals=7, volume_decimals=2, notional_per_bar=1e8)
    # a null market wanders as much: the planted one's predictor adds up
    noise = NOISE if planted else float(np.hypot(NOISE, 3.0 * PROBLEM.sd))
    market = predictor_market(problem, bars, (seed, planted), noise, UNIT_PPM, shape)
    candles = market.candles
    closes = np.log(candles.close)
    returns = np.diff(closes, prepend=closes[0])
    columns = Columns(
        timestamp=candles.timestamp,
        sigma=np.sqrt(np.convolve(returns**2, np.full(24, 1 / 24))[:bars] + 1e-10),
        ready=np.arange(bars) >= BARS_A_DAY,
        segment=np.zeros(bars, np.int32),
        rows=np.arange(bars, dtype=np.int64),
    )
    instrument = infer_instrument(candles, kernel)
    tape = build_tape(candles, columns, instrument, build_cost_table(candles, instrument, kernel), kernel)
    features = np.zeros((bars, HEAD_SIZE), np.float32)
    if planted:
        features[:, SLOT] = market.signal / PROBLEM.sd
    else:
        features[:, SLOT] = predictor_market(PROBLEM, bars, (seed, 9), NOISE, UNIT_PPM, shape).signal / PROBLEM.sd
    for slot, hours in ((S_RET_240, 4), (S_RET_1440, 24)):
        past = closes - np.concatenate([np.full(hours, closes[0]), closes[:-hours]])
        features[:, slot] = past / past.std()
    features[:, S_EMA_SLOW] = features[:, S_RET_1440]
    return tape.with_features(features)


def windows_of(tape: Tape, kernel: KernelSettings) -> tuple[Window, list[Window]]:
    """Return the validation days and the folds' test days, whole UTC days one behind the other."""
    start = -(-int(tape.bars[0, 0]) * kernel.base_ms // DAY_MS) * DAY_MS + WARM_DAYS * DAY_MS
    first = start + VALIDATION_DAYS * DAY_MS
    tests = [
        Window(first + fold * FOLD_DAYS * DAY_MS, first + (fold + 1) * FOLD_DAYS * DAY_MS) for fold in range(FOLDS)
    ]
    return Window(start, first), tests


def search(engine: Engine, run_id: int, tape: Tape, window: Window, kernel: KernelSettings) -> SignalRule:
    """Try every rule on the validation days, keep each trial as a search does, and return the best."""
    best, best_score = SignalRule(0.0), -np.inf
    for side in (1.0, -1.0):
        for threshold in THRESHOLDS:
            rule = SignalRule(threshold, side)
            name = f"{'with' if side > 0 else 'against'}-{threshold}"
            found = shadow_block(rule, [tape], window, kernel, LIMITS, name=name, fold=-1)
            daily = found.daily
            error = float(daily.std(ddof=1)) / np.sqrt(daily.size)
            metrics = {
                "daily_mean_quote": float(daily.mean()),
                "daily_error_quote": error,
                "days": float(daily.size),
                "trades": float(len(found.trades)),
            }
            score = float(daily.mean()) - error
            record_trial(engine, run_id, Trial(name, "done", {"threshold": threshold}, metrics, score, 0, 0.0))
            record_trial_days(engine, run_id, name, window.start_ms // DAY_MS, daily.tolist())
            if score > best_score:
                best, best_score = rule, score
    return best


def seeds_of(rule: SignalRule, rng: np.random.Generator) -> list[SignalRule]:
    """Return three rules that learnt the chosen one with an error."""
    return [replace(rule, threshold=abs(rule.threshold + 0.1 * float(rng.standard_normal()))) for _ in range(3)]


def judge_market(engine: Engine, folder: Path, seed: int, planted: bool) -> GateReport:
    """Take one market from its candles to the gate's report; everything between stands in the database."""
    kernel = kernel_settings()
    tape = market_tape(seed, planted, kernel)
    validation, tests = windows_of(tape, kernel)
    name = f"{'planted' if planted else 'null'}-{seed}"
    run_id = open_run(engine, "train", Settings(), name, "test")
    rule = search(engine, run_id, tape, validation, kernel)
    seeds = seeds_of(rule, np.random.default_rng(seed))
    outcomes = [_trade(fold, window, tape, validation, rule, seeds, kernel) for fold, window in enumerate(tests)]
    for outcome in outcomes:
        write_trades(engine, run_id, trade_rows(outcome.policy, "coin"))
    record_shadow_days(engine, run_id, daily_rows(outcomes))
    register(engine, run_id, name, folder)
    report = run_gate(engine, name, SETTINGS, "tests")
    assert Registry(engine).show(name).proven is report.passed
    return report


def _trade(
    fold: int,
    window: Window,
    tape: Tape,
    train: Window,
    rule: SignalRule,
    seeds: Sequence[SignalRule],
    kernel: KernelSettings,
) -> FoldOutcome:
    def traded(policy: Policy, name: str, rules: KernelSettings) -> ShadowResult:
        return shadow_block(policy, [tape], window, rules, LIMITS, name=name, fold=fold)

    judged = traded(rule, "ensemble", kernel)
    bare = replace(kernel, stops_enabled=False)
    pace: Pace = judged.pace
    return FoldOutcome(
        fold=Fold(fold, train, window, 50, 0, judged.symbols, ()),
        policy=judged,
        seeds=tuple(traded(one, f"seed-{at + 1}", kernel) for at, one in enumerate(seeds)),
        baselines=tuple(traded(row.policy, row.name, kernel if row.stops else bare) for row in BASELINES),
        chance=random_block(pace, [tape], window, kernel, LIMITS, copies=20, seed=1_000 * fold),
        portfolio=None,
    )
