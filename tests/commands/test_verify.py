"""`huracan verify`: a table or JSON, and exit code 1 when any check fails."""

import json

import pytest

import huracan.verify
from huracan.cli import cli
from huracan.errors import ConfigError
from huracan.terminal import run
from huracan.verify import Check

Captured = pytest.CaptureFixture[str]


def _broken() -> str:
    raise ConfigError("it is broken; mend it")


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)])
def test_one_failing_check_is_exit_code_1(
    broken: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """All findings are shown, in the table and in the JSON, whether or not one fails."""
    found = (Check("first", _broken if broken else lambda: "works"), Check("second", lambda: "works too"))
    monkeypatch.setattr(huracan.verify, "checks", lambda _settings: found)
    assert run(cli, ["verify"]) == code
    table = capsys.readouterr().out
    assert ("FAILED" in table) is broken
    assert "works too" in table
    assert run(cli, ["verify", "--json"]) == code
    outcomes = json.loads(capsys.readouterr().out)
    assert [(item["name"], item["passed"]) for item in outcomes] == [("first", not broken), ("second", True)]
    assert outcomes[0]["detail"] == ("it is broken; mend it" if broken else "works")
