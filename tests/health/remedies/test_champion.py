"""Rolling back a champion: only to what was champion, proven and whole; undone so that a later rollback is the same."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from huracan.errors import RefusedError
from huracan.memory.registry import Registry
from huracan.policy.artefact import WEIGHTS_NAME
from tests.health.remedies.worlds import HOUR, MINUTE, T0, World, anomaly, rule, world

pytestmark = pytest.mark.postgres
RULE = rule("result", "roll_back")
DAY = 24 * HOUR


def stages(account: World) -> list[str]:
    """Return the stages of the account's versions, oldest first."""
    registry = Registry(account.database)
    return [registry.show(version).stage for version in account.versions]


def test_the_champion_before_comes_back_and_the_undo_is_exact(database: Engine, tmp_path: Path) -> None:
    """After the undo stages are bit for bit those before, and the registry would roll back as before."""
    account = world(database)
    account.register(tmp_path, 3)
    before = account.control()
    remedies = account.remedies(RULE)
    wrong = anomaly(account, "result", account.versions[2])
    (row,) = remedies.act([wrong], T0)
    assert (row.state, row.after["champion"]) == ("applied", account.versions[1])
    assert stages(account) == ["retired", "champion", "retired"]
    assert remedies.act([wrong], T0 + 1) == (), "in force: nothing more is done"
    remedies.undo(row.number, "ann", "noise", T0 + MINUTE)
    assert account.control() == before
    registry = Registry(database)
    assert registry.rollback(account.scope, "ann", "by hand").version == account.versions[1]
    assert registry.rollback(account.scope, "ann", "by hand").version == account.versions[0]


def test_a_rollback_goes_on_after_an_undone_one_as_if_it_had_not_been(database: Engine, tmp_path: Path) -> None:
    """A version whose rollback was undone, and which is replaced later, can be gone back to."""
    account = world(database)
    account.register(tmp_path, 2)
    remedies = account.remedies(RULE)
    (row,) = remedies.act([anomaly(account, "result", account.versions[1])], T0)
    remedies.undo(row.number, "ann", "noise", T0 + MINUTE)
    account.register(tmp_path / "more", 2)
    registry = Registry(database)
    back = [registry.rollback(account.scope, "ann", "x").version for _ in range(3)]
    assert back == [account.versions[2], account.versions[1], account.versions[0]]


def test_unsafe_rollbacks_are_refused(database: Engine, tmp_path: Path) -> None:
    """Nobody before it, one before it that is not proven or was changed on disk, a version that is no champion."""
    lonely, unproven, damaged = world(database), world(database), world(database)
    lonely.register(tmp_path / "a", 1)
    unproven.register(tmp_path / "b", 2, proven=False)
    damaged.register(tmp_path / "c", 2)
    (tmp_path / "c" / "v1" / WEIGHTS_NAME).write_bytes(b"other weights")
    cases = [
        (lonely, lonely.versions[0], "no champion before"),
        (unproven, unproven.versions[1], "has not passed the gate"),
        (damaged, damaged.versions[1], "not what was registered"),
        (damaged, damaged.versions[0], "is not champion"),
        (damaged, "nobody", "no version"),
    ]
    for account, version, said in cases:
        before = account.control()
        (row,) = account.remedies(RULE).act([anomaly(account, "result", version)], T0)
        assert (row.state, said in row.error) == ("refused", True), row.error
        assert account.control() == before


def test_versions_that_moved_since_are_left_where_they_are(database: Engine, tmp_path: Path) -> None:
    """A person promotes another one: the remedy is over, and an undo before that was noted is refused."""
    account = world(database)
    account.register(tmp_path, 2)
    remedies = account.remedies(RULE)
    (row,) = remedies.act([anomaly(account, "result", account.versions[1])], T0)
    account.register(tmp_path / "more", 1)
    with pytest.raises(RefusedError, match="have moved"):
        remedies.undo(row.number, "ann", "late", T0 + MINUTE)
    (ended,) = remedies.act([], T0 + MINUTE)
    assert ended.state == "undone"


def test_a_rollback_does_not_cascade(database: Engine, tmp_path: Path) -> None:
    """The one that came back decays too: nothing for a week, and only then the one before it."""
    account = world(database)
    account.register(tmp_path, 3)
    remedies = account.remedies(RULE)
    (row,) = remedies.act([anomaly(account, "result", account.versions[2])], T0)
    assert row.state == "applied"
    for at_ms in (T0 + DAY, T0 + 7 * DAY - MINUTE):
        (second,) = remedies.act([anomaly(account, "result", account.versions[1])], at_ms)
        assert (second.state, "within 7 days" in second.error) == ("refused", True), second.error
    (third,) = remedies.act([anomaly(account, "result", account.versions[1])], T0 + 7 * DAY + MINUTE)
    assert (third.state, third.after["champion"]) == ("applied", account.versions[0])


def test_a_former_champion_that_is_called_itself_is_not_gone_back_to(database: Engine, tmp_path: Path) -> None:
    """Its charts or groups warn, in any account; an anomaly that has ended, or that is no warning, says nothing."""
    account = world(database)
    account.register(tmp_path, 2)
    remedies, former = account.remedies(RULE), account.versions[0]
    for detector, severity, ended in (("win_rate", "warning", True), ("pattern_recovered", "info", False)):
        write_anomaly(database, former, detector, severity, ended)
    write_anomaly(database, former, "version_degraded", "warning", False)
    before, wrong = account.control(), anomaly(account, "result", account.versions[1])
    (row,) = remedies.act([wrong], T0)
    assert (row.state, "has an open anomaly: version_degraded" in row.error) == ("refused", True), row.error
    assert account.control() == before
    with database.begin() as connection:
        connection.execute(text("UPDATE anomalies SET ended_at = now()"))
    (row,) = remedies.act([wrong], T0 + 2 * HOUR)
    assert row.state == "applied"


def write_anomaly(engine: Engine, version: str, detector: str, severity: str, ended: bool) -> None:
    """Write a row as the monitor does, of another account."""
    with engine.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO anomalies (noticed_at, seen_at, ended_at, account, detector, subject, severity, words,
                    means, evidence)
                VALUES (now(), now(), CASE WHEN :ended THEN now() END, 'another', :detector, :version, :severity, 'w',
                    'm', jsonb_build_object('version', cast(:version AS text)))"""
            ),
            {"version": version, "detector": detector, "severity": severity, "ended": ended},
        )
