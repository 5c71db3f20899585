"""Evidence from the database: the days that shadow trading left, and everything that was tried on the same candles."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.baselines import LIGHTGBM
from huracan.config import GateSettings
from huracan.errors import EvidenceError
from huracan.memory import DailyResult, record_search, record_shadow_days
from huracan.shadow.evidence import check_evidence
from huracan.shadow.gate import judge_gate
from huracan.shadow.gather import gather_evidence
from tests.shadow.proof import FIRST_DAY, register, run_of, skilled, store_days, store_search, store_trades

pytestmark = pytest.mark.postgres
_numbers = itertools.count()
GOOD = skilled(120)


@pytest.fixture
def candles() -> str:
    """Candles of this test's own."""
    return f"candles-{next(_numbers)}"


def test_days_come_back_as_they_were_traded(database: Engine, candles: str, tmp_path: Path) -> None:
    """Coins are added up, folds put behind each other, copies kept in their order; trades counted."""
    run_id = run_of(database, candles)
    store_days(database, run_id, GOOD)
    closed = store_trades(database, run_id, 50)
    model = register(database, run_id, f"{candles}-v", tmp_path)
    found = gather_evidence(database, model)
    check_evidence(found)
    assert found.policy == pytest.approx(GOOD.policy)
    assert found.first_days.tolist() == (FIRST_DAY + GOOD.first_days).tolist()
    assert found.folds.tolist() == GOOD.folds.tolist()
    assert [seed.name for seed in found.seeds] == ["seed-0", "seed-1", "seed-2"]
    assert found.seeds[2].net == pytest.approx(GOOD.seeds[2].net)
    assert {row.name for row in found.baselines} == {"flat", "buy_and_hold", "momentum", "mean_reversion", LIGHTGBM}
    assert found.chance == pytest.approx(GOOD.chance)
    assert (found.trades, found.tried_count, found.rivals, found.selections, found.tried) == (closed, 1, (), (), ())
    assert (found.version, found.scope, found.sha256) == (model.version, "*", model.sha256)


def test_everything_tried_on_the_candles_counts(database: Engine, candles: str, tmp_path: Path) -> None:
    """Trials of all runs, versions of all runs; rivals are those on the very same days; other candles do not count."""
    noise = np.random.default_rng(3).standard_normal((40, 5))
    runs = [run_of(database, candles) for _ in range(3)]
    store_days(database, runs[0], GOOD)
    store_days(database, runs[1], replace(GOOD, policy=GOOD.policy[::-1].copy()))
    store_days(database, runs[2], replace(GOOD, first_days=GOOD.first_days + 7))
    store_search(database, runs[0], noise)
    store_search(database, runs[1], noise[:, :2] + 1.0)
    elsewhere = run_of(database, candles + "-other")
    store_search(database, elsewhere, noise)
    model, *others = [register(database, run, f"{candles}-v{at}", tmp_path, seed=at + 1) for at, run in enumerate(runs)]
    found = gather_evidence(database, model)
    check_evidence(found)
    assert found.tried_count == 3 + 5 + 2
    assert [rival.name for rival in found.rivals] == [others[0].version]
    assert len(found.tried) == 2 + 5 + 2
    trial = next(one for one in found.tried if one.name == f"run {runs[0]} trial t3")
    assert trial.sharpe == pytest.approx(noise[:, 3].mean() / noise[:, 3].std(ddof=1))
    assert trial.days == 40
    search, versions = found.selections
    assert search.where == "the run's trials on 40 validation days"
    assert search.net == pytest.approx(noise)
    assert versions.names == (model.version, others[0].version)


