"""Names of intents and orders: pure functions of what they name, so that whoever repeats gets the same.

An intent is 16 hex digits, its children are `h{intent}-{n}` with n = 0, 1, 2, ...; an order list and its two legs take
three numbers in a row. A client order id is sent at most once: the next attempt has the next number.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from huracan.errors import InvariantError

__all__ = ["CHILDREN_MAX", "ChildName", "child_id", "intent_id", "next_child", "parse_child"]

CHILDREN_MAX = 99_999
_CID = re.compile(r"h([0-9a-f]{16})-(0|[1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class ChildName:
    """The parts of a client order id."""

    intent_id: str
    number: int


def intent_id(account: str, symbol: str, candle_ms: int, kind: str) -> str:
    """Return the one name of an intent: 16 hex digits."""
    return hashlib.sha256(f"{account}\0{symbol}\0{candle_ms}\0{kind}".encode()).hexdigest()[:16]


def child_id(intent: str, number: int) -> str:
    """Return the client order id (or order list id) of child `number`, from 0.

    Raises:
        InvariantError: no intent's name, or a number beyond any bound that planning has.
    """
    name = f"h{intent}-{number}"
    if not _CID.fullmatch(name):
        raise InvariantError(f"{name} is no client order id: h, 16 hex digits, a dash, 0 to {CHILDREN_MAX}")
    return name


def parse_child(cid: str) -> ChildName | None:
    """Return the parts of one of our ids; None: it is not ours."""
    found = _CID.fullmatch(cid)
    return ChildName(found[1], int(found[2])) if found else None


def next_child(cids: Iterable[str]) -> int:
    """Return the number after the highest among ids of one intent's children, lists included; 0 when there is none."""
    return 1 + max((name.number for name in map(parse_child, cids) if name is not None), default=-1)
