"""Reading back what a report is made of; the whole way is in test_demo."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Engine

from huracan.baselines import Momentum
from huracan.config import Settings
from huracan.errors import DataError
from huracan.learn.campaign import Version
from huracan.memory import Model, Stage, Trial, open_run, read_gates, record_trial
from huracan.shadow import AblationSummary, Interval, MetaFold, MetaSummary, ShadowReport, TreeSummary, assess, to_json
from huracan.trees import PathReport
from jobs.report import USAGE_NAME, _read, gates_of, opponent_notes, save_usage, standing_of, tried
from jobs.usage import PeakMemory
from tests.shadow.proof import register, run_of, skilled, store_days
from tests.shadow.test_assess import KERNEL, SETTINGS, outcome

TREES = (
    TreeSummary(0, 1_000, 400, 0.61, 0.23, 0.52, 0.05, ""),
    TreeSummary(1, 1_000, 400, 0.5, 0.24, 0.52, None, ""),
    TreeSummary(2, 0, 0, None, None, None, None, "too short"),
)
PATHS = PathReport(6, 2, 15, (0.5, 0.6), (-1.0, 2.0), (3, 4), (-0.1, 0.2))
METALABELLED = MetaSummary(
    folds=(MetaFold(0, 3, 1, None, None, "too few"),),
    days=30,
    trades_without=500,
    trades_with=300,
    precision_without=0.4,
    precision_with=0.5,
    net_without=-100.0,
    net_with=20.0,
    day_difference=Interval(4.0, 1.0, 7.0, 0.95),
    earns=True,
)
TRAINED = ((0, "A", "1" * 64), (1, "A", "2" * 64), (0, "B", "3" * 64))


def test_a_shadow_report_is_read_back_whole(tmp_path: Path) -> None:
    """What shadow trading writes as JSON comes back as the same tree."""
    report = assess([outcome(Momentum(), 0)], KERNEL, SETTINGS, run_id=7)
    report = replace(report, trees=TREES, tree_paths=PATHS, meta=METALABELLED)
    path = tmp_path / "shadow.json"
    path.write_text(json.dumps(to_json(report)))
    assert _read(path, ShadowReport, "run it again") == report


def test_the_report_says_what_the_supervised_opponent_learnt() -> None:
    """A fold that trades, one that found nothing, one that could not be trained, and the paths."""
    report = replace(assess([outcome(Momentum(), 0)], KERNEL, SETTINGS), trees=TREES, tree_paths=PATHS)
    trades, flat, untrained, paths = opponent_notes(report)
    assert "1,000 labels, 40.0% wins, held-out AUC 0.610, break-even chance 0.520; enters" in trades
    assert "above 0.570" in trades
    assert "no entry paid out of fold: flat" in flat
    assert "could not be trained: too short" in untrained
    assert "15 splits, 2 paths, AUC 0.500 to 0.600" in paths
    assert "50% of the paths lose" in paths


def test_the_report_says_what_meta_labelling_would_change() -> None:
    """A model that earns, one that does not, and a run too short to learn from."""
    report = assess([outcome(Momentum(), 0)], KERNEL, SETTINGS)
    (earning,) = opponent_notes(replace(report, meta=METALABELLED))
    assert "on 30 days" in earning
    assert "trades 500 -> 300, winners 40.0% -> 50.0%, net -100.00 -> +20.00, a day +4.00 [+1.00, +7.00]" in earning
    assert "it would have earned its place; nothing that is served uses it" in earning
    (losing,) = opponent_notes(replace(report, meta=replace(METALABELLED, earns=False)))
    assert "not shown to earn its place" in losing
    (short,) = opponent_notes(replace(report, meta=replace(METALABELLED, day_difference=None)))
    assert "never had enough to learn from (too few)" in short


def test_the_report_says_how_much_the_policy_relies_on_its_memory_and_not_that_it_is_worth_it() -> None:
    """Beside itself with the memory at zero: it relies on it, is misled by it, or nothing is shown."""
    report = assess([outcome(Momentum(), 0)], KERNEL, SETTINGS)
    found = AblationSummary(
        "memory", 30, 500, 480, -100.0, -220.0, Interval(4.0, 1.0, 7.0, 0.95), relies=True, misled=False
    )
    behind = "; what the block is worth shows only beside a policy that was trained without it"
    (relying,) = opponent_notes(replace(report, ablations=(found,)))
    assert relying == (
        "memory of the state, present against zero on 30 days: trades 480 -> 500, net -220.00 -> -100.00, a day +4.00 "
        "[+1.00, +7.00]: the policy relies on it" + behind
    )
    (unknown,) = opponent_notes(replace(report, ablations=(replace(found, relies=False),)))
    assert unknown.endswith("no reliance shown" + behind)
    (misled,) = opponent_notes(replace(report, ablations=(replace(found, relies=False, misled=True),)))
    assert misled.endswith("it misleads the policy" + behind)


@pytest.mark.postgres
def test_the_report_asks_the_gate_about_every_registered_version(database: Engine, tmp_path: Path) -> None:
    """What can be judged is, without keeping a report; what cannot is a note; another run's version is left out."""
    runs = [run_of(database, f"gate-{at}") for at in range(3)]
    store_days(database, runs[0], skilled(120))
    models = [register(database, run, f"gated-{at}", tmp_path, seed=at + 1) for at, run in enumerate(runs)]
    versions = [Version(0, "*", (), Path("x"), one.sha256, ()) for one in models[:2]]
    gates, refusals = gates_of(database, Settings(), versions)
    assert [(gate.version, [row.name for row in gate.failed]) for gate in gates] == [("gated-0", ["trades", "chance"])]
    assert len(refusals) == 1
    assert "cannot judge gated-1" in refusals[0]
    assert read_gates(database, "gated-0") == ()


