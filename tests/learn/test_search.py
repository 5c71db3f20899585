import dataclasses
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import ray

from huracan.config import PpoSettings, SearchSettings, TradingSettings
from huracan.errors import StorageError, TrainingError
from huracan.learn.keeper import Keeper
from huracan.learn.search import SEARCHED, Candidate, SearchPlan, Trial, search, search_space
from huracan.learn.train import Checkpoint, Trainer
from huracan.policy import Ensemble
from huracan.storage import Location
from huracan.trading import rule_space
from tests.learn.rooms import full_until_said
from tests.learn.toy import ToyArena, toy_spec

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


GIVEN = Candidate(toy_spec().ppo, TradingSettings())


class Notes:
    """A sink that holds a lock, as one with a database connection does: it cannot be pickled."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.trials: list[Trial] = []
        self._stop_after = stop_after
        self._lock = threading.Lock()

    def trial_changed(self, trial: Trial) -> None:
        """Write it down; the operator presses Ctrl-C after some reports."""
        with self._lock:
            self.trials.append(trial)
        if len([note for note in self.trials if note.score is not None]) >= self._stop_after:
            raise KeyboardInterrupt


def plan(**settings: Any) -> SearchPlan:
    """Two candidates at a time, two seeds each, judged after 1,024 and 2,048 steps."""
    values = {
        "num_samples": 2,
        "seeds_per_trial": 2,
        "env_steps": 2048,
        "grace_env_steps": 1024,
        "max_concurrent_trials": 2,
        "reduction_factor": 2,
    } | settings
    search_settings = SearchSettings(**values)
    rules = rule_space(GIVEN.trading, SearchSettings(), "1m")
    return SearchPlan(ToyArena(), GIVEN, rules, 1, search_settings)


def test_a_search_is_interrupted_and_resumed_to_its_end(tmp_path: Path) -> None:
    """After Ctrl-C the same call finishes what was begun: the trials it knew are among the final ones."""
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    first = Notes(stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        search(plan(), tmp_path, first)
    notes = Notes()
    result = search(plan(), tmp_path, notes)
    names = {trial.name for trial in result.trials}
    assert len(names) == 2
    assert {trial.name for trial in first.trials} <= names
    objectives = [trial.score.objective for trial in result.trials if trial.score is not None]
    assert objectives == sorted(objectives, reverse=True)
    assert not result.best.stopped_early
    assert result.best.env_steps >= 2048
    assert result.chosen == GIVEN.with_params(result.best.params)
    assert set(result.best.params) == set(SEARCHED)
    ended = {trial.name: trial for trial in notes.trials if trial.status == "done"}
    assert all(trial.stopped_early == (trial.env_steps < 2048) for trial in ended.values())
    assert list(tmp_path.rglob("events.out.tfevents.*"))
    assert signal.getsignal(signal.SIGINT) is on_ctrl_c
    repeated = Notes()
    assert search(plan(), tmp_path, repeated).best == result.best
    assert not [trial for trial in repeated.trials if trial.status == "running" and trial.score is not None]


def alone(asked: SearchPlan, trial: Trial) -> float:
    """Return the objective of a trial's candidate when this process trains it as far, and nothing else."""
    candidate = asked.given.with_params(trial.params)
    objectives = []
    for seed in range(asked.seed, asked.seed + asked.settings.seeds_per_trial):
        with Trainer(asked.arena.spec(candidate, seed, asked.settings.env_steps)) as trainer:
            while trainer.env_steps < trial.env_steps:
                trainer.step()
            objectives.append(asked.arena.validation(candidate).score(Ensemble([trainer.net()])).objective)
    return sum(objectives) / len(objectives)


def test_a_process_trains_one_trial_after_the_other_and_none_leaves_a_trace_in_the_next(tmp_path: Path) -> None:
    """Stopped early or not: the numbers of each are, bit for bit, those of its candidate trained by itself."""
    asked = plan(num_samples=4, max_concurrent_trials=1)
    result = search(asked, tmp_path, Notes())
    reports = [json.loads(line) for path in tmp_path.rglob("result.json") for line in path.read_text().splitlines()]
    assert {report["trial_id"] for report in reports} == {trial.name for trial in result.trials}
    assert len({report["pid"] for report in reports}) == 1
    assert {trial.stopped_early for trial in result.trials} == {False, True}
    assert [trial.score.objective for trial in result.trials if trial.score is not None] == [
        alone(asked, trial) for trial in result.trials
    ]


def test_a_process_lost_between_two_trials_takes_none_with_it(tmp_path: Path) -> None:
    """The trial that was to be its next one never began: it is run all the same, under its own name."""
    flag = tmp_path / "died"
    asked = dataclasses.replace(plan(num_samples=4, max_concurrent_trials=1), arena=ToyArena(fault=str(flag)))
    result = search(asked, tmp_path / "search", Notes())
    assert flag.exists(), "no trial was stopped early"
    assert len({trial.name for trial in result.trials}) == 4
    assert [(trial.status, trial.score is not None) for trial in result.trials] == [("done", True)] * 4


def test_seeds_with_environment_runners_of_their_own_find_room(tmp_path: Path) -> None:
    """RLlib puts the n-th runner of each seed into the same bundle: it must hold as many as there are seeds."""
    given = Candidate(toy_spec(num_env_runners=1).ppo, TradingSettings())
    asked = dataclasses.replace(plan(num_samples=1, max_concurrent_trials=1), given=given)
    (trial,) = search(asked, tmp_path, Notes()).trials
    assert (trial.status, trial.env_steps >= 2048) == ("done", True)


