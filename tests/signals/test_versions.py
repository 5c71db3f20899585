"""What decides is what the registry wants: artefacts checked, never half a change."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from huracan.errors import ArtefactError, DatabaseError
from huracan.memory.registry import Model
from huracan.patterns import state_layout
from huracan.policy.artefact import JSON_NAME, WEIGHTS_NAME
from huracan.signals.versions import Versions, load_version
from tests.signals.following import fit
from tests.signals.serving import export, row


def test_a_damaged_shadow_is_left_out_and_stops_nothing(tmp_path: Path) -> None:
    """What decides goes on changing with the registry; the damaged one is looked at once."""
    artefacts = [export(tmp_path / str(number), number) for number in (1, 2, 3)]
    registry = [row(number, one, tmp_path / str(number)) for number, one in enumerate(artefacts, 1)]
    registry[0] = replace(registry[0], stage="champion")
    registry[1], registry[2] = replace(registry[1], stage="shadow"), replace(registry[2], stage="shadow")
    (tmp_path / "2" / WEIGHTS_NAME).write_bytes(b"damaged")
    versions = Versions(lambda: registry, "paper")
    assert versions.refresh()
    assert (versions.problem, list(versions.book.versions)) == ("", ["v1"])
    assert [one.served.version for one in versions.shadows] == ["v3"]
    registry[0], registry[2] = replace(registry[0], stage="retired"), replace(registry[2], stage="champion")
    assert versions.refresh()
    assert (list(versions.book.versions), versions.shadows) == (["v3"], ())


def test_a_loaded_version_is_the_artefact_that_was_registered(tmp_path: Path) -> None:
    """Its fit and its rules travel with it; a folder and the file in it are the same artefact."""
    artefact = export(tmp_path / "a", 1)
    found = load_version(row(1, artefact, tmp_path / "a", "champion", proven=True))
    assert found.served.proven
    assert (found.fit.sha256, found.served.fit) == (fit().sha256, fit().sha256)
    assert found.served.layout == state_layout(fit().context.windows)
    assert found.rules == {
        "decision_interval_bars": 15,
        "hold_bars": 720,
        "stop_sigmas": 1.0,
        "target_sigmas": 1.5,
    }
    assert load_version(row(1, artefact, tmp_path / "a" / JSON_NAME)).served.sha256 == artefact.sha256
    export(tmp_path / "b", 2)
    with pytest.raises(ArtefactError, match="another artefact"):
        load_version(row(1, artefact, tmp_path / "b"))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a weight was changed": lambda folder: _flip(folder / WEIGHTS_NAME),
    "the card was changed": lambda folder: _flip(folder / JSON_NAME),
    "the weights are gone": lambda folder: (folder / WEIGHTS_NAME).unlink(),
    "the folder is gone": lambda folder: shutil.rmtree(folder),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_tampered_artefact_is_refused_and_the_old_version_goes_on_deciding(tmp_path: Path, damage: str) -> None:
    """The reason can be read, nothing changes; the version is served as soon as its file is whole again."""
    registry = [row(1, export(tmp_path / "old", 1), tmp_path / "old", "champion")]
    versions = Versions(lambda: registry, "paper")
    assert versions.refresh()
    assert not versions.refresh()
    before = versions.book
    artefact = export(tmp_path / "new", 2)
    registry = [replace(registry[0], stage="retired"), row(2, artefact, tmp_path / "new", "champion")]
    DAMAGES[damage](tmp_path / "new")
    assert not versions.refresh()
    assert versions.book is before
    assert str(tmp_path / "new") in versions.problem
    shutil.rmtree(tmp_path / "new", ignore_errors=True)
    export(tmp_path / "new", 2)
    assert versions.refresh()
    assert (list(versions.book.versions), versions.problem) == (["v2"], "")


def test_a_stage_that_moves_is_followed_without_reading_the_artefact_again(tmp_path: Path) -> None:
    """A promotion changes what is said of a version, not the version; shadows are loaded beside."""
    one, two = export(tmp_path / "1", 1), export(tmp_path / "2", 2)
    registry = [row(1, one, tmp_path / "1"), row(2, two, tmp_path / "2", "shadow")]
    versions = Versions(lambda: registry, "paper", ("v1",))
    assert versions.refresh()
    assert [loaded.served.version for loaded in versions.shadows] == ["v2"]
    shutil.rmtree(tmp_path / "1")
    registry = [replace(registry[0], stage="champion", proven=True), registry[1]]
    assert versions.refresh()
    served = versions.book.versions["v1"]
    assert (served.stage, served.proven) == ("champion", True)


def test_a_registry_that_does_not_answer_changes_nothing(tmp_path: Path) -> None:
    """The database is away: whoever decided goes on."""
    artefact, away = export(tmp_path / "1", 1), False

    def models() -> Sequence[Model]:
        if away:
            raise DatabaseError("the database is away")
        return [row(1, artefact, tmp_path / "1")]

    versions = Versions(models, "paper")
    assert versions.refresh()
    away = True
    assert not versions.refresh()
    assert (list(versions.book.versions), versions.problem) == (["v1"], "the database is away")
    away = False
    assert not versions.refresh()
    assert versions.problem == ""
