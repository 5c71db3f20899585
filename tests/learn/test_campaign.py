import dataclasses
import json
from pathlib import Path

import pytest

from huracan.env import Dataset
from huracan.errors import ArtefactError, TrainingError, UsageError
from huracan.learn.campaign import (
    ALL_COINS,
    SearchWindow,
    TrainWindow,
    read_campaign,
    run_campaign,
    search_sha256,
)
from huracan.learn.recipe import trading_rules
from huracan.learn.search import Trial
from huracan.learn.train import CurvePoint
from huracan.policy import load_artefact
from huracan.trading import RULES_SEARCHED, with_rules
from tests.learn.worlds import DAY_MS, small_dataset

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


class Notes:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.trials: set[str] = set()
        self.trainings: set[tuple[int, str, int]] = set()

    def trial_changed(self, trial: Trial) -> None:
        """Remember the trial."""
        self.trials.add(trial.name)

    def training_changed(self, fold: int, scope: str, seed: int, total_env_steps: int, point: CurvePoint) -> None:
        """Remember the training."""
        self.trainings.add((fold, scope, seed))


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the candles of this module stand."""
    return tmp_path_factory.mktemp("campaign") / "candles"


def windows(dataset: Dataset) -> tuple[list[TrainWindow], SearchWindow]:
    """Two folds, and a search inside the first."""
    start, symbols = dataset.summary.start_ms, dataset.summary.symbols
    folds = [TrainWindow(index, start, start + (12 + 2 * index) * DAY_MS, symbols) for index in range(2)]
    inner = TrainWindow(0, start, start + 9 * DAY_MS, symbols)
    return folds, SearchWindow(inner, start + 9 * DAY_MS, start + 12 * DAY_MS, purge_bars=290)


def test_a_campaign_searches_freezes_trains_and_is_not_repeated(candles: Path, tmp_path: Path) -> None:
    """Every fold and seed is trained with the winner's settings, ensembles are exported, a second call only reads."""
    dataset = small_dataset(candles)
    notes = Notes()
    campaign = run_campaign(dataset, *windows(dataset), tmp_path / "7", notes)
    assert len(notes.trials) == 1
    assert notes.trainings == {(fold, ALL_COINS, seed) for fold in (0, 1) for seed in (1, 2)}
    assert [(version.fold, version.scope) for version in campaign.versions] == [(0, ALL_COINS), (1, ALL_COINS)]
    for version in campaign.versions:
        loaded = load_artefact(version.artefact)
        assert loaded.sha256 == version.sha256
        assert loaded.card.seeds == (1, 2)
        assert loaded.card.ppo == campaign.ppo.model_dump(mode="json")
        assert loaded.card.trading["settings"] == campaign.trading.model_dump(mode="json")
        assert loaded.card.train_end_ms == windows(dataset)[0][version.fold].end_ms
    assert repr(read_campaign(tmp_path / "7")) == repr(campaign)  # NaN is not equal to itself
    again = Notes()
    assert repr(run_campaign(dataset, *windows(dataset), tmp_path / "7", again)) == repr(campaign)
    assert (again.trials, again.trainings) == (set(), set())
    assert "trading.decision_interval_bars" not in campaign.trials[0].params  # an hour's decisions are too few to fit
    (tmp_path / "7" / "search.json").write_text("{")
    with pytest.raises(TrainingError, match="remove it to search again"):
        run_campaign(dataset, *windows(dataset), tmp_path / "7", Notes())


def test_frozen_rules_are_those_of_every_fold(candles: Path, tmp_path: Path) -> None:
    """Rules a search chose are in every artefact; its features are fitted on the decisions that fall due in them."""
    dataset = small_dataset(candles, **{"search.num_samples": 2, "shadow.seeds": [1], "ppo.env_steps": 512})
    rules = {"decision_interval_bars": 12, "hold_bars": 48, "stop_sigmas": 0.8, "target_sigmas": 2.0}
    chosen = with_rules(dataset.settings.trading, rules)
    frozen = {
        "ppo": dataset.settings.ppo.model_dump(mode="json"),
        "trading": chosen.model_dump(mode="json"),
        "search_sha256": search_sha256(dataset, windows(dataset)[1]),
    }
    (tmp_path / "9").mkdir()
    (tmp_path / "9" / "search.json").write_text(json.dumps(frozen | {"trials": []}))
    campaign = run_campaign(dataset, *windows(dataset), tmp_path / "9", Notes())
    assert campaign.trading == chosen
    assert len(campaign.versions) == 2
    for version in campaign.versions:
        card = load_artefact(version.artefact).card
        assert {name: card.trading["kernel"][name] for name in rules} == rules
        assert card.fit["decision_interval_bars"] == 12
    (tmp_path / "9" / "search.json").write_text(json.dumps({**frozen, "trading": None, "trials": []}))
    with pytest.raises(TrainingError, match=r"mapping.*remove it to search again"):
        run_campaign(dataset, *windows(dataset), tmp_path / "9", Notes())


