"""`huracan models`: versions listed, shown, promoted and rolled back with a reason."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.cli import cli
from huracan.config import Settings
from huracan.memory import Performance, Registry, Trial, open_run, record_gate, record_performance, record_trial
from huracan.shadow.gate import CRITERIA
from huracan.terminal import run
from tests.shadow.proof import register, run_of, skilled, store_days, store_trades

pytestmark = pytest.mark.postgres
Captured = pytest.CaptureFixture[str]


def _json(words: list[str], capsys: Captured) -> object:
    assert run(cli, [*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def _three_candidates(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))
    run_id = open_run(database, "train", Settings(), "f", "0.1.0")
    for version in ("v0", "v1", "v2"):
        Registry(database).register(run_id, version, "*", "policies/x", "ab" * 32, {"sharpe": 0.5}, "ann")


def test_a_version_goes_up_and_back(capsys: Captured) -> None:
    """Promotion and rollback move stages, each with its author and reason in the history that `show` prints."""
    for version in ("v1", "v1", "v2", "v2"):
        _json(["models", "promote", version, "--reason", "better", "--author", "bob", "--force"], capsys)
    assert [(model["version"], model["stage"]) for model in _json(["models", "ls"], capsys)] == [
        ("v2", "champion"),
        ("v1", "retired"),
        ("v0", "candidate"),
    ]
    back = _json(["models", "rollback", "--reason", "v2 loses", "--author", "bob"], capsys)
    assert (back["version"], back["stage"]) == ("v1", "champion")
    shown = _json(["models", "show", "v2"], capsys)
    assert shown["model"]["metrics"] == {"sharpe": 0.5}
    assert [(event["verb"], event["author"]) for event in shown["history"]][-1] == ("rollback", "bob")
    assert run(cli, ["models", "show", "v2"]) == 0
    assert "v2 loses" in capsys.readouterr().out


def test_refusals_are_exit_code_3_and_mistakes_2(capsys: Captured) -> None:
    """What a rule forbids is 3; an unknown version or a missing reason is 2; each is one line."""
    for words, code in (
        (["models", "rollback", "--scope", "NONE/USDT", "--reason", "x"], 3),
        (["models", "promote", "nowhere", "--reason", "x"], 2),
        (["models", "promote", "nowhere", "--reason", "x", "--force"], 2),
        (["models", "promote", "v1", "--force"], 2),
        (["models", "gate", "nowhere"], 2),
        (["models", "gate", "v1"], 3),
        (["models", "promote", "v1", "--reason", "x"], 3),
        (["models", "promote", "v1"], 2),
        (["models", "promote", "v0", "--reason", " "], 2),
        (["models", "show", "nowhere"], 2),
    ):
        assert run(cli, words) == code, words
        assert capsys.readouterr().err.count("\n") == 1


def test_a_champion_by_force_is_unproven(database: Engine, capsys: Captured) -> None:
    """No promotion takes the label away, in `ls`, `show` and JSON; the newest report of the gate alone does."""
    registry, run_id = Registry(database), open_run(database, "train", Settings(), "f", "0.1.0")
    registry.register(run_id, "hand", "HAND/USDT", "policies/x", "ab" * 32, {"promotion_gate": {"passed": True}}, "ann")
    for _ in ("shadow", "champion"):
        assert run(cli, ["models", "promote", "hand", "--reason", "better", "--force"]) == 0
    assert "hand for HAND/USDT is champion, promoted by hand: UNPROVEN" in capsys.readouterr().out
    for words in (["models", "ls"], ["models", "show", "hand"]):
        assert run(cli, words) == 0
        assert "champion, promoted by hand: UNPROVEN" in capsys.readouterr().out
    assert not any(model["proven"] for model in _json(["models", "ls"], capsys))
    shown = _json(["models", "show", "hand"], capsys)
    assert not shown["model"]["proven"]
    assert [event["forced"] for event in shown["history"]] == [False, True, True]
    assert run(cli, ["models", "show", "hand"]) == 0
    assert "promote by force" in capsys.readouterr().out
    record_gate(database, "hand", "ab" * 32, True, {}, "ann")
    assert _json(["models", "show", "hand"], capsys)["model"]["proven"]
    assert run(cli, ["models", "ls", "--scope", "HAND/USDT"]) == 0
    assert "champion, passed the promotion gate" in capsys.readouterr().out


def test_the_gate_is_asked_shown_and_obeyed(database: Engine, capsys: Captured, tmp_path: Path) -> None:
    """`models gate` prints every criterion, 0 if it passes and 3 if not; `promote` obeys it; `show` keeps it."""
    run_id = run_of(database, "gate candles")
    store_days(database, run_id, skilled())
    register(database, run_id, "good", tmp_path)
    assert run(cli, ["models", "gate", "good"]) == 3
    out = capsys.readouterr().out
    assert "promotion gate: REFUSED" in out
    assert "0 closed trades; 100 more are needed" in out.replace("\n", " ")
    assert run(cli, ["models", "promote", "good", "--reason", "hope"]) == 3
    err = capsys.readouterr().err
    assert "the promotion gate refuses good: trades: 0 closed trades; 100 more are needed" in err
    assert err.count("\n") == 1
    store_trades(database, run_id, 300)
    assert run(cli, ["models", "gate", "good", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"]
    assert [row["name"] for row in report["criteria"]] == list(CRITERIA)
    for stage in ("shadow", "champion"):
        assert _json(["models", "promote", "good", "--reason", "it earned"], capsys)["stage"] == stage
    shown = _json(["models", "show", "good"], capsys)
    assert shown["gate"][0]["report"]["passed"]
    assert shown["model"]["proven"]
    assert run(cli, ["models", "show", "good"]) == 0
    out = capsys.readouterr().out
    assert "promotion gate: passed" in out
    assert "champion, passed the promotion gate" in out


def test_show_says_what_was_tried_and_earned(database: Engine, capsys: Captured) -> None:
    """The trials of the version's run and of its candles, and the run's stored performance, totals in the table."""
    runs = [open_run(database, "train", Settings(), "tried", "0.1.0") for _ in range(2)]
    for run_id, name in ((runs[0], "a"), (runs[0], "b"), (runs[1], "a")):
        record_trial(database, run_id, Trial(name, "done", {}, {}, 1.0, 10, 0.1))
    whole = Performance("v9", "coin", None, None, "shadow", 30, 12, 7, 8.5, -2.5, *[None] * 7)
    record_performance(database, runs[0], whole, replace(whole, symbol="BTC/USDT", fold=0, net=4.25))
    Registry(database).register(runs[0], "v9", "SHOW/USDT", "policies/x", "ef" * 32, {}, "ann")
    shown = _json(["models", "show", "v9"], capsys)
    assert shown["trials"] == {"of_its_run": 2, "on_its_candles": 3}
    assert [(row["symbol"], row["fold"], row["net"]) for row in shown["performance"]] == [
        ("BTC/USDT", 0, 4.25),
        (None, None, 8.5),
    ]
    assert run(cli, ["models", "show", "v9"]) == 0
    text = capsys.readouterr().out
    assert "on its candles" in text
    assert "8.5" in text
    assert "4.25" not in text


def test_a_candidate_retires_with_a_reason(database: Engine, capsys: Captured) -> None:
    """`models retire` takes a candidate out of use and keeps who and why; again, or of a champion, it is refused."""
    run_id = open_run(database, "train", Settings(), "f", "0.1.0")
    Registry(database).register(run_id, "old", "OLD/USDT", "policies/x", "ab" * 32, {}, "ann")
    assert _json(["models", "retire", "old", "--reason", "worse", "--author", "bob"], capsys)["stage"] == "retired"
    last = _json(["models", "show", "old"], capsys)["history"][-1]
    assert (last["verb"], last["author"], last["reason"]) == ("retire", "bob", "worse")
    assert run(cli, ["models", "retire", "old", "--reason", "again"]) == 3
    assert capsys.readouterr().err.count("\n") == 1
