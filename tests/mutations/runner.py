"""Takes out one defence and looks whether its tests notice: by an assertion, not by code that cannot be imported."""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from huracan import errors
from tests.mutations.kinds import Mutation
from tests.mutations.workspace import ROOT, Ended, Outcome, Workspace, workspace

__all__ = ["Found", "Verdict", "judge", "run_all", "unknown_tests"]

_ASSERTING = {"AssertionError", "Failed", *errors.__all__}
"""A test's assertion, pytest's word on what was not raised, and what the code itself raises when it notices: above all
`InvariantError`, and the start's refusal of books that do not agree. Anything else says that the mutant is no code."""
_TIMEOUT = "Timeout"


class Verdict(StrEnum):
    """What became of a mutation."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    UNSOUND = "unsound"


@dataclass(frozen=True, slots=True)
class Found:
    """A mutation's verdict and the words behind it: the first assertion of each test, or what is wrong."""

    mutation: Mutation
    verdict: Verdict
    words: tuple[str, ...]


def run_all(mutations: Sequence[Mutation]) -> Iterator[Found]:
    """Judge mutations one after another in one copy of the code."""
    with workspace() as copy:
        tests = list(dict.fromkeys(test for mutation in mutations for test in mutation.tests))
        sound = copy.run([test for test in tests if test not in unknown_tests(ROOT, tests)])
        for mutation in mutations:
            yield judge(copy, sound, mutation)


def judge(copy: Workspace, sound: Outcome, mutation: Mutation) -> Found:
    """Run a mutation's tests without its defence.

    Args:
        copy: the code.
        sound: the same tests with every defence in place.
        mutation: what to take out.
    """
    wrong = [words for test in mutation.tests if (words := _not_passed(sound, test))]
    wrong += _foreign(copy, sound)
    if wrong:
        return Found(mutation, Verdict.UNSOUND, tuple(wrong))
    try:
        with copy.changed(mutation.edits):
            mutated = copy.run(mutation.tests)
    except (ValueError, RuntimeError) as error:
        return Found(mutation, Verdict.UNSOUND, (str(error),))
    wrong = [*_foreign(copy, mutated), *_not_imported(copy, mutated, mutation)]
    if wrong:
        return Found(mutation, Verdict.UNSOUND, tuple(wrong))
    survived = [test for test in mutation.tests if all(not one.error for one in mutated.of(test))]
    if survived:
        return Found(mutation, Verdict.SURVIVED, tuple(f"{test} passes all the same" for test in survived))
    failed = [[one for one in mutated.of(test) if one.error] for test in mutation.tests]
    wrong = [_said(ends[0]) for ends in failed if not any(map(_asserts, ends))]
    if wrong:
        return Found(mutation, Verdict.UNSOUND, tuple(f"no assertion: {words}" for words in wrong))
    return Found(mutation, Verdict.CAUGHT, tuple(_said(next(filter(_asserts, ends))) for ends in failed))


def _not_passed(outcome: Outcome, test: str) -> str:
    ends = outcome.of(test)
    if not ends:
        return f"{test} does not exist"
    failed = [one for one in ends if one.error]
    return f"fails with every defence in place: {_said(failed[0])}" if failed else ""


def _foreign(copy: Workspace, outcome: Outcome) -> list[str]:
    """Return the modules that were imported from elsewhere than the copy."""
    return [f"{name} came from {file}" for name, file in outcome.files.items() if copy.folder not in file.parents]


def _not_imported(copy: Workspace, outcome: Outcome, mutation: Mutation) -> list[str]:
    """Return the changed files that no test has imported; migrations are loaded by path under a name of their own."""
    imported = set(outcome.files.values())
    files = [edit.path for edit in mutation.edits if "/migrations/" not in edit.path]
    return [f"no test imported {path}" for path in dict.fromkeys(files) if copy.folder / path not in imported]


def _asserts(one: Ended) -> bool:
    return one.when == "call" and one.error in _ASSERTING and not one.words.startswith(_TIMEOUT)


def _said(one: Ended) -> str:
    return f"{one.test}: {one.error} {one.words}"[:200]


def unknown_tests(root: Path, tests: Sequence[str]) -> list[str]:
    """Return the test ids of which file, class or function does not exist; nothing is run."""
    return [test for test in tests if not _defined(root, test)]


def _defined(root: Path, test: str) -> bool:
    name, *parts = test.split("::")
    if not (root / name).is_file():
        return False
    found = importlib.import_module(name.removesuffix(".py").replace("/", "."))
    for part in parts:
        found = getattr(found, part, None)
    return callable(found)
