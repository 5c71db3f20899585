"""A whole training run: search once, freeze, then every fold, coin scope and seed; each finished part is kept."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Protocol

from huracan.config import PpoSettings, TradingSettings
from huracan.env import Dataset
from huracan.errors import ArtefactError, DataError, TrainingError, UsageError
from huracan.learn.algorithm import Beginning
from huracan.learn.checkpoint import first_line, write_atomically
from huracan.learn.recipe import Ground, MarketStore, RuleArena, WindowRecipe
from huracan.learn.remote import train_many
from huracan.learn.search import Candidate, SearchPlan, Trial, search
from huracan.learn.train import CurvePoint, Recording, TrainResult, read_result
from huracan.learn.validation import ValidationScore
from huracan.market import symbol_to_stem
from huracan.policy import Normaliser, combine_artefacts, export_artefact, load_artefact
from huracan.storage import Location, below
from huracan.trading import RuleSpace, with_rules

__all__ = [
    "ALL_COINS",
    "Beginnings",
    "Campaign",
    "Observer",
    "SearchWindow",
    "TrainWindow",
    "Version",
    "read_campaign",
    "run_campaign",
    "search_sha256",
]

ALL_COINS: Final = "*"
_SEARCH_NAME, _CAMPAIGN_NAME, _ENSEMBLE_NAME = "search.json", "campaign.json", "ensemble"
_IDENTITY: Final = "search_sha256"


@dataclass(frozen=True, slots=True)
class TrainWindow:
    """Where one fold trains: [start_ms, end_ms), ms UTC, purge and embargo already cut off."""

    index: int
    start_ms: int
    end_ms: int
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchWindow:
    """Where the search trains and where it judges; both lie before the first test bar.

    Attributes:
        train: where candidates train.
        validation_start_ms: first bar of the window that judges them, ms UTC.
        validation_end_ms: its end, exclusive.
        purge_bars: bars kept free before validation and tests; only shorter holds are searched.
    """

    train: TrainWindow
    validation_start_ms: int
    validation_end_ms: int
    purge_bars: int


@dataclass(frozen=True, slots=True)
class Version:
    """A trained recipe on one fold: what shadow trading judges and serving serves.

    Attributes:
        fold: index of the fold.
        scope: `*` for all coins, or the one coin it trades.
        symbols: markets trained on.
        artefact: folder of the seed ensemble.
        sha256: its id.
        seeds: the single trainings, in the order of their seeds.
    """

    fold: int
    scope: str
    symbols: tuple[str, ...]
    artefact: Location
    sha256: str
    seeds: tuple[TrainResult, ...]


@dataclass(frozen=True, slots=True)
class Campaign:
    """A finished training run.

    Attributes:
        ppo: the frozen hyper-parameters.
        trading: the frozen rules, every searched one filled in.
        trials: of the search, best first; empty without a search.
        versions: by fold, then scope.
    """

    ppo: PpoSettings
    trading: TradingSettings
    trials: tuple[Trial, ...]
    versions: tuple[Version, ...]


class Beginnings(Protocol):
    """What a run goes on from instead of a search (`huracan.learn.warm.WarmStart`)."""

    @property
    def chosen(self) -> Candidate:
        """Return the hyper-parameters and rules, frozen already."""
        ...

    def beginning(self, window: TrainWindow, scope: str, seed: int, normaliser: Normaliser) -> Beginning | None:
        """Return the weights that one training begins from, None: those of its seed."""
        ...


class Observer(Protocol):
    """Follows a campaign in the driver's process; is also the search's `TrialSink`."""

    def trial_changed(self, trial: Trial) -> None:
        """Take note of a trial that started, reported or ended."""
        ...

    def training_changed(self, fold: int, scope: str, seed: int, total_env_steps: int, point: CurvePoint) -> None:
        """Take note of an iteration of one training."""
        ...


def run_campaign(
    dataset: Dataset,
    folds: Sequence[TrainWindow],
    search_window: SearchWindow,
    folder: Location,
    observer: Observer,
    warm: Beginnings | None = None,
    check: Callable[[], None] | None = None,
) -> Campaign:
    """Run or resume everything in `folder`; Ray must be running.

    The search sees `search_window` only. Its best candidate is frozen in `search.json`; then fold x scope x seed are
    trained with it, under its rules, as many at once as there are CPUs. Whatever is finished is not repeated.

    Args:
        dataset: judged candles; its settings say what to search and train.
        folds: training windows.
        search_window: used when `search.num_samples` is positive.
        folder: absolute, on this machine or in an object store; workers neither read nor write it.
        observer: told about every change.
        warm: what to go on from: nothing is searched then; None: search, and begin from nothing. A resumed run needs
            the same.
        check: raises when this process may write to `folder` no longer; asked before each write and whenever a trial
            changes. None: nobody else can.

    Raises:
        TrainingError: a part cannot go on; resume with the same folder.
        ArtefactError: a part in `folder` is of other settings or candles.
        DataError: a window holds too few rows.
    """
    store = MarketStore(dataset)
    may_write = check or _alone
    frozen, trials = (
        _frozen(store, dataset, search_window, folder, observer, may_write) if warm is None else (warm.chosen, ())
    )
    ppo = frozen.ppo
    recordings: dict[int, tuple[int, str, Recording]] = {}
    plan: list[tuple[int, str, WindowRecipe, list[Recording]]] = []
    for window in folds:
        seed = dataset.settings.search.seed
        recipe = store.window(window.start_ms, window.end_ms, window.symbols, seed, frozen.trading)
        for scope, part in _scopes(recipe, dataset.settings.shadow.per_coin_policies):
            seeds = [
                _recording(part, ppo, window, scope, seed, folder, warm, may_write)
                for seed in dataset.settings.shadow.seeds
            ]
            recordings |= {id(recording): (window.index, scope, recording) for recording in seeds}
            plan.append((window.index, scope, part, seeds))

    def progress(recording: Recording, point: CurvePoint) -> None:
        fold, scope, _ = recordings[id(recording)]
        observer.training_changed(fold, scope, recording.spec.seed, recording.spec.total_env_steps, point)

    train_many([recording for _, _, _, seeds in plan for recording in seeds], progress)
    may_write()
    versions = tuple(_version(fold, scope, part, seeds, folder) for fold, scope, part, seeds in plan)
    campaign = Campaign(ppo, frozen.trading, trials, versions)
    may_write()
    write_atomically(folder / _CAMPAIGN_NAME, json.dumps(_document(campaign, folder), indent=1).encode())
    return campaign


def read_campaign(folder: Location) -> Campaign:
    """Return the finished campaign in `folder`.

    Raises:
        UsageError: there is none: the training is not finished; or it is of a version that did not keep its rules.
        TrainingError: a file of it is damaged.
    """
    path = folder / _CAMPAIGN_NAME
    try:
        document = json.loads(path.read_bytes())
        if "versions" in document and "trading" not in document:
            raise UsageError(f"{path} is of an older version that kept no trading rules; train a new run")
        versions = []
        for item in document["versions"]:
            results = [read_result(folder / place) for place in item["seeds"]]
            if None in results:
                raise ValueError(f"a seed of fold {item['fold']} has no result")
            seeds = tuple(result for result in results if result is not None)
            place = folder / item["artefact"]
            versions.append(Version(item["fold"], item["scope"], tuple(item["symbols"]), place, item["sha256"], seeds))
        chosen, trials = _read_choice(document)
        return Campaign(chosen.ppo, chosen.trading, trials, tuple(versions))
    except FileNotFoundError:
        raise UsageError(f"{path} is missing: the training is not finished; resume it") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path} is damaged ({first_line(error)}); resume the training, or train a new run when it is done"
        ) from None


def search_sha256(dataset: Dataset, window: SearchWindow) -> str:
    """Return what identifies a search: the whole configuration, candles, remembered trades, and its windows."""
    past = None if dataset.past is None else hashlib.sha256(dataset.past.to_bytes()).hexdigest()
    values = [dataset.settings.hash, dataset.summary.fingerprint, past, dataclasses.asdict(window)]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _alone() -> None:
    """Let a folder be written that only this process knows."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A `TrialSink` that is told of a trial only while its process may write."""

    sink: Observer
    check: Callable[[], None]

    def trial_changed(self, trial: Trial) -> None:
        self.check()
        self.sink.trial_changed(trial)


