"""The promotion gate: what a version must show, one figure beside one threshold, before it may be called proven.

Every criterion must be met. What cannot be computed is not met, and its row says what is missing. A PASS does not say
how much will be earned; it says that chance, selection among all that was tried, and simple rules do not explain it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huracan.config import GateSettings
from huracan.errors import EvidenceError
from huracan.shadow.bootstrap import block_days, permutation_p_value
from huracan.shadow.evidence import Evidence, Selection, check_evidence
from huracan.shadow.overfit import Overfit, overfit_probability
from huracan.shadow.sharpe import (
    Moments,
    deflated_sharpe_ratio,
    hurdle,
    minimum_backtest_length,
    minimum_track_record,
    moments_of,
    probabilistic_sharpe_ratio,
    trials_deviation,
)
from huracan.shadow.sharpe_inference import (
    critical_ratio,
    discovery_rate_observed,
    discovery_rate_planned,
    power,
    probability_above,
    record_needed,
)
from huracan.shadow.spa import DayDraws, draw_days, spa_test
from huracan.shadow.trial_count import independent_trials

__all__ = ["CRITERIA", "GATE_SEED", "Criterion", "GateReport", "judge_gate"]

Floats = npt.NDArray[np.float64]
GATE_SEED = 20_250_612
CRITERIA = ("days", "trades", "walk_forward", "dsr", "pbo", "spa", "baselines", "chance", "settings")
"""Every row of a report, in order."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One demand.

    Attributes:
        name: one of `CRITERIA`.
        asks: the demand in words, with its threshold.
        figure: what was found; None when it cannot be computed.
        threshold: what the figure is held against.
        passed: whether it is met.
        note: what is behind the figure; when not met, what is missing.
    """

    name: str
    asks: str
    figure: float | None
    threshold: float
    passed: bool
    note: str


@dataclass(frozen=True, slots=True)
class Inference:
    """What the inference of 2025 says of the ratio and its hurdle; beside the criteria, none of which uses it.

    Attributes:
        probability: that the true ratio exceeds the hurdle, autocorrelation and the law of the maximum included.
        critical_day: daily ratio from which on a record of this length exceeds the hurdle at the confidence.
        record_days: days that the observed ratio needs to exceed the hurdle; None: no number is enough.
        power: probability that another record of this length exceeds it, if the observed ratio is the true one.
        false_planned: share of such findings that are false, if one of all tried has skill; of one alone, if half have.
        false_observed: probability that this very one is, likewise.
    """

    probability: float
    critical_day: float
    record_days: int | None
    power: float
    false_planned: float
    false_observed: float


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate found; stored in full with the version.

    Attributes:
        version, scope, run_id, sha256: what was judged.
        passed: every criterion is met.
        criteria: in the order of `CRITERIA`.
        days, folds, trades, seeds: the evidence's extent.
        tried: configurations ever tried on these candles, this one among them.
        tried_independent: how many independent ones those are worth whose days are known; None where no two are. What
            is judged uses the plain count, which asks for more.
        sharpe_day: of the ensemble, not annualised; None when it has none.
        hurdle_day: SR0, the daily ratio that the best of all tried reaches without skill.
        backtest_days: MinBTL at the observed ratio, days up to which the best of all tried shows it without skill; None
            when the ratio is not positive, or nothing else was tried.
        track_record_days: MinTRL against 0 at the confidence; None: no length is enough.
        track_record_hurdle_days: MinTRL against the hurdle.
        inference: the newer one on the ratio; None when it has none.
        net_day: mean net result per day, quote currency.
    """

    version: str
    scope: str
    run_id: int
    sha256: str
    passed: bool
    criteria: tuple[Criterion, ...]
    days: int
    folds: int
    trades: int
    seeds: int
    tried: int
    tried_independent: float | None
    sharpe_day: float | None
    hurdle_day: float | None
    backtest_days: int | None
    track_record_days: int | None
    track_record_hurdle_days: int | None
    inference: Inference | None
    net_day: float

    @property
    def failed(self) -> tuple[Criterion, ...]:
        """Return the criteria that are not met."""
        return tuple(row for row in self.criteria if not row.passed)

    @property
    def refusal(self) -> str:
        """Return in one line what is not met; empty when everything is."""
        return "; ".join(f"{row.name}: {row.note}" for row in self.failed)


