"""What an artefact says about itself: everything but the weights, as one validated, hashed JSON document."""

import hashlib
import importlib.metadata
import json
import math
import platform
from typing import Annotated, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from huracan.config import Timeframe
from huracan.errors import ArtefactError, InvariantError
from huracan.features import windows_for
from huracan.features.catalogue import CATALOGUE, formula_hash
from huracan.features.layout import STATE_SIZE
from huracan.policy.network import NUM_ACTIONS, NetworkSpec, Normaliser
from huracan.trading import Action

__all__ = [
    "ACTION_NAMES",
    "FORMAT_VERSION",
    "FeatureIdentity",
    "PolicyCard",
    "body_sha256",
    "catalogue_identity",
    "library_versions",
    "parse_card",
]

FORMAT_VERSION: Final = 1
ACTION_NAMES: Final = tuple(action.name for action in sorted(Action))
_LIBRARIES: Final = ("huracan", "numpy", "ray", "safetensors", "torch")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PerEntry = Annotated[tuple[float, ...], Field(min_length=STATE_SIZE, max_length=STATE_SIZE)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FeatureIdentity(_Model):
    """One state entry as training knew it: its name and the hash of its formula and code."""

    name: str
    formula: Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")]


class PolicyCard(_Model):
    """The recipe and provenance of a policy.

    Attributes:
        name: what made it, e.g. `<run id>/fold-2/seed-1`.
        hidden: trunk widths.
        activation: trunk activation.
        actions: names by action code.
        features: the 80 state entries in order.
        center: per entry; with `scale`, `clip` (None: not clipped) and `available` the normaliser of the network.
        scale: per entry.
        clip: per entry.
        available: per entry, whether training had it; serving forces the others to 0.
        fit: the training window's feature fit as `huracan.features.FeatureFit` writes it.
        memory: SHA-256 of the closed trades that its states remember (`memory.safetensors`), None without.
        tree: SHA-256 of `tree.json`, the tree model behind entry 61 (its text is `tree.txt`), None without.
        universe: symbols trained on, sorted.
        leader: the leader symbol, if there was one.
        timeframe: base timeframe.
        trading: every setting of kernel and costs.
        ppo: hyper-parameters.
        data_fingerprint: of candles, instruments and cost tables.
        train_start_ms: first bar of the training window, ms UTC.
        train_end_ms: end of the training window, exclusive.
        seeds: training seeds, one network each.
        env_steps: environment steps per seed.
        libraries: versions at export.
    """

    name: Annotated[str, Field(min_length=1)]
    hidden: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)]
    activation: Literal["tanh", "gelu", "relu"]
    actions: tuple[str, ...]
    features: Annotated[tuple[FeatureIdentity, ...], Field(min_length=STATE_SIZE, max_length=STATE_SIZE)]
    center: PerEntry
    scale: PerEntry
    clip: Annotated[tuple[float | None, ...], Field(min_length=STATE_SIZE, max_length=STATE_SIZE)]
    available: Annotated[tuple[bool, ...], Field(min_length=STATE_SIZE, max_length=STATE_SIZE)]
    fit: JsonValue
    universe: Annotated[tuple[str, ...], Field(min_length=1)]
    leader: str | None
    timeframe: Timeframe
    trading: dict[str, JsonValue]
    ppo: dict[str, JsonValue]
    data_fingerprint: Sha256
    train_start_ms: int
    train_end_ms: int
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    env_steps: Annotated[int, Field(ge=0)]
    libraries: dict[str, str]
    memory: Sha256 | None = None
    tree: Sha256 | None = None

    @property
    def network(self) -> NetworkSpec:
        """Return the shape of the networks."""
        return NetworkSpec(self.hidden, self.activation)

    def normaliser(self) -> Normaliser:
        """Return the frozen input scaling, exactly as exported."""
        clip = [math.inf if bound is None else bound for bound in self.clip]
        return Normaliser(_float32(self.center), _float32(self.scale), _float32(clip), np.array(self.available, bool))


def _float32(values: Any) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


def catalogue_identity(timeframe: str) -> tuple[FeatureIdentity, ...]:
    """Return name and formula hash of the 80 entries as this code computes them from candles of `timeframe`."""
    table = windows_for(timeframe)
    return tuple(FeatureIdentity(name=spec.name, formula=formula_hash(spec, table)) for spec in CATALOGUE)


def library_versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **versions}


def body_sha256(body: dict[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of `body`, hexadecimal."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def parse_card(where: str, data: Any) -> PolicyCard:
    """Return the validated card.

    Raises:
        ArtefactError: a key is missing, unknown or mistyped, or the content is not what this code computes.
    """
    try:
        card = PolicyCard.model_validate(data)
    except ValidationError as error:
        item = error.errors(include_url=False, include_context=False, include_input=False)[0]
        key = ".".join(str(part) for part in item["loc"])
        raise ArtefactError(f"{where}: key {key}: {item['msg']}; export the policy again") from None
    if card.actions != ACTION_NAMES or len(card.actions) != NUM_ACTIONS:
        raise ArtefactError(f"{where}: actions {list(card.actions)} are not this version's {list(ACTION_NAMES)}")
    for index, (found, ours) in enumerate(zip(card.features, catalogue_identity(card.timeframe), strict=True)):
        if found != ours:
            raise ArtefactError(
                f"{where}: state entry {index} was {found.name} ({found.formula}) in training and is "
                f"{ours.name} ({ours.formula}) here; train again with this version"
            )
    try:
        card.normaliser()
    except InvariantError as error:
        raise ArtefactError(f"{where}: {error}; export the policy again") from None
    return card
