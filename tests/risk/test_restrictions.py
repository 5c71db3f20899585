"""Restrictions: each takes away what it says, none adds anything, and one that is gone has left nothing behind."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.risk.live import DenialCode, Denied, Entry, Restriction, RestrictionKind, Restrictions
from huracan.trading import Action
from tests.risk.groups import LAYOUT, paused, state_in

ENTRY = Entry("A/USDT", int(Action.ENTER_LONG_LARGE), "v1", 0.6, state_in(1))
ENTERS = [int(Action.ENTER_LONG_SMALL), int(Action.ENTER_LONG_NORMAL), int(Action.ENTER_LONG_LARGE)]


def row(kind: str, subject: str = "", value: float | None = None, until_ms: int | None = None) -> Restriction:
    """Return a restriction."""
    pattern = paused(int(subject.rpartition("/")[2])) if kind == "pause_pattern" else None
    return Restriction(1, RestrictionKind(kind), subject, value, until_ms, "care", pattern)


def under(*rows: Restriction) -> Restrictions:
    """Return restrictions of an account whose markets all have the library's layout."""
    return Restrictions(rows, {"A/USDT": LAYOUT, "B/USDT": LAYOUT})


def code(found: Denied | None) -> str | None:
    """Return a verdict's code."""
    return None if found is None else str(found.code)


def test_without_restrictions_nothing_is_asked_and_nothing_denied() -> None:
    """Not even an entry of whose decision nothing is known."""
    assert Restrictions().judge(None) is None
    assert Restrictions().judge(ENTRY) is None
    assert [Restrictions().stepped("A/USDT", action, "v1") for action in range(6)] == list(range(6))


@pytest.mark.parametrize(
    ("restriction", "denied"),
    [
        (row("pause_coin", "A/USDT"), "COIN_PAUSED"),
        (row("pause_coin", "*"), "COIN_PAUSED"),
        (row("pause_coin", "B/USDT"), None),
        (row("pause_pattern", "3/1"), "PATTERN_PAUSED"),
        (row("pause_pattern", "3/2"), None),
        (row("raise_confidence", "", 0.61), "LOW_CONFIDENCE"),
        (row("raise_confidence", "", 0.6), None),
        (row("raise_confidence", "v2", 0.99), None),
        (row("reduce_size", "", 1.0), "SIZE_REDUCED"),
        (row("reduce_size", "v1", 0.5), "SIZE_REDUCED"),
        (row("reduce_size", "v2", 0.5), None),
        (row("reduce_size", "", 1.5), None),
    ],
)
def test_each_keeps_out_what_it_names_and_nothing_else(restriction: Restriction, denied: str | None) -> None:
    """The coin, the pattern, the version; at the threshold itself an entry passes."""
    assert code(under(restriction).judge(ENTRY)) == denied


def test_the_word_names_the_remedy() -> None:
    """Who reads a denial knows which row to look at."""
    found = under(row("raise_confidence", "", 0.7)).judge(ENTRY)
    assert found == Denied(DenialCode.LOW_CONFIDENCE, 0.6, 0.7, "remedy 1: care")


@pytest.mark.parametrize(
    "unknown",
    [
        replace(ENTRY, state=b""),
        replace(ENTRY, state=ENTRY.state[:-4]),
        replace(ENTRY, state=np.full(80, np.nan, "<f4").tobytes()),
        replace(ENTRY, symbol="C/USDT"),
        replace(ENTRY, action=int(Action.EXIT)),
        None,
    ],
)
def test_what_cannot_be_told_from_a_paused_pattern_is_denied(unknown: Entry | None) -> None:
    """No state, half of one, one that is not finite, one of another layout, no decision: risk fails closed."""
    assert code(under(row("pause_pattern", "3/2")).judge(unknown)) == "STATE_UNKNOWN"


def test_a_pattern_that_cannot_be_read_and_figures_that_are_lost_deny() -> None:
    """A row in force whose meaning is lost allows nothing that it might have been about."""
    assert code(under(replace(row("pause_pattern", "3/2"), pattern=None)).judge(ENTRY)) == "STATE_UNKNOWN"
    assert code(under(row("raise_confidence", "", None)).judge(ENTRY)) == "LOW_CONFIDENCE"
    assert code(under(row("reduce_size", "", None)).judge(replace(ENTRY, action=ENTERS[0]))) == "SIZE_REDUCED"
    assert code(under(row("raise_confidence", "", 0.1)).judge(replace(ENTRY, confidence=math.nan))) == "LOW_CONFIDENCE"


