"""What a new version is worth: beside the champion on days that neither has learnt from, and how far it may rise."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Engine

from huracan.config import Settings, TradingSettings
from huracan.env import Dataset
from huracan.errors import HuracanError
from huracan.features import FeatureFit
from huracan.learn.campaign import Campaign
from huracan.memory import Model, Registry
from huracan.policy import Artefact, Sureness, load_artefact
from huracan.shadow import Fold, Window, cut_tape, shadow_block, to_json
from huracan.shadow.compare import Comparison, Pair, compare_days, unseen_windows
from huracan.shadow.run import ShadowResult
from huracan.storage import locate
from huracan.trading import Limits

__all__ = ["Beside", "Standing", "beside_champion", "promotion_of", "with_features_of"]

Goal = Literal["nothing", "shadow", "champion"]
Load = Callable[[Settings], Dataset]
_STAGES = ("candidate", "shadow", "champion")


@dataclass(frozen=True, slots=True)
class Beside:
    """A new version beside its scope's champion.

    Attributes:
        version, scope: the new one.
        champion: the champion's version, None when the scope has none.
        champion_proven: whether the gate has passed the champion.
        coins: traded by both.
        comparison: None when there is no champion, or they cannot be compared.
        note: why not.
    """

    version: str
    scope: str
    champion: str | None
    champion_proven: bool
    coins: tuple[str, ...]
    comparison: Comparison | None
    note: str

    @property
    def line(self) -> str:
        """Return it in words."""
        if self.champion is None:
            return f"{self.scope} has no champion"
        if self.comparison is None:
            return f"{self.version} and {self.champion} cannot be compared: {self.note}"
        c = self.comparison
        return (
            f"{self.version} minus {self.champion} on {c.days} unseen days: {c.difference.estimate:+.2f} a day "
            f"[{c.difference.low:+.2f}, {c.difference.high:+.2f}]"
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, with what a promotion needs to know."""
        found: dict[str, Any] = to_json(self)
        c = self.comparison
        found["better"] = None if c is None else c.difference.positive
        found["worse"] = None if c is None else c.difference.negative
        return {**found, "line": self.line}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a promotion to champion needs to know of the comparison; `better` and `worse` are None without one."""

    champion: str | None
    champion_proven: bool
    better: bool | None
    worse: bool | None

    @classmethod
    def of(cls, row: dict[str, Any]) -> "Standing":
        """Return what `Beside.to_json` holds."""
        return cls(row["champion"], row["champion_proven"], row["better"], row["worse"])

    def refusal(self) -> str | None:
        """Return why the champion stays, None when it may be replaced.

        A proven champion is replaced by what is shown to be better, one that was put there by hand by whatever passed
        the gate and is not shown to be worse.
        """
        if self.champion is None:
            return None
        if self.better is None or self.worse is None:
            return f"{self.champion} stays champion: the two cannot be compared"
        if self.champion_proven and not self.better:
            return f"{self.champion} stays champion: the new one is not shown to be better"
        if self.worse:
            return f"{self.champion} stays champion: the new one is worse"
        return None


def beside_champion(
    dataset: Dataset, folds: Sequence[Fold], campaign: Campaign, model: Model, registry: Registry, load: Load
) -> Beside:
    """Trade the champion of a version's scope beside it, each by its own rules and features, on the same coins.

    Args:
        dataset: of the new version.
        folds: of its run.
        campaign: of its run.
        model: the new version.
        registry: knows the champion.
        load: loads the candles of `dataset` by other settings, for a champion of another universe.
    """
    champion = registry.champion(model.scope)
    if champion is None or champion.version == model.version:
        return Beside(model.version, model.scope, None, False, (), None, "")
    try:
        artefact = load_artefact(locate(champion.artefact))
        windows = unseen_windows(folds, artefact.card.train_end_ms)
        pairs, coins = [], set()
        features = with_features_of(dataset, FeatureFit.from_json(json.dumps(artefact.card.fit)), load)
        theirs = features.under(TradingSettings.model_validate(artefact.card.trading["settings"]))
        ours = dataset.under(campaign.trading)
        for fold, window in windows:
            version = next(v for v in campaign.versions if (v.fold, v.scope) == (fold.index, model.scope))
            common = sorted(set(fold.symbols) & set(version.symbols) & set(artefact.card.universe))
            if not common:
                continue
            coins |= set(common)
            mine = _trade(ours, load_artefact(version.artefact), window, common, fold.index)
            other = _trade(theirs, artefact, window, common, fold.index)
            pairs.append(Pair(mine.daily, other.daily, len(mine.trades), len(other.trades)))
    except HuracanError as error:
        return Beside(model.version, model.scope, champion.version, champion.proven, (), None, str(error))
    if not pairs:
        note = "there is no test day that the champion has not learnt from, with a coin that both trade"
        return Beside(model.version, model.scope, champion.version, champion.proven, (), None, note)
    compared = compare_days(pairs, dataset.settings.shadow)
    return Beside(
        model.version, model.scope, champion.version, champion.proven, tuple(sorted(coins)), compared, ""
    )  # fmt: skip


def with_features_of(dataset: Dataset, fit: FeatureFit, load: Load) -> Dataset:
    """Return a dataset whose features are of the coins and the leader that a fit was made of: coins come and go.

    Raises:
        RefusedError, DataError: a coin of the fit is not stored any more, or unfit.
    """
    context = next(iter(dataset.raw.values())).context
    if (context.universe, context.leader) == (fit.context.universe, fit.context.leader):
        return dataset
    given = {"symbols": fit.context.universe, "leader_symbol": fit.context.leader}
    data = dataset.settings.data.model_copy(update=given)
    return load(dataset.settings.model_copy(update={"data": data}))


def promotion_of(engine: Engine, model: Model, standing: Standing, goal: Goal, author: str) -> dict[str, Any]:
    """Move a version as far as the gate, the configuration and the comparison allow; done again it changes nothing.

    Returns:
        JSON values: the stage reached, whether it moved in this cycle, and why it goes no further.
    """
    registry = Registry(engine)
    why = None
    while (now := registry.show(model.version)).stage in ("candidate", "shadow"):
        if not now.proven:
            why = "the promotion gate has not passed it"
        elif _STAGES.index(now.stage) >= _STAGES.index("candidate" if goal == "nothing" else goal):
            why = f"retrain.promote_to is {goal}"
        elif now.stage == "shadow":
            why = standing.refusal()
        if why is not None:
            break
        registry.promote(
            model.version, author, "passed the promotion gate" if now.stage == "candidate" else _better(standing)
        )
    moved = [event.to_stage for event in registry.history(model.version) if event.author == author]
    line = f"{model.version} is {now.stage}" + (f": {why}" if why else "")
    return {"version": model.version, "stage": now.stage, "promoted": bool(moved), "reason": why, "line": line}


def _better(standing: Standing) -> str:
    if standing.champion is None:
        return "passed the promotion gate; the scope had no champion"
    return f"passed the promotion gate; beside {standing.champion} on unseen days " + (
        "shown to be better" if standing.better else "not shown to be worse, and that one had not passed"
    )


def _trade(dataset: Dataset, artefact: Artefact, window: Window, coins: Sequence[str], fold: int) -> ShadowResult:
    fit = FeatureFit.from_json(json.dumps(artefact.card.fit))
    tapes = dataset.fold_tapes(fit, artefact.memory, artefact.tree)
    cut = [cut_tape(tape, window, dataset.kernel.base_ms) for tape in tapes if tape.symbol in coins]
    risk = dataset.settings.risk
    limits = Limits.of(risk, dataset.settings.trading.account_to_quote_rate)
    return shadow_block(
        artefact.ensemble,
        cut,
        window,
        dataset.kernel,
        limits,
        name=artefact.card.name,
        fold=fold,
        sureness=Sureness.of(risk),
    )
