"""The tables of faults and defences are sound, the document is theirs, and each defence that is taken out is missed."""

import re
from collections import Counter

import pytest

from tests.mutations.document import DOCUMENT_PATH, document
from tests.mutations.faults import FAULTS, INVARIANTS
from tests.mutations.kinds import Edit, Mutation
from tests.mutations.named import faults_of
from tests.mutations.runner import Verdict, run_all, unknown_tests
from tests.mutations.table import MUTATIONS
from tests.mutations.workspace import ROOT, changed

NAMES = "tests/execution/test_ids.py::test_an_intent_has_one_name"


def changes(name: str, before: str, after: str, test: str = NAMES) -> Mutation:
    """Return a change of the names of intents and orders."""
    return Mutation(name, "", (), "", (Edit("huracan/execution/ids.py", before, after),), (test,))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_what_is_taken_out_stands_there_once(mutation: Mutation) -> None:
    """Each text is found exactly once, another one takes its place, and what results is Python."""
    texts: dict[str, str] = {}
    for edit in mutation.edits:
        before = texts.get(edit.path) or (ROOT / edit.path).read_text(encoding="utf-8")
        texts[edit.path] = changed(before, edit)
        assert texts[edit.path] != before
    for path, text in texts.items():
        compile(text, path, "exec")


def test_every_name_is_one_mutation_and_every_breach_an_invariant() -> None:
    """Names are unique, faults are faults, and what breaks is named by an invariant or by the fault itself."""
    assert max(Counter(one.name for one in MUTATIONS).values()) == 1
    numbers = [fault.number for fault in FAULTS]
    assert numbers == [f"F{number}" for number in range(1, 25)]
    for one in MUTATIONS:
        assert set(one.faults) <= set(numbers), one.name
        named = re.findall(r"\b[IF]\d+\b", one.breaks.partition(":")[0])
        assert named, one.name
        assert set(named) <= {*INVARIANTS, *one.faults}, one.name


def test_every_fault_has_tests_and_a_defence_that_is_taken_out() -> None:
    """F1 to F24 each have a named test, and at least one mutation claims each of them."""
    assert all(fault.tests for fault in FAULTS)
    assert {number for one in MUTATIONS for number in one.faults} == {fault.number for fault in FAULTS}
    assert len(MUTATIONS) >= 16


def test_every_test_named_exists() -> None:
    """In the tables of faults and of defences."""
    named = [test for one in MUTATIONS for test in one.tests]
    named += [test for fault in FAULTS for test in (*fault.tests, *fault.processes)]
    assert unknown_tests(ROOT, named) == []
    assert unknown_tests(ROOT, ["tests/execution/test_ids.py::test_of_nothing", "tests/nowhere.py::test"]) != []


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("test_f17_two_executors", ("F17",)),
        ("test_f1_to_f4_killed", ("F1", "F2", "F3", "F4")),
        ("test_f5_f6_lost", ("F5", "F6")),
        ("test_f7b_changed", ("F7",)),
        ("test_f9", ("F9",)),
        ("test_forty_of_f5", ()),
        ("test_an_order_f5", ()),
    ],
)
def test_a_name_says_which_faults_strike(name: str, faults: tuple[str, ...]) -> None:
    """One, several, or all of a range; a number elsewhere in a name means nothing."""
    assert faults_of(name) == faults


def test_the_document_is_the_tables() -> None:
    """docs/faults.md is what `python -m tests.mutations --docs` writes."""
    assert (ROOT / DOCUMENT_PATH).read_text(encoding="utf-8") == document()


def test_the_runner_tells_a_catch_from_a_survivor_and_from_code_that_is_broken() -> None:
    """A wrong name is caught, a comment survives, what cannot be imported or found is no proof; nothing is left."""
    before = (ROOT / "huracan/execution/ids.py").read_bytes()
    opening = "import hashlib\n"
    found = run_all(
        [
            changes("wrong", ".hexdigest()[:16]", ".hexdigest()[1:17]"),
            changes("comment", opening, f"{opening}# a comment\n"),
            changes("broken", opening, f"{opening}import nothing_of_this_name\n"),
            changes("absent", "text that does not stand there", ""),
            changes("nobody", opening, f"{opening}\n", test="tests/execution/test_ids.py::test_of_nothing"),
        ]
    )
    verdicts = {one.mutation.name: one.verdict for one in found}
    assert verdicts == {
        "wrong": Verdict.CAUGHT,
        "comment": Verdict.SURVIVED,
        "broken": Verdict.UNSOUND,
        "absent": Verdict.UNSOUND,
        "nobody": Verdict.UNSOUND,
    }
    assert (ROOT / "huracan/execution/ids.py").read_bytes() == before


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_every_defence_that_is_taken_out_is_missed() -> None:
    """All mutations, each in a process of its own: six minutes of an idle machine."""
    found = list(run_all(MUTATIONS))
    assert [(one.mutation.name, one.verdict, one.words) for one in found if one.verdict is not Verdict.CAUGHT] == []
