"""Reservations: what an approved order may still do counts against the limits until a fact says that it cannot.

A reservation begins before the order is sent and shrinks by booked fills only. A terminal word of the venue lowers it
to what the venue says was filled and is not booked yet; it disappears when nothing is left. So position plus
reservation is never less than what the venue may have done, in whatever order its words arrive.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from huracan.errors import InvariantError
from huracan.venue.orders import Side

__all__ = ["Reservation", "ReservationBook"]

_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one approved intent, with all its child orders, may still do.

    Attributes:
        key: the intent's id.
        symbol: ccxt symbol.
        side: buy or sell.
        quantity: coins approved, > 0.
        price: worst price of a buy, quote currency; 0 of a sell.
        stop: protective stop of a buy; None: everything paid counts as at risk.
        fee_frac: taker fee as a share of the value, charged both ways.
        at_ms: market time of the approval.
        filled: coins booked so far.
        final: coins that the venue says were filled in all; None while it can still fill.
    """

    key: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    stop: Decimal | None
    fee_frac: Decimal
    at_ms: int
    filled: Decimal = _ZERO
    final: Decimal | None = None

    @property
    def left(self) -> Decimal:
        """Return the coins that may still be filled or booked."""
        return max((self.quantity if self.final is None else self.final) - self.filled, _ZERO)

    @property
    def notional(self) -> Decimal:
        """Return what is left at its worst price, fee included, quote currency."""
        return self.left * self.price * (_ONE + self.fee_frac)

    @property
    def heat(self) -> Decimal:
        """Return the loss of what is left if it is bought at the worst price and stopped, fees both ways included."""
        at_stop = _ZERO if self.stop is None else self.left * self.stop * (_ONE - self.fee_frac)
        return max(self.notional - at_stop, _ZERO)


@dataclass(frozen=True, slots=True)
class ReservationBook:
    """Every reservation of an account; a value, replaced at every fact."""

    rows: tuple[Reservation, ...] = ()

    def get(self, key: str) -> Reservation | None:
        """Return the reservation of an intent, None when it has none."""
        return next((row for row in self.rows if row.key == key), None)

    def buys(self, symbol: str) -> tuple[Reservation, ...]:
        """Return the buys of a coin."""
        return tuple(row for row in self.rows if row.symbol == symbol and row.side is Side.BUY)

    def selling(self, symbol: str, except_for: frozenset[str] = frozenset()) -> Decimal:
        """Return the coins that are being sold, leaving out the intents of `except_for`."""
        mine = (row for row in self.rows if row.symbol == symbol and row.side is Side.SELL)
        return sum((row.left for row in mine if row.key not in except_for), _ZERO)

    @property
    def cash(self) -> Decimal:
        """Return the quote currency that all buys may still cost, fees included."""
        return sum((row.notional for row in self.rows if row.side is Side.BUY), _ZERO)

    def held(self, reservation: Reservation) -> "ReservationBook":
        """Return the book with one reservation more.

        Raises:
            InvariantError: the intent has one already, or it reserves nothing.
        """
        if self.get(reservation.key) is not None or reservation.left <= 0:
            raise InvariantError(f"reservation {reservation.key} is there already or empty")
        return ReservationBook((*self.rows, reservation))

    def filled(self, key: str, quantity: Decimal) -> "ReservationBook":
        """Return the book after a fill of one of the intent's orders was booked into the position.

        Call it once per booked trade, in the transaction that books it. An intent without a reservation changes
        nothing: its fill is in the position.

        Raises:
            InvariantError: the quantity is not positive.
        """
        if not quantity > 0:
            raise InvariantError(f"fill of {key} over {quantity} coins")
        row = self.get(key)
        return self if row is None else self._with(replace(row, filled=row.filled + quantity))

    def ended(self, key: str, filled: Decimal) -> "ReservationBook":
        """Return the book after the last order of an intent became terminal and none will follow.

        Args:
            key: the intent.
            filled: coins that the venue's terminal words say were filled over all its orders; 0 when never sent. Two
                words that differ: the larger counts.
        """
        row = self.get(key)
        if row is None:
            return self
        final = filled if row.final is None else max(filled, row.final)
        return self._with(replace(row, final=final))

    def _with(self, changed: Reservation) -> "ReservationBook":
        rows = tuple(changed if row.key == changed.key else row for row in self.rows)
        return ReservationBook(tuple(row for row in rows if row.left > 0))
