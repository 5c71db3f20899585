"""The real program in this process, held to the form of a complaint: one line, the right code, nothing left over."""

from pathlib import Path

import pytest

from huracan.cli import cli
from huracan.terminal import run

BARS = 1_200
QUICK = ["--set", "search.num_samples=0", "--set", "walk_forward.folds=1"]


class Program:
    """The program in this process, with a home, a database and sound candles of its own."""

    def __init__(self, folder: Path, candles: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.candles = candles
        self._capsys = capsys

    def complaint(self, code: int, *words: str) -> str:
        """Run the words, hold the code and the form of the complaint, and return its one line."""
        before = tree(self.folder)
        found = run(cli, list(words))
        shown = self._capsys.readouterr()
        assert found == code, shown.err
        assert shown.err.count("\n") == 1, shown.err
        assert shown.err.startswith("error: ")
        assert "Traceback" not in shown.err
        assert "defect" not in shown.err
        assert tree(self.folder) == before
        return shown.err


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder with its content, hidden ones included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
