"""Export and checked load of a policy: `policy.safetensors` (weights, golden forward) and `policy.json` (the card).

A policy whose states remember closed trades brings them with it, in `memory.safetensors`; one whose entry 61 is a tree
model's brings `tree.txt` and `tree.json`.

Never a pickle. Both files are hashed, and loading repeats a stored forward pass, so that a policy that loads is the
policy that was exported.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
import torch

from huracan.errors import ArtefactError, InvariantError
from huracan.features import FeatureFit
from huracan.features.layout import S_DATA_AGE, S_HELD_FRAC, S_IS_LONG, S_ORDER_AGE, STATE_SIZE
from huracan.patterns import PatternMemory, state_layout
from huracan.policy.card import FORMAT_VERSION, PolicyCard, body_sha256, parse_card
from huracan.policy.ensemble import Ensemble
from huracan.policy.forward import decide
from huracan.policy.network import PolicyNet
from huracan.storage import Location, ObjectPath, write_bytes
from huracan.trees import Remembers, TreeModel, block_of

__all__ = [
    "JSON_NAME",
    "MEMORY_NAME",
    "TREE_NAME",
    "TREE_TEXT_NAME",
    "WEIGHTS_NAME",
    "Artefact",
    "combine_artefacts",
    "export_artefact",
    "load_artefact",
]

JSON_NAME: Final = "policy.json"
WEIGHTS_NAME: Final = "policy.safetensors"
MEMORY_NAME: Final = "memory.safetensors"
TREE_NAME: Final = "tree.json"
TREE_TEXT_NAME: Final = "tree.txt"
_FORMAT: Final = "huracan-policy"
_GOLDEN_ROWS: Final = 16
_GOLDEN_SEED: Final = 20250611
_GOLDEN_TOLERANCE: Final = 1e-4  # another CPU rounds matrix products differently, by about 1e-6

Tensors = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Artefact:
    """A loaded policy.

    Attributes:
        card: recipe and provenance.
        ensemble: one network per seed of the card, in that order.
        sha256: identifies card, weights, memory and tree together; the version's id.
        memory: closed trades that fill entries 52 to 60 of its states, None when they are 0.
        tree: model that fills entry 61, None when it is 0.
    """

    card: PolicyCard
    ensemble: Ensemble
    sha256: str
    memory: PatternMemory | None = None
    tree: TreeModel | None = None

    @property
    def block(self) -> Remembers | None:
        """Return what fills entries 52 to 61 of its states; None: they are 0."""
        return block_of(self.memory, self.tree)


def export_artefact(
    folder: Location,
    nets: Sequence[PolicyNet],
    card: PolicyCard,
    memory: PatternMemory | None = None,
    tree: TreeModel | None = None,
) -> Artefact:
    """Write a policy into `folder` and load it back with every check; replaces what was there.

    On disk the folder appears whole or not at all. In an object store the card, which holds the hashes of the others,
    is written last: until then the policy is missing, or another one whose files do not fit together and are refused.

    Args:
        folder: where `policy.safetensors` and `policy.json` go; parents are created.
        nets: one network per seed of the card, with the card's shape and normaliser.
        card: everything else.
        memory: closed trades whose hash the card holds.
        tree: model whose hash the card holds.

    Raises:
        ArtefactError: the disk refuses, or the weights would not pass the checks of `load_artefact`.
        StorageError: the object store refuses.
        InvariantError: networks and card disagree.
    """
    if len(nets) != len(card.seeds):
        raise InvariantError(f"{len(nets)} networks for {len(card.seeds)} seeds")
    if (None if memory is None else memory.sha256) != card.memory:
        raise InvariantError(f"card {card.name} holds the memory {card.memory}, which is not the one given")
    if (None if tree is None else tree.sha256) != card.tree:
        raise InvariantError(f"card {card.name} holds the tree model {card.tree}, which is not the one given")
    tensors = _golden_tensors(nets)
    for seed, net in zip(card.seeds, nets, strict=True):
        if net.spec != card.network:
            raise InvariantError(f"network {net.spec} is not the card's {card.network}")
        tensors |= {f"seed.{seed}.{name}": value.detach().numpy() for name, value in net.named_parameters()}
    weights = safetensors.numpy.save({name: np.ascontiguousarray(value) for name, value in tensors.items()})
    body = {
        "card": card.model_dump(mode="json"),
        "weights_bytes": len(weights),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    document = {"format": _FORMAT, "format_version": FORMAT_VERSION, "body": body, "body_sha256": body_sha256(body)}
    files = {WEIGHTS_NAME: weights}
    if memory is not None:
        files[MEMORY_NAME] = memory.to_bytes()
    if tree is not None:
        files[TREE_TEXT_NAME], files[TREE_NAME] = tree.to_files()
    files[JSON_NAME] = (json.dumps(document, indent=1) + "\n").encode()  # the last: it names the others by their hashes
    try:
        if isinstance(folder, ObjectPath):
            _upload(folder, files)
        else:
            _swap(folder.absolute(), files)
    except OSError as error:
        raise ArtefactError(f"policy cannot be written to {folder}: {error}; free space or choose another") from None
    return load_artefact(folder)


def load_artefact(folder: Location) -> Artefact:
    """Load a policy and check all of it.

    Raises:
        ArtefactError: one line naming the file, what was found and what to do: a missing or truncated file, a flipped
            byte, an unknown format version, a missing or mistyped key, another action set or feature formula, tensors
            of other names, shapes or types, weights that are not finite, a golden forward that does not repeat, a
            memory that is missing, changed, or of another feature layout, a tree model likewise.
    """
    body, body_hash = _read_body(folder / JSON_NAME)
    card = parse_card(str(folder / JSON_NAME), body["card"])
    tensors = _read_tensors(folder / WEIGHTS_NAME, body)
    nets = [_build_net(folder / WEIGHTS_NAME, card, seed, tensors) for seed in card.seeds]
    _check_names(folder / WEIGHTS_NAME, card, nets[0], tensors)
    _check_golden(folder / WEIGHTS_NAME, nets, tensors)
    memory = None if card.memory is None else _read_memory(folder / MEMORY_NAME, card)
    tree = None if card.tree is None else _read_tree(folder, card)
    return Artefact(card, Ensemble(nets), body_hash, memory, tree)


def combine_artefacts(artefacts: Sequence[Artefact], name: str) -> tuple[tuple[PolicyNet, ...], PolicyCard]:
    """Return networks and card of the seed ensemble of artefacts that differ in nothing but their seeds.

    Raises:
        ArtefactError: they are different recipes, or a seed occurs twice.
    """
    if not artefacts:
        raise ArtefactError("no artefact to combine; train at least one seed")
    first = artefacts[0].card
    env_steps = min(artefact.card.env_steps for artefact in artefacts)  # whole batches: seeds differ by a few steps
    same = {"name": name, "seeds": (), "libraries": first.libraries, "env_steps": env_steps}
    seeds = tuple(seed for artefact in artefacts for seed in artefact.card.seeds)
    for artefact in artefacts[1:]:
        if artefact.card.model_copy(update=same) != first.model_copy(update=same):
            raise ArtefactError(f"{artefact.card.name} and {first.name} are not seeds of one recipe: do not combine")
    if len(set(seeds)) != len(seeds):
        raise ArtefactError(f"a seed occurs twice in {list(seeds)}; combine each seed once")
    nets = tuple(net for artefact in artefacts for net in artefact.ensemble.nets)
    return nets, first.model_copy(update={"name": name, "seeds": seeds, "env_steps": env_steps})


def _swap(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder of files, check it as a policy, and put it in the place of another."""
    staging = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        for name, data in files.items():
            _write(staging / name, data)
        load_artefact(staging)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _upload(folder: ObjectPath, files: Mapping[str, bytes]) -> None:
    """Check files as a policy before the first of them leaves this machine, then write them in their order."""
    with tempfile.TemporaryDirectory(prefix="huracan-policy-") as scratch:
        for name, data in files.items():
            (Path(scratch) / name).write_bytes(data)
        load_artefact(Path(scratch))
    for name, data in files.items():
        write_bytes(folder / name, data)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read_bytes(path: Location) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}; give the folder of an exported policy") from None


