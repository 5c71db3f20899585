"""What a replay trades on: candles of a folder with sigma from the feature machines, and decisions taken from them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from huracan.config import Settings
from huracan.errors import DataError, UsageError
from huracan.features import windows_for
from huracan.features.batch import context_for, run_engine
from huracan.features.engine import Engine
from huracan.market import Candles, format_ms, open_folder
from huracan.paper import PaperMarket
from huracan.paper.load import load_markets
from huracan.storage import Location
from huracan.trader.market_data import history_bars
from huracan.trader.replay import Decider, ReplayData, ReplayMarket
from huracan.trader.script import Script
from huracan.trading import Action, KernelSettings

__all__ = ["MOMENTUM_BARS", "legs_of", "load_replay", "momentum", "scripted"]

MOMENTUM_BARS = 60
"""How far the momentum decider looks back, bars."""
_DAY_MS = 86_400_000


def load_replay(
    folder: Location, settings: Settings, symbols: Sequence[str], day_ms: int | None, days: int
) -> ReplayData:
    """Read the candles of a span of whole UTC days, and what is needed before them.

    Args:
        folder: one Parquet file per symbol.
        settings: `data`, `trading` and `features` are read.
        symbols: spot markets; none: those of `data.symbols`, else every spot market of the folder.
        day_ms: midnight of the first day; None: the last days that every market has whole.
        days: how many.

    Raises:
        DataError: the folder or a symbol cannot be used, or a market has not the span and a warm-up before it.
        UsageError: a symbol is no spot market, or the day begins at no midnight.
    """
    found = open_folder(folder, settings.data.timeframe)
    listed = settings.data.symbols or tuple(symbol for symbol in found.symbols if ":" not in symbol)
    chosen = tuple(sorted(set(symbols or listed)))
    if other := [symbol for symbol in chosen if ":" in symbol]:
        raise UsageError(f"{other[0]} is no spot market, which is all that a replay trades; leave it out of --symbol")
    if not chosen:
        raise UsageError(f"{folder}: holds no spot market; give a folder that does")
    if day_ms is not None and day_ms % _DAY_MS:
        raise UsageError(f"--day {format_ms(day_ms)} is no midnight UTC; write 2025-09-01")
    loaded = load_markets(folder, settings, chosen)
    kernel = loaded.kernel
    if day_ms is None:
        day_ms = (min(_over_ms(market) for market in loaded.markets) // _DAY_MS - days) * _DAY_MS
    end_ms = day_ms + days * _DAY_MS
    warm = windows_for(kernel.timeframe, settings.features.windows).ready + 1
    for market in loaded.markets:
        _check_span(market, day_ms, end_ms, warm)
    begin_ms = day_ms - history_bars(settings, kernel) * kernel.base_ms
    markets = []
    for market in loaded.markets:
        candles = found.read(market.symbol).between(begin_ms, end_ms)
        sigma = np.full(len(market.bars), np.nan)
        first = int(np.searchsorted(market.bars[:, 0], candles.timestamp[0] // kernel.base_ms))
        sigma[first : first + len(candles)] = _sigma(candles, settings, kernel)
        markets.append(ReplayMarket(market, sigma))
    return ReplayData(tuple(markets), kernel, day_ms, end_ms)


def _over_ms(market: PaperMarket) -> int:
    """Return when a market's last bar closes."""
    return market.open_ms(-1) + market.base_ms


def _check_span(market: PaperMarket, start_ms: int, end_ms: int, warm: int) -> None:
    """Refuse a span that a market's candles do not hold with `warm` bars before it."""
    before = int(np.searchsorted(market.bars[:, 0], start_ms // market.base_ms))
    has = f"{market.symbol} has candles from {format_ms(market.open_ms(0))} to {format_ms(_over_ms(market))}"
    if end_ms > _over_ms(market) or start_ms < market.open_ms(0):
        raise DataError(f"{has}, not from {format_ms(start_ms)} to {format_ms(end_ms)}; choose another --day or --days")
    if before < warm:
        raise DataError(
            f"{has}: {before} bars before {format_ms(start_ms)}, where the features need {warm} to be warm; "
            "choose a later --day"
        )


def _sigma(candles: Candles, settings: Settings, kernel: KernelSettings) -> NDArray[np.float64]:
    """Return float64[T], NaN where the machines are cold; no other market takes part in it."""
    universe = {candles.symbol: candles}
    context = context_for(universe, settings.features, kernel.decision_interval_bars, leader=None)
    raw = run_engine(Engine(context), universe, {})[candles.symbol]
    return np.where(raw.ready, raw.sigma, np.nan)


def legs_of(kernel: KernelSettings) -> tuple[KernelSettings, KernelSettings]:
    """Return the same rules with maker-first entries, and with entries that take."""
    return replace(kernel, maker_entry=True), replace(kernel, maker_entry=False)


def momentum(data: ReplayData, bars: int = MOMENTUM_BARS) -> Decider:
    """Return the decider of trends: 1x long after a rise over the last `bars` bars, out after a fall.

    It decides when the rules let a policy decide, and knows candles alone: whoever asks gets the same wishes, whatever
    became of the earlier ones.
    """
    wishes: dict[int, dict[str, Action]] = {}
    base_ms = data.kernel.base_ms
    for market in data.markets:
        number, close = market.paper.bars[:, 0], market.paper.bars[:, 4]
        first, stop = np.searchsorted(number, (data.start_ms // base_ms - 1, data.end_ms // base_ms))
        for row in range(max(int(first), bars), int(stop)):
            move = int(close[row] - close[row - bars])
            if (int(number[row]) + 1) % data.kernel.decision_interval_bars == 0 and move:
                action = Action.ENTER_LONG_NORMAL if move > 0 else Action.EXIT
                wishes.setdefault((int(number[row]) + 1) * base_ms, {})[market.symbol] = action
    return lambda close_ms: wishes.get(close_ms, {})


def scripted(data: ReplayData, script: Script) -> Decider:
    """Return the decider of a script (`huracan.trader.script`).

    Raises:
        UsageError: it trades a market that is not replayed.
    """
    known = {market.symbol for market in data.markets}
    missing = sorted(set(script.symbols) - known)
    if missing:
        raise UsageError(f"the script trades {', '.join(missing)}, which is not replayed; name it with --symbol")
    return lambda close_ms: script.due(close_ms, data.kernel.base_ms)
