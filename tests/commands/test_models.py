"""`huracan models`: versions listed, shown, promoted and rolled back with a reason."""

import json

import pytest
from sqlalchemy import Engine

from huracan.cli import cli
from huracan.config import Settings
from huracan.memory import Registry, open_run
from huracan.terminal import run

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
        _json(["models", "promote", version, "--reason", "better", "--author", "bob"], capsys)
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
        (["models", "promote", "v1"], 2),
        (["models", "promote", "v0", "--reason", " "], 2),
        (["models", "show", "nowhere"], 2),
    ):
        assert run(cli, words) == code, words
        assert capsys.readouterr().err.count("\n") == 1


def test_a_champion_by_hand_is_unproven(database: Engine, capsys: Captured) -> None:
    """No promotion takes the label away, in `ls`, `show` and JSON; the report of a passed gate alone does."""
    registry, run_id = Registry(database), open_run(database, "train", Settings(), "f", "0.1.0")
    registry.register(run_id, "hand", "HAND/USDT", "policies/x", "ab" * 32, {"sharpe": 0.5}, "ann")
    for _ in ("shadow", "champion"):
        assert run(cli, ["models", "promote", "hand", "--reason", "better"]) == 0
    assert "hand for HAND/USDT is champion, promoted by hand: UNPROVEN" in capsys.readouterr().out
    for words in (["models", "ls"], ["models", "show", "hand"]):
        assert run(cli, words) == 0
        assert "champion, promoted by hand: UNPROVEN" in capsys.readouterr().out
    assert not any(model["proven"] for model in _json(["models", "ls"], capsys))
    assert not _json(["models", "show", "hand"], capsys)["model"]["proven"]
    for name, gate in (("passed", {"passed": True}), ("failed", {"passed": False}), ("odd", "passed")):
        registry.register(run_id, name, f"{name}/USDT", "policies/x", "cd" * 32, {"promotion_gate": gate}, "ann")
        assert _json(["models", "show", name], capsys)["model"]["proven"] is (name == "passed")
    assert run(cli, ["models", "ls", "--scope", "passed/USDT"]) == 0
    assert "candidate, passed the promotion gate" in capsys.readouterr().out
