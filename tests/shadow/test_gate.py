"""The promotion gate: each criterion alone can refuse and says what is missing; all together promote skill."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from huracan.config import GateSettings
from huracan.errors import EvidenceError
from huracan.shadow.evidence import Evidence, NamedDays, Selection, Tried
from huracan.shadow.gate import CRITERIA, GateReport, _unit, judge_gate
from huracan.shadow.sharpe import minimum_backtest_length, moments_of
from huracan.shadow.sharpe_inference import probability_above
from huracan.shadow.summary import to_json
from tests.gate.worlds import World, evidence_of

SETTINGS = GateSettings(resamples=300)
GOOD = evidence_of(World(365, 10, edge=0.5), np.random.default_rng(7))


def failed(evidence: Evidence, settings: GateSettings = SETTINGS) -> list[str]:
    """Return which criteria refuse."""
    return [row.name for row in judge_gate(evidence, settings).failed]


def note(evidence: Evidence, name: str, settings: GateSettings = SETTINGS) -> str:
    """Return what a criterion says."""
    return next(row.note for row in judge_gate(evidence, settings).criteria if row.name == name)


def scaled(evidence: Evidence, size: float) -> Evidence:
    """Return everything that the version earned, and its rivals, times a factor."""
    return replace(
        evidence,
        policy=evidence.policy * size,
        seeds=tuple(replace(one, net=one.net * size) for one in evidence.seeds),
    )


@pytest.fixture(scope="module")
def report() -> GateReport:
    """What the gate says of a version with skill."""
    return judge_gate(GOOD, SETTINGS)


def test_skill_is_promoted_with_every_figure_beside_its_threshold(report: GateReport) -> None:
    """All rows, in order, each with a figure; the record needed is stated, the longer one against the hurdle."""
    assert report.passed
    assert report.refusal == ""
    assert tuple(row.name for row in report.criteria) == CRITERIA
    assert all(row.passed and row.figure is not None for row in report.criteria)
    assert (report.days, report.folds, report.trades, report.seeds, report.tried) == (365, 4, 3_650, 3, 10)
    assert report.track_record_days is not None
    assert report.track_record_hurdle_days is not None
    assert report.track_record_days < report.track_record_hurdle_days < 365
    assert report.hurdle_day is not None
    assert 0 < report.hurdle_day < (report.sharpe_day or 0)
    assert "MinTRL is" in report.criteria[0].note


def test_what_was_tried_is_weighed_and_shown(report: GateReport) -> None:
    """MinBTL is the length at which luck alone reaches the ratio; alike trials are worth fewer, and both are said."""
    assert report.tried_independent is not None
    assert report.backtest_days is not None
    assert 1.0 < report.tried_independent < report.tried
    assert report.backtest_days == math.ceil(minimum_backtest_length(report.tried, report.sharpe_day or 0))
    said = next(row.note for row in report.criteria if row.name == "dsr")
    assert f"worth {report.tried_independent:.1f} independent ones" in said
    assert f"MinBTL is {report.backtest_days} days" in said


def test_the_newer_inference_stands_beside_the_criteria(report: GateReport) -> None:
    """Its hurdle is the criterion's; the version is far above what it needs, and another record would show it again."""
    found, ratio, bar = report.inference, report.sharpe_day or 0.0, report.hurdle_day or 0.0
    assert found is not None
    moments = moments_of(GOOD.policy)
    assert found.probability == pytest.approx(probability_above(moments, bar, report.tried))
    assert bar < found.critical_day < ratio
    assert found.record_days is not None
    assert found.record_days < report.days
    assert found.power > 0.95
    assert (
        found.false_observed
        < 0.01
        < found.false_planned
        == pytest.approx(0.05 * 0.9 / (0.05 * 0.9 + found.power * 0.1))
    )
    loser = judge_gate(scaled(GOOD, -1.0), SETTINGS).inference
    assert loser is not None
    assert loser.record_days is None
    assert loser.false_observed > 0.9


