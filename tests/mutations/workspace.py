"""A throw-away copy of code and tests, in which source text is changed and tests run; the original stays."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from numba.core.caching import _CacheLocator

from tests.mutations.kinds import Edit
from tests.mutations.probe import REPORT_VARIABLE

__all__ = ["ROOT", "Ended", "Outcome", "Workspace", "changed", "workspace"]

ROOT = Path(__file__).parents[2]
RUN_LIMIT_S = 600
TEST_LIMIT_S = 120
_COPIED = ("huracan", "tests", "configs")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a test ended: `error` is the class of what it raised in its phase `when`, empty when it passed."""

    test: str
    when: str
    error: str
    words: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of tests did.

    Attributes:
        ended: each test's end; one that failed in several ways has several.
        files: file of each module of ours that was imported.
        output: the run's own words, for people.
    """

    ended: tuple[Ended, ...]
    files: dict[str, Path]
    output: str

    def of(self, test: str) -> tuple[Ended, ...]:
        """Return the ends of a test and of all its cases."""
        return tuple(one for one in self.ended if one.test == test or one.test.startswith(f"{test}["))


@dataclass(frozen=True, slots=True)
class Workspace:
    """The copy.

    Attributes:
        folder: where it is.
    """

    folder: Path

    @contextmanager
    def changed(self, edits: Sequence[Edit]) -> Iterator[None]:
        """Change the copy for a while.

        Raises:
            ValueError: a text does not stand in its file exactly once.
        """
        before: dict[Path, str] = {}
        try:
            for edit in edits:
                path = self.folder / edit.path
                text = path.read_text(encoding="utf-8")
                before.setdefault(path, text)
                _write(path, changed(text, edit))
            yield
        finally:
            for path, text in before.items():
                _write(path, text)

    def run(self, tests: Sequence[str]) -> Outcome:
        """Run tests in a process of their own that imports the copy.

        Raises:
            RuntimeError: the run ended without a report.
        """
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "HURACAN_HOME": str(self.folder / "home"),
            "NUMBA_CACHE_DIR": str(self.folder / "numba"),
            "OMP_NUM_THREADS": "1",
            REPORT_VARIABLE: str(report),
        }
        options = [
            "-q",
            "-p",
            "tests.mutations.probe",
            "-p",
            "no:cacheprovider",
            f"--timeout={TEST_LIMIT_S}",
            "--tb=line",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False,
        )  # fmt: skip
        output = done.stdout + done.stderr
        if not report.exists():
            raise RuntimeError(f"pytest wrote no report:\n{output[-2_000:]}")
        found = json.loads(report.read_text(encoding="utf-8"))
        ended = tuple(Ended(row["id"], row["when"], row["error"], row["words"]) for row in found["ended"])
        return Outcome(ended, {name: Path(file) for name, file in found["files"].items()}, output)


def changed(text: str, edit: Edit) -> str:
    """Return a source text after an edit.

    Raises:
        ValueError: what it takes out does not stand there exactly once.
    """
    count = text.count(edit.before)
    if count != 1:
        raise ValueError(f"{edit.path} has {count} times, instead of once: {edit.before.strip().splitlines()[0]}")
    return text.replace(edit.before, edit.after)


@contextmanager
def workspace() -> Iterator[Workspace]:
    """Copy code and tests as they are, with what numba has compiled of them, and remove all of it in the end."""
    with tempfile.TemporaryDirectory(prefix="huracan-mutants-") as name:
        folder = Path(name).resolve()
        for part in _COPIED:
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(ROOT / "pyproject.toml", folder)
        (folder / "home").mkdir()
        _lend_compiled(folder)
        yield Workspace(folder)


def _lend_compiled(folder: Path) -> None:
    """Copy numba's cache, which goes by a folder's name and by each file's time of change: both are known here."""
    theirs, ours = Path(os.environ["NUMBA_CACHE_DIR"]), folder / "numba"
    for package in (ROOT / "huracan").rglob("__init__.py"):
        compiled = theirs / _CacheLocator.get_suitable_cache_subpath(str(package))
        if compiled.is_dir():
            copy = folder / package.relative_to(ROOT)
            shutil.copytree(compiled, ours / _CacheLocator.get_suitable_cache_subpath(str(copy)))


def _write(path: Path, text: str) -> None:
    """Write a source file and drop what Python compiled of it: a change within a second has the same time."""
    path.write_text(text, encoding="utf-8")
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
