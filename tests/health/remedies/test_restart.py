"""Restarting a part: asked for once, given time to help, limited, and honest when it fails."""

import pytest
from sqlalchemy import Engine

from huracan.errors import RefusedError
from tests.health.remedies.worlds import MINUTE, T0, Broken, Restarted, anomaly, rule, world

pytestmark = pytest.mark.postgres
FEED = rule("feed_silent", "restart_feed", lasts_min=10)
REPLICA = rule("replica_dead", "restart_replica", lasts_min=10)


def test_a_restart_is_asked_for_once_and_given_time(database: Engine) -> None:
    """The same anomaly asks again only when the first restart has had its time; nothing else of the account changes."""
    hands = Restarted()
    account = world(database, hands)
    remedies, wrong = account.remedies(FEED, REPLICA), [anomaly(account, "feed_silent")]
    before = account.newest_state()
    (row,) = remedies.act(wrong, T0)
    for step in range(1, 10):
        assert remedies.act(wrong, T0 + step * MINUTE) == ()
    assert hands.parts == [("feed", "")]
    assert [one.state for one in remedies.act(wrong, T0 + 10 * MINUTE)] == ["expired", "applied"]
    remedies.act([anomaly(account, "replica_dead", "signals#7")], T0 + 11 * MINUTE)
    assert hands.parts == [("feed", ""), ("feed", ""), ("replica", "signals#7")]
    assert account.newest_state() == before
    assert row.expires_ms == T0 + 10 * MINUTE


def test_a_restart_that_fails_says_why_and_counts(database: Engine) -> None:
    """The row says failed; tries are limited like successes."""
    account = world(database, Broken())
    remedies, wrong = account.remedies(FEED), [anomaly(account, "feed_silent")]
    rows = [row for step in range(5) for row in remedies.act(wrong, T0 + step * 1_000)]
    assert [row.state for row in rows] == ["failed", "failed", "failed", "refused"]
    assert [row.state for row in account.rows()] == ["failed", "failed", "failed", "refused"]
    assert "there is no feed" in rows[0].error
    assert "flaps" in rows[3].error


def test_without_hands_it_is_refused_and_there_is_nothing_to_undo(database: Engine) -> None:
    """A trader in its own process has no cluster; a restart that was made cannot be unmade."""
    account = world(database)
    (row,) = account.remedies(FEED).act([anomaly(account, "feed_silent")], T0)
    assert (row.state, "no cluster" in row.error) == ("refused", True)
    handy = world(database, Restarted())
    remedies = handy.remedies(FEED)
    (row,) = remedies.act([anomaly(handy, "feed_silent")], T0)
    with pytest.raises(RefusedError, match="nothing to undo"):
        remedies.undo(row.number, "ann", "why not", T0 + 1)
