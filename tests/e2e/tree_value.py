"""What the tree model is worth: against known truth, on markets without any edge, and on given candles.

`python -m tests.e2e.tree_value planted`, `... null`, or `... FOLDER [key=value ...]`: a walk-forward on real candles.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from huracan.baselines import paths_of_school, school, train_opponent
from huracan.clock import MarketClock
from huracan.config import Settings, load_settings
from huracan.env import Dataset
from huracan.market import Candles, CandleSet, MarketShape, martingale, mean_reverting_market
from huracan.shadow import DAY_MS, Resampler, cut_tape, shadow_block
from huracan.trading import Limits
from huracan.trees import (
    LABELS_MAX,
    Labels,
    TreeModel,
    auc,
    brier,
    chain_of,
    fit_platt,
    fit_tree,
    label_entries,
    reliability,
)
from jobs.train import folds_of

NOW_MS = 4_000_000_000_000
COINS, TRAIN_DAYS, GAP_DAYS, TEST_DAYS, WARM_DAYS = 3, 40, 1, 10, 8
RESAMPLES, BLOCK_DAYS = 500, 3
KINDS = ("iid", "garch", "heavy")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """One market world: the model's figures on unseen labels beside those of the planted truth.

    Attributes:
        auc: of the model on the test.
        brier: of the model; `base` of the training window's share of wins.
        base: see `brier`.
        ece: of the model.
        best_auc: of the planted deviation, None where nothing was planted; likewise `best_brier`.
        best_brier: of a sigmoid over it, fitted in training.
        entries: of the opponent on the test, one position a coin at a time.
        net: what they earned, quote currency at a stake of 1,000.
        enters: whether its threshold is finite.
    """

    auc: float
    brier: float
    base: float
    ece: float
    best_auc: float | None
    best_brier: float | None
    entries: int
    net: float
    enters: bool


def world_of(seed: int, planted: bool) -> Found:
    """Train on forty days of three coins and judge on ten later ones, through features, kernel and labels."""
    days = WARM_DAYS + TRAIN_DAYS + GAP_DAYS + TEST_DAYS
    candles: dict[str, Candles] = {}
    signal: dict[str, Floats] = {}
    for coin in range(COINS):
        shape = MarketShape(f"X{coin}/USDT", price=10.0 * (coin + 1), price_decimals=4)
        if planted:
            market = mean_reverting_market(shape, days * 1_440, (seed, coin), 60.0, 80.0, 40.0)
            candles[shape.symbol], signal[shape.symbol] = market.candles, market.signal
        else:
            candles[shape.symbol] = martingale(shape, days * 1_440, (seed, coin), kind=KINDS[coin % 3])
    settings = load_settings(None, {"search.num_samples": 0}, environ={})
    dataset = Dataset.build(CandleSet("1m", tuple(sorted(candles)), None, candles, ()), settings, "made")
    start = dataset.summary.start_ms + WARM_DAYS * DAY_MS
    cut, again = start + TRAIN_DAYS * DAY_MS, start + (TRAIN_DAYS + GAP_DAYS) * DAY_MS
    fit = dataset.fit(start, cut, 1)
    tapes, kernel = dataset.fold_tapes(fit), dataset.kernel
    labels = label_entries(tapes, kernel, start, cut, rows_max=LABELS_MAX)
    trained = fit_tree(labels, fit=fit.sha256, hold_bars=kernel.hold_bars, start_ms=start, end_ms=cut, seed=seed)
    test, model = label_entries(tapes, kernel, again, dataset.summary.end_ms), trained.model
    said = model.probability(test.market)
    chain = chain_of(test, model.edge(test.market) > model.threshold).rows
    best_auc = best_brier = None
    if planted:
        known, truth = (_truth(part, signal) for part in (labels, test))
        sigmoid = fit_platt(known, labels.won, np.ones(len(labels)))
        best_auc, best_brier = auc(truth, test.won), brier(sigmoid.probability(truth), test.won)
    return Found(
        auc=auc(said, test.won),
        brier=brier(said, test.won),
        base=brier(np.full(len(test), labels.won.mean()), test.won),
        ece=reliability(said, test.won).ece,
        best_auc=best_auc,
        best_brier=best_brier,
        entries=int(chain.size),
        net=float(test.net[chain].sum()),
        enters=bool(np.isfinite(model.threshold)),
    )


def _truth(labels: Labels, signal: dict[str, Floats]) -> Floats:
    """Return what the best trader knows at each label's close: the deviation from the anchor, turned round."""
    found = np.empty(len(labels))
    for coin, symbol in enumerate(labels.symbols):
        rows = labels.of_coin(coin)
        found[rows] = -signal[symbol][labels.bar[rows]]
    return found


def interval(values: list[float]) -> tuple[float, float, float]:
    """Return (mean, low, high), a 95 % interval over independent worlds (Student's t)."""
    from scipy.stats import t

    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    half = float(t.ppf(0.975, len(values) - 1)) * error
    return mean, mean - half, mean + half


