"""The instrument table: tick, step, least order value and fees of each market, found in its candles or given."""

import hashlib
import json
import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.market import Candles
from huracan.trading.settings import KernelSettings

__all__ = ["UNITS_PER_COIN", "Instrument", "infer_instrument", "parse_prices", "parse_volumes"]

UNITS_PER_COIN = 100_000_000
"""Fees and holdings are counted in 1e-8 of a coin, fees in quote in 1e-8 of the quote currency."""

_PRICE_DECIMALS = 12
_STEP_DECIMALS = 8
_EXACT_MAX = 2**53


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a venue says about one market; part of the data's fingerprint.

    Attributes:
        symbol: ccxt symbol.
        tick: price step, quote currency.
        step: quantity step, coins; a multiple of 1e-8.
        min_notional: least order value, quote currency.
        fee_maker_ppm: fee of a resting fill, parts per million of what is received.
        fee_taker_ppm: fee of a taking fill.
        fee_in_quote: True: a buy pays in quote currency (perpetuals, discount-token accounts); False: in the coin.
    """

    symbol: str
    tick: Decimal
    step: Decimal
    min_notional: Decimal
    fee_maker_ppm: int
    fee_taker_ppm: int
    fee_in_quote: bool

    def __post_init__(self) -> None:
        if self.tick <= 0 or self.step <= 0 or (self.step * UNITS_PER_COIN) % 1 != 0:
            raise DataError(
                f"{self.symbol}: tick {self.tick} and step {self.step} must be positive, the step a multiple of 1e-8; "
                "correct the instrument"
            )

    @property
    def step_units(self) -> int:
        """Return one step in units of 1e-8 coin."""
        return int(self.step * UNITS_PER_COIN)

    @property
    def tick_step_quote(self) -> Decimal:
        """Return the value of one tick times one step, quote currency, exact."""
        return self.tick * self.step

    @property
    def quote_ratio(self) -> Fraction:
        """Return the value of one tick times one step in units of 1e-8 quote, exact."""
        return Fraction(self.tick_step_quote * UNITS_PER_COIN)

    @property
    def min_notional_ticks_steps(self) -> int:
        """Return the least order value in ticks times steps, rounded up."""
        return math.ceil(Fraction(self.min_notional) / Fraction(self.tick_step_quote))

    def stake_ticks_steps(self, stake_quote: Decimal) -> int:
        """Return a stake in ticks times steps, rounded down."""
        return int(stake_quote // self.tick_step_quote)

    def fingerprint(self) -> str:
        """Return the SHA-256, hexadecimal, of every field."""
        fields = [str(getattr(self, name)) for name in self.__dataclass_fields__]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def infer_instrument(candles: Candles, settings: KernelSettings) -> Instrument:
    """Return the instrument whose tick and step are the greatest common divisors of the candles' prices and volumes.

    A perpetual (`BTC/USDT:USDT`) pays its fees in quote currency whatever the settings say, as its venue does.

    Raises:
        DataError: prices share no tick of at least 1e-12, or volumes no step of at least 1e-8.
    """
    prices = np.concatenate([candles.open, candles.high, candles.low, candles.close])
    tick = _common_divisor(prices, _PRICE_DECIMALS, slack=2.0**-50)
    if tick is None:
        raise DataError(
            f"{candles.symbol}: the prices share no tick down to 1e-{_PRICE_DECIMALS}; round them to the venue's tick"
        )
    step = _common_divisor(candles.volume[candles.volume > 0], _STEP_DECIMALS, slack=2.0**-42)
    if step is None:
        raise DataError(
            f"{candles.symbol}: the volumes share no step down to 1e-{_STEP_DECIMALS}; round them to the venue's step"
        )
    return Instrument(
        symbol=candles.symbol,
        tick=tick,
        step=step,
        min_notional=settings.min_notional,
        fee_maker_ppm=settings.fee_maker_ppm,
        fee_taker_ppm=settings.fee_taker_ppm,
        fee_in_quote=settings.fee_in_quote or ":" in candles.symbol,
    )


def _common_divisor(values: NDArray[np.float64], decimals_max: int, slack: float) -> Decimal | None:
    """Return the greatest Decimal that divides all values, or None beyond `decimals_max` decimals.

    A value counts as n * 10^-d when it lies within n * `slack` of it: a parsed decimal is within 2^-53, a sum of a
    day's volumes within 2^-42.
    """
    if not len(values):
        return Decimal(1)
    for decimals in range(decimals_max + 1):
        with np.errstate(over="ignore", invalid="ignore"):  # absurd prices overflow, and an infinity fits no tick
            scaled = values * 10.0**decimals
            whole = np.rint(scaled)
            fits = np.all(np.abs(scaled - whole) <= whole * slack)
        if fits and whole.max() < _EXACT_MAX:
            return Decimal(int(np.gcd.reduce(np.unique(whole.astype(np.int64))))).scaleb(-decimals)
    return None


def parse_prices(prices: NDArray[np.float64], instrument: Instrument) -> NDArray[np.int64]:
    """Return prices in ticks, `rint(p / tick)`; exact for every decimal price below 1e15 ticks.

    Raises:
        DataError: a price lies more than a thousandth of a tick off the grid.
    """
    return _parse(prices, instrument.tick, f"{instrument.symbol}: price", "tick")


def parse_volumes(volumes: NDArray[np.float64], instrument: Instrument) -> NDArray[np.int64]:
    """Return volumes in steps, `rint(v / step)`.

    Raises:
        DataError: a volume lies off the grid by more than a thousandth of a step (more for huge sums).
    """
    return _parse(volumes, instrument.step, f"{instrument.symbol}: volume", "step")


def _parse(values: NDArray[np.float64], unit: Decimal, what: str, name: str) -> NDArray[np.int64]:
    scaled = values / float(unit)
    whole = np.rint(scaled)
    off = np.abs(scaled - whole) > 1e-3 + whole * 2.0**-42
    if off.any():
        at = int(np.argmax(off))
        raise DataError(
            f"{what} {float(values[at])!r} in row {at} is no multiple of the {name} {unit}; correct the {name}"
        )
    return whole.astype(np.int64)