def test_a_search_that_finds_no_room_says_so_and_begins_when_there_is_some(tmp_path: Path) -> None:
    """What a trial needs and what there is stand in one warning."""
    with full_until_said("search.waits") as said:
        (trial,) = search(plan(num_samples=1, max_concurrent_trials=1), tmp_path, Notes()).trials
    assert [(row["needs_cpus"], row["free_cpus"]) for row in said] == [(1, 0.0)]
    assert trial.status == "done"


class Flaky(Keeper):
    """A keeper whose second writing meets a store that is away for a moment."""

    def __init__(self, folder: Location) -> None:
        super().__init__(folder)
        self._written = 0

    def keep(self, trial: str, checkpoints: Sequence[Checkpoint]) -> None:
        """Write it down, or not."""
        self._written += 1
        if self._written == 2:
            raise StorageError("the endpoint does not answer")
        super().keep(trial, checkpoints)


def test_a_trial_whose_progress_could_not_be_kept_goes_on_from_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One writing fails: the report before it is repeated, not the whole trial."""
    start = ray.remote(Flaky).options(num_cpus=0).remote
    monkeypatch.setattr("huracan.learn.search.start_keeper", start)
    search(plan(num_samples=1, env_steps=4096), tmp_path, Notes())
    (path,) = tmp_path.rglob("result.json")
    steps = [round(json.loads(line)["env_steps"] / 1024) for line in path.read_text().splitlines()]
    assert steps == [1, 2, 2, 3, 4]


def test_a_process_that_cannot_close_its_environments_is_ended() -> None:
    """It would hold its slot for ever."""
    program = """
import time
from huracan.learn.search import _closing_in
with _closing_in(0.2) as stack:
    stack.callback(time.sleep, 100)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 1


def test_the_first_candidate_is_the_configuration_as_given(tmp_path: Path) -> None:
    """A search can only do better than its start; a failing candidate is reported, not chosen."""
    notes = Notes()
    broken = dataclasses.replace(plan(num_samples=1), arena=ToyArena(fault="nan"))
    with pytest.raises(TrainingError, match="not finite"):
        search(broken, tmp_path, notes)
    (trial,) = {trial.name: trial for trial in notes.trials}.values()
    assert trial.status == "failed"
    values = {f"ppo.{name}": value for name, value in GIVEN.ppo.model_dump().items()}
    values |= {
        "trading.decision_interval_bars": 15,
        "trading.hold_bars": 720,
        "trading.stop_sigmas": 1.0,
        "trading.target_sigmas": 1.5,
    }
    assert trial.params == {name: values[name] for name in SEARCHED}


def test_an_empty_search_is_refused(tmp_path: Path) -> None:
    """Zero samples means no search; asking for one anyway is a mistake."""
    with pytest.raises(TrainingError, match="num_samples"):
        search(plan(num_samples=0), tmp_path, Notes())


def test_searched_values_become_validated_settings() -> None:
    """A dotted value replaces its setting and nothing else, of PPO and of the rules."""
    given = Candidate(PpoSettings(), TradingSettings(cap_bps=20))
    changed = given.with_params({"ppo.lr": 1e-4, "ppo.num_epochs": 2, "trading.hold_bars": 240})
    assert changed.ppo == PpoSettings(lr=1e-4, num_epochs=2)
    assert changed.trading == TradingSettings(cap_bps=20, hold_bars=240)


def test_the_space_holds_whatever_is_configured() -> None:
    """A value outside the usual ranges widens them; an entropy bonus that is switched off stays off."""
    ppo = PpoSettings(lr=5e-3, gamma=0.9, entropy_coeff=0.0, weight_decay=0.3)
    trading = TradingSettings(stop_sigmas=2.5, hold_bars=600)
    space = search_space(Candidate(ppo, trading), rule_space(trading, SearchSettings(), "1m"))
    assert space["ppo.lr"].upper == 5e-3
    assert 0.9 in space["ppo.gamma"].categories
    assert 0.3 in space["ppo.weight_decay"].categories
    assert "ppo.entropy_coeff" not in space
    assert (space["trading.stop_sigmas"].lower, space["trading.stop_sigmas"].upper) == (0.75, 2.5)
    assert space["trading.hold_bars"].categories == [200, 600, 1200]


def test_rules_that_leave_no_choice_are_not_searched() -> None:
    """Switched off, or with nothing but the configured value, a rule is no dimension of the search."""
    trading = TradingSettings()
    off = search_space(
        Candidate(PpoSettings(), trading), rule_space(trading, SearchSettings(trading_rules=False), "1m")
    )
    assert not [name for name in off if name.startswith("trading.")]
    narrow = SearchSettings(hold_bars=(), stop_sigmas=(1.0, 1.0), decision_interval_bars=(15,))
    found = search_space(Candidate(PpoSettings(), trading), rule_space(trading, narrow, "1m"))
    assert [name for name in found if name.startswith("trading.")] == ["trading.target_sigmas"]


@pytest.mark.parametrize("content", [b"", b"no pickle"])
def test_a_search_whose_state_is_damaged_says_so(content: bytes, tmp_path: Path) -> None:
    """What a full disk left of Tune's own files is one line that names the folder, not a traceback of a pickle."""
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "tuner.pkl").write_bytes(content)
    with pytest.raises(TrainingError, match=r"search cannot go on .*remove that folder"):
        search(plan(), tmp_path, Notes())
