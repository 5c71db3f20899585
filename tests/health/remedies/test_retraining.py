"""Drift to retraining: only what lasts asks, once, for the scope that it is about."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from huracan.config import RemediesSettings, Settings
from huracan.health.remedies.retraining import sustained
from huracan.memory import open_cycle
from huracan.memory.health import Anomaly
from huracan.memory.requests import take_requests, waiting_requests
from tests.health.remedies.worlds import HOUR, T0, World, anomaly, world

pytestmark = pytest.mark.postgres


def store(account: World, wrong: Anomaly, noticed_ms: int = T0) -> None:
    """Write an open anomaly as the monitor does."""
    with account.database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO anomalies (account, detector, subject, severity, words, means, noticed_at, seen_at) "
                "VALUES (:account, :detector, :subject, 'warning', 'w', 'm', to_timestamp(:s), to_timestamp(:s))"
            ),
            {"account": wrong.account, "detector": wrong.detector, "subject": wrong.subject, "s": noticed_ms / 1_000},
        )


def test_what_lasts_asks_once_for_its_scope(database: Engine, tmp_path: Path) -> None:
    """A day of decay of a version asks for its scope, once in three days at most; a cycle takes it up."""
    account = world(database)
    account.register(tmp_path, 1)
    wrong = anomaly(account, "result", account.versions[0])
    store(account, wrong)
    remedies = account.remedies()
    for hour in range(48):
        remedies.act([wrong], T0 + hour * HOUR)
        assert len(waiting_requests(database, account.scope)) == (hour >= 24)
    (request,) = waiting_requests(database, account.scope)
    assert (request.scope, request.anomaly_id is not None) == (account.scope, True)
    assert request.reason == f"result of {account.versions[0]} for 24 hours: result is off"
    cycle = open_cycle(database, account.scope, date(2025, 1, 1), Settings(), "1")
    assert [one.request_id for one in take_requests(database, account.scope, cycle.cycle_id)] == [request.request_id]
    for hour in range(48, 96):
        remedies.act([wrong], T0 + hour * HOUR)
    assert waiting_requests(database, account.scope) == ()
    remedies.act([wrong], T0 + 97 * HOUR)
    assert len(waiting_requests(database, account.scope)) == 1


def test_what_is_new_of_another_kind_or_not_stored_asks_for_nothing(database: Engine) -> None:
    """A silent feed is nothing that training mends; what has no row has not lasted; a dry run files nothing."""
    account = world(database)
    before = waiting_requests(database)
    silent, unseen, young = (anomaly(account, name) for name in ("feed_silent", "drift", "feature_drift"))
    store(account, silent)
    store(account, young, T0 + 99 * HOUR)
    account.remedies().act([silent, unseen, young], T0 + 100 * HOUR)
    old = anomaly(account, "win_rate")
    store(account, old)
    account.remedies(dry_run=True).act([old], T0 + 100 * HOUR)
    assert waiting_requests(database) == before


def test_what_names_no_version_is_about_all_coins(database: Engine) -> None:
    """The scope that the evidence names goes first."""
    account = world(database)
    wide, narrow = anomaly(account, "drift"), anomaly(account, "feature_drift", scope=account.scope)
    for wrong in (wide, narrow):
        store(account, wrong)
    account.remedies().act([wide, narrow], T0 + 30 * HOUR)
    assert len(waiting_requests(database, "*")) == 1
    assert len(waiting_requests(database, account.scope)) == 1


def test_the_longest_comes_first() -> None:
    """So that its words are the reason of a scope's request."""
    old, new = (Anomaly("drift", "main", name, "info", "w", "m", None, T0) for name in ("b", "a"))
    stored = {("main", "drift", "b"): (1, T0), ("main", "drift", "a"): (2, T0 + HOUR)}
    assert sustained([new, old], stored, RemediesSettings(), T0 + 30 * HOUR) == (old, new)