def test_a_ratio_that_is_not_positive_needs_no_luck() -> None:
    """Then there is no MinBTL to state."""
    report = judge_gate(scaled(GOOD, -1.0), SETTINGS)
    assert report.backtest_days is None
    assert "MinBTL" not in report.refusal


def test_the_report_is_json_and_the_same_evidence_gives_the_same(report: GateReport) -> None:
    """Draws are seeded; no figure is NaN."""
    text = json.dumps(to_json(report), allow_nan=False)
    assert json.dumps(to_json(judge_gate(GOOD, SETTINGS)), allow_nan=False) == text
    assert json.loads(text)["criteria"][3]["name"] == "dsr"


def test_the_unit_of_money_does_not_matter() -> None:
    """Everything in another currency: the same rows pass, DSR, PBO, SPA and chance to the digit."""
    whole = replace(
        scaled(GOOD, 1e6),
        baselines=tuple(replace(one, net=one.net * 1e6) for one in GOOD.baselines),
        rivals=tuple(replace(one, net=one.net * 1e6) for one in GOOD.rivals),
        chance=GOOD.chance * 1e6,
        selections=tuple(replace(one, net=one.net * 1e6) for one in GOOD.selections),
    )
    figures = {row.name: row.figure for row in judge_gate(GOOD, SETTINGS).criteria}
    for row in judge_gate(whole, SETTINGS).criteria:
        if row.name not in ("walk_forward", "baselines"):
            assert row.figure == pytest.approx(figures[row.name], abs=1e-9)


def test_too_few_days_and_trades_are_counted() -> None:
    """The rows say how many more are needed."""
    short = evidence_of(World(40, 1, edge=1.0), np.random.default_rng(8))
    assert failed(replace(short, trades=7)) == ["days", "trades"]
    assert "20 more days of shadow trading are needed" in note(short, "days")
    assert note(replace(short, trades=7), "trades") == "7 closed trades; 93 more are needed"


def test_a_weak_ratio_needs_its_minimum_track_record() -> None:
    """A ratio of about 0.05 a day over 120 days: MinTRL is what is asked for, not the configured 60 days."""
    weak = evidence_of(World(120, 1), np.random.default_rng(9))
    flat = weak.policy - weak.policy.mean()
    weak = replace(weak, policy=flat + 0.05 * flat.std(ddof=1))
    row = judge_gate(weak, SETTINGS).criteria[0]
    assert not row.passed
    assert row.threshold == pytest.approx(1 + (1.645 / 0.05) ** 2, rel=0.1)
    loser = replace(weak, policy=flat - 0.01)
    assert "no number of days shows a ratio that is not positive" in note(loser, "days")
    assert "dsr" in failed(loser)


def test_one_seed_or_one_fold_is_no_walk_forward() -> None:
    """The row has no figure and says what to train."""
    lonely = replace(GOOD, seeds=GOOD.seeds[:1])
    assert failed(lonely) == ["walk_forward"]
    assert "seeds: 1, at least 3 are needed" in note(lonely, "walk_forward")
    single = replace(GOOD, folds=np.zeros_like(GOOD.folds))
    assert failed(single) == ["walk_forward"]
    assert "walk_forward.folds" in note(single, "walk_forward")


def test_seeds_that_disagree_are_held_against_it() -> None:
    """The ensemble earns, one of three seeds loses twice that: another training might not have earned."""
    seeds = (*GOOD.seeds[:2], NamedDays("seed-2", -2.0 * GOOD.policy))
    assert failed(replace(GOOD, seeds=seeds)) == ["walk_forward"]


def test_seeds_that_spread_are_held_against_it_though_their_mean_is_the_same() -> None:
    """On the same days three seeds earn three, one and minus one times as much: which was trained is luck too."""
    spread = tuple(NamedDays(f"seed-{at}", times * GOOD.policy) for at, times in enumerate((3.0, 1.0, -1.0)))
    alike = tuple(NamedDays(f"seed-{at}", GOOD.policy) for at in range(3))
    assert failed(replace(GOOD, seeds=alike)) == []
    assert failed(replace(GOOD, seeds=spread)) == ["walk_forward"]