def test_a_larger_entry_becomes_the_largest_that_is_allowed() -> None:
    """1.5 stakes become 1 or 0.5; what is small enough stays, and so does what is no entry."""
    one = under(row("reduce_size", "", 1.0))
    assert [one.stepped("A/USDT", action, "v1") for action in range(6)] == [0, 1, 2, 2, 4, 5]
    half = under(row("reduce_size", "", 1.0), row("reduce_size", "v1", 0.5))
    assert [half.stepped("A/USDT", action, "v1") for action in range(6)] == [0, 1, 1, 1, 4, 5]
    assert half.stepped("A/USDT", ENTERS[2], "v2") == ENTERS[1], "of another version only the account's is meant"
    assert under(row("reduce_size", "", None)).stepped("A/USDT", ENTERS[2], "v1") == ENTERS[2], "denied, not stepped"


def test_what_has_expired_is_gone_at_that_very_millisecond() -> None:
    """In force before its end, not at it."""
    some = under(row("pause_coin", "*", until_ms=1_000), row("reduce_size", "", 0.5))
    assert len(some.active(999).rows) == 2
    assert [one.kind for one in some.active(1_000).rows] == [RestrictionKind.REDUCE_SIZE]


ROWS = st.one_of(
    st.sampled_from(["A/USDT", "B/USDT", "*"]).map(lambda name: row("pause_coin", name)),
    st.sampled_from(["3/1", "3/2"]).map(lambda name: row("pause_pattern", name)),
    st.tuples(st.sampled_from(["", "v1", "v2"]), st.floats(0.0, 1.0)).map(lambda t: row("raise_confidence", *t)),
    st.tuples(st.sampled_from(["", "v1", "v2"]), st.sampled_from([0.5, 1.0])).map(lambda t: row("reduce_size", *t)),
)
ENTRIES = st.builds(
    Entry,
    st.sampled_from(["A/USDT", "B/USDT"]),
    st.sampled_from(ENTERS),
    st.sampled_from(["v1", "v2"]),
    st.floats(0.0, 1.0),
    st.sampled_from([state_in(1), state_in(2), b""]),
)


@given(rows=st.lists(ROWS, max_size=5), more=ROWS, entry=ENTRIES)
def test_one_more_never_allows_more(rows: list[Restriction], more: Restriction, entry: Entry) -> None:
    """What any set of restrictions denies, the set with one more denies too; and no entry becomes larger."""
    before, after = under(*rows), under(*rows, more)
    assert before.judge(entry) is None or after.judge(entry) is not None
    size = after.stepped(entry.symbol, entry.action, entry.policy)
    assert size <= before.stepped(entry.symbol, entry.action, entry.policy) or after.judge(entry) is not None
    assert size <= entry.action


@given(rows=st.lists(ROWS, max_size=5), more=ROWS, entry=ENTRIES)
def test_one_that_is_undone_has_left_nothing(rows: list[Restriction], more: Restriction, entry: Entry) -> None:
    """Without the added row every verdict and every step is the one before, whatever came in between."""
    held = list(rows)
    held.append(more)
    held.remove(more)
    for action in ENTERS:
        asked = replace(entry, action=action)
        assert under(*held).judge(asked) == under(*rows).judge(asked)
        assert under(*held).stepped(asked.symbol, action, asked.policy) == under(*rows).stepped(
            asked.symbol, action, asked.policy
        )


@given(rows=st.lists(ROWS, max_size=5), entry=ENTRIES)
def test_what_was_stepped_down_is_not_denied_for_its_size(rows: list[Restriction], entry: Entry) -> None:
    """The step and the gate agree: after the step no word of size is left."""
    some = under(*rows)
    smaller = replace(entry, action=some.stepped(entry.symbol, entry.action, entry.policy))
    assert code(some.judge(smaller)) != "SIZE_REDUCED"
