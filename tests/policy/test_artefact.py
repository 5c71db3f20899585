import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import huracan.policy.artefact as artefact_module
from huracan.errors import ArtefactError, InvariantError, StorageError
from huracan.policy import (
    NetworkSpec,
    check_policy,
    combine_artefacts,
    decide,
    export_artefact,
    load_artefact,
    specimen_states,
)
from huracan.policy.artefact import JSON_NAME, WEIGHTS_NAME
from huracan.policy.card import body_sha256
from huracan.storage import write_bytes
from tests.objects import ACCESS_KEY, SECRET, ObjectServer, credentials, object_server
from tests.policy.recipes import make_card, make_nets, random_normaliser

SPEC = NetworkSpec((24, 16), "gelu")
NORMALISER = random_normaliser(3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a policy with two seeds."""
    folder = tmp_path_factory.mktemp("artefact") / "policy"
    export_artefact(folder, make_nets(NORMALISER, SPEC, (1, 2)), make_card(NORMALISER, SPEC, (1, 2)))
    return folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(exported, tmp_path / "policy"))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the card and bring its hash up to date, as a careless tool would."""
    path = folder / JSON_NAME
    document = json.loads(path.read_text())
    change(document["body"])
    document["body_sha256"] = body_sha256(document["body"])
    path.write_text(json.dumps(document))


def reweigh(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Change tensors and bring both hashes up to date."""
    tensors = safetensors.numpy.load((folder / WEIGHTS_NAME).read_bytes())
    tensors = {name: value.copy() for name, value in tensors.items()}
    change(tensors)
    data = safetensors.numpy.save(tensors)
    (folder / WEIGHTS_NAME).write_bytes(data)
    digest = artefact_module.hashlib.sha256(data).hexdigest()
    rewrite(folder, lambda body: body.update(weights_sha256=digest, weights_bytes=len(data)))


def test_what_is_loaded_is_what_was_exported(exported: Path) -> None:
    """Card, weights, normaliser and every bit of a decision survive the round trip."""
    loaded = load_artefact(exported)
    states = specimen_states(100, 1)
    before = decide(make_nets(NORMALISER, SPEC, (1, 2)), states)
    after = loaded.ensemble.decide(states)
    assert loaded.card == make_card(NORMALISER, SPEC, (1, 2))
    assert before.probs.tobytes() == after.probs.tobytes()
    assert before.value.tobytes() == after.value.tobytes()
    check_policy(loaded.ensemble)


def test_the_same_policy_has_the_same_id(exported: Path, tmp_path: Path) -> None:
    """Export is a pure function of networks and card."""
    again = export_artefact(tmp_path / "p", make_nets(NORMALISER, SPEC, (1, 2)), make_card(NORMALISER, SPEC, (1, 2)))
    assert again.sha256 == load_artefact(exported).sha256
    assert {path.name for path in tmp_path.iterdir()} == {"p"}


def _truncate_weights(folder: Path) -> None:
    path = folder / WEIGHTS_NAME
    path.write_bytes(path.read_bytes()[:-10])


def _flip_weights(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS_NAME).read_bytes())
    data[-7] ^= 1
    (folder / WEIGHTS_NAME).write_bytes(data)


def _truncate_json(folder: Path) -> None:
    path = folder / JSON_NAME
    path.write_text(path.read_text()[:-100])


def _flip_json(folder: Path) -> None:
    path = folder / JSON_NAME
    path.write_text(path.read_text().replace("86400000", "86400001"))


def _set_document(key: str, value: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / JSON_NAME
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return damage


def _card_key(key: str, value: Any = None) -> Callable[[Path], None]:
    def change(body: dict[str, Any]) -> None:
        if value is None:
            del body["card"][key]
        else:
            body["card"][key] = value

    return lambda folder: rewrite(folder, change)


def _other_formula(folder: Path) -> None:
    rewrite(folder, lambda body: body["card"]["features"][8].update(formula="0" * 16))


def _other_scale(folder: Path) -> None:
    rewrite(folder, lambda body: body["card"]["scale"].__setitem__(2, 9.0))


def _zero_scale(folder: Path) -> None:
    rewrite(folder, lambda body: body["card"]["scale"].__setitem__(2, 0.0))


def _tensor(change: Callable[[dict[str, np.ndarray]], Any]) -> Callable[[Path], None]:
    return lambda folder: reweigh(folder, change)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no json": (lambda folder: (folder / JSON_NAME).unlink(), "cannot be read"),
    "no weights": (lambda folder: (folder / WEIGHTS_NAME).unlink(), "cannot be read"),
    "truncated weights": (_truncate_weights, "truncated"),
    "flipped weights": (_flip_weights, "weights_sha256"),
    "truncated json": (_truncate_json, "not JSON"),
    "flipped json": (_flip_json, "body_sha256"),
    "other format": (_set_document("format", "zip"), "not a huracan policy"),
    "unknown version": (_set_document("format_version", 99), "format version 99"),
    "no body": (_set_document("body", None), "key body"),
    "missing hash": (lambda f: rewrite(f, lambda body: body.pop("weights_sha256")), "weights_sha256"),
    "missing card": (lambda f: rewrite(f, lambda body: body.pop("card")), "key body.card"),
    "missing key": (_card_key("universe"), "universe"),
    "unknown key": (_card_key("mood", "good"), "mood"),
    "mistyped key": (_card_key("train_start_ms", "monday"), "train_start_ms"),
    "other actions": (_card_key("actions", ["BUY", "SELL"]), "actions"),
    "other formula": (_other_formula, "state entry 8"),
    "unusable scale": (_zero_scale, "scale"),
    "other shape": (_card_key("hidden", [24, 8]), r"network needs float32\[8, 24\]"),
    "missing tensor": (_tensor(lambda t: t.pop("seed.2.value_head.bias")), "seed.2.value_head.bias"),
    "extra tensor": (_tensor(lambda t: t.update(more=np.zeros(1, np.float32))), "unknown tensor more"),
    "NaN weight": (_tensor(lambda t: t["seed.1.trunk.0.weight"].__setitem__((0, 0), np.nan)), "NaN or infinity"),
    "float64 weight": (
        _tensor(lambda t: t.update({"seed.1.policy_head.bias": np.zeros(6)})),
        "float64",
    ),
    "no golden forward": (_tensor(lambda t: t.pop("golden.probs")), "golden.probs"),
    "another golden shape": (_tensor(lambda t: t.update({"golden.value": np.zeros(3, np.float32)})), "golden forward"),
    "other weights": (_tensor(lambda t: t["seed.1.policy_head.bias"].__setitem__(1, 3.0)), "golden forward"),
    "other scale": (_other_scale, "golden forward"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_each_damage_is_found_and_named_in_one_line(copy: Path, name: str) -> None:
    """Nothing that differs from what was exported loads."""
    damage, complaint = DAMAGE[name]
    damage(copy)
    with pytest.raises(ArtefactError, match=complaint) as caught:
        load_artefact(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)


@pytest.mark.parametrize("name", DAMAGE)
def test_each_damage_is_found_in_a_bucket(copy: Path, name: str, object_store: ObjectServer) -> None:
    """By the same complaint, with the URL in it."""
    damage, complaint = DAMAGE[name]
    damage(copy)
    folder = object_store.bucket(f"damage-{list(DAMAGE).index(name)}") / "policy"
    for file in copy.iterdir():
        write_bytes(folder / file.name, file.read_bytes())
    with pytest.raises(ArtefactError, match=complaint) as caught:
        load_artefact(folder)
    assert "\n" not in str(caught.value)
    assert f"s3://{folder.place}/policy." in str(caught.value)


def test_a_bucket_holds_the_policy_that_the_disk_holds(exported: Path, object_store: ObjectServer) -> None:
    """The same files, the same id; exported again over itself it stays readable."""
    folder = object_store.bucket("policies") / "run" / "policy"
    for _ in range(2):
        there = export_artefact(folder, make_nets(NORMALISER, SPEC, (1, 2)), make_card(NORMALISER, SPEC, (1, 2)))
        assert there.sha256 == load_artefact(exported).sha256
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in exported.iterdir()
    }


def test_an_export_that_stops_half_way_leaves_no_policy() -> None:
    """The card is the last to be written: where it could not be, what lies there is no policy."""
    with object_server() as server:
        folder = server.bucket("half") / "policy"
        given = server.user("weigher", ["s3:PutObject", "s3:GetObject"], f"arn:aws:s3:::half/policy/{WEIGHTS_NAME}")
        server.demand_rights(True)
        with credentials(given), pytest.raises(StorageError, match=r"policy\.json.*access is denied"):
            export_artefact(folder, make_nets(NORMALISER, SPEC), make_card(NORMALISER, SPEC))
        server.demand_rights(False)
        with credentials({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}):
            assert [file.name for file in folder.iterdir()] == [WEIGHTS_NAME]
            with pytest.raises(ArtefactError, match=r"policy\.json.*cannot be read: there is no such object"):
                load_artefact(folder)


def test_a_pickle_is_never_opened(copy: Path) -> None:
    """A pickle in the weights' place is refused by its bytes, not run."""
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(copy / "exploded"),)

    data = pickle.dumps(Bomb())
    (copy / WEIGHTS_NAME).write_bytes(data)
    digest = artefact_module.hashlib.sha256(data).hexdigest()
    rewrite(copy, lambda body: body.update(weights_sha256=digest, weights_bytes=len(data)))
    with pytest.raises(ArtefactError, match="not a safetensors file"):
        load_artefact(copy)
    assert not (copy / "exploded").exists()


def test_export_replaces_whole_or_not_at_all(exported: Path, copy: Path) -> None:
    """A policy that would not load is not exported, and what stood there before stays."""
    nets = make_nets(NORMALISER, SPEC, (1, 2))
    nets[0].policy_head.bias.data[0] = float("nan")
    with pytest.raises((ArtefactError, InvariantError)):
        export_artefact(copy, nets, make_card(NORMALISER, SPEC, (1, 2)))
    assert load_artefact(copy).sha256 == load_artefact(exported).sha256
    assert {path.name for path in copy.parent.iterdir()} == {"policy"}


def test_an_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    """A file where a folder must be is reported, with its path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot be written"):
        export_artefact(tmp_path / "file" / "policy", make_nets(NORMALISER, SPEC), make_card(NORMALISER, SPEC))


def test_export_refuses_networks_that_are_not_the_cards(tmp_path: Path) -> None:
    """Shape and number of seeds must agree with the card."""
    with pytest.raises(InvariantError):
        export_artefact(tmp_path / "p", make_nets(NORMALISER, NetworkSpec((8,))), make_card(NORMALISER, SPEC))
    with pytest.raises(InvariantError):
        export_artefact(tmp_path / "p", make_nets(NORMALISER, SPEC, (1, 2)), make_card(NORMALISER, SPEC))


def test_seeds_of_one_recipe_combine(tmp_path: Path) -> None:
    """Two single-seed policies become the ensemble of both."""
    parts = [
        export_artefact(
            tmp_path / str(seed),
            make_nets(NORMALISER, SPEC, (seed,)),
            make_card(NORMALISER, SPEC, (seed,)).model_copy(update={"name": f"seed {seed}", "env_steps": 1000 + seed}),
        )
        for seed in (5, 6)
    ]
    nets, card = combine_artefacts(parts, "both")
    whole = export_artefact(tmp_path / "both", nets, card)
    states = specimen_states(30, 0)
    expected = decide(make_nets(NORMALISER, SPEC, (5, 6)), states)
    assert whole.card.seeds == (5, 6)
    assert whole.card.name == "both"
    assert whole.card.env_steps == 1005
    assert whole.ensemble.decide(states).probs.tobytes() == expected.probs.tobytes()
    with pytest.raises(ArtefactError, match="twice"):
        combine_artefacts([parts[0], parts[0]], "same")
    other = export_artefact(
        tmp_path / "other",
        make_nets(NORMALISER, SPEC, (7,)),
        make_card(NORMALISER, SPEC, (7,)).model_copy(update={"train_end_ms": 5}),
    )
    with pytest.raises(ArtefactError, match="not seeds of one recipe"):
        combine_artefacts([parts[0], other], "mixed")
    with pytest.raises(ArtefactError, match="no artefact"):
        combine_artefacts([], "none")
