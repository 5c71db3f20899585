"""From a folder of candles to the exchange's markets: instruments and costs by the functions that training uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from huracan.config import Settings
from huracan.errors import DataError
from huracan.market import format_ms, open_folder
from huracan.paper.market import DAY_MS, PaperMarket, paper_market, venue_symbol
from huracan.storage import Location
from huracan.trading import KernelSettings, build_cost_table, infer_instrument, resolve_settings

__all__ = ["LoadedMarkets", "default_start_ms", "load_markets"]


@dataclass(frozen=True, slots=True)
class LoadedMarkets:
    """What a folder holds.

    Attributes:
        markets: sorted by symbol.
        kernel: the rules for their timeframe.
        first_ms: when the first bar of all opens.
        last_ms: when the last bar of all closes.
    """

    markets: tuple[PaperMarket, ...]
    kernel: KernelSettings
    first_ms: int
    last_ms: int


def load_markets(folder: Location, settings: Settings, symbols: Sequence[str] = ()) -> LoadedMarkets:
    """Read the candles of a folder and build instrument and cost table of each market.

    Args:
        folder: of one Parquet file per symbol.
        settings: `data.timeframe`, `data.symbols` and `trading` are read.
        symbols: ccxt symbols; none: `data.symbols`, else all that are there.

    Raises:
        DataError: the folder, a file or a symbol cannot be used.
    """
    found = open_folder(folder, settings.data.timeframe)
    kernel = resolve_settings(settings.trading, found.timeframe)
    markets: dict[str, PaperMarket] = {}
    for symbol in sorted(set(symbols or settings.data.symbols or found.symbols)):
        name = venue_symbol(symbol)
        candles = found.read(symbol)
        instrument = infer_instrument(candles, kernel)
        markets[name] = paper_market(candles, instrument, build_cost_table(candles, instrument, kernel))
    if all(market.perpetual for market in markets.values()):
        raise DataError(f"{folder}: {', '.join(markets)}: perpetuals are shown and not traded; list a spot market too")
    first_ms = min(market.open_ms(0) for market in markets.values())
    last_ms = max(market.open_ms(-1) for market in markets.values()) + kernel.base_ms
    return LoadedMarkets(tuple(markets.values()), kernel, first_ms, last_ms)


def default_start_ms(loaded: LoadedMarkets, start_ms: int | None) -> int:
    """Return when trading begins: `start_ms` on the bars' grid, or 00:00 UTC in the middle of the candles.

    Raises:
        DataError: no bar has closed by then, or none is left.
    """
    base_ms = loaded.kernel.base_ms
    if start_ms is None:
        middle_ms = (loaded.first_ms + loaded.last_ms) // 2
        midnight_ms = middle_ms // DAY_MS * DAY_MS
        start_ms = midnight_ms if midnight_ms > loaded.first_ms else middle_ms
    start_ms = start_ms // base_ms * base_ms
    if not loaded.first_ms + base_ms <= start_ms < loaded.last_ms:
        raise DataError(
            f"start {format_ms(start_ms)} lies outside the candles; give one from "
            f"{format_ms(loaded.first_ms + base_ms)} to before {format_ms(loaded.last_ms)}"
        )
    return start_ms