def judge_gate(evidence: Evidence, settings: GateSettings) -> GateReport:
    """Weigh the evidence; the same evidence gives the same report.

    Raises:
        EvidenceError: it is damaged: folds that overlap, values that are not finite, series of other days.
    """
    check_evidence(evidence)
    draws = draw_days(evidence.policy.size, gate_block(evidence.policy), settings.resamples, GATE_SEED)
    ratio = _Ratio.of(evidence, settings.confidence)
    criteria = (
        _days(evidence, settings, ratio),
        _trades(evidence, settings),
        _tried_row("walk_forward", _WALK, settings.confidence, lambda: _walk_forward(evidence, settings, draws)),
        _dsr(evidence, settings, ratio),
        _tried_row("pbo", _PBO, settings.overfit_max_frac, lambda: _pbo(evidence, settings)),
        _tried_row("spa", _SPA, settings.spa_level, lambda: _spa(evidence, settings, draws)),
        _tried_row("baselines", _BETTER, 0.0, lambda: _baselines(evidence)),
        _tried_row("chance", _CHANCE, settings.chance_level, lambda: _chance(evidence, settings)),
        _settings(settings),
    )
    return GateReport(
        version=evidence.version,
        scope=evidence.scope,
        run_id=evidence.run_id,
        sha256=evidence.sha256,
        passed=all(row.passed for row in criteria),
        criteria=criteria,
        days=evidence.policy.size,
        folds=np.unique(evidence.folds).size,
        trades=evidence.trades,
        seeds=len(evidence.seeds),
        tried=evidence.tried_count,
        tried_independent=_independent(evidence),
        sharpe_day=None if ratio.moments is None else ratio.moments.sharpe,
        hurdle_day=ratio.hurdle,
        backtest_days=ratio.backtest_days(evidence.tried_count),
        track_record_days=ratio.needed(0.0),
        track_record_hurdle_days=None if ratio.hurdle is None else ratio.needed(ratio.hurdle),
        inference=_inference(ratio, evidence.tried_count),
        net_day=float(evidence.policy.mean()),
    )


def gate_block(policy: Floats) -> float:
    """Return the mean length of resampled blocks in days: Politis & White's, at least the cube root of the record.

    A weak autocorrelation, which their rule often takes for none, widens the error by a tenth; blocks of some days keep
    it.
    """
    return max(block_days(policy), float(np.cbrt(policy.size)))


_WALK = "net a day over all seeds, lower bound above 0"
_PBO = "probability of backtest overfitting at most"
_SPA = "SPA p-value against each baseline at equal risk at most"
_BETTER = "net a day above every baseline, after costs"
_CHANCE = "share of random policies of equal trade rate that do as well at most"


@dataclass(frozen=True, slots=True)
class _Ratio:
    """The ensemble's Sharpe ratio and the hurdle it must pass; None with the reason when there is none."""

    moments: Moments | None
    hurdle: float | None
    deviation: float
    confidence: float
    problem: str

    @classmethod
    def of(cls, evidence: Evidence, confidence: float) -> "_Ratio":
        try:
            moments = moments_of(evidence.policy, "the daily results of the policy")
            ratios = [moments.sharpe, *(one.sharpe for one in evidence.tried)]
            days = [moments.periods, *(one.days for one in evidence.tried)]
            deviation = trials_deviation(ratios, days, moments, evidence.tried_count)
        except EvidenceError as error:
            return cls(None, None, 0.0, confidence, str(error))
        return cls(moments, hurdle(evidence.tried_count, deviation), deviation, confidence, "")

    def backtest_days(self, tried: int) -> int | None:
        """Return MinBTL in whole days, None where no luck is needed for the ratio."""
        if self.moments is None or self.moments.sharpe <= 0.0 or tried == 1:
            return None
        return math.ceil(minimum_backtest_length(tried, self.moments.sharpe))

    def needed(self, benchmark: float) -> int | None:
        """Return MinTRL in whole days, None when no length is enough."""
        if self.moments is None:
            return None
        days = minimum_track_record(self.moments, benchmark, self.confidence)
        return math.ceil(days) if math.isfinite(days) and days < 1e9 else None