def _read_body(path: Location) -> tuple[dict[str, Any], str]:
    """Return the body of policy.json and its verified hash."""
    try:
        document = json.loads(_read_bytes(path))
    except ValueError:
        raise ArtefactError(f"{path} is not JSON (truncated or damaged); export the policy again") from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ArtefactError(f"{path} is not a huracan policy; give the folder of an exported policy")
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise ArtefactError(f"{path} has format version {version}, this code reads {FORMAT_VERSION}; export it again")
    body = document.get("body")
    if not isinstance(body, dict):
        raise ArtefactError(f"{path} lacks the key body; export the policy again")
    if document.get("body_sha256") != body_sha256(body):
        raise ArtefactError(f"{path} was changed after export (body_sha256 differs); export the policy again")
    for key, kind in (("card", dict), ("weights_bytes", int), ("weights_sha256", str)):
        if not isinstance(body.get(key), kind):
            raise ArtefactError(f"{path} lacks the key body.{key}; export the policy again")
    return body, str(document["body_sha256"])


def _read_tensors(path: Location, body: dict[str, Any]) -> Tensors:
    data = _read_bytes(path)
    if len(data) != body["weights_bytes"]:
        raise ArtefactError(f"{path} has {len(data)} bytes of {body['weights_bytes']} (truncated); copy it again")
    if hashlib.sha256(data).hexdigest() != body["weights_sha256"]:
        raise ArtefactError(f"{path} was changed after export (weights_sha256 differs); copy it again")
    try:
        return safetensors.numpy.load(data)
    except safetensors.SafetensorError as error:
        raise ArtefactError(f"{path} is not a safetensors file: {error}; export the policy again") from None