def test_at_equal_risk_a_series_varies_as_its_ratio_is_uncertain() -> None:
    """1 - g3 SR + (g4 - 1) / 4 SR^2 (Mertens): heavy tails make a high ratio less certain than its days alone say."""
    days = np.random.default_rng(13).standard_t(6, 200_000) + 1.2
    found, unit = moments_of(days), _unit(days)
    error = 1.0 - found.skewness * found.sharpe + (found.kurtosis - 1.0) / 4.0 * found.sharpe**2
    assert error > 1.5
    assert float(unit.mean()) == pytest.approx(found.sharpe, rel=1e-3)
    assert float(unit.var()) == pytest.approx(error, rel=1e-3)


def test_many_trials_deflate_the_ratio() -> None:
    """The same record passes as one of few and is refused as the best of thousands."""
    days = GOOD.policy.size
    target = 3.5 / np.sqrt(days)  # standard errors above 0
    flat = GOOD.policy - GOOD.policy.mean()
    record = replace(GOOD, policy=flat + target * flat.std(ddof=1), rivals=(), selections=(), tried=(), tried_count=1)
    assert "dsr" not in failed(record)
    rng = np.random.default_rng(10)
    many = tuple(Tried(f"t{at}", float(ratio), 100) for at, ratio in enumerate(rng.standard_normal(2_000) / 10))
    assert "dsr" in failed(replace(record, tried=many, tried_count=2_001))
    assert "the best of 2001 tried without skill" in note(replace(record, tried=many, tried_count=2_001), "dsr")
    unknown = judge_gate(replace(record, tried_count=5_000), SETTINGS)  # trials of which nothing but the number is left
    assert "dsr" in [row.name for row in unknown.failed]
    assert unknown.hurdle_day == pytest.approx(3.68 / np.sqrt(days), rel=0.2)


def test_a_choice_on_a_sliver_of_days_is_not_judged() -> None:
    """Fewer than eight blocks of two days, 70 splits, tell nothing: the row says what is missing and where."""
    lucky = Selection(
        "trials on 15 validation days", ("a", "b"), np.arange(30.0).reshape(15, 2) + np.array([0.0, 100.0])
    )
    assert failed(replace(GOOD, selections=(lucky,))) == ["pbo"]
    said = note(replace(GOOD, selections=(lucky,)), "pbo")
    assert said.startswith("trials on 15 validation days: PBO: 15 days of 2 configurations; at least 16 are needed")
    assert "search.validation_frac" in said
    enough = replace(lucky, net=np.arange(32.0).reshape(16, 2) + np.array([0.0, 100.0]))
    assert "70 splits of 16 days" in note(replace(GOOD, selections=(enough,)), "pbo")


def test_a_choice_among_noise_is_overfit() -> None:
    """The version earns, but the search that chose it chose among noise; equally good ones are no fault."""
    rng = np.random.default_rng(11)
    noise = rng.standard_normal((120, 20))
    search = Selection("trials on 120 validation days", tuple(map(str, range(20))), noise - noise.mean(axis=0))
    assert failed(replace(GOOD, selections=(search,))) == ["pbo"]
    assert "20 configurations, trials on 120 validation days" in note(replace(GOOD, selections=(search,)), "pbo")
    alike = replace(search, net=rng.standard_normal((120, 20)) + 0.6)
    assert failed(replace(GOOD, selections=(alike,))) == []
    both = replace(GOOD, selections=(*GOOD.selections, search))
    assert failed(both) == ["pbo"], "the worst choice counts"


def test_trials_without_their_days_are_missing() -> None:
    """Many tried and nothing stored of them: no PBO; a single version that was never chosen needs none."""
    blind = replace(GOOD, selections=())
    assert failed(blind) == ["pbo"]
    assert "no two of them have daily results on the same days; search again" in note(blind, "pbo")
    alone = replace(GOOD, selections=(), rivals=(), tried=(), tried_count=1)
    assert failed(alone) == []
    short = replace(GOOD, selections=(replace(GOOD.selections[0], net=GOOD.selections[0].net[:6]),))
    assert "6 days of 10 configurations; at least 16" in note(short, "pbo")


