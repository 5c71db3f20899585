"""Tokens: shown once, stored as hashes, compared in constant time, refused when the file is open to others."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from huracan.errors import ConfigError, UsageError
from huracan.signals import auth
from huracan.signals.auth import Scope, TokenBook, add_token, read_tokens, remove_token, token_file


class Ticks:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A token file that is not there yet."""
    return token_file(tmp_path)


def test_a_token_is_shown_once_and_stored_as_a_hash(path: Path) -> None:
    """The file, which only its owner can read, holds name, scope and hash, and nothing that lets anybody in."""
    secret = add_token(path, "desk", Scope.READ, 17)
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    (token,) = read_tokens(path)
    assert (token.name, token.scope, token.created_ms) == ("desk", Scope.READ, 17)
    assert len(set(token.sha256)) > 8
    assert TokenBook(path).find(token.sha256) is None


def test_every_token_is_another_and_is_256_bits(path: Path) -> None:
    """Tokens are drawn, never derived from their names."""
    secrets = {add_token(path, f"n{number}", Scope.READ, 0) for number in range(20)}
    assert len(secrets) == 20
    assert all(len(secret.removeprefix("hur_")) == 43 for secret in secrets)  # 32 bytes in base 64


def test_a_book_knows_whose_a_token_is(path: Path) -> None:
    """Every token is found whatever stands before and behind it; others, empty, huge and odd ones are nobody's."""
    secrets = {name: add_token(path, name, Scope.TRADE, 0) for name in ("a", "b", "c")}
    book = TokenBook(path)
    for name, secret in secrets.items():
        found = book.find(secret)
        assert found is not None
        assert found.name == name
    for wrong in ("", "x", secrets["a"][:-1], secrets["a"] + "x", "y" * 100_000, "hur_ä", "hur_\0"):
        assert book.find(wrong) is None


def test_every_entry_is_compared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a look takes does not tell which entry matched, nor how much of one."""
    secrets = [add_token(path, name, Scope.READ, 0) for name in ("a", "b", "c")]
    compared: list[str] = []
    real = auth.hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append(one)
        return real(one, other)

    monkeypatch.setattr(auth.hmac, "compare_digest", counted)
    book = TokenBook(path)
    for secret in (*secrets, "nobody's"):
        compared.clear()
        book.find(secret)
        assert len(compared) == 3


def test_a_removed_token_is_refused_within_a_second(path: Path) -> None:
    """A running server follows the file."""
    secret, ticks = add_token(path, "gone", Scope.READ, 0), Ticks()
    book = TokenBook(path, ticks)
    assert book.find(secret) is not None
    remove_token(path, "gone")
    ticks.now_s += 1.0
    assert book.find(secret) is None
    later = add_token(path, "later", Scope.READ, 0)
    ticks.now_s += 1.0
    assert book.find(later) is not None


def test_a_file_that_others_can_read_lets_nobody_in(path: Path) -> None:
    """Also when it was fine before, and the reason is told."""
    secret, ticks = add_token(path, "desk", Scope.READ, 0), Ticks()
    book = TokenBook(path, ticks)
    assert book.find(secret) is not None
    os.chmod(path, 0o640)
    ticks.now_s += 1.0
    assert book.find(secret) is None
    assert "chmod 600" in book.problem
    with pytest.raises(ConfigError, match="open to others"):
        add_token(path, "next", Scope.READ, 0)


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '[{"name": "x"}]', '[{"name":"x","scope":"all","sha256":"","created_ms":0}]', "\xff"]
)
def test_a_file_that_holds_something_else_lets_nobody_in(path: Path, content: str) -> None:
    """It is refused without being quoted."""
    path.parent.mkdir()
    path.touch(0o600)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match="holds no tokens"):
        read_tokens(path)
    assert TokenBook(path).find("x") is None


def test_names_are_plain_and_unique(path: Path) -> None:
    """A name goes into logs and the history of the trading state."""
    add_token(path, "desk", Scope.READ, 0)
    for name in ("", "a b", "x" * 65, "-a", "a\nb", "ä"):
        with pytest.raises(UsageError, match="names no token"):
            add_token(path, name, Scope.READ, 0)
    with pytest.raises(UsageError, match="already"):
        add_token(path, "desk", Scope.TRADE, 0)
    with pytest.raises(UsageError, match="no token"):
        remove_token(path, "other")


def test_trade_includes_read() -> None:
    """And not the other way round."""
    assert Scope.TRADE.allows(Scope.READ)
    assert Scope.TRADE.allows(Scope.TRADE)
    assert Scope.READ.allows(Scope.READ)
    assert not Scope.READ.allows(Scope.TRADE)


def _add(path: str, name: str) -> str:
    return add_token(Path(path), name, Scope.READ, 0)


def test_tokens_created_at_the_same_time_are_all_kept(path: Path) -> None:
    """Two terminals do not overwrite each other's."""
    names = [f"n{number}" for number in range(8)]
    with ProcessPoolExecutor(4, get_context("spawn")) as pool:
        list(pool.map(_add, [str(path)] * len(names), names))
    assert {token.name for token in read_tokens(path)} == set(names)
    assert not [row for row in path.parent.iterdir() if row.name.startswith(".tokens-")]


def test_the_file_is_plain_json(path: Path) -> None:
    """Whoever audits it can read it."""
    add_token(path, "desk", Scope.TRADE, 5)
    (row,) = json.loads(path.read_text())
    assert set(row) == {"name", "scope", "sha256", "created_ms"}