def worlds(planted: bool, count: int) -> list[Found]:
    """Return the figures of `count` worlds and print their means."""
    found = [world_of(seed, planted) for seed in range(1, count + 1)]
    print(f"{'planted' if planted else 'null'}, {count} worlds of {COINS} coins, {TRAIN_DAYS} + {TEST_DAYS} days")
    for name in ("auc", "best_auc", "brier", "best_brier", "base", "ece", "net"):
        values = [getattr(one, name) for one in found]
        if values[0] is not None:
            print("  {}: {:.4f} [{:.4f}, {:.4f}]".format(name, *interval(values)))
    gain = [one.base - one.brier for one in found]
    print("  brier gained on the base rate: {:+.4f} [{:+.4f}, {:+.4f}]".format(*interval(gain)))
    print(f"  enters in {sum(one.enters for one in found)} worlds; trades {[one.entries for one in found]}")
    return found


def walk_forward(folder: Path, overrides: dict[str, object]) -> None:
    """Print, fold by fold, what the opponent learns and earns on candles of a folder."""
    told = {"data.folder": folder, "search.num_samples": 0, **overrides}
    settings: Settings = load_settings(None, told, environ={})
    dataset = Dataset.load(settings, MarketClock(NOW_MS))
    limits, kernel = Limits.of(settings.risk), dataset.kernel
    said: list[Floats] = []
    won: list[NDArray[np.bool_]] = []
    day: list[NDArray[np.int64]] = []
    daily: list[Floats] = []
    trades, last = 0, None
    for fold in folds_of(dataset):
        fit = dataset.fit(fold.train.start_ms, fold.train.end_ms, 1)
        tapes = [tape for tape in dataset.fold_tapes(fit) if tape.symbol in fold.symbols]
        last = school(tapes, kernel, fold.train.start_ms, fold.train.end_ms, limits, fit.sha256)
        policy = train_opponent(last)
        model = policy.model
        if model is None:
            print(f"fold {fold.index}: {policy.reason}")
            continue
        test = label_entries(tapes, kernel, fold.test.start_ms - kernel.base_ms, fold.test.end_ms)
        cut = [cut_tape(tape, fold.test, kernel.base_ms) for tape in tapes]
        result = shadow_block(policy, cut, fold.test, kernel, limits, name="lightgbm", fold=fold.index)
        said.append(model.probability(test.market))
        won.append(test.won)
        day.append(test.close_ms // DAY_MS)
        daily.append(result.daily)
        trades += len(result.trades)
        _print_fold(fold.index, model, test, said[-1], len(result.trades), float(result.daily.sum()))
    _print_whole(np.concatenate(said), np.concatenate(won), np.concatenate(day), np.concatenate(daily), trades)
    paths = None if last is None else paths_of_school(last)
    if paths is not None:
        print(
            f"CPCV of the last training window: AUC {[round(one, 3) for one in paths.auc]}, daily Sharpe ratio median "
            f"{paths.sharpe_median:.2f}, 5 % quantile {paths.sharpe_low:.2f}, {paths.losing_share:.0%} lose"
        )


def _print_fold(index: int, model: TreeModel, test: Labels, said: Floats, trades: int, net: float) -> None:
    facts, told = model.facts, reliability(said, test.won)
    print(
        f"fold {index}: {facts.labels} labels, held-out AUC {facts.auc:.3f}, p* {model.break_even:.3f}, threshold "
        f"{model.threshold:.3f}; test: {len(test)} labels, {test.won.mean():.1%} win, AUC {auc(said, test.won):.3f}, "
        f"Brier skill {told.skill:+.3f}, ECE {told.ece:.3f}, {trades} trades, net {net:+.1f}"
    )


def _print_whole(said: Floats, won: NDArray[np.bool_], day: NDArray[np.int64], daily: Floats, trades: int) -> None:
    """Print the figures of all folds together, intervals over blocks of whole days."""
    days = [np.flatnonzero(day == one) for one in np.unique(day)]
    rng, again = np.random.default_rng(1), []
    for _ in range(RESAMPLES):
        first = rng.integers(0, len(days), -(-len(days) // BLOCK_DAYS))
        chosen = ((first[:, None] + np.arange(BLOCK_DAYS)) % len(days)).ravel()[: len(days)]
        rows = np.concatenate([days[one] for one in chosen])
        again.append(auc(said[rows], won[rows]))
    low, high = np.quantile(again, (0.025, 0.975))
    gain = Resampler(daily, resamples=2_000, level=0.95, seed=1).interval(daily)
    print(
        f"all: AUC {auc(said, won):.3f} [{low:.3f}, {high:.3f}], Brier skill {reliability(said, won).skill:+.3f}; "
        f"{trades} trades in {daily.size} days, net {daily.sum():+.1f}, a day {gain.estimate:+.2f} "
        f"[{gain.low:+.2f}, {gain.high:+.2f}]"
    )


if __name__ == "__main__":
    if sys.argv[1] in ("planted", "null"):
        worlds(sys.argv[1] == "planted", int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    else:
        pairs = (pair.split("=", 1) for pair in sys.argv[2:])
        walk_forward(Path(sys.argv[1]), {key: json.loads(value) for key, value in pairs})