def test_every_baseline_must_be_beaten() -> None:
    """A baseline as good as the version refuses it, whichever it is; a louder one that earns more does too."""
    twin = NamedDays("twin", GOOD.policy.copy())
    assert failed(replace(GOOD, baselines=(*GOOD.baselines, twin))) == ["spa", "baselines"]
    loud = NamedDays("loud", 3.0 * GOOD.policy + 500.0 * np.random.default_rng(12).standard_normal(365))
    found = judge_gate(replace(GOOD, baselines=(*GOOD.baselines, loud)), SETTINGS)
    assert [row.name for row in found.failed] == ["baselines"]
    assert "does not earn more than loud" in found.refusal
    assert failed(replace(GOOD, baselines=())) == ["spa", "baselines"]


def test_chance_must_be_beaten_by_enough_copies() -> None:
    """Copies that earn as much refuse it; too few cannot say."""
    lucky = GOOD.chance.copy()
    lucky[0] = GOOD.policy
    assert failed(replace(GOOD, chance=lucky)) == ["chance"]
    assert failed(replace(GOOD, chance=GOOD.chance[:18])) == ["chance"]
    assert "18 random policies cannot show a share of 0.05, 19 are needed" in note(
        replace(GOOD, chance=GOOD.chance[:18]), "chance"
    )


@pytest.mark.parametrize("level", [0.0, 5.0])
def test_constant_results_are_refused_row_by_row(level: float) -> None:
    """A policy that never trades, or earns the same every day: no ratio, and the rows say so."""
    constant = np.full(365, level)
    still = replace(GOOD, policy=constant, trades=0 if level == 0.0 else 500, rivals=())
    found = judge_gate(still, SETTINGS)
    assert not found.passed
    assert (found.sharpe_day, found.hurdle_day, found.track_record_days) == (None, None, None)
    rows = {row.name: row for row in found.criteria}
    assert rows["dsr"].figure is None
    assert f"constant at {level:g} over 365 days" in rows["dsr"].note
    json.dumps(to_json(found), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "looser"),
    [
        ("days_min", 59), ("trades_min", 99), ("seeds_min", 2), ("confidence", 0.94), ("overfit_max_frac", 0.3),
        ("loss_max_frac", 0.3), ("spa_level", 0.05), ("chance_level", 0.1),
    ],
)  # fmt: skip
def test_a_looser_gate_proves_nothing(name: str, looser: float) -> None:
    """Whatever the evidence: the threshold, its value and the shipped one are named."""
    report = judge_gate(GOOD, GateSettings(resamples=300, **{name: looser}))
    assert [row.name for row in report.failed] == ["settings"]
    assert f"gate.{name} is {looser:g}, shipped " in report.refusal
    assert not report.passed


def test_damaged_evidence_is_no_report() -> None:
    """Overlapping folds are refused as a whole: no row could be trusted."""
    with pytest.raises(EvidenceError, match="each day counts once"):
        judge_gate(replace(GOOD, first_days=GOOD.first_days // 2), SETTINGS)


def test_thresholds_are_the_settings() -> None:
    """Each row carries the threshold in force."""
    strict = GateSettings(
        days_min=400, trades_min=5_000, confidence=0.999, overfit_max_frac=0.0, loss_max_frac=0.0, spa_level=1e-4,
        chance_level=0.01, resamples=300,
    )  # fmt: skip
    rows = {row.name: row for row in judge_gate(GOOD, strict).criteria}
    assert rows["days"].threshold == 400
    assert rows["trades"].threshold == 5_000
    assert rows["dsr"].threshold == 0.999
    assert rows["spa"].threshold == 1e-4
    assert not rows["days"].passed
    assert not rows["spa"].passed
    assert not rows["chance"].passed
