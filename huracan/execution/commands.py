"""What a planner is told and what it says: closed bars, commands, and the children that they make at the venue."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from huracan.trading import Action
from huracan.trading.settings import View
from huracan.trading.venue_law import Bar, Terms
from huracan.venue.orders import OcoRequest, OrderRequest

__all__ = ["ENTRIES", "Cancel", "Child", "Close", "Command", "Leg", "Place", "Role", "Stage"]

ENTRIES: Final = frozenset({Action.ENTER_LONG_SMALL, Action.ENTER_LONG_NORMAL, Action.ENTER_LONG_LARGE})


class Role(StrEnum):
    """What an order is for."""

    ENTRY = "ENTRY"
    BRACKET = "BRACKET"
    EXIT = "EXIT"


class Stage(StrEnum):
    """What is known of a child that is not terminal."""

    SENT = "SENT"
    OPEN = "OPEN"
    CANCELING = "CANCELING"


class Leg(StrEnum):
    """Which order of a child a fill belongs to."""

    SINGLE = "SINGLE"
    ABOVE = "ABOVE"
    BELOW = "BELOW"


@dataclass(frozen=True, slots=True)
class Close:
    """A closed bar with what the laws need beside it: the venue's terms of its day and the trader's view."""

    bar: Bar
    terms: Terms
    view: View


@dataclass(frozen=True, slots=True)
class Place:
    """Send this order, or this list, once."""

    request: OrderRequest | OcoRequest
    intent: str
    role: Role

    @property
    def key(self) -> str:
        """Return the id by which the child is known: the order's cid or the list's."""
        return self.request.cid if isinstance(self.request, OrderRequest) else self.request.list_cid


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take this order, or this list, off the book."""

    key: str
    is_list: bool


Command = Place | Cancel


@dataclass(frozen=True, slots=True)
class Child:
    """An order or list of ours that is not terminal as far as we know.

    Attributes:
        key: cid of the order or of the list.
        request: as it was sent.
        intent: whose child it is.
        role: what it is for.
        stage: what is known.
        filled: steps booked.
    """

    key: str
    request: OrderRequest | OcoRequest
    intent: str
    role: Role
    stage: Stage = Stage.SENT
    filled: int = 0