def _row(name: str, asks: str, figure: float | None, threshold: float, passed: bool, note: str) -> Criterion:
    return Criterion(name, asks, None if figure is None else float(figure), float(threshold), bool(passed), note)


def _tried_row(name: str, asks: str, threshold: float, compute: Callable[[], Criterion]) -> Criterion:
    """Return the row, or one that says why there is no figure."""
    try:
        return compute()
    except EvidenceError as error:
        return _row(name, asks, None, threshold, False, str(error))


def _days(evidence: Evidence, settings: GateSettings, ratio: _Ratio) -> Criterion:
    days, needed = evidence.policy.size, ratio.needed(0.0)
    wanted = max(settings.days_min, needed or 0)
    asks = "test days at least, and MinTRL at the observed ratio"
    stated = (
        f"MinTRL is {needed} days" if needed is not None else "no number of days shows a ratio that is not positive"
    )
    if ratio.moments is None:
        stated = ratio.problem
    missing = f"; {wanted - days} more days of shadow trading are needed" if days < wanted else ""
    passed = days >= wanted and needed is not None
    return _row("days", asks, days, wanted, passed, f"{days} days; {stated}{missing}")


def _trades(evidence: Evidence, settings: GateSettings) -> Criterion:
    enough = evidence.trades >= settings.trades_min
    missing = "" if enough else f"; {settings.trades_min - evidence.trades} more are needed"
    return _row(
        "trades", "closed trades at least", evidence.trades, settings.trades_min, enough,
        f"{evidence.trades} closed trades{missing}",
    )  # fmt: skip


def _walk_forward(evidence: Evidence, settings: GateSettings, draws: DayDraws) -> Criterion:
    """Resample seeds and whole days together: what another training and other days would have earned."""
    seeds, folds = len(evidence.seeds), np.unique(evidence.folds)
    if seeds < settings.seeds_min:
        raise EvidenceError(
            f"seeds: {seeds}, at least {settings.seeds_min} are needed: one lucky seed proves nothing; train with more "
            "in shadow.seeds"
        )
    if folds.size < settings.folds_min:
        raise EvidenceError(
            f"folds: {folds.size}, at least {settings.folds_min} are needed; train with more in walk_forward.folds"
        )
    net = np.stack([seed.net for seed in evidence.seeds], axis=1)
    generator = np.random.default_rng(GATE_SEED)
    resamples, days = draws.counts.shape
    chosen = generator.multinomial(seeds, np.full(seeds, 1.0 / seeds), resamples) / seeds
    means = np.sum(draws.counts @ net / days * chosen, axis=1)
    low = float(np.quantile(means, 1.0 - settings.confidence))
    by_seed, by_fold = net.mean(axis=0), [float(evidence.policy[evidence.folds == fold].mean()) for fold in folds]
    note = (
        f"{float(by_seed.mean()):+.2f} a day over {seeds} seeds, lower bound {low:+.2f}; seeds {_amounts(by_seed)}; "
        f"folds of the ensemble {_amounts(by_fold)}"
    )
    return _row("walk_forward", _WALK, low, 0.0, low > 0.0, note)


