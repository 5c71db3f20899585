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
