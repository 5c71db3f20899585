"""A new book of policies decides from the first close whose features it can read; until then the old one goes on."""

from huracan.signals.backend import Book, Market, Policies

__all__ = ["ReadyPolicies"]


class ReadyPolicies:
    """`Policies` whose book is one that the newest close has the rows for.

    The feed follows the registry too, at a pace of its own. Without this a version with another feature fit would
    decide on nothing, or on another version's rows, for the seconds in between.

    Args:
        wanted: what the registry wants.
        market: newest close.
    """

    def __init__(self, wanted: Policies, market: Market) -> None:
        self._wanted, self._market = wanted, market
        self._book: Book = wanted.book

    @property
    def book(self) -> Book:
        """Return what decides now."""
        wanted = self._wanted.book
        if wanted is not self._book and (not self._book.versions or not self._missing(wanted)):
            self._book = wanted
        return self._book

    @property
    def problem(self) -> str:
        """Return why what decides is not what the registry wants served; "" when it is."""
        if self._wanted.problem or self.book is self._wanted.book:
            return self._wanted.problem
        return f"{', '.join(self._missing(self._wanted.book))} waits until the feed has its features"

    def _missing(self, book: Book) -> list[str]:
        """Return the versions whose features the newest close has not."""
        close = self._market.newest
        known = () if close is None else close.fits
        return sorted(version.version for version in book.versions.values() if version.fit not in known)
