"""Hyper-parameter search: Tune, Optuna and ASHA over PPO's settings and the trading rules, on training data only.

A candidate is trained with several seeds side by side, under its own rules. Its objective is what the greedy policies
earn a day under the same rules, net of all costs, on a validation window inside the training data: never the training
return, which every rule scales differently, never a bar of a test window.
"""

import logging
import os
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer
from typing import Any, Final, Literal, Protocol

import optuna
import ray
import torch
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from ray.util.placement_group import placement_group_table

from huracan.config import PpoSettings, SearchSettings, TradingSettings
from huracan.errors import ArtefactError, TrainingError
from huracan.learn.algorithm import AlgorithmSpec
from huracan.learn.checkpoint import first_line
from huracan.learn.keeper import start_keeper
from huracan.learn.room import Waiting
from huracan.learn.train import Trainer
from huracan.learn.validation import Validation, ValidationScore
from huracan.policy import Ensemble
from huracan.storage import Location, ObjectPath
from huracan.trading import RULES_SEARCHED, RuleSpace, with_rules

__all__ = [
    "Arena",
    "Candidate",
    "SearchPlan",
    "SearchResult",
    "Trial",
    "TrialSink",
    "search",
    "search_space",
]

OBJECTIVE: Final = "objective"
TIME: Final = "env_steps"
FAILURES_MAX: Final = 3
"""Of one trial; a machine that was taken away counts."""
CLEANUP_S: Final = 60.0
"""Longest time in which a trial gives back its environments before its process takes the next one."""
_FOLDER: Final = re.compile(r"run_trial_([0-9a-f]{8})_")
_NAME: Final = "search"
_TRIALS_NAME: Final = "trials"
SEARCHED_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "ppo.lr": (5e-5, 1e-3),
    "ppo.entropy_coeff": (5e-4, 2e-2),
}
"""Settings searched on a logarithmic scale."""
SEARCHED_CHOICES: Final[Mapping[str, tuple[float | int, ...]]] = {
    "ppo.gamma": (0.98, 0.99, 0.995, 0.998),
    "ppo.clip_param": (0.1, 0.2, 0.3),
    "ppo.num_epochs": (2, 4, 6),
    "ppo.weight_decay": (0.0, 1e-4, 1e-2),
}
"""Settings searched among values."""
_PPO, _TRADING = "ppo.", "trading."
SEARCHED: Final = (*SEARCHED_RANGES, *SEARCHED_CHOICES, *(_TRADING + name for name in RULES_SEARCHED))
"""Everything a search may choose, by dotted setting."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a search chooses: one value for each setting.

    Attributes:
        ppo: hyper-parameters.
        trading: rules that the policy is trained and judged by.
    """

    ppo: PpoSettings
    trading: TradingSettings

    def with_params(self, params: Mapping[str, float | int]) -> "Candidate":
        """Return the candidate with searched values by dotted setting put in, validated."""
        ppo = {key.removeprefix(_PPO): value for key, value in params.items() if key.startswith(_PPO)}
        rules = {key.removeprefix(_TRADING): value for key, value in params.items() if key.startswith(_TRADING)}
        return Candidate(PpoSettings.model_validate(self.ppo.model_dump() | ppo), with_rules(self.trading, rules))


class Arena(Protocol):
    """What candidates train on and are judged by; picklable, since it travels to trials."""

    def spec(self, candidate: Candidate, seed: int, env_steps: int) -> AlgorithmSpec:
        """Return the training of a candidate under its own rules."""
        ...

    def validation(self, candidate: Candidate) -> Validation:
        """Return the judge of a candidate's policies, under its own rules."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate and where it stands.

    Attributes:
        name: Tune's id, unique within the search.
        status: running; done (full length, or stopped early by the scheduler); failed.
        params: searched values by dotted setting, e.g. `ppo.lr`, `trading.hold_bars`.
        score: of the last report, mean over the seeds; None before the first.
        env_steps: per seed, learnt from so far.
        wall_s: seconds so far.
        stopped_early: whether the scheduler ended it before its full length.
    """

    name: str
    status: Literal["running", "done", "failed"]
    params: Mapping[str, float | int]
    score: ValidationScore | None
    env_steps: int
    wall_s: float
    stopped_early: bool


