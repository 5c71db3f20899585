"""The keys' file: created once, kept, private, and refused when it is not."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from huracan.errors import UsageError
from huracan.paper.keys import open_keys


def drawing() -> Callable[[int], str]:
    """Return a source of tokens that differ and tell how long they are."""
    numbers = count()
    return lambda size: f"{next(numbers)}-of-{size}-bytes"


def test_the_file_is_created_private_and_kept(tmp_path: Path) -> None:
    """A second opening finds the same token and keys, and adds only the account that is new."""
    path = tmp_path / "home" / "paper" / "keys.json"
    first = open_keys(path, ["main"], drawing())
    assert path.stat().st_mode & 0o777 == 0o600
    assert (first.admin_token, first.accounts["main"].api_key) == ("0-of-32-bytes", "1-of-32-bytes")
    before = path.read_bytes()
    assert open_keys(path, ["main"]) == first
    assert path.read_bytes() == before
    second = open_keys(path, ["other"])
    assert second.admin_token == first.admin_token
    assert second.accounts["main"] == first.accounts["main"]
    assert set(second.accounts) == {"main", "other"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["accounts"]["other"]["secret"] == second.accounts["other"].secret


def test_drawn_keys_are_long_and_differ(tmp_path: Path) -> None:
    """32 random bytes each, as 64 hexadecimal digits."""
    keys = open_keys(tmp_path / "keys.json", ["a", "b"])
    drawn = [keys.admin_token, *(word for one in keys.accounts.values() for word in (one.api_key, one.secret))]
    assert [len(bytes.fromhex(word)) for word in drawn] == [32] * 5
    assert len(set(drawn)) == 5


def test_no_secret_in_a_printed_record(tmp_path: Path) -> None:
    """A record that reaches a log shows neither secret nor token."""
    keys = open_keys(tmp_path / "keys.json", ["main"])
    assert keys.admin_token not in repr(keys)
    assert keys.accounts["main"].secret not in repr(keys)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The line names the file and the command that mends it."""
    path = tmp_path / "keys.json"
    open_keys(path, ["main"])
    path.chmod(0o640)
    with pytest.raises(UsageError, match=f"chmod 600 {path}"):
        open_keys(path, ["main"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"admin_token": "x", "accounts": {"main": 3}}', "\xff"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    """It is never overwritten."""
    path = tmp_path / "keys.json"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(UsageError, match="is no file of the exchange's keys"):
        open_keys(path, ["main"])
    assert path.read_bytes() == text.encode("latin-1")
