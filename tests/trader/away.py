"""A store behind a network that can be cut: every method of it, or some."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from huracan.errors import DatabaseError
from huracan.execution.memory_store import MemoryStore

__all__ = ["DistantStore"]


class DistantStore:
    """`Store` over a memory store.

    Args:
        inner: what it leads to.

    Attributes:
        away: True: nothing answers; names: these methods do not.
    """

    def __init__(self, inner: MemoryStore) -> None:
        self.inner = inner
        self.away: bool | Collection[str] = False

    @property
    def account(self) -> str:
        """Return the account's name."""
        return self.inner.account

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return a method of the store that fails while it is away."""
        method = getattr(self.inner, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            if self.away is True or (self.away is not False and name in self.away):
                raise DatabaseError("the server is away")
            return await method(*arguments, **named)

        return call
