"""Warm start: going on from the newest version that fits, fold by fold, without carrying a look at any test along.

A fold's training may begin from another training's weights only if that one, and all it began from, ended no later than
this fold's own training window: otherwise its test days would have been learnt from. So each fold begins from the
earlier run's fold with the latest end inside its own window; none there, it begins from nothing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from huracan.config import PpoSettings, Settings
from huracan.env import Dataset
from huracan.errors import ConfigError, InvariantError
from huracan.learn.algorithm import Beginning
from huracan.learn.campaign import Campaign, TrainWindow, Version
from huracan.learn.recipe import MEMORY_INPUT, TREE_INPUT
from huracan.learn.search import SEARCHED, Candidate
from huracan.policy import Artefact, Normaliser, PolicyNet, catalogue_identity
from huracan.policy.card import PolicyCard

__all__ = ["WarmStart", "first_weights", "misfit", "recipe_of"]


@dataclass(frozen=True, slots=True, eq=False)
class WarmStart:
    """What a run goes on from.

    Attributes:
        run_id: the earlier run.
        chosen: its hyper-parameters and rules, frozen here too: nothing is searched.
        versions: its versions of every fold and scope, with their artefacts.
    """

    run_id: int
    chosen: Candidate
    versions: tuple[tuple[Version, Artefact], ...]

    def source(self, window: TrainWindow, scope: str) -> tuple[Version, Artefact] | None:
        """Return the version that a fold of a scope may begin from, None when each has seen too much."""
        allowed = [
            pair for pair in self.versions if pair[0].scope == scope and pair[1].card.train_end_ms <= window.end_ms
        ]
        return max(allowed, key=lambda pair: pair[1].card.train_end_ms, default=None)

    def beginning(self, window: TrainWindow, scope: str, seed: int, normaliser: Normaliser) -> Beginning | None:
        """Return the weights that one training begins from; None: from nothing, as no fold or seed may serve."""
        found = self.source(window, scope)
        if found is None or seed not in found[1].card.seeds:
            return None
        card, nets = found[1].card, found[1].ensemble.nets
        old = card.normaliser()
        if not np.array_equal(old.available, normaliser.available):  # this window knew of other inputs
            return None
        return first_weights(nets[card.seeds.index(seed)], old, normaliser)


def first_weights(net: PolicyNet, old: Normaliser, new: Normaliser) -> Beginning:
    """Return a network's parameters for another input scaling: where nothing is clipped it decides as before.

    z_old = (z_new * scale_new + center_new - center_old) / scale_old is linear, so the first layer takes it up; a
    withheld entry is 0 before it is scaled, like any other.

    Raises:
        InvariantError: training had other inputs then.
    """
    if not np.array_equal(old.available, new.available):
        raise InvariantError("a network that had other inputs cannot be begun from")
    parameters = {name: value.detach().numpy().copy() for name, value in net.named_parameters()}
    center, scale = old.center.astype(np.float64), old.scale.astype(np.float64)
    ratio, shift = new.scale / scale, (new.center - center) / scale
    weight, bias = (parameters[f"trunk.0.{name}"].astype(np.float64) for name in ("weight", "bias"))
    parameters["trunk.0.weight"] = (weight * ratio).astype(np.float32)
    parameters["trunk.0.bias"] = (bias + weight @ shift).astype(np.float32)
    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode() + parameters[name].tobytes())
    return Beginning(digest.hexdigest(), parameters)


def misfit(
    campaign: Campaign, cards: Sequence[PolicyCard], dataset: Dataset, windows: Sequence[TrainWindow], purge_bars: int
) -> str | None:
    """Return in words why an earlier run cannot be gone on from here, None when it can.

    Args:
        campaign: of the earlier run.
        cards: of its versions.
        dataset: the candles to train on now.
        windows: training windows of the folds.
        purge_bars: bars kept free before their tests.
    """
    settings, card = dataset.settings, cards[0]
    if card.features != catalogue_identity(dataset.summary.timeframe):
        return "its features have another layout or other formulas"
    if card.timeframe != dataset.summary.timeframe:
        return f"it was trained on {card.timeframe} candles"
    fit = card.fit if isinstance(card.fit, dict) else {}
    if fit.get("windows") != next(iter(dataset.raw.values())).context.windows.to_json():
        return "its features look back over other windows"
    if (card.hidden, card.activation) != (settings.policy.hidden, settings.policy.activation):
        return f"its network is {list(card.hidden)} {card.activation}"
    if card.leader != dataset.summary.leader:
        return f"its market leader is {card.leader}"
    if (card.memory is not None, card.tree is not None) != (settings.features.memory, settings.features.tree):
        return f"it had other inputs ({MEMORY_INPUT} or {TREE_INPUT})"
    scopes = {version.scope for version in campaign.versions}
    if ("*" not in scopes) != settings.shadow.per_coin_policies:
        return "it has policies of another scope"
    if settings.shadow.per_coin_policies and not scopes & set(dataset.summary.symbols):
        return f"it has policies of other coins ({', '.join(sorted(scopes)[:3])})"
    if not set(settings.shadow.seeds) <= set(card.seeds):
        return f"it has the seeds {list(card.seeds)}"
    if campaign.trading.hold_bars is not None and campaign.trading.hold_bars >= purge_bars:
        return f"it holds {campaign.trading.hold_bars} bars, longer than the {purge_bars} between training and test"
    try:
        dataset.under(campaign.trading)
    except (ConfigError, InvariantError):
        return "its trading rules are none that this configuration may choose"
    if all(card.train_end_ms > window.end_ms for card in cards for window in windows):
        return "each of its folds was trained past the ends of these training windows"
    return None


def recipe_of(campaign: Campaign, settings: Settings) -> Candidate:
    """Return what an earlier run's search chose, put into this configuration, at the length of a warm training."""
    prefix = "ppo."
    names = [name.removeprefix(prefix) for name in SEARCHED if name.startswith(prefix)]
    chosen = {name: getattr(campaign.ppo, name) for name in names}
    steps = settings.retrain.env_steps or settings.ppo.env_steps
    ppo = PpoSettings.model_validate(settings.ppo.model_dump() | chosen | {"env_steps": steps})
    return Candidate(ppo, campaign.trading)