def test_a_warm_start_is_judged_by_the_search_that_chose_its_rules(
    database: Engine, candles: str, tmp_path: Path
) -> None:
    """A day later, on candles of its own: the trials and versions of the search count, and its PBO is the version's."""
    noise = np.random.default_rng(5).standard_normal((120, 50))
    searched, second, third = (run_of(database, f"{candles}-day-{day}") for day in range(3))
    store_search(database, searched, noise - noise.mean(axis=0))
    models = []
    for day, run_id in enumerate((searched, second, third)):
        store_days(database, run_id, replace(GOOD, first_days=GOOD.first_days + day))
        if run_id != searched:
            record_search(database, run_id, searched)
        models.append(register(database, run_id, f"{candles}-v{day}", tmp_path, seed=day + 1))
    for model in models:
        found = gather_evidence(database, model)
        assert (found.tried_count, len(found.tried)) == (3 + 50, 2 + 50)
        (search,) = found.selections
        assert search.net.shape == (120, 50)
        report = judge_gate(found, GateSettings(resamples=100))
        assert report.hurdle_day is not None
        assert report.hurdle_day > 0.0
        (row,) = [row for row in report.criteria if row.name == "pbo"]
        assert (row.passed, row.figure) == (False, pytest.approx(1.0, abs=0.01))
    assert search.where == f"the trials of run {searched}, whose search chose the rules, on 120 validation days"


def test_trials_without_their_days_count_all_the_same(database: Engine, candles: str, tmp_path: Path) -> None:
    """A search of an older version: its ratios are known, its days are not."""
    run_id = run_of(database, candles)
    store_days(database, run_id, GOOD)
    store_search(database, run_id, np.random.default_rng(4).standard_normal((40, 3)), days=False)
    found = gather_evidence(database, register(database, run_id, f"{candles}-v", tmp_path))
    assert (found.tried_count, len(found.tried), found.selections) == (4, 3, ())


def test_a_run_without_random_policies_has_no_copies(database: Engine, candles: str, tmp_path: Path) -> None:
    """The evidence is there, and the gate says what is missing."""
    run_id = run_of(database, candles)
    store_days(database, run_id, replace(GOOD, chance=GOOD.chance[:0]))
    found = gather_evidence(database, register(database, run_id, f"{candles}-v", tmp_path))
    check_evidence(found)
    assert found.chance.shape == (0, 120)
    (row,) = [row for row in judge_gate(found, GateSettings(resamples=100)).criteria if row.name == "chance"]
    assert (row.passed, row.figure) == (False, None)
    assert row.note.startswith("0 random policies cannot show")


def test_a_policy_of_one_coin_is_judged_on_that_coin(database: Engine, candles: str, tmp_path: Path) -> None:
    """Its days, its copies; the versions of the other coins were tried too."""
    run_id = run_of(database, candles)
    first, second = skilled(120, seed=8), skilled(120, seed=9)
    rows = []
    for coin, evidence in (("A/USDT", first), ("B/USDT", second)):
        rows.append(DailyResult("policy", "ensemble", coin, 0, FIRST_DAY, tuple(evidence.policy.tolist())))
        rows += [
            DailyResult("random", f"random-{copy}", symbol, 0, FIRST_DAY, tuple((scale * net).tolist()))
            for copy, net in enumerate(evidence.chance)
            for symbol, scale in ((coin, 1.0), ("*", 5.0))
            if symbol == coin or coin == "A/USDT"
        ]
    record_shadow_days(database, run_id, rows)
    models = [register(database, run_id, f"{candles}-{coin[0]}", tmp_path, coin) for coin in ("A/USDT", "B/USDT")]
    for model, evidence in zip(models, (first, second), strict=True):
        found = gather_evidence(database, model)
        assert found.policy == pytest.approx(evidence.policy)
        assert found.chance == pytest.approx(evidence.chance)
        assert (found.tried_count, found.rivals, len(found.tried)) == (2, (), 1)


def test_a_run_that_left_no_days_is_refused(database: Engine, candles: str, tmp_path: Path) -> None:
    """The message says which run to trade in shadow; coins of one fold on other days are refused too."""
    run_id = run_of(database, candles)
    model = register(database, run_id, f"{candles}-v", tmp_path)
    with pytest.raises(EvidenceError, match=f"run `huracan shadow --run-id {run_id}`"):
        gather_evidence(database, model)
    rows = [DailyResult("policy", "ensemble", coin, 0, day, (1.0, 2.0)) for coin, day in (("A/USDT", 1), ("B/USDT", 2))]
    record_shadow_days(database, run_id, rows)
    with pytest.raises(EvidenceError, match="B/USDT has other days"):
        gather_evidence(database, model)
