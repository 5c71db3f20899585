"""The states that are decided on: the market's rows of the feed, and the account as the kernel's laws write it."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from huracan.errors import InvariantError
from huracan.execution.commands import Close
from huracan.execution.positions import Position
from huracan.features import MARKET_SIZE, STATE_SIZE
from huracan.features.layout import MEMORY_SLICE, S_DATA_AGE, S_DAY_PNL, S_DRAWDOWN, S_GROSS, S_HEALTH, S_HEAT
from huracan.signals.model import MarketClose
from huracan.trading import Limits
from huracan.trading.account import ACCOUNT_SIZE, Exposure, begin_account, health, write_account
from huracan.trading.accounting import equity, observe, sellable
from huracan.trading.settings import Rules
from huracan.trees import Remembers

__all__ = ["Seat", "StateBook"]

_DAY_MS: Final = 86_400_000
_ACCOUNT_ENTRIES: Final = [S_HEAT, S_DRAWDOWN, S_DAY_PNL, S_GROSS, S_HEALTH]
_BYTES: Final = struct.Struct(f"<{ACCOUNT_SIZE + 1}d")


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """One market of the account.

    Attributes:
        position: slot and health, as the ledger has them.
        close: its last closed bar; None before the first.
        rules: it is traded by.
        tick_step: value of one tick x step, quote currency.
        fit: name of the rows of a close that its version decides on; None: nobody decides on it.
        memory: what fills entries 52 to 61 for its version; None: nothing does, they are 0.
    """

    position: Position
    close: Close | None
    rules: Rules
    tick_step: float
    fit: str | None
    memory: Remembers | None = None


class StateBook:
    """The account part of states: bit for bit what portfolio shadow writes, which is one account for all coins.

    Value, peak and day are those of `huracan.trading.account`, brought forward at each close at which something is
    decided and at no other; between two decisions the book is its bytes.

    Args:
        limits: of the account.
        wallet: balance that the account began with, quote currency; the results of the slots are added to it.
    """

    def __init__(self, limits: Limits, wallet: float) -> None:
        self._limits, self._wallet = limits, wallet
        self._account = np.zeros((1, ACCOUNT_SIZE))
        self._begun = False

    @property
    def wallet(self) -> float:
        """Return the balance that the account began with, quote currency."""
        return self._wallet

    def write(self, close: MarketClose, seats: Mapping[str, Seat], symbols: Sequence[str]) -> NDArray[np.float32]:
        """Bring the account to a close at which something is decided, and return the states of some markets.

        Args:
            close: of the feed.
            seats: every market of the account, with all fills of the closed bars booked.
            symbols: markets to be decided on; each has a bar at this close, and a fit whose machines are warm.

        Returns:
            float32[N, 80], one row a symbol; entries 52 to 61 are zero for a version that nothing fills them for.
        """
        self._account, states = self._written(close, seats, symbols)
        self._begun = True
        return states

    def look(self, close: MarketClose, seats: Mapping[str, Seat], symbols: Sequence[str]) -> NDArray[np.float32]:
        """Return what `write` would, and change nothing: for whoever asks between two decisions."""
        return self._written(close, seats, symbols)[1]

    def value(self, seats: Mapping[str, Seat]) -> float:
        """Return wallet and results of all markets, each at its last close, quote currency."""
        results = np.array([_equity(seat) for _, seat in sorted(seats.items())])
        return self._wallet + float(results.sum())

    def _written(
        self, close: MarketClose, seats: Mapping[str, Seat], symbols: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        account, ordered = self._account.copy(), [seat for _, seat in sorted(seats.items())]
        any_seat = next(iter(ordered))
        day = (close.close_ms - any_seat.position.base_ms) // _DAY_MS
        if not self._begun:
            begin_account(account, 0, self._wallet, day)
        shared, load = np.zeros((1, STATE_SIZE), np.float32), np.zeros((1, 4), np.float32)
        loads = [_load(seat) for seat in ordered]
        exposure = Exposure(
            float(np.array([heat for heat, _ in loads]).sum()), float(np.array([gross for _, gross in loads]).sum())
        )
        write_account(account, 0, self.value(seats), day, exposure, self._limits, load, shared)
        states = np.zeros((len(symbols), STATE_SIZE), np.float32)
        for row, symbol in enumerate(symbols):
            self._write_row(states, row, close, symbol, seats[symbol])
            states[row, _ACCOUNT_ENTRIES] = shared[0, _ACCOUNT_ENTRIES]
            states[row, S_HEALTH] = health(seats[symbol].position.account, 0)
        return account, states

    def _write_row(self, states: NDArray[np.float32], row: int, close: MarketClose, symbol: str, seat: Seat) -> None:
        if seat.fit is None or seat.fit not in close.fits or seat.close is None:
            raise InvariantError(f"{symbol}: no version decides on it, or it has no closed bar")
        rows, place = close.fits[seat.fit], close.symbols.index(symbol)
        states[row, :MARKET_SIZE] = rows.market[place]
        if seat.memory is not None:
            states[row, MEMORY_SLICE] = seat.memory.entries(rows.market[place], close.close_ms, symbol)
        states[row, S_DATA_AGE] = rows.age[place]
        bar = seat.close
        observe(seat.position.slot, bar.bar, bar.terms, bar.view, seat.rules, states, row)

    # ---- bytes ------------------------------------------------------------------------------------------------

    def copy(self) -> "StateBook":
        """Return a book of its own that stands where this one does."""
        book = StateBook(self._limits, self._wallet)
        book._account, book._begun = self._account.copy(), self._begun
        return book

    def to_bytes(self) -> bytes:
        """Return the account as of the last decision; empty before the first."""
        return _BYTES.pack(self._wallet, *self._account[0].tolist()) if self._begun else b""

    @classmethod
    def from_bytes(cls, data: bytes, limits: Limits) -> "StateBook":
        """Return the book that wrote `to_bytes`.

        Raises:
            InvariantError: the bytes are not those of a book.
        """
        if len(data) != _BYTES.size:
            raise InvariantError(f"{len(data)} bytes are no saved account of states, which has {_BYTES.size}")
        wallet, *account = _BYTES.unpack(data)
        book = cls(limits, wallet)
        book._account[0] = account
        book._begun = True
        return book


def _equity(seat: Seat) -> float:
    """Return what a market has won since the account began, at its last close; before that it has won nothing."""
    if seat.close is None:
        return 0.0
    return float(equity(seat.position.slot, seat.close.bar.close, seat.close.terms, seat.tick_step))


def _load(seat: Seat) -> tuple[float, float]:
    """Return (loss if the stop hits, value held and being bought) of a market, as `Lanes` has them."""
    if seat.close is None:
        return 0.0, 0.0
    slot, price = seat.position.slot, int(seat.close.bar.close)
    steps = int(sellable(slot, seat.close.terms.step_units)) + int(slot.want)
    distance = max(0, price - int(slot.stop)) if seat.rules.stops else 0
    return steps * float(distance) * seat.tick_step, steps * float(price) * seat.tick_step
