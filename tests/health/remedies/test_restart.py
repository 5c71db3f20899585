"""Restarting a part: asked for once, given time to help, limited, and honest when it fails."""

import pytest
from sqlalchemy import Engine, text

from huracan.errors import RefusedError
from tests.health.remedies.worlds import MINUTE, T0, Broken, Restarted, anomaly, rule, world

pytestmark = pytest.mark.postgres
FEED = rule("feed_silent", "restart_feed", lasts_min=10)
REPLICA = rule("replica_dead", "restart_replica", lasts_min=10)


@pytest.fixture(autouse=True)
def nothing_restarted(database: Engine) -> None:
    """Parts are limited over all accounts: no test sees another one's restarts."""
    with database.begin() as connection:
        connection.execute(text("TRUNCATE remediations"))


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


def test_a_part_is_restarted_once_for_all_accounts(database: Engine) -> None:
    """A silent feed is silent for every account: one restart, one limit; another replica is another part."""
    hands = Restarted()
    both = [world(database, hands), world(database, hands)]
    acting = [(account.remedies(FEED, REPLICA), [anomaly(account, "feed_silent")]) for account in both]
    for step in range(45):
        for remedies, wrong in acting:
            remedies.act(wrong, T0 + step * MINUTE)
    assert hands.parts == [("feed", "")] * 3, "the third time it flaps, whoever asks"
    first, second = both
    first.remedies(REPLICA).act([anomaly(first, "replica_dead", "signals#7")], T0)
    second.remedies(REPLICA).act([anomaly(second, "replica_dead", "signals#7")], T0)
    second.remedies(REPLICA).act([anomaly(second, "replica_dead", "signals#8")], T0)
    assert hands.parts[3:] == [("replica", "signals#7"), ("replica", "signals#8")]


def test_a_restart_of_an_account_that_nobody_tends_any_more_blocks_nobody(database: Engine) -> None:
    """Its row stands as applied; it has had its time."""
    hands = Restarted()
    gone, here = world(database, hands), world(database, hands)
    gone.remedies(FEED).act([anomaly(gone, "feed_silent")], T0)
    assert here.remedies(FEED).act([anomaly(here, "feed_silent")], T0 + 9 * MINUTE) == ()
    assert [row.state for row in here.remedies(FEED).act([anomaly(here, "feed_silent")], T0 + 10 * MINUTE)] == [
        "applied"
    ]
