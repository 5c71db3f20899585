"""Which earlier run a retraining goes on from: decided once, kept with the run, so that a resumed one does the same."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine

from huracan.config import run_folder
from huracan.env import Dataset
from huracan.errors import HuracanError, TrainingError
from huracan.learn.campaign import read_campaign
from huracan.learn.checkpoint import write_atomically
from huracan.learn.warm import WarmStart, misfit, recipe_of
from huracan.memory import Registry, Run, read_run, read_trials, record_search
from huracan.memory.requests import RetrainRequest
from huracan.policy import load_artefact
from huracan.shadow import Fold
from huracan.storage import Location
from jobs.train import windows_of

__all__ = ["Choice", "warm_start_of"]

CHOICE_NAME = "warm.json"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a training begins from.

    Attributes:
        run_id: the earlier run, None: from nothing.
        reason: why.
        search_run_id: the run whose search chose the rules: this one, or the one at the start of the chain.
        search_day: UTC day up to which that search's candles reached.
    """

    run_id: int | None
    reason: str
    search_run_id: int
    search_day: date


def warm_start_of(
    dataset: Dataset,
    folds: Sequence[Fold],
    engine: Engine,
    run_id: int,
    folder: Location,
    day: date,
    asked: Sequence[RetrainRequest] = (),
) -> tuple[WarmStart | None, Choice]:
    """Return what a run goes on from, as it was decided when the run first asked.

    Args:
        dataset: the candles to train on.
        folds: the walk-forward folds.
        engine: of the database.
        run_id: of the run.
        folder: of its files.
        day: UTC day that the candles reach.
        asked: requests that the cycle has taken up: what has drifted or decayed is not gone on from.

    Raises:
        TrainingError: what it was decided to go on from is gone or damaged.
    """
    path = folder / CHOICE_NAME
    if path.exists():
        choice = _read(path)
    else:
        choice = _choose(dataset, folds, engine, run_id, day, asked)
        write_atomically(path, TypeAdapter(Choice).dump_json(choice))
    if choice.run_id is None:
        return None, choice
    record_search(engine, run_id, choice.search_run_id)
    campaign = read_campaign(run_folder(dataset.settings, choice.run_id))
    versions = tuple((version, load_artefact(version.artefact)) for version in campaign.versions)
    return WarmStart(choice.run_id, recipe_of(campaign, dataset.settings), versions), choice


def _choose(
    dataset: Dataset,
    folds: Sequence[Fold],
    engine: Engine,
    run_id: int,
    day: date,
    asked: Sequence[RetrainRequest],
) -> Choice:
    """Return the newest run that fits, or why there is none."""
    if not dataset.settings.retrain.warm_start:
        return Choice(None, "retrain.warm_start is false", run_id, day)
    if asked and dataset.settings.retrain.afresh_on_request:
        return Choice(None, f"asked for: {asked[0].reason}", run_id, day)
    models = [model for model in Registry(engine).models() if model.run_id != run_id and model.stage != "retired"]
    reasons = []
    for found in dict.fromkeys(model.run_id for model in models):
        fit = _fit(dataset, folds, engine, read_run(engine, found), day)
        if isinstance(fit, Choice):
            return fit
        reasons.append(f"run {found}: {fit}")
    if not reasons:
        return Choice(None, "there is no earlier version", run_id, day)
    more = f", and {len(reasons) - 1} older ones do not fit" if len(reasons) > 1 else ""
    return Choice(None, reasons[0] + more, run_id, day)


def _fit(dataset: Dataset, folds: Sequence[Fold], engine: Engine, found: Run, day: date) -> Choice | str:
    """Return the choice of a run that can be gone on from, else why it cannot."""
    settings = dataset.settings
    if json.loads(found.config_json)["data"]["folder"] != str(settings.data.folder):
        return "it was trained on the candles of another folder"
    folder = run_folder(settings, found.run_id)
    try:
        campaign = read_campaign(folder)
        cards = [load_artefact(version.artefact).card for version in campaign.versions]
        kept = _read(folder / CHOICE_NAME) if (folder / CHOICE_NAME).exists() else None
    except HuracanError as error:
        return str(error)
    _, windows = windows_of(folds, settings.search.validation_frac, dataset.kernel.base_ms)
    if (reason := misfit(campaign, cards, dataset, windows, folds[0].purge_bars)) is not None:
        return reason
    # a run of `huracan train` searched by itself, on what there was when it began
    search_run_id = found.run_id if kept is None else kept.search_run_id
    search_day = found.started_at.date() if kept is None else kept.search_day
    if settings.search.num_samples > 0:
        if not read_trials(engine, search_run_id):
            return "its rules come from no search"
        if (age := (day - search_day).days) >= settings.retrain.search_every_days:
            return f"its search is {age} days old (retrain.search_every_days)"
    return Choice(found.run_id, f"run {found.run_id} is the newest that fits", search_run_id, search_day)


def _read(path: Location) -> Choice:
    try:
        return TypeAdapter(Choice).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise TrainingError(f"{path} is damaged ({str(error).splitlines()[0]}); begin the day anew (--again)") from None