def _dsr(evidence: Evidence, settings: GateSettings, ratio: _Ratio) -> Criterion:
    asks = "deflated Sharpe ratio at least"
    if ratio.moments is None or ratio.hurdle is None:
        return _row("dsr", asks, None, settings.confidence, False, ratio.problem)
    figure = deflated_sharpe_ratio(ratio.moments, evidence.tried_count, ratio.deviation)
    independent, luck = _independent(evidence), ratio.backtest_days(evidence.tried_count)
    worth = "" if independent is None else f" (worth {independent:.1f} independent ones)"
    note = (
        f"daily ratio {ratio.moments.sharpe:.3f} against {ratio.hurdle:.3f}, the best of {evidence.tried_count} tried"
        f"{worth} without skill; PSR against 0 is {probabilistic_sharpe_ratio(ratio.moments):.3f}"
    )
    if luck is not None:
        note += f"; MinBTL is {luck} days, as long as the best of so many shows this ratio by luck"
    passed = figure >= settings.confidence
    if not passed:
        needed = ratio.needed(ratio.hurdle)
        note += f"; {needed} days would show it" if needed is not None else "; no number of days would show it"
    return _row("dsr", asks, figure, settings.confidence, passed, note)


def _inference(ratio: _Ratio, tried: int) -> Inference | None:
    if ratio.moments is None or ratio.hurdle is None:
        return None
    moments, bar, level = ratio.moments, ratio.hurdle, 1.0 - ratio.confidence
    found = power(moments, moments.sharpe, bar, level)
    needed = record_needed(moments, bar, ratio.confidence)
    return Inference(
        probability=probability_above(moments, bar, tried),
        critical_day=critical_ratio(moments, bar, level),
        record_days=math.ceil(needed) if needed < 1e9 else None,
        power=found,
        false_planned=discovery_rate_planned(0.5 if tried == 1 else 1.0 / tried, level, found),
        false_observed=discovery_rate_observed(moments, moments.sharpe, 0.5 if tried == 1 else 1.0 / tried, bar),
    )


def _independent(evidence: Evidence) -> float | None:
    """Return what the trials of the largest choice that is kept are worth, brought to all that were tried."""
    largest = max(evidence.selections, key=lambda one: len(one.names), default=None)
    worth = None if largest is None else independent_trials(largest.net)
    return None if worth is None or largest is None else worth * evidence.tried_count / len(largest.names)


def _pbo(evidence: Evidence, settings: GateSettings) -> Criterion:
    found = [(one.where, _overfit(one)) for one in evidence.selections if one.net.shape[1] > 1]
    if not found and evidence.tried_count == 1:
        return _row("pbo", _PBO, 0.0, settings.overfit_max_frac, True, "nothing else was tried, so nothing was chosen")
    if not found:
        raise EvidenceError(
            f"{evidence.tried_count} configurations were tried, no two of them have daily results on the same days; "
            "search again with two trials or more (search.num_samples), whose days are kept"
        )
    where, worst = max(found, key=lambda item: (not _chosen_well(item[1], settings), item[1].probability))
    note = (
        f"{worst.configurations} configurations, {where}, {worst.splits} splits of {worst.days} days; the chosen one "
        f"lost in {worst.loss_probability:.0%} of them"
    )
    passed = _chosen_well(worst, settings)
    if passed and worst.probability > settings.overfit_max_frac:
        note += ": whichever is chosen earns, they differ by luck"
    return _row("pbo", _PBO, worst.probability, settings.overfit_max_frac, passed, note)


def _overfit(selection: Selection) -> Overfit:
    try:
        return overfit_probability(selection.net)
    except EvidenceError as error:
        raise EvidenceError(f"{selection.where}: {error}") from None


def _chosen_well(found: Overfit, settings: GateSettings) -> bool:
    """Return whether the choice held up: above the median, or, where all are alike, earning whichever it was."""
    return found.probability <= settings.overfit_max_frac or found.loss_probability <= settings.loss_max_frac