def _frozen(
    store: MarketStore,
    dataset: Dataset,
    window: SearchWindow,
    folder: Location,
    observer: Observer,
    may_write: Callable[[], None],
) -> tuple[Candidate, tuple[Trial, ...]]:
    """Return hyper-parameters, rules and trials: as configured, as frozen before, or as searched now."""
    settings = dataset.settings
    given = Candidate(settings.ppo, dataset.trading)
    if settings.search.num_samples == 0:
        return given, ()
    path, identity = folder / _SEARCH_NAME, search_sha256(dataset, window)
    if path.exists():
        try:
            document = json.loads(path.read_bytes())
            _check_same(document.get(_IDENTITY, ""), identity, path)
            return _read_choice(document)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise TrainingError(f"{path} is damaged ({first_line(error)}); remove it to search again") from None
    rules = dataset.rules.held_below(window.purge_bars)
    grounds = _grounds(store, dataset, rules, window.train)
    rules = dataclasses.replace(rules, decision_interval_bars=tuple(grounds))
    arena = RuleArena(grounds, window.validation_start_ms, window.validation_end_ms)
    plan = SearchPlan(arena, given, rules, settings.shadow.seeds[0], settings.search)
    try:
        found = search(plan, folder, _Checked(observer, may_write))
    except TrainingError:
        may_write()  # if that is why, then in its own words
        raise
    may_write()
    document = _choice(found.chosen, found.trials) | {_IDENTITY: identity}
    write_atomically(path, json.dumps(document, indent=1).encode())
    return found.chosen, found.trials


