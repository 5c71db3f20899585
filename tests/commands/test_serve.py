"""`huracan serve`: tokens are shown once, and what is not up is said, not started."""

import json
import re
from pathlib import Path

import pytest

from huracan.cli import cli
from huracan.signals.auth import TokenBook, read_tokens, token_file
from huracan.terminal import run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HURACAN_HOME on which nothing was ever started."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    for name in ("RAY_ADDRESS", "HURACAN__RAY__ADDRESS", "HURACAN__DATABASE__URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_token_is_shown_once_and_lets_its_holder_in_until_it_is_revoked(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is stored as a hash, listed without it, and of the scope that was asked for."""
    assert run(cli, ["serve", "token", "new", "me", "--scope", "trade", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["scope"]) == ("me", "trade")
    found = TokenBook(token_file(home)).find(told["token"])
    assert found is not None
    assert found.name == "me"
    assert run(cli, ["serve", "token", "ls", "--json"]) == 0
    listed = capsys.readouterr().out
    assert told["token"] not in listed
    assert read_tokens(token_file(home))[0].sha256 not in listed
    assert [row["name"] for row in json.loads(listed)] == ["me"]
    assert run(cli, ["serve", "token", "revoke", "me"]) == 0
    assert TokenBook(token_file(home)).find(told["token"]) is None


def test_without_a_word_a_token_may_only_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever wants to trade says so."""
    assert run(cli, ["serve", "token", "new", "reader", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scope"] == "read"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["token", "revoke", "nobody"], 2, "there is no token 'nobody'"),
        (["token", "new", "a b"], 2, "names no token"),
        (["token", "new", "a", "--scope", "all"], 2, "'all' is not one of"),
        (["up", "--port", "0"], 2, "0 is not in the range"),
    ],
)
def test_mistakes_are_one_line(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was found, and the exit code of bad input."""
    assert run(cli, ["serve", *words]) == code
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert re.search(re.escape(said), line)


def test_status_and_down_start_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No cluster, no database: it says so, and nothing is there afterwards."""
    assert run(cli, ["serve", "status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["up"], found["address"], found["versions"], found["parts"]) == (False, None, None, [])
    assert run(cli, ["serve", "down", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": []}
    assert not (home / "postgres" / "data").exists()
    assert not (home / "ray").exists()
