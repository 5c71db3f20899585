"""Tightening the trading state: at once, never looser, undone exactly, and not over a person's head."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from huracan.errors import DatabaseError, RefusedError
from huracan.health.remedies import states
from tests.health.remedies.worlds import HOUR, MINUTE, T0, anomaly, rule, world

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(("remedy", "state"), [("reducing", "REDUCING"), ("halt", "HALTED")])
@pytest.mark.parametrize("before", [None, "ACTIVE", "REDUCING"])
def test_a_tightened_state_is_undone_bit_for_bit(database: Engine, remedy: str, state: str, before: str | None) -> None:
    """From whatever a person had set: the state, locks, versions and restrictions after the undo are those before."""
    account = world(database)
    account.lock("D/USDT")
    if before is not None:
        account.state(before, "ann")
    if (before, remedy) == ("REDUCING", "reducing"):
        (row,) = account.remedies(rule("d", "reducing")).act([anomaly(account)], T0)
        assert (row.state, "already" in row.error) == ("refused", True)
        return
    control = account.control()
    remedies = account.remedies(rule("d", remedy))
    (row,) = remedies.act([anomaly(account)], T0)
    assert (row.state, row.expires_ms) == ("applied", None)
    assert account.newest_state() == (state, "monitor")
    remedies.undo(row.number, "ann", "seen", T0 + MINUTE)
    assert account.newest_state() == (before or "ACTIVE", "ann")
    assert account.control() == control


def test_nothing_loosens_a_state_by_itself(database: Engine) -> None:
    """However long ago, and although the anomaly has gone: the state waits for a person."""
    account = world(database)
    remedies = account.remedies(rule("d", "reducing"))
    remedies.act([anomaly(account)], T0)
    assert remedies.act([], T0 + 1_000 * HOUR) == ()
    assert account.newest_state() == ("REDUCING", "monitor")


def test_a_halt_is_never_loosened_to_reducing(database: Engine) -> None:
    """Stricter stands: a wish to reduce a halted account is refused."""
    account = world(database)
    account.state("HALTED", "ann")
    (row,) = account.remedies(rule("d", "reducing")).act([anomaly(account)], T0)
    assert (row.state, "stricter" in row.error) == ("refused", True)
    assert account.newest_state() == ("HALTED", "ann")


def test_what_a_person_decided_since_is_not_overruled(database: Engine) -> None:
    """A person resumes: the remedy ends as theirs, an undo has nothing to do, and the anomaly does not reduce again.

    A new one does.
    """
    account = world(database)
    remedies = account.remedies(rule("d", "reducing"))
    wrong = anomaly(account)
    (row,) = remedies.act([wrong], T0)
    account.state("ACTIVE", "ann", "known, goes on")
    with pytest.raises(RefusedError, match="ann has changed"):
        remedies.undo(row.number, "bob", "late", T0 + MINUTE)
    ended, refused = remedies.act([wrong], T0 + MINUTE)
    assert (ended.state, ended.ended_by, refused.state) == ("undone", "ann", "refused")
    assert account.newest_state() == ("ACTIVE", "ann")
    (again,) = remedies.act([anomaly(account, at_ms=T0 + 2 * MINUTE)], T0 + 2 * MINUTE)
    assert (again.state, account.newest_state()[0]) == ("applied", "REDUCING")


def test_a_machine_that_tightens_further_ends_the_remedy_as_no_person_does(database: Engine) -> None:
    """The breaker halts after a reduction: the row has expired, and nobody is said to have undone it."""
    account = world(database)
    remedies = account.remedies(rule("d", "reducing"))
    remedies.act([anomaly(account)], T0)
    account.state("HALTED", "breaker")
    (ended,) = remedies.act([], T0 + MINUTE)
    assert (ended.state, ended.ended_by) == ("expired", "breaker")


@pytest.mark.parametrize("read", [1, 2])
def test_it_is_written_only_after_the_state_that_it_tightens(
    database: Engine, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    """The breaker halts just after the state was read, to be judged or to be tightened: the halt is the last word."""
    account, select, reads = world(database), states.select_states, 0

    def rival(*arguments: Any) -> Any:
        nonlocal reads
        found, reads = select(*arguments), reads + 1
        if reads == read:
            account.state("HALTED", "breaker")
        return found

    monkeypatch.setattr(states, "select_states", rival)
    with pytest.raises(DatabaseError, match="same moment"):
        account.remedies(rule("d", "reducing")).act([anomaly(account)], T0)
    assert account.newest_state() == ("HALTED", "breaker")
    assert account.rows() == []


def test_an_account_that_was_never_traded_has_no_state_to_tighten(database: Engine) -> None:
    """It is refused, with the reason."""
    account = world(database)
    with database.begin() as connection:
        connection.execute(
            text("DELETE FROM markets USING accounts a WHERE a.account_no = markets.account_no AND name = :n"),
            {"n": account.account},
        )
        connection.execute(text("DELETE FROM accounts WHERE name = :n"), {"n": account.account})
    (row,) = account.remedies(rule("d", "halt")).act([anomaly(account)], T0)
    assert (row.state, "never traded" in row.error) == ("refused", True)
