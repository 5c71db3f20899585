"""`huracan patterns`: groups found and stored, again without a change, and past trades like a given one."""

import json

import pytest
from sqlalchemy import Engine

from huracan.cli import cli
from huracan.memory.remembered import Asked, read_remembered
from huracan.terminal import run
from tests.insights.stored import store

pytestmark = pytest.mark.postgres
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _database(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))


def test_patterns_are_found_once(database: Engine, capsys: Captured) -> None:
    """Two planted groups with their stages; done again no row changes; as of a day only what was known then."""
    run_id, _ = store(database, (0.6, -0.6), 400, 3)
    assert run(cli, ["patterns", "find", "--json"]) == 0
    (done,) = json.loads(capsys.readouterr().out)
    assert done["run_id"] == run_id
    assert sorted(one["stage"] for one in done["found"]["patterns"]) == ["bad", "good"]
    assert run(cli, ["patterns", "find", "--run-id", str(run_id)]) == 0
    said = capsys.readouterr().out
    assert "2 groups are the most that are found again on other days" in said
    assert "0 rows new or changed" in said
    assert run(cli, ["patterns", "find", "--as-of", "2024-11-04", "--json"]) == 0
    (early,) = json.loads(capsys.readouterr().out)
    assert 100 <= early["found"]["trades"] < 400


def test_past_trades_like_one_are_shown_as_they_were_known(database: Engine, capsys: Captured) -> None:
    """All of them had ended when it was entered; the first trade has none, and one that is in no library says so."""
    run_id, _ = store(database, (0.6, -0.6), 300, 4)
    trades = read_remembered(database, Asked("shadow", run_id))
    last = int(trades.trade_id[-1])
    assert run(cli, ["patterns", "like", str(last)]) == 2
    assert f"run `huracan patterns find --run-id {run_id}`" in capsys.readouterr().err
    assert run(cli, ["patterns", "find", "--run-id", str(run_id), "--json"]) == 0
    capsys.readouterr()
    assert run(cli, ["patterns", "like", str(last), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 12
    assert all(one["exit_ms"] < int(trades.entry_ms[-1]) for one in found)
    assert [one["distance"] for one in found] == sorted(one["distance"] for one in found)
    assert run(cli, ["patterns", "like", str(last), "--count", "3"]) == 0
    assert f"trades like {last}" in capsys.readouterr().out
    assert run(cli, ["patterns", "like"]) == 0
    assert "trades like " in capsys.readouterr().out
    assert run(cli, ["patterns", "like", str(int(trades.trade_id[0]))]) == 0
    assert "no trade was known when" in capsys.readouterr().out


def test_too_few_trades_are_refused(database: Engine, capsys: Captured) -> None:
    """Fewer than a hundred: one line with what is missing."""
    run_id, _ = store(database, (0.0,), 60, 5)
    assert run(cli, ["patterns", "find", "--run-id", str(run_id)]) == 2
    assert "60 of 60 closed trades can be compared, need 100" in capsys.readouterr().err