class TrialSink(Protocol):
    """Receives every change of every trial, in the driver's process."""

    def trial_changed(self, trial: Trial) -> None:
        """Take note of a trial that started, reported or ended."""
        ...


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A search, small enough to travel to every trial.

    Attributes:
        arena: trains and judges the candidates.
        given: the first candidate: everything as configured.
        rules: which trading rules may be chosen.
        seed: the first seed of every candidate.
        settings: number of trials, seeds, steps.
    """

    arena: Arena
    given: Candidate
    rules: RuleSpace
    seed: int
    settings: SearchSettings


@dataclass(frozen=True, slots=True)
class SearchResult:
    """How a search ended.

    Attributes:
        chosen: the best candidate that was trained to full length.
        best: its trial.
        trials: all of them, best objective first, those without one last.
    """

    chosen: Candidate
    best: Trial
    trials: tuple[Trial, ...]


def search_space(given: Candidate, rules: RuleSpace) -> dict[str, Any]:
    """Return Tune's search space by dotted setting, widened where needed to hold the configured value.

    What leaves no choice is not searched; nor is a setting configured as 0 where the scale is logarithmic: it was
    switched off.
    """
    ppo = given.ppo.model_dump()
    space: dict[str, Any] = {}
    for name, (low, high) in SEARCHED_RANGES.items():
        value = ppo[name.removeprefix(_PPO)]
        if value > 0:
            space[name] = tune.loguniform(min(low, value), max(high, value))
    for name, choices in SEARCHED_CHOICES.items():
        space[name] = tune.choice(sorted({*choices, ppo[name.removeprefix(_PPO)]}))
    for name in RULES_SEARCHED:
        values = getattr(rules, name)
        if len(set(values)) > 1:
            is_range = isinstance(values[0], float)
            space[_TRADING + name] = tune.uniform(*values) if is_range else tune.choice(list(values))
    return space


def search(plan: SearchPlan, folder: Location, sink: TrialSink) -> SearchResult:
    """Run or resume the search in `folder`; Ray must be running.

    Finished trials are not repeated, unfinished ones go on from their last report, wherever it was made; failed ones
    start again. This process's machine alone keeps where they stand.
    TensorBoard logs stand in the trials' folders.

    Args:
        plan: what to search.
        folder: absolute, on this machine or in an object store.
        sink: told about every change of a trial.

    Raises:
        TrainingError: no candidate reached its full length, or what Tune keeps in `folder` cannot be written or read.
    """
    if plan.settings.num_samples == 0:
        raise TrainingError("search.num_samples is 0: there is nothing to search")
    path = (folder / _NAME).absolute()
    # RLlib puts the n-th environment runner of every seed into bundle n.
    bundles = [1] + [plan.settings.seeds_per_trial] * plan.given.ppo.num_env_runners
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, plan=plan, keeper=start_keeper(folder / _TRIALS_NAME)),
        tune.PlacementGroupFactory([{"CPU": count} for count in bundles]),
    )
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # the sink shows progress; Tune's own tables would interleave with it
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Tune's would swallow Ctrl-C, and stay after the search
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name in ("ray.tune", "ray.train"):  # Tune logs the traceback of whatever fails; the reason is raised below
        logging.getLogger(name).setLevel(logging.CRITICAL)
    waiting = Waiting("search.waits", bundles, "ppo.num_env_runners, search.seeds_per_trial")
    try:
        with _telling(sink, plan.settings.env_steps, waiting), warnings.catch_warnings():
            # Optuna's, of a report that a trial repeats
            warnings.filterwarnings("ignore", "The reported value is ignored", UserWarning)
            for _ in range(1 + FAILURES_MAX):  # a process that is lost between two trials takes the next one with it
                grid = _tuner(trainable, plan, path).fit()
                if not any(_lost(result.error) for result in grid):
                    break
        trials = tuple(_trial_of_result(result, plan) for result in grid)
    except (OSError, EOFError, ValueError, pickle.PickleError, tune.TuneError) as error:
        raise TrainingError(
            f"the search in {path} cannot go on ({first_line(error)}); free space, then resume the run, or remove that "
            "folder to search anew"
        ) from error
    ranked = sorted(trials, key=lambda trial: -_objective(trial))
    whole = [trial for trial in ranked if trial.score is not None and not trial.stopped_early]
    if not whole:
        errors = [str(result.error).strip().splitlines()[-1] for result in grid if result.error is not None]
        reason = errors[0] if errors else "all were stopped early"
        raise TrainingError(f"none of {len(trials)} trials in {path} was trained to full length: {reason}")
    return SearchResult(plan.given.with_params(whole[0].params), whole[0], tuple(ranked))


def run_trial(config: dict[str, Any], plan: SearchPlan, keeper: Any) -> None:
    """Train one candidate with all its seeds and report its objective; what Tune runs in a trial's process.

    Args:
        config: searched values by dotted setting.
        plan: the search.
        keeper: handle on the `Keeper`; a trial whose machine dies, or whose progress cannot be kept, goes on from its
            last report, one whose training fails begins anew.
    """
    os.environ["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = str(2 * int(CLEANUP_S))  # read by Tune here, before the next trial
    trial = tune.get_context().get_trial_id()
    try:
        _train_and_report(config, plan, keeper, trial)
    except (TrainingError, ArtefactError) as error:
        if not isinstance(error, ray.exceptions.RayError):  # the training's own, not the keeper's
            ray.get(keeper.forget.remote(trial))
        raise


def _train_and_report(config: dict[str, Any], plan: SearchPlan, keeper: Any, trial: str) -> None:
    torch.set_num_threads(1)
    settings = plan.settings
    candidate = plan.given.with_params(config)
    validation = plan.arena.validation(candidate)
    seeds = range(plan.seed, plan.seed + settings.seeds_per_trial)
    kept = ray.get(keeper.newest.remote(trial)) or (None,) * settings.seeds_per_trial
    with _closing_in(CLEANUP_S) as stack:
        trainers = [
            stack.enter_context(Trainer(plan.arena.spec(candidate, seed, settings.env_steps), checkpoint))
            for seed, checkpoint in zip(seeds, kept, strict=True)
        ]
        while not trainers[0].finished:
            mark = min(trainers[0].env_steps + settings.grace_env_steps, settings.env_steps)
            for trainer in trainers:
                while trainer.env_steps < mark:
                    trainer.step()
            scores = [validation.score(Ensemble([trainer.net()])) for trainer in trainers]
            tune.report(_report(scores, trainers))
            ray.get(keeper.keep.remote(trial, tuple(trainer.checkpoint() for trainer in trainers)))


@contextmanager
def _closing_in(seconds: float) -> Iterator[ExitStack]:
    """Give a stack that is closed after the block; end the process when that takes too long: it would hold a slot."""
    with ExitStack() as stack:
        try:
            yield stack
        finally:
            clock = Timer(seconds, os._exit, (1,))
            clock.daemon = True
            clock.start()
            stack.close()
            clock.cancel()


def _lost(error: Any) -> bool:
    """Return whether a trial failed because its process was gone, not by itself."""
    return isinstance(error, ray.exceptions.RayError) and not isinstance(error, ray.exceptions.RayTaskError)


def _report(scores: list[ValidationScore], trainers: list[Trainer]) -> dict[str, Any]:
    """Return means over the seeds under the names of `ValidationScore`, and where the training stands."""
    count = len(scores)
    return {
        OBJECTIVE: sum(score.objective for score in scores) / count,
        "daily_mean_quote": sum(score.daily_mean_quote for score in scores) / count,
        "daily_error_quote": sum(score.daily_error_quote for score in scores) / count,
        "days": scores[0].days,
        "trades": sum(score.trades for score in scores) / count,
        "daily_quote": [sum(days) / count for days in zip(*(score.daily_quote for score in scores), strict=True)],
        TIME: min(trainer.env_steps for trainer in trainers),
        "reward_mean": sum(trainer.curve[-1].reward_mean for trainer in trainers) / count,
        "train_wall_s": sum(trainer.wall_s for trainer in trainers),
    }


def _tuner(trainable: Any, plan: SearchPlan, path: Location) -> tune.Tuner:
    """Return the tuner that goes on with the search in `path`, or begins it."""
    space = search_space(plan.given, plan.rules)
    remote = path.filesystem if isinstance(path, ObjectPath) else None
    place, above = (path.place, path.parent.place) if isinstance(path, ObjectPath) else (str(path), str(path.parent))
    if tune.Tuner.can_restore(place, storage_filesystem=remote):
        return tune.Tuner.restore(
            place,
            trainable,
            resume_unfinished=True,
            resume_errored=True,  # under its own name: a restarted one has another, which the sampler does not know
            param_space=space,
            storage_filesystem=remote,
        )
    settings = plan.settings
    given = _given_params(plan)
    return tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=OBJECTIVE,
            mode="max",
            num_samples=settings.num_samples,
            max_concurrent_trials=settings.max_concurrent_trials,
            search_alg=OptunaSearch(points_to_evaluate=[{name: given[name] for name in space}], seed=settings.seed),
            scheduler=tune.schedulers.ASHAScheduler(
                time_attr=TIME,
                max_t=settings.env_steps,
                grace_period=min(settings.grace_env_steps, settings.env_steps),
                reduction_factor=settings.reduction_factor,
            ),
            reuse_actors=True,  # else every trial waits for a process of its own and its imports
        ),
        run_config=tune.RunConfig(
            name=path.name,
            storage_path=above,
            storage_filesystem=remote,
            callbacks=[_SinkCallback()],
            failure_config=tune.FailureConfig(max_failures=FAILURES_MAX),
            verbose=0,
        ),
    )


def _given_params(plan: SearchPlan) -> dict[str, float | int]:
    """Return the configured values by dotted setting."""
    ppo = {_PPO + name: value for name, value in plan.given.ppo.model_dump().items()}
    return ppo | {_TRADING + name: getattr(plan.rules.given, name) for name in RULES_SEARCHED}


_listeners: list[tuple[TrialSink, int, Waiting]] = []


@contextmanager
def _telling(sink: TrialSink, full_env_steps: int, waiting: Waiting) -> Iterator[None]:
    """Make `sink` the one that `_SinkCallback` tells, for the block: Tune pickles its callbacks, a sink cannot be."""
    _listeners.append((sink, full_env_steps, waiting))
    try:
        yield
    finally:
        _listeners.pop()


class _SinkCallback(tune.Callback):
    """Hands every change of a trial to the sink of the running search, and says when none has room to run."""

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        for _, _, waiting in _listeners:
            if any(trial.status == "RUNNING" for trial in trials):
                waiting.moved()
            else:
                waiting.look(_group_waits)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(trial, "running")

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._tell(trial, "running", result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(trial, "done")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(trial, "failed")

    def _tell(self, trial: Any, status: Any, result: dict[str, Any] | None = None) -> None:
        for sink, full_env_steps, _ in _listeners:
            found = _trial(trial.trial_id, status, trial.config, result or trial.last_result)
            stopped_early = status == "done" and found.env_steps < full_env_steps
            sink.trial_changed(replace(found, stopped_early=stopped_early))


def _group_waits() -> bool:
    """Return whether room was asked for that the cluster does not have."""
    return any(row["state"] == "PENDING" for row in placement_group_table().values())


def _trial(name: str, status: Any, config: Mapping[str, Any], metrics: Mapping[str, Any] | None) -> Trial:
    """Return the trial as Tune's configuration and last metrics describe it."""
    params = {key: config[key] for key in SEARCHED if key in config}
    if not metrics or OBJECTIVE not in metrics:
        return Trial(name, status, params, None, 0, 0.0, stopped_early=False)
    score = ValidationScore(
        float(metrics[OBJECTIVE]),
        float(metrics["daily_mean_quote"]),
        float(metrics["daily_error_quote"]),
        int(metrics["days"]),
        round(metrics["trades"]),
        tuple(map(float, metrics.get("daily_quote", ()))),
    )
    return Trial(name, status, params, score, int(metrics[TIME]), float(metrics["train_wall_s"]), stopped_early=False)


def _trial_of_result(result: Any, plan: SearchPlan) -> Trial:
    status = "failed" if result.error is not None else "done"
    folder = Path(result.path).name  # run_trial_<id>_...; its metrics may name the trial that its process had before
    named = _FOLDER.match(folder)
    trial = _trial(named[1] if named else folder, status, result.config, result.metrics)
    return replace(trial, stopped_early=trial.env_steps < plan.settings.env_steps)


def _objective(trial: Trial) -> float:
    return trial.score.objective if trial.score is not None else float("-inf")
