"""A feed on disk: the bytes of its parts, whole and of the same markets and versions, or not taken at all."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from huracan.logs import get_logger

__all__ = ["Saved", "read_saved", "refuse"]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Saved:
    """A snapshot.

    Attributes:
        last_ms: the close that it was taken after.
        follower: bytes of the machines; `books` and `ring` of the books and of the last closes.
        books: see `follower`.
        ring: see `follower`.
    """

    last_ms: int
    follower: bytes
    books: bytes
    ring: bytes

    def to_bytes(self, identity: tuple[str, ...]) -> bytes:
        """Return it as bytes; `identity` is what whoever takes it over must agree in."""
        parts = (self.follower, self.books, self.ring)
        body = b"".join(parts)
        head = {
            "format": _FORMAT,
            "identity": identity,
            "last_ms": self.last_ms,
            "sizes": [len(part) for part in parts],
            "body": hashlib.sha256(body).hexdigest(),
        }
        line = json.dumps(head, sort_keys=True).encode()
        return hashlib.sha256(line).hexdigest().encode() + b"\n" + line + b"\n" + body

    @classmethod
    def of(cls, body: bytes, head: dict[str, Any]) -> Self:
        """Cut the parts out of a body."""
        first, second = head["sizes"][0], sum(head["sizes"][:2])
        return cls(int(head["last_ms"]), body[:first], body[first:second], body[second:])


def read_saved(path: Path, identity: tuple[str, ...]) -> Saved | None:
    """Return the snapshot of a file; None, and why as an event, without one that is whole and of this identity.

    What a killed write left beside it is removed.
    """
    for left in path.parent.glob(f".{path.name}.*.partial"):
        with suppress(OSError):
            left.unlink()
    try:
        mark, _, rest = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        refuse(f"{path} cannot be read: {error.strerror}")
        return None
    line, _, body = rest.partition(b"\n")
    head: dict[str, Any] = {}
    whole = mark.decode("ascii", "replace") == hashlib.sha256(line).hexdigest()
    if whole:
        head = json.loads(line)
        whole = head["body"] == hashlib.sha256(body).hexdigest()
    if not whole:
        refuse(f"{path} is damaged")
        return None
    if head["format"] != _FORMAT or tuple(head["identity"]) != identity:
        refuse(f"{path} is of other markets, other versions, or another program")
        return None
    return Saved.of(body, head)


def refuse(reason: str) -> None:
    """Say why a snapshot is not used; there is nothing to do about it, the past is read anew."""
    get_logger().warning("feed.snapshot_refused", reason=reason, remedy="none: the past is read anew")
