"""The grid of one market: exact translation between the venue's decimals and the integers of the laws."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from huracan.errors import InvariantError
from huracan.trading import Instrument
from huracan.trading.instruments import UNITS_PER_COIN

__all__ = ["Grid"]


@dataclass(frozen=True, slots=True)
class Grid:
    """Tick and step of one market and the two assets that it trades.

    Attributes:
        symbol: ccxt symbol.
        base, quote: asset names as the venue's commissions and balances call them.
        tick: price step, quote currency.
        step: quantity step, coins.
        step_units: one step in 1e-8 coin.
    """

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    step_units: int

    @classmethod
    def of(cls, instrument: Instrument) -> Self:
        """Return the grid of an instrument; assets are read off its ccxt symbol, "BTC/USDT" or "BTC/USDT:USDT"."""
        base, _, rest = instrument.symbol.partition("/")
        return cls(
            symbol=instrument.symbol,
            base=base,
            quote=rest.partition(":")[0],
            tick=instrument.tick,
            step=instrument.step,
            step_units=instrument.step_units,
        )

    @property
    def assets(self) -> tuple[str, str]:
        """Return base and quote."""
        return self.base, self.quote

    def ticks(self, price: Decimal) -> int:
        """Return a price in ticks.

        Raises:
            InvariantError: it is no whole number of them; a venue that trades between ticks is not the one we know.
        """
        return self._whole(price, self.tick, "price", "tick")

    def steps(self, quantity: Decimal) -> int:
        """Return a quantity in steps.

        Raises:
            InvariantError: it is no whole number of them.
        """
        return self._whole(quantity, self.step, "quantity", "step")

    def units(self, amount: Decimal) -> int:
        """Return an amount of either asset in 1e-8.

        Raises:
            InvariantError: it is finer than that.
        """
        return self._whole(amount, Decimal(1) / UNITS_PER_COIN, "amount", "unit")

    def price(self, ticks: int) -> Decimal:
        """Return ticks as a price."""
        return int(ticks) * self.tick

    def quantity(self, steps: int) -> Decimal:
        """Return steps as a quantity."""
        return int(steps) * self.step

    def _whole(self, value: Decimal, unit: Decimal, what: str, name: str) -> int:
        if not value.is_finite():
            raise InvariantError(f"{self.symbol}: {what} {value} is no number")
        whole, rest = divmod(value, unit)
        if rest:
            raise InvariantError(f"{self.symbol}: {what} {value} is no multiple of the {name} {unit}")
        return int(whole)