def _check_same(found: str, needed: str, path: Location) -> None:
    """Refuse what another search froze, or who knows which.

    Raises:
        ArtefactError: it is one.
    """
    if not found:
        raise ArtefactError(
            f"{path} is of an older version, which did not keep what was searched; start a new run, or remove it with "
            "`search` and `trials` beside it to search again"
        )
    if found != needed:
        raise ArtefactError(
            f"{path} belongs to a search with other settings or data ({found[:12]}, now {needed[:12]}); start a new run"
        )


def _grounds(store: MarketStore, dataset: Dataset, rules: RuleSpace, window: TrainWindow) -> dict[int, Ground]:
    """Return what trains and judges at each decision interval, fitted on its own decisions.

    An interval that nobody asked for is left out where a short window has too few of its decisions for a fit.
    """
    grounds = {}
    seed, asked = dataset.settings.search.seed, dataset.settings.search.decision_interval_bars
    for interval in rules.decision_interval_bars:
        trading = with_rules(dataset.trading, {"decision_interval_bars": interval})
        try:
            recipe = store.window(window.start_ms, window.end_ms, window.symbols, seed, trading)
        except DataError:
            if asked is not None or interval == rules.given.decision_interval_bars:
                raise
            continue
        grounds[interval] = recipe.ground
    return grounds


def _choice(chosen: Candidate, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return what was frozen as JSON values."""
    return {
        "ppo": chosen.ppo.model_dump(mode="json"),
        "trading": chosen.trading.model_dump(mode="json"),
        "trials": [dataclasses.asdict(trial) for trial in trials],
    }


def _read_choice(document: dict[str, Any]) -> tuple[Candidate, tuple[Trial, ...]]:
    """Return what `_choice` wrote."""
    chosen = Candidate(PpoSettings(**document["ppo"]), TradingSettings(**document["trading"]))
    return chosen, tuple(_trial(item) for item in document["trials"])


def _scopes(recipe: WindowRecipe, per_coin: bool) -> list[tuple[str, WindowRecipe]]:
    if not per_coin:
        return [(ALL_COINS, recipe)]
    return [(symbol, recipe.of_coin(symbol)) for symbol in recipe.symbols]


def _place(fold: int, scope: str) -> PurePosixPath:
    return PurePosixPath(f"fold-{fold}", "all" if scope == ALL_COINS else symbol_to_stem(scope))


def _recording(
    recipe: WindowRecipe,
    ppo: PpoSettings,
    window: TrainWindow,
    scope: str,
    seed: int,
    folder: Location,
    warm: Beginnings | None,
    may_write: Callable[[], None],
) -> Recording:
    place = _place(window.index, scope) / f"seed-{seed}"
    card = recipe.card(f"{folder.name}/{place}", ppo)
    spec = recipe.spec(ppo, seed, ppo.env_steps)
    if warm is not None:
        spec = dataclasses.replace(spec, beginning=warm.beginning(window, scope, seed, recipe.normaliser))
    return Recording(spec, card, folder / place, recipe.memory, recipe.tree, may_write)


def _version(fold: int, scope: str, recipe: WindowRecipe, seeds: Sequence[Recording], folder: Location) -> Version:
    """Export the seed ensemble of one fold and scope, unless it is there already."""
    results = tuple(recording.result for recording in seeds if recording.result is not None)
    place = _place(fold, scope) / _ENSEMBLE_NAME
    parts = [load_artefact(result.artefact) for result in results]
    nets, card = combine_artefacts(parts, f"{folder.name}/{place}")
    artefact = export_artefact(folder / place, nets, card, recipe.memory, recipe.tree)
    return Version(fold, scope, recipe.symbols, folder / place, artefact.sha256, results)


def _document(campaign: Campaign, folder: Location) -> dict[str, Any]:
    """Return a campaign as JSON values, places relative to `folder`."""
    return {
        **_choice(Candidate(campaign.ppo, campaign.trading), campaign.trials),
        "versions": [
            {
                "fold": version.fold,
                "scope": version.scope,
                "symbols": version.symbols,
                "artefact": below(version.artefact, folder),
                "sha256": version.sha256,
                "seeds": [below(result.artefact.parent, folder) for result in version.seeds],
            }
            for version in campaign.versions
        ],
    }


def _trial(item: dict[str, Any]) -> Trial:
    score = item["score"]
    if score is not None:
        score = ValidationScore(**{**score, "daily_quote": tuple(score.get("daily_quote", ()))})
    return Trial(**{**item, "score": score})
