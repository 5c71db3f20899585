"""`huracan remedies` as a process: what is in force, what would be done, and the undo of a person."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from huracan.memory import EmbeddedServer
from tests.health.remedies.worlds import World, anomaly, rule, world

pytestmark = pytest.mark.postgres


def run(
    account: World, server: EmbeddedServer, home: Path, *words: str, rules: str = "[]"
) -> subprocess.CompletedProcess[str]:
    """Run the command on the account's database."""
    assert account.database.url.database is not None
    environ = os.environ | {
        "HURACAN__DATABASE__URL": server.url(account.database.url.database),
        "HURACAN__EXECUTION__ACCOUNT": account.account,
        "HURACAN__REMEDIES__RULES": rules,
        "HURACAN_HOME": str(home),
        "COLUMNS": "250",
    }
    command = [str(Path(sys.executable).with_name("huracan")), "remedies", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_what_is_in_force_is_listed_and_undone_by_a_person(
    database: Engine, database_server: EmbeddedServer, tmp_path: Path
) -> None:
    """The list names it, the undo ends it, the account is as before, and a second undo is refused with code 3."""
    account = world(database)
    account.lock("B/USDT")
    before = account.control()
    now_ms = int(time.time() * 1_000)
    wrong = anomaly(account, "slippage", at_ms=now_ms)
    (row,) = account.remedies(rule("slippage", "reduce_size", value=0.5)).act([wrong], now_ms)
    shown = run(account, database_server, tmp_path, "ls")
    assert shown.returncode == 0, shown.stderr
    assert "reduce_size 0.5" in shown.stdout
    (listed,) = json.loads(run(account, database_server, tmp_path, "ls", "--json").stdout)
    assert (listed["number"], listed["state"], listed["value"]) == (row.number, "applied", 0.5)
    undone = run(account, database_server, tmp_path, "undo", str(row.number), "--reason", "looked at it")
    assert undone.returncode == 0, undone.stderr
    assert "undone: reduce_size" in undone.stdout
    assert account.control() == before
    assert json.loads(run(account, database_server, tmp_path, "ls", "--json").stdout) == []
    (kept,) = json.loads(run(account, database_server, tmp_path, "ls", "--all", "--json").stdout)
    assert (kept["state"], "@" in kept["ended_by"]) == ("undone", True)
    again = run(account, database_server, tmp_path, "undo", str(row.number), "--reason", "once more")
    assert (again.returncode, "nothing to undo" in again.stderr) == (3, True)
    unknown = run(account, database_server, tmp_path, "undo", "999999", "--reason", "x")
    assert (unknown.returncode, "there is no remedy" in unknown.stderr) == (2, True)


def test_a_dry_run_says_what_the_rules_would_do_now(
    database: Engine, database_server: EmbeddedServer, tmp_path: Path
) -> None:
    """From the open anomalies of the database; nothing is written, also where the rule would act."""
    account = world(database)
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO anomalies (account, detector, subject, severity, words, means, noticed_at, seen_at) "
                "VALUES (:account, 'feed_silent', '', 'critical', 'no candle', 'blind', now(), now())"
            ),
            {"account": account.account},
        )
    before = account.control()
    rules = '[{"detector": "feed_*", "remedy": "halt", "mode": "act"}]'
    done = run(account, database_server, tmp_path, "dry-run", "--json", rules=rules)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["kind"], row["state"], row["error"]) == ("halt", "applied", "")
    shown = run(account, database_server, tmp_path, "dry-run", rules=rules).stdout
    assert all(word in shown for word in ("halt", "DONE", "NONE WORKS"))
    assert (
        "not done" in run(account, database_server, tmp_path, "dry-run", rules=rules.replace("act", "dry_run")).stdout
    )
    assert (account.control(), account.rows()) == (before, [])
