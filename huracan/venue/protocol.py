"""What the execution engine may ask of a venue, as a protocol; `huracan.venue.check` is its executable form."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from huracan.venue.orders import (
    Balance,
    MarketFilters,
    OcoRequest,
    OrderRequest,
    Outcome,
    UserEvent,
    VenueList,
    VenueOrder,
    VenueTrade,
)

__all__ = ["TradingVenue", "UserEvents"]


class TradingVenue(Protocol):
    """One account at one venue.

    Commands (`submit`, `submit_oco`, `cancel`, `cancel_oco`) never raise for what the venue or the network does and
    return an `Outcome`; a POST leaves at most once, whatever happens (a DELETE may be repeated, which is harmless).
    Reads are repeated a bounded number of times and raise `VenueError` when no proper answer came.
    """

    @property
    def paused(self) -> bool:
        """Return True while the clocks differ too much to send orders; `sync_clock` ends it."""
        ...

    async def submit(self, request: OrderRequest) -> Outcome:
        """Send exactly one POST, or none when it cannot be sent; never repeats it."""
        ...

    async def submit_oco(self, request: OcoRequest) -> Outcome:
        """Send exactly one POST of an order list, or none when it cannot be sent; never repeats it."""
        ...

    async def cancel(self, symbol: str, cid: str) -> Outcome:
        """Cancel one order; `Rejected(UNKNOWN_ORDER)` when it does not rest any more: ask what became of it."""
        ...

    async def cancel_oco(self, symbol: str, list_cid: str) -> Outcome:
        """Cancel both legs of a list; `Rejected(UNKNOWN_ORDER)` when it does not rest any more."""
        ...

    async def order(self, symbol: str, cid: str) -> VenueOrder | None:
        """Return the newest order of this client id; None only when the venue says that there is none."""
        ...

    async def order_list(self, list_cid: str) -> VenueList | None:
        """Return the order list of this client id; None only when the venue says that there is none."""
        ...

    async def open_orders(self, symbol: str) -> tuple[VenueOrder, ...]:
        """Return every resting order of a market."""
        ...

    async def open_lists(self) -> tuple[VenueList, ...]:
        """Return every resting order list of the account."""
        ...

    async def trades(
        self, symbol: str, from_id: str | None = None, venue_id: str | None = None, limit: int = 1000
    ) -> tuple[VenueTrade, ...]:
        """Return executions, oldest first: from trade `from_id` on, or of order `venue_id`, or the newest ones."""
        ...

    async def balances(self) -> dict[str, Balance]:
        """Return every asset that the account holds."""
        ...

    async def server_time_ms(self) -> int:
        """Return the venue's clock, ms since the epoch (UTC)."""
        ...

    async def instruments(self, symbols: Sequence[str]) -> dict[str, MarketFilters]:
        """Return what the venue demands of orders in each market."""
        ...

    async def sync_clock(self) -> int:
        """Measure how far our clock is ahead of the venue's, ms, and pause or resume sending orders by it."""
        ...

    async def close(self) -> None:
        """Wait for commands in flight, then close the connections."""
        ...


class UserEvents(Protocol):
    """A stream of account events: faster than asking, never to be relied on alone."""

    def __aiter__(self) -> AsyncIterator[UserEvent]:
        """Iterate over events until closed; reconnects by itself."""
        ...

    async def close(self) -> None:
        """Close the connection and end the iteration."""
        ...
