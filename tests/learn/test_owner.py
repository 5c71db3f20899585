"""Whose a run's folder is, on disk and in an object store."""

import json
from pathlib import Path

import pytest

from huracan.errors import TrainingError, UsageError
from huracan.learn.owner import OWNER_NAME, own_folder
from huracan.storage import Location, write_bytes
from tests.objects import ObjectServer


@pytest.fixture(params=["disk", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """A place of either kind where nothing is."""
    if request.param == "disk":
        return tmp_path / "runs" / "1"
    server: ObjectServer = request.getfixturevalue("object_store")
    return server.bucket(f"owner-{abs(hash(request.node.name)) % 10**9}") / "runs" / "1"


def test_a_run_takes_its_folder_and_takes_it_again(place: Location) -> None:
    """An empty folder is anybody's; resumed, the run has it again, and the process that had it before has not."""
    first = own_folder(place, "run", "a")
    first.check()
    write_bytes(place / "search.json", b"{}")
    second = own_folder(place, "run", "b")
    second.check()
    with pytest.raises(TrainingError, match=r"another process's now.* writes nothing more"):
        first.check()


def test_another_run_does_not_get_the_folder(place: Location) -> None:
    """The same number in another database is another run: refused by both names, and the owner keeps it."""
    owner = own_folder(place, "a" * 64, "a")
    with pytest.raises(
        UsageError, match=r"another run of this number \(aaaaaaaaaaaa, this one is bbbbbbbbbbbb\).*new run"
    ):
        own_folder(place, "b" * 64, "b")
    owner.check()


def test_files_that_are_nobodys_are_not_taken(place: Location) -> None:
    """What an older version, or another database's run, left is refused; what a killed writer left is nothing."""
    write_bytes(place / f".{OWNER_NAME}.7.partial", b"")
    own_folder(place, "run", "a")
    (place / OWNER_NAME).unlink()
    write_bytes(place / "fold-0" / "all" / "seed-1" / "result.json", b"{}")
    with pytest.raises(UsageError, match=r"no owner.json that says whose.*start a new run, or move them away"):
        own_folder(place, "run", "b")
    assert not (place / OWNER_NAME).exists()


def test_of_two_that_begin_at_once_one_goes_on(place: Location) -> None:
    """Both saw the folder empty; the second one's word stands, and the first writes nothing after it."""
    first = own_folder(place, "a" * 64, "a")
    write_bytes(place / OWNER_NAME, json.dumps({"run": "b" * 64, "writer": "b"}).encode())
    with pytest.raises(TrainingError, match="another process's now"):
        first.check()
    (place / OWNER_NAME).unlink()
    with pytest.raises(TrainingError, match="another process's now"):
        first.check()


@pytest.mark.parametrize("content", ["{", "[]", '{"run": "x"}'])
def test_a_damaged_owner_is_one_clear_line(tmp_path: Path, content: str) -> None:
    """It is neither believed nor replaced."""
    (tmp_path / OWNER_NAME).write_text(content)
    with pytest.raises(UsageError, match="is damaged"):
        own_folder(tmp_path, "run", "a")
    assert (tmp_path / OWNER_NAME).read_text() == content
