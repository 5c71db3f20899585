"""What a fault and a removed defence are, as data."""

from dataclasses import dataclass

__all__ = ["Edit", "Fault", "Mutation"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a source file.

    Attributes:
        path: from the root of the repository.
        before: text that stands there exactly once.
        after: what stands there instead.
    """

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """One defence, and how it is taken out.

    Attributes:
        name: for the command line.
        defence: what is taken out, one line.
        faults: numbers of the faults that it defends against; empty: the halt, which is no fault.
        breaks: the invariants that no longer hold, or what happens instead, one line.
        edits: changes that take it out.
        tests: pytest ids, each of which passes with the defence and fails without it.
    """

    name: str
    defence: str
    faults: tuple[str, ...]
    breaks: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the world.

    Attributes:
        number: F1 to F24.
        strikes: what happens.
        holds: what must hold all the same.
        tests: pytest ids in virtual time, or against a scripted venue.
        processes: pytest ids with real processes, signals, database and sockets, beside those of tests/chaos.
    """

    number: str
    strikes: str
    holds: str
    tests: tuple[str, ...]
    processes: tuple[str, ...] = ()
