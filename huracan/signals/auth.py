"""Who may ask: bearer tokens, shown once, stored as hashes in a file that only its owner can read.

A token is 256 random bits, so its plain SHA-256 is as hard to invert as guessing the token itself: the slow hashes of
passwords exist because people choose guessable ones, and they would cost every request their time. A stolen file lets
nobody in. What is presented is hashed before it is compared, and compared with every entry in constant time.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

from huracan.errors import ConfigError, UsageError

__all__ = ["Scope", "Token", "TokenBook", "add_token", "read_tokens", "remove_token", "token_file"]

_PREFIX = "hur_"  # so that secret scanners, and people, know what they have found
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PRESENTED_MAX = 256
_LOOK_S = 1.0


class Scope(StrEnum):
    """What a token allows; `trade` includes `read`."""

    READ = "read"  # every GET, and signals that execute nothing
    TRADE = "trade"  # signals that execute, halt, resume

    def allows(self, wanted: "Scope") -> bool:
        """Return whether a token of this scope may do what `wanted` is needed for."""
        return self is Scope.TRADE or wanted is Scope.READ


@dataclass(frozen=True, slots=True)
class Token:
    """What is stored of a token.

    Attributes:
        name: of its holder; unique.
        scope: what it allows.
        sha256: of the token, hexadecimal.
        created_ms: wall clock.
    """

    name: str
    scope: Scope
    sha256: str
    created_ms: int


def token_file(home: Path) -> Path:
    """Return where the hashes are kept under HURACAN_HOME."""
    return home / "serve" / "tokens.json"


def add_token(path: Path, name: str, scope: Scope, now_ms: int) -> str:
    """Create a token and return it: this is the only time that it can be seen.

    Raises:
        UsageError: the name is taken, or holds other than letters, digits, dot, dash and underscore.
        ConfigError: the file cannot be written, others can read it, or it holds something else.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!a} names no token; use up to 64 letters, digits, dots, dashes or underscores")
    secret = _PREFIX + secrets.token_urlsafe(32)
    with _changing(path) as tokens:
        if any(token.name == name for token in tokens):
            raise UsageError(f"there is a token {name} already; remove it first or choose another name")
        tokens.append(Token(name, scope, _sha256(secret), now_ms))
    return secret


def remove_token(path: Path, name: str) -> None:
    """Remove a token; servers refuse it within a second.

    Raises:
        UsageError: there is none of this name.
        ConfigError: as `add_token`.
    """
    with _changing(path) as tokens:
        kept = [token for token in tokens if token.name != name]
        if len(kept) == len(tokens):
            raise UsageError(f"there is no token {name!a} in {path}")
        tokens[:] = kept


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Return the tokens in order of creation; none when there is no file.

    Raises:
        ConfigError: others can read or write the file, or it holds something else.
    """
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())  # of what was opened, not of what the path names a moment later
            if not stat.S_ISREG(facts.st_mode) or facts.st_mode & 0o077 or facts.st_uid != os.geteuid():
                raise ConfigError(f"token file {path} is open to others; make it yours alone: chmod 600 {path}")
            return tuple(_parse(json.load(file)))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"token file {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):  # what it holds may be secret: it is not quoted
        raise ConfigError(f"token file {path} holds no tokens; remove it and create them again") from None


class TokenBook:
    """Knows whom a presented token belongs to; looks at the file again when it has changed.

    A file that others can read, or that holds something else, lets nobody in.

    Args:
        path: of the file.
        monotonic: seconds, for the pause between looks.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path, self._monotonic = path, monotonic
        self._tokens: Sequence[Token] = ()
        self._seen: tuple[int, ...] | None = None
        self._looked_s = -_LOOK_S
        self.problem = ""

    def find(self, presented: str) -> Token | None:
        """Return the token that was presented, None when it is nobody's."""
        self._look()
        if not presented or len(presented) > _PRESENTED_MAX or not presented.isascii():
            return None
        digest, found = _sha256(presented), None
        for token in self._tokens:  # all of them, whatever matches: how long it takes tells nothing
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found

    def _look(self) -> None:
        now_s = self._monotonic()
        if now_s - self._looked_s < _LOOK_S:
            return
        self._looked_s = now_s
        try:
            facts = self._path.stat()
            seen: tuple[int, ...] = (facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_mode)
        except OSError:
            seen = ()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._tokens, self.problem = read_tokens(self._path), ""
        except ConfigError as error:
            self._tokens, self.problem = (), str(error)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _parse(rows: Any) -> list[Token]:
    if not isinstance(rows, list):
        raise TypeError("no list")
    return [Token(str(row["name"]), Scope(row["scope"]), str(row["sha256"]), int(row["created_ms"])) for row in rows]


@contextmanager
def _changing(path: Path) -> Iterator[list[Token]]:
    """Yield the tokens to be changed in place, alone with the file, and write them back whole."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path.with_suffix(".lock"), "a", opener=_private) as lock:
            flock(lock, LOCK_EX)
            tokens = list(read_tokens(path))
            yield tokens
            descriptor, staging = tempfile.mkstemp(dir=path.parent, prefix=".tokens-")  # mode 0600
            with os.fdopen(descriptor, "w") as file:
                json.dump([asdict(token) for token in tokens], file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(staging, path)
    except OSError as error:
        raise ConfigError(f"token file {path} cannot be written: {error.strerror}; set HURACAN_HOME") from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