def model(version: Version, stage: Stage, proven: bool = False) -> Model:
    """Return a version's line in the registry."""
    return Model(1, 7, version.sha256, version.scope, stage, "x", version.sha256, {}, datetime.now(UTC), proven)


def test_a_run_is_worth_what_its_least_scope_is_worth() -> None:
    """One champion coin does not clear the others; a scope's best fold stands for it; other versions do not count."""
    a0, a1, b = (Version(fold, scope, (), Path("x"), sha, ()) for fold, scope, sha in TRAINED)
    elsewhere = model(Version(0, "A", (), Path("x"), "4" * 64, ()), "champion", proven=True)
    assert standing_of([a0, a1, b], [elsewhere]) == ("candidate", False)
    one = [model(a1, "champion", proven=True), model(a0, "candidate"), elsewhere]
    assert standing_of([a0, a1, b], [*one, model(b, "shadow")]) == ("shadow", False)
    assert standing_of([a0, a1, b], [*one, model(b, "champion")]) == ("champion", False)
    assert standing_of([a0, a1, b], [*one, model(b, "champion", proven=True)]) == ("champion", True)
    assert standing_of([a0, a1], [model(a0, "retired"), model(a1, "candidate")]) == ("candidate", False)


@pytest.mark.postgres
def test_the_report_counts_what_was_tried(database: Engine) -> None:
    """The trials of the run, and those of every run on the same candles."""
    runs = [open_run(database, "train", Settings(), candles, "0.1.0") for candles in ("c", "c", "other")]
    for run_id, count in zip(runs, (2, 3, 4), strict=True):
        for name in range(count):
            record_trial(database, run_id, Trial(str(name), "done", {}, {}, 1.0, 10, 0.1))
    assert tried(database, runs[0], "c").startswith(
        "This run tried 2 candidates, all runs on these candles together 5;"
    )


def test_memory_figures_are_read_back(tmp_path: Path) -> None:
    """The peak that a run saved is the peak that its report shows."""
    save_usage(tmp_path, PeakMemory(812.5, 300.25))
    assert TypeAdapter(PeakMemory).validate_json((tmp_path / USAGE_NAME).read_bytes()) == PeakMemory(812.5, 300.25)


def test_a_missing_or_damaged_file_is_one_clear_error(tmp_path: Path) -> None:
    """The file is named with what to do."""
    with pytest.raises(DataError, match=r"shadow\.json is missing; run `huracan shadow"):
        _read(tmp_path / "shadow.json", ShadowReport, "run `huracan shadow --run-id 1` first")
    (tmp_path / "shadow.json").write_text('{"run_id": 1')
    with pytest.raises(DataError, match=r"shadow\.json is damaged .*; run it again"):
        _read(tmp_path / "shadow.json", ShadowReport, "run it again")
