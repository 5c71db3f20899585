"""The feed's end in execution: closed candles in exact decimals become the closed bars of the laws."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from huracan.errors import DataError
from huracan.execution.commands import Close
from huracan.execution.grid import Grid
from huracan.trading import CostTable, Instrument, KernelSettings
from huracan.trading.settings import View
from huracan.trading.venue_law import Bar, Terms

__all__ = ["ClosedCandle", "close_of", "closes_of"]

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class ClosedCandle:
    """One closed candle as the venue prints it, and the feature engine's sigma at its close.

    Attributes:
        symbol: ccxt symbol.
        open_ms: open time, ms UTC.
        open, high, low, close: prices, quote currency.
        volume: coins.
        sigma: ex-ante standard deviation of a base bar's log return; NaN while the machines are cold.
    """

    symbol: str
    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    sigma: float


def close_of(candle: ClosedCandle, instrument: Instrument, costs: CostTable, settings: KernelSettings) -> Close:
    """Return a closed bar with the venue's terms of its day and the trader's view.

    Raises:
        InvariantError: a price or volume is off the instrument's grid.
        DataError: the candle is impossible, off the timeframe, or the cost table has no row of its day.
    """
    grid = Grid.of(instrument)
    opening, high, low, closing = (grid.ticks(value) for value in (candle.open, candle.high, candle.low, candle.close))
    volume = grid.steps(candle.volume)
    if not (0 < low <= min(opening, closing) <= max(opening, closing) <= high and volume >= 0):
        raise DataError(f"{candle.symbol}: candle {candle.open_ms} has prices that cannot be; ask the venue again")
    number, rest = divmod(candle.open_ms, settings.base_ms)
    day = (candle.open_ms - int(costs.day_ms[0])) // _DAY_MS
    if rest or not 0 <= day < len(costs.day_ms):
        raise DataError(
            f"{candle.symbol}: candle {candle.open_ms} is off the {settings.timeframe} grid, or the cost table has no "
            "row of its day; build the day's row"
        )
    ratio = instrument.quote_ratio
    terms = Terms(
        spread=int(costs.spread[day]),
        impact=float(costs.impact[day]),
        maker_ppm=instrument.fee_maker_ppm,
        taker_ppm=instrument.fee_taker_ppm,
        fee_in_quote=instrument.fee_in_quote,
        step_units=instrument.step_units,
        quote_num=ratio.numerator,
        quote_den=ratio.denominator,
        share_num=settings.share_num,
        share_den=settings.share_den,
        kappa=settings.stop_slip_range_frac,
    )
    view = View(
        sigma=candle.sigma,
        qcap=int(costs.qcap[day]),
        stake=instrument.stake_ticks_steps(settings.stake_quote),
        min_notional=instrument.min_notional_ticks_steps,
    )
    return Close(Bar(number, opening, high, low, closing, volume), terms, view)


def closes_of(
    candles: Mapping[str, ClosedCandle],
    instruments: Mapping[str, Instrument],
    costs: Mapping[str, CostTable],
    settings: KernelSettings,
) -> dict[str, Close]:
    """Return the closed bars of all markets that have one, by symbol."""
    return {
        symbol: close_of(candle, instruments[symbol], costs[symbol], settings)
        for symbol, candle in sorted(candles.items())
    }