def test_a_search_of_other_settings_or_candles_is_not_taken_over(candles: Path, tmp_path: Path) -> None:
    """What was frozen holds for one configuration, candles, memory and windows; else, and of old, it is refused."""
    dataset = small_dataset(candles)
    folds, window = windows(dataset)
    others = (
        small_dataset(candles, **{"ppo.lr": 2e-3}),
        dataclasses.replace(dataset, summary=dataclasses.replace(dataset.summary, fingerprint="0" * 64)),
    )
    identities = {search_sha256(one, window) for one in (dataset, *others)}
    identities.add(search_sha256(dataset, dataclasses.replace(window, purge_bars=291)))
    assert len(identities) == 4
    frozen = {
        "ppo": dataset.settings.ppo.model_dump(mode="json"),
        "trading": dataset.trading.model_dump(mode="json"),
        "trials": [],
    }
    path = tmp_path / "search.json"
    path.write_text(json.dumps(frozen | {"search_sha256": search_sha256(dataset, window)}))
    for other in others:
        with pytest.raises(ArtefactError, match=r"belongs to a search with other settings or data .*start a new run"):
            run_campaign(other, folds, window, tmp_path, Notes())
    path.write_text(json.dumps(frozen))
    with pytest.raises(ArtefactError, match="older version, which did not keep what was searched; start a new run, or"):
        run_campaign(dataset, folds, window, tmp_path, Notes())


def test_a_search_stops_when_its_process_may_not_write_any_more(candles: Path, tmp_path: Path) -> None:
    """One line says why, no trial is told of after it, and nothing is frozen."""
    dataset, notes = small_dataset(candles), Notes()
    asked = []

    def check() -> None:
        asked.append(len(notes.trials))
        if notes.trials:
            raise TrainingError("run 7 is no longer claimed by this process")

    with pytest.raises(TrainingError, match=r"^run 7 is no longer claimed by this process$"):
        run_campaign(dataset, *windows(dataset), tmp_path / "7", notes, check=check)
    assert asked[0] == 0
    assert len(notes.trials) == 1
    assert notes.trainings == set()
    assert not (tmp_path / "7" / "search.json").exists()


def test_a_search_over_rules_ends_in_rules_of_its_space(candles: Path, tmp_path: Path) -> None:
    """Every trial has rules of the space, no hold beyond the purge; what is frozen is what the best of them had."""
    searched = {"search.num_samples": 4, "search.decision_interval_bars": [6], "search.hold_bars": [288]}
    dataset = small_dataset(candles, **searched, **{"shadow.seeds": [1], "ppo.env_steps": 512})
    folds, search_window = windows(dataset)
    purged = dataclasses.replace(search_window, purge_bars=146)
    campaign = run_campaign(dataset, folds, purged, tmp_path / "10", Notes())
    assert len(campaign.trials) == 4
    assert len({trial.params["trading.stop_sigmas"] for trial in campaign.trials}) == 4
    for trial in campaign.trials:
        assert trial.status == "done"
        assert "trading.hold_bars" not in trial.params  # 288 is beyond the purge: no choice is left
        assert trial.params["trading.decision_interval_bars"] in (3, 6)
    best = campaign.trials[0].params
    assert campaign.trading == with_rules(
        dataset.trading, {name: best[f"trading.{name}"] for name in RULES_SEARCHED if name != "hold_bars"}
    )
    ruled = dataset.under(campaign.trading)
    for version in campaign.versions:
        assert load_artefact(version.artefact).card.trading["kernel"] == trading_rules(ruled)["kernel"]


def test_one_policy_per_coin_when_configured(candles: Path, tmp_path: Path) -> None:
    """Each coin has its own version, trained on its own bars, with the features of the whole universe."""
    dataset = small_dataset(
        candles,
        **{"shadow.per_coin_policies": True, "search.num_samples": 0, "shadow.seeds": [1], "ppo.env_steps": 512},
    )
    folds, search_window = windows(dataset)
    campaign = run_campaign(dataset, folds[:1], search_window, tmp_path / "8", Notes())
    assert campaign.trials == ()
    assert campaign.ppo == dataset.settings.ppo
    assert tuple(version.scope for version in campaign.versions) == dataset.summary.symbols
    assert all(load_artefact(version.artefact).card.universe == version.symbols for version in campaign.versions)
    assert len({version.sha256 for version in campaign.versions}) == 3


def test_an_unfinished_or_damaged_campaign_says_so(tmp_path: Path) -> None:
    """Shadow trading must not start from half a training."""
    with pytest.raises(UsageError, match="not finished"):
        read_campaign(tmp_path)
    (tmp_path / "campaign.json").write_text(json.dumps({"ppo": {}}))
    with pytest.raises(TrainingError, match="damaged"):
        read_campaign(tmp_path)
    (tmp_path / "campaign.json").write_text(json.dumps({"ppo": {}, "trials": [], "versions": []}))
    with pytest.raises(UsageError, match="older version that kept no trading rules; train a new run"):
        read_campaign(tmp_path)