def _spa(evidence: Evidence, settings: GateSettings, draws: DayDraws) -> Criterion:
    """Test the version against each baseline beside all rivals on the same days; all baselines must be beaten.

    At equal risk, a difference of Sharpe ratios, since a louder baseline (buy and hold is in the market all day) would
    drown the difference of money. Rejecting for every baseline needs no further correction.
    """
    if not evidence.baselines:
        raise EvidenceError("no baseline was traded beside the policy; trade it in shadow again")
    candidates = np.stack([_unit(evidence.policy), *(_unit(rival.net) for rival in evidence.rivals)], axis=1)
    found = [
        (float(spa_test(candidates - _unit(baseline.net)[:, None], draws, baseline.name).p_of[0]), baseline.name)
        for baseline in evidence.baselines
    ]
    worst, name = max(found)
    others = ", ".join(f"{name} {p:.3f}" for p, name in found)
    note = f"{others}; {1 + len(evidence.rivals)} versions on these days"
    if worst > settings.spa_level:
        note = f"not shown to beat {name} (p = {worst:.3f}); {note}"
    return _row("spa", _SPA, worst, settings.spa_level, worst <= settings.spa_level, note)


def _baselines(evidence: Evidence) -> Criterion:
    if not evidence.baselines:
        raise EvidenceError("no baseline was traded beside the policy; trade it in shadow again")
    mean = float(evidence.policy.mean())
    best = max(evidence.baselines, key=lambda one: float(one.net.mean()))
    excess = mean - float(best.net.mean())
    earned = ", ".join(f"{one.name} {float(one.net.mean()):+.2f}" for one in evidence.baselines)
    verb = "earns more than" if excess > 0.0 else "does not earn more than"
    return _row("baselines", _BETTER, excess, 0.0, excess > 0.0, f"{mean:+.2f} a day {verb} {best.name}; {earned}")


def _chance(evidence: Evidence, settings: GateSettings) -> Criterion:
    copies = len(evidence.chance)
    needed = math.ceil(1.0 / settings.chance_level - 1.0 - 1e-9)
    if copies < needed:
        raise EvidenceError(
            f"{copies} random policies cannot show a share of {settings.chance_level:g}, {needed} are needed; set "
            "shadow.random_policies and trade in shadow again"
        )
    if evidence.trades == 0:
        raise EvidenceError("the policy never traded, so that chance has nothing to imitate")
    p_value = permutation_p_value(float(evidence.policy.sum()), evidence.chance.sum(axis=1))
    note = f"{copies} random policies of equal trade rate, p = {p_value:.3f}"
    return _row("chance", _CHANCE, p_value, settings.chance_level, p_value <= settings.chance_level + 1e-12, note)


def _settings(settings: GateSettings) -> Criterion:
    """Proven means the same everywhere: a gate that asks for less proves nothing."""
    looser = settings.loosened()
    advice = "take the shipped ones, or promote with --force"
    note = f"{'; '.join(looser)}: {advice}" if looser else "as shipped, or stricter"
    return _row("settings", "thresholds looser than shipped at most", len(looser), 0, not looser, note)


def _unit(net: Floats) -> Floats:
    """Return the series at a risk of 1: days whose mean is the Sharpe ratio and which vary as its estimate does.

    u - SR / 2 ((u - SR)^2 - 1) with u = net / deviation: the estimated deviation is part of the error, and with tails
    as heavy as these a good part (Ledoit & Wolf 2008). A series that never varies stays as it is.
    """
    deviation = float(np.std(net)) if net.size > 1 else 0.0
    if deviation <= 1e-12 * float(np.max(np.abs(net), initial=0.0)):
        return net
    unit = net / deviation
    ratio = float(unit.mean())
    return np.asarray(unit - 0.5 * ratio * ((unit - ratio) ** 2 - 1.0))


def _amounts(values: Floats | list[float]) -> str:
    return ", ".join(f"{value:+.2f}" for value in values)
