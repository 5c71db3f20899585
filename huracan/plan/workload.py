"""What a run of a given size consists of: bars, decisions, trials, trainings and tasks, counted as the product does it.

The folds are the product's own `walk_forward_splits`, the intervals its own `rule_space`; nothing here is measured.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from huracan.baselines import BASELINES
from huracan.config import Settings, WalkForwardSettings
from huracan.errors import ConfigError
from huracan.features import windows_for
from huracan.market import timeframe_ms
from huracan.plan.halving import steps_per_trial
from huracan.shadow import DAY_MS, Window, validation_split, walk_forward_splits
from huracan.shadow.splits import History
from huracan.trading import rule_space
from huracan.trees import LABELS_MAX

__all__ = ["Size", "Workload", "workload_of"]

COINS_MAX: Final = 100_000
DAYS_MAX: Final = 20_000
TRADES_MAX: Final = 1_440.0


@dataclass(frozen=True, slots=True)
class Size:
    """What the user asks for beside the settings.

    Attributes:
        coins: markets.
        days: history of each, days.
        timeframe: base timeframe of the candles.
        trades_per_day: closed trades of one policy a coin and test day.
    """

    coins: int
    days: int
    timeframe: str
    trades_per_day: float


@dataclass(frozen=True, slots=True)
class Workload:
    """Counts of one run.

    Attributes:
        size: what was asked for.
        bars: of all coins.
        bars_a_day: of one coin.
        interval: bars between two decisions, as configured.
        intervals: every decision interval that a search may choose.
        fit_rows: rows that one fit samples.
        trials: of the search.
        seeds_per_trial: trainings of a trial.
        trial_steps: environment steps of a trial and seed, expected: halving ends most early.
        trial_steps_max: of one that is trained to its full length.
        reports: validations of a trial and seed, expected.
        trials_at_once: at most.
        search_bars: a coin's bars in the window that the search trains on; `validation_bars` in the one that judges.
        validation_bars: a coin's bars in the window that judges.
        folds: number of test windows.
        seeds: trainings of a version.
        scopes: versions of a fold: one, or one a coin.
        train_steps: environment steps of one training.
        train_bars: a coin's bars in a training window.
        test_days: of one fold.
        test_bars: a coin's bars in a test window.
        rules: rule policies among the baselines.
        copies: random policies.
        block_coins: coins of a shadow task.
        blocks: of a fold.
        labels: of one fold's tree model.
        resamples: of every bootstrap.
        epochs: passes over a batch.
        runners: remote samplers of a training.
        network: multiplications of a forward pass, against those of 80-256-256.
        notes: what was assumed, and which settings hold the run back, one line each.
    """

    size: Size
    bars: int
    bars_a_day: int
    interval: int
    intervals: tuple[int, ...]
    fit_rows: int
    trials: int
    seeds_per_trial: int
    trial_steps: float
    trial_steps_max: int
    reports: float
    trials_at_once: int
    search_bars: int
    validation_bars: int
    folds: int
    seeds: int
    scopes: int
    train_steps: int
    train_bars: int
    test_days: int
    test_bars: int
    rules: int
    copies: int
    block_coins: int
    blocks: int
    labels: int
    resamples: int
    epochs: int
    runners: int
    network: float
    notes: tuple[str, ...]

    @property
    def trades(self) -> float:
        """Return the closed trades of one policy over all test windows."""
        return self.size.coins * self.size.trades_per_day * self.test_days * self.folds

    @property
    def policies(self) -> int:
        """Return the policies whose trades are stored: ensemble, seeds, baselines, tree model, the one account."""
        return 1 + self.seeds + self.rules + 1 + 1

    @property
    def trainings(self) -> int:
        """Return the trainings of all folds."""
        return self.folds * self.scopes * self.seeds


def workload_of(settings: Settings, size: Size) -> Workload:
    """Count a run of these settings.

    Raises:
        ConfigError: a figure cannot be.
        DataError: the history cannot hold the folds.
    """
    _check(size)
    bar_ms = timeframe_ms(size.timeframe)
    rules = rule_space(settings.trading, settings.search, size.timeframe)
    warm = windows_for(size.timeframe, settings.features.windows).ready
    history = {"A": History(warm * bar_ms, size.days * DAY_MS)}
    if history["A"].start_ms >= history["A"].end_ms:
        raise ConfigError(
            f"--days {size.days}: the features of {size.timeframe} candles are warm after {warm} bars; give more days"
        )
    holds = [hold for hold in rules.hold_bars if hold >= rules.given.hold_bars]
    hold = min(holds) if settings.search.hold_bars is None else max(holds)
    walk, notes = _test_days(settings.walk_forward, history["A"])
    folds = walk_forward_splits(history, walk, bar_ms=bar_ms, hold_bars=hold)
    search, shadow, first = settings.search, settings.shadow, folds[0]
    inner, judged = validation_split(first.train, search.validation_frac, first.purge_bars, bar_ms)
    batch = settings.ppo.train_batch_size
    halved = steps_per_trial(
        search.num_samples, search.env_steps, search.grace_env_steps, search.reduction_factor, batch
    )
    bars = size.coins * size.days * DAY_MS // bar_ms
    train_bars = _bars(first.train, bar_ms)
    interval = rules.given.decision_interval_bars
    return Workload(
        size=size,
        bars=bars,
        bars_a_day=DAY_MS // bar_ms,
        interval=interval,
        intervals=rules.decision_interval_bars,
        fit_rows=min(settings.features.fit_sample_max, size.coins * train_bars // interval),
        trials=search.num_samples,
        seeds_per_trial=search.seeds_per_trial,
        trial_steps=halved.steps,
        trial_steps_max=_whole(search.env_steps, batch),
        reports=halved.reports,
        trials_at_once=search.max_concurrent_trials,
        search_bars=_bars(inner, bar_ms),
        validation_bars=_bars(judged, bar_ms),
        folds=len(folds),
        seeds=len(shadow.seeds),
        scopes=size.coins if shadow.per_coin_policies else 1,
        train_steps=_whole(settings.ppo.env_steps, batch),
        train_bars=train_bars,
        test_days=round(first.test.days),
        test_bars=_bars(first.test, bar_ms),
        rules=len(BASELINES),
        copies=shadow.random_policies,
        block_coins=1 if shadow.per_coin_policies else min(shadow.coins_per_block, size.coins),
        blocks=size.coins if shadow.per_coin_policies else -(-size.coins // shadow.coins_per_block),
        labels=min(LABELS_MAX, size.coins * train_bars // interval),
        resamples=shadow.bootstrap_resamples,
        epochs=settings.ppo.num_epochs,
        runners=settings.ppo.num_env_runners,
        network=_weights(settings.policy.hidden) / _weights((256, 256)),
        notes=(*notes, *_limits(settings)),
    )


def _check(size: Size) -> None:
    """Refuse what cannot be.

    Raises:
        ConfigError: naming the option and what it may be.
    """
    for name, value, most in (("--coins", size.coins, COINS_MAX), ("--days", size.days, DAYS_MAX)):
        if not 1 <= value <= most:
            raise ConfigError(f"{name} {value} cannot be planned; give 1 to {most:,}")
    trades = size.trades_per_day
    if not math.isfinite(trades) or not 0 <= trades <= TRADES_MAX:
        raise ConfigError(f"--trades-per-day {trades} cannot be planned; give 0 to {TRADES_MAX:,.0f}")
    timeframe_ms(size.timeframe)


def _test_days(walk: WalkForwardSettings, history: History) -> tuple[WalkForwardSettings, list[str]]:
    """Return the windows, and what was changed: an eighth of the history for each test is too much for many folds."""
    days = (history.end_ms - history.start_ms) // DAY_MS
    if walk.test_days is not None or walk.folds * max(1, days // 8) < days:
        return walk, []
    shorter = max(1, days // (2 * walk.folds))
    note = (
        f"{walk.folds} test windows of an eighth of the history leave nothing to train on, and training would refuse: "
        f"planned with walk_forward.test_days={shorter}, half of the history; give the run the same"
    )
    return walk.model_copy(update={"test_days": float(shorter)}), [note]


def _limits(settings: Settings) -> Iterator[str]:
    """Yield the settings that hold a run back."""
    search = settings.search
    if 0 < search.max_concurrent_trials < min(search.num_samples, 16):
        yield (f"{search.max_concurrent_trials} trials run at once (search.max_concurrent_trials): raise it too")
    steps = settings.ppo.env_steps
    yield f"a training is {steps:,} environment steps (ppo.env_steps) whatever the number of coins"


def _bars(window: Window, bar_ms: int) -> int:
    return (window.end_ms - window.start_ms) // bar_ms


def _whole(steps: int, batch: int) -> int:
    """Return the steps of whole batches that reach `steps`."""
    return -(-steps // batch) * batch


def _weights(hidden: Sequence[int]) -> int:
    """Return the multiplications of one forward pass: trunk, six logits and a value."""
    widths = (80, *hidden)
    return sum(a * b for a, b in pairwise(widths)) + 7 * widths[-1]
