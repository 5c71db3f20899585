"""The one record: what it reads is what is stored, and what to do next follows from it and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import Settings, load_settings
from huracan.health.overview import Health, advise, answer_of, headline_of, read_health
from huracan.health.store import MONITOR
from huracan.memory import Registry, open_run
from huracan.memory.health import Anomaly, Sample
from huracan.memory.health_rows import Batch, ErrorGroup, write_batch
from huracan.memory.heartbeats import beat
from huracan.memory.notices import Notice, add_notice
from huracan.signals.contract_status import (
    AnomalyRow,
    ErrorRow,
    LimitRow,
    MonitorRow,
    NoticesRow,
    ServedRow,
    StatusAnswer,
)
from huracan.trader.status import status_of
from huracan.trader.views import Holder
from tests.trader.test_status import EMPTY, VIEW

NOW = 1_790_000_000_000
PROVEN = ServedRow(
    version="v1", scope="*", stage="champion", proven=True, standing="champion, passed the promotion gate"
)
UNPROVEN = PROVEN.model_copy(update={"proven": False, "version": "v2"})


def row(**changes: object) -> StatusAnswer:
    """Return a record of which nothing is to be said: it trades, is watched, and somebody is told."""
    well = answer_of(
        status_of("main", EMPTY, replace(VIEW, at_ms=NOW - 3_000, report={}), Holder("anna@home:7", 9.0), NOW),
        read_nothing(),
        Settings(),
        NOW,
    )
    assert advise(well) == ()
    return well.model_copy(update=changes)


def read_nothing() -> Health:
    """Return the health of a system that is well."""
    return Health(
        (PROVEN,), "", (), (), MonitorRow(state="beats", age_s=1.0, holder="m"), (), NoticesRow(destinations=1)
    )


def anomaly(severity: str) -> AnomalyRow:
    """Return one."""
    return AnomalyRow(
        detector="d", account="", subject="", severity=severity, words="it burns", means="run", since_ms=None,  # type: ignore[arg-type]
        noticed_ms=NOW, false_every_days=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "headline", "words"),
    [
        ({}, "ok", None),
        ({"holder": None}, "ok", "nobody trades"),
        ({"holder": None, "positions": 2, "orders": 1}, "act", "nobody trades, and 2 positions and 1 order are open"),
        ({"unknown_orders": 1}, "act", "the fate of 1 order is not known"),
        ({"state": "HALTED", "state_author": "anna"}, "act", "trading is halted by anna"),
        ({"state": "HALTED", "breaker": "rejects 5"}, "act", "the breaker is open: rejects 5"),
        ({"state": "REDUCING"}, "look", "nothing is bought"),
        ({"data_stale": True, "data_age_s": 300.0}, "look", "the last close came 300 s ago"),
        ({"limits": (LimitRow(name="heat_frac", used=0.14, limit=0.15),)}, "look", "heat_frac is at 0.14 of 0.15"),
        ({"limits": (LimitRow(name="heat_frac", used=0.13, limit=0.15),)}, "ok", None),
        ({"limits": (LimitRow(name="heat_frac", used=9.0, limit=None),)}, "ok", None),
        ({"monitor": MonitorRow(state="silent", age_s=45.0)}, "act", "the monitor has said nothing for 45 s"),
        ({"monitor": MonitorRow(state="missing")}, "act", "a monitor is expected and none runs"),
        ({"monitor": MonitorRow(state="none")}, "ok", "no monitor watches"),
        ({"notices": NoticesRow(destinations=1, failed=3)}, "look", "3 notices of the last day did not arrive"),
        ({"notices": NoticesRow()}, "ok", "nobody is told"),
        ({"anomalies": (anomaly("warning"),)}, "look", "it burns"),
        ({"anomalies": (anomaly("critical"),)}, "act", "it burns"),
        ({"anomalies": (anomaly("info"),)}, "ok", None),
        (
            {"errors_hour": (ErrorRow(event="e", process="p", level="error", count=2, last_ms=NOW),)},
            "look",
            "2 errors in",
        ),
        ({"errors_hour": (ErrorRow(event="e", process="p", level="warning", count=2, last_ms=NOW),)}, "ok", None),
        ({"versions": ()}, "ok", "no version decides"),
        ({"versions": (PROVEN, UNPROVEN)}, "ok", "UNPROVEN: v2"),
        ({"versions": (), "versions_problem": "serve.versions: x is retired"}, "look", "x is retired"),
    ],
)
def test_each_thing_that_is_wrong_is_said_alone(changes: dict, headline: str, words: str | None) -> None:
    """What, how urgent, and something to do about it; nothing is said of what is well."""
    advice = advise(row(**changes))
    assert headline_of(advice) == headline
    if words is None:
        assert advice == ()
    else:
        (one,) = advice
        assert words in one.why
        assert one.do


def test_the_most_urgent_stands_first() -> None:
    """Whatever room it comes from."""
    found = advise(row(versions=(UNPROVEN,), anomalies=(anomaly("critical"),), state="REDUCING"))
    assert [one.level for one in found] == ["critical", "warning", "info"]


def test_age_is_overdue_only_while_somebody_trades() -> None:
    """A bar and the limit of the feed; an account that nobody trades has old data and no alarm."""
    limit_ms = 60_000 + round(1_000 * Settings().risk.feed_age_max_s)
    for holder, age_ms, stale in (("a", limit_ms, False), ("a", limit_ms + 1, True), (None, 10 * limit_ms, None)):
        status = status_of("main", EMPTY, replace(VIEW, at_ms=NOW - age_ms), holder and Holder(holder, 1.0), NOW)
        assert answer_of(status, read_nothing(), Settings(), NOW).data_stale is stale


@pytest.mark.postgres
def test_what_is_stored_is_read(database: Engine) -> None:
    """Open anomalies of the account and the system, versions, remedies, errors of the hour, heartbeat, notices."""
    now_ms = round(datetime.now(UTC).timestamp() * 1_000)
    settings = load_settings(None, {"health.monitor_expected": "always"}, {})
    empty = read_health(database, settings, "main", "paper", now_ms)
    assert (empty.versions, empty.anomalies, empty.remedies, empty.errors) == ((), (), (), ())
    assert empty.monitor.state == "missing"
    started = load_settings(None, {}, {})
    assert read_health(database, started, "main", "paper", now_ms).monitor.state == "none"
    assert read_health(database, started, "main", "live", now_ms).monitor.state == "missing", "whatever is set"
    run_id = open_run(database, "train", Settings(), "ab" * 32, __version__)
    Registry(database).register(run_id, "v1", "*", "folder", "ab" * 32, {}, "tests")
    found = tuple(
        Anomaly(f"d{n}", account, "", severity, f"words {n}", "means", None, now_ms)  # type: ignore[arg-type]
        for n, (account, severity) in enumerate((("main", "warning"), ("", "critical"), ("other", "critical")))
    )
    minute = now_ms - now_ms % 60_000 - 60_000
    errors = tuple(
        ErrorGroup(f"{n:016x}", "feed", "error", f"feed.{n}", at, at, at, count, {})
        for n, (at, count) in enumerate(((minute, 2), (minute, 5), (minute - 7_200_000, 9)))
    )
    sample = Sample(now_ms, "host", "host.cpu_frac", "", 0.5)
    assert write_batch(database, Batch(UUID(int=1), now_ms, (sample,), frozenset(), found, errors)) == ""
    beat(database, MONITOR, "m@home:1", "", 30.0, {})
    with database.begin() as connection:
        add_notice(connection, Notice("t", "opened", "info", "t", "", now_ms), ("phone",), 0, 0)
        for number, state in enumerate(("applied", "refused")):
            connection.execute(
                text(
                    """INSERT INTO remediations (at, account, kind, subject, state, reason, author)
                    VALUES (:at, 'main', 'pause_coin', 'BTC/USDT', :state, 'slippage', 'monitor')"""
                ),
                {"at": datetime.now(UTC) - timedelta(minutes=10 - number), "state": state},
            )
    health = read_health(database, settings, "main", "paper", now_ms)
    assert [(one.anomaly.detector, one.anomaly.severity) for one in health.anomalies] == [
        ("d1", "critical"),
        ("d0", "warning"),
    ]
    assert [(one.version, one.standing) for one in health.versions] == [("v1", "candidate: UNPROVEN")]
    assert [one.state for one in health.remedies] == ["applied", "refused"]
    assert [(one.event, one.count) for one in health.errors] == [("feed.1", 5), ("feed.0", 2)]
    assert (health.monitor.state, health.monitor.holder) == ("beats", "m@home:1")
    never = load_settings(None, {"health.monitor_expected": "never"}, {})
    with database.begin() as connection:
        connection.execute(text("UPDATE heartbeats SET at = at - interval '1 minute'"))
    assert read_health(database, settings, "main", "paper", now_ms).monitor.state == "silent"
    assert read_health(database, never, "main", "paper", now_ms).monitor.state == "none", "nobody misses it"
    assert (health.notices.waiting, health.notices.destinations) == (1, 0)
    assert read_health(database, settings, "main", "live", now_ms).versions == ()
    named = load_settings(None, {"serve.versions": ["v9"]}, {})
    assert "v9 is not in the registry" in read_health(database, named, "main", "paper", now_ms).versions_problem