def _read_memory(path: Location, card: PolicyCard) -> PatternMemory:
    data = _read_bytes(path)
    if hashlib.sha256(data).hexdigest() != card.memory:
        raise ArtefactError(f"{path} was changed after export (its hash is not the card's); copy it again")
    windows = FeatureFit.from_json(json.dumps(card.fit)).context.windows
    try:
        return PatternMemory.from_bytes(data, state_layout(windows))
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from None


def _read_tree(folder: Location, card: PolicyCard) -> TreeModel:
    path = folder / TREE_NAME
    document, text = _read_bytes(path), _read_bytes(folder / TREE_TEXT_NAME)
    if hashlib.sha256(document).hexdigest() != card.tree:
        raise ArtefactError(f"{path} was changed after export (its hash is not the card's); copy it again")
    try:
        return TreeModel.from_files(text, document, FeatureFit.from_json(json.dumps(card.fit)).sha256)
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from None


def _build_net(path: Location, card: PolicyCard, seed: int, tensors: Tensors) -> PolicyNet:
    net = PolicyNet(card.network, card.normaliser())
    for name, parameter in net.named_parameters():
        key = f"seed.{seed}.{name}"
        value = tensors.get(key)
        if value is None:
            raise ArtefactError(f"{path} lacks the tensor {key}; export the policy again")
        if value.dtype != np.float32 or value.shape != tuple(parameter.shape):
            raise ArtefactError(
                f"{path}: tensor {key} is {value.dtype}{list(value.shape)}, the network needs "
                f"float32{list(parameter.shape)}; export the policy again"
            )
        if not np.isfinite(value).all():
            raise ArtefactError(f"{path}: tensor {key} holds NaN or infinity; do not serve it, train again")
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(value.copy()))
    return net


def _check_names(path: Location, card: PolicyCard, net: PolicyNet, tensors: Tensors) -> None:
    known = {f"seed.{seed}.{name}" for seed in card.seeds for name, _ in net.named_parameters()}
    extra = sorted(set(tensors) - known - {"golden.states", "golden.probs", "golden.value"})
    if extra:
        raise ArtefactError(f"{path} holds the unknown tensor {extra[0]}; export the policy again")


def _golden_tensors(nets: Sequence[PolicyNet]) -> Tensors:
    """Return states that cover every mask case, and what the ensemble says about them."""
    states = np.random.default_rng(_GOLDEN_SEED).standard_normal((_GOLDEN_ROWS, STATE_SIZE)).astype(np.float32)
    states[:, S_IS_LONG:] = 0
    states[0::4, S_IS_LONG] = 1
    states[0::4, S_HELD_FRAC] = 0.5
    states[1::4, S_ORDER_AGE] = 0.25
    states[2::4, S_DATA_AGE] = 1
    decision = decide(nets, states)
    return {"golden.states": states, "golden.probs": decision.probs, "golden.value": decision.value}


def _check_golden(path: Location, nets: Sequence[PolicyNet], tensors: Tensors) -> None:
    missing = [key for key in ("golden.states", "golden.probs", "golden.value") if key not in tensors]
    if missing:
        raise ArtefactError(f"{path} lacks the tensor {missing[0]}; export the policy again")
    try:
        decision = decide(nets, tensors["golden.states"])
        error = np.abs(decision.probs - tensors["golden.probs"]).max()
        value = tensors["golden.value"]
        error = max(error, (np.abs(decision.value - value) / np.maximum(1, np.abs(value))).max())
    except (InvariantError, ValueError) as fault:
        raise ArtefactError(f"{path}: the golden forward cannot be repeated: {fault}; export again") from None
    if not error <= _GOLDEN_TOLERANCE:
        raise ArtefactError(
            f"{path}: the golden forward differs by {error:.2g} (tolerance {_GOLDEN_TOLERANCE:g}); this code computes "
            "another policy than the one exported: train again with this version"
        )
