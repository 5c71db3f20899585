"""Whose a run's folder is: one file in it names the run, of whatever database, and the process that writes it now."""

import json
from dataclasses import dataclass
from typing import Final

from huracan.errors import TrainingError, UsageError
from huracan.learn.checkpoint import write_atomically
from huracan.storage import Location

__all__ = ["OWNER_NAME", "FolderOwner", "own_folder"]

OWNER_NAME: Final = "owner.json"


@dataclass(frozen=True, slots=True)
class FolderOwner:
    """A run's folder in the hands of one process, until another takes it.

    Attributes:
        folder: of the run.
        run: identity of the run, kept when it is resumed; another database's run of the same number has another.
        writer: random, of this process's claim on the run.
    """

    folder: Location
    run: str
    writer: str

    def check(self) -> None:
        """Hold that nobody has taken the folder since; whoever is about to write there asks.

        An object store, and a disk that several machines have, know no lock: of two that begin at once the last one
        has the folder, and the first one learns it here.

        Raises:
            TrainingError: somebody has.
            StorageError: the object store does not answer.
        """
        if _read(self.folder) != (self.run, self.writer):
            raise TrainingError(
                f"{self.folder} is another process's now, by its {OWNER_NAME}; this one writes nothing more: let that "
                "one go on, or stop it and resume the run"
            )


def own_folder(folder: Location, run: str, writer: str) -> FolderOwner:
    """Take a run's folder, which is made: an empty one, or one that is this run's already.

    Args:
        folder: of the run.
        run: identity of the run.
        writer: of this process's claim on it.

    Raises:
        UsageError: it is another run's, or holds something and does not say whose.
        TrainingError: it cannot be written, or another process takes it at the same moment.
        StorageError: the object store does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    owner = FolderOwner(folder, run, writer)
    found = _read(folder)
    if found is None and any(not path.name.startswith(".") for path in folder.glob("*")):
        raise UsageError(
            f"{folder} holds files and no {OWNER_NAME} that says whose: an older version's, or another database's; "
            "start a new run, or move them away to train this one from the start"
        )
    if found is not None and found[0] != run:
        raise UsageError(
            f"{folder} belongs to another run of this number ({found[0][:12]}, this one is {run[:12]}), of another "
            "database or of this one before it was restored; start a new run"
        )
    write_atomically(folder / OWNER_NAME, json.dumps({"run": run, "writer": writer}).encode())
    owner.check()
    return owner


def _read(folder: Location) -> tuple[str, str] | None:
    """Return (run, writer) as the folder says, None when it does not."""
    path = folder / OWNER_NAME
    try:
        document = json.loads(path.read_bytes())
        return str(document["run"]), str(document["writer"])
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({error}); start a new run, or restore that file") from None
