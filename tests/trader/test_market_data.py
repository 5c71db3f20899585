"""Market data: bars, sigma and costs are those of the batch, bar by bar, over gaps, sick candles and midnights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest

from huracan.config import TradingSettings, load_settings
from huracan.errors import DataError, InvariantError
from huracan.execution.commands import Close
from huracan.features import find_leader, windows_for
from huracan.features.batch import compute_raw
from huracan.market import Candles, MarketShape, martingale
from huracan.signals.follower import Follower, newest_sigma
from huracan.signals.history import History
from huracan.signals.model import MarketClose
from huracan.trader.market_data import MarketData, history_bars, instrument_of
from huracan.trader.served import context_of
from huracan.trading import CostTable, Instrument, build_cost_table, build_tape, infer_instrument, resolve_settings
from huracan.trading.settings import View
from huracan.trading.venue_law import Bar, Terms
from huracan.venue.klines import Kline
from tests.risk.cases import FILTERS

SYMBOLS = ("ADA/USDT", "BTC/USDT")
TIMEFRAME = "5m"
PER_DAY = 288
BASE_MS = 300_000
KERNEL = resolve_settings(TradingSettings(), TIMEFRAME)
SETTINGS = load_settings(None, {}, {})
READY = windows_for(TIMEFRAME, None).ready
WARM = 9 * PER_DAY
"""A midnight after which the machines are warm."""


@cache
def candles(symbol: str) -> Candles:
    """Return 21 days of five-minute candles from a midnight on, on which nothing is planted."""
    return martingale(MarketShape(symbol, TIMEFRAME), 21 * PER_DAY, seed=SYMBOLS.index(symbol))


@cache
def instruments() -> dict[str, Instrument]:
    """Return the markets' instruments."""
    return {symbol: infer_instrument(candles(symbol), KERNEL) for symbol in SYMBOLS}


@cache
def klines(symbol: str) -> tuple[Kline, ...]:
    """Return the candles as the venue prints them."""
    found = candles(symbol)
    names = ("open", "high", "low", "close", "volume", "quote_volume")
    columns = [[Decimal(repr(float(value))) for value in getattr(found, name)] for name in names]
    taker = [Decimal(repr(float(value))) for value in found.taker_buy_volume]  # type: ignore[union-attr]
    counts = [int(value) for value in found.trades]  # type: ignore[union-attr]
    return tuple(Kline(*row) for row in zip(found.timestamp.tolist(), *columns, counts, taker, strict=True))


def at(bar: int) -> dict[str, Kline]:
    """Return the candles of one bar."""
    return {symbol: klines(symbol)[bar] for symbol in SYMBOLS}


def close_ms(bar: int) -> int:
    """Return when a bar closes."""
    return klines(SYMBOLS[0])[bar].open_ms + BASE_MS


class Followed:
    """Market data over a feed, as a trader has them, both of one history."""

    def __init__(self, history: Mapping[str, Sequence[Kline]]) -> None:
        self._feed = Follower(context_of(SETTINGS, KERNEL, SYMBOLS), SYMBOLS)
        newest = self._feed.start(History(TIMEFRAME, None, history))[-1]
        self._data = MarketData(SETTINGS, KERNEL, instruments(), history, newest_sigma(newest))

    @property
    def last_ms(self) -> int:
        """Return when the newest bar closed."""
        return self._data.last_ms

    def closes(self) -> dict[str, Close]:
        """Return the newest closed bars."""
        return self._data.closes()

    def told(self, close: MarketClose) -> dict[str, Close]:
        """Let one close through the data alone."""
        return self._data.push(close)

    def push(self, close_ms: int, bars: Mapping[str, Kline]) -> dict[str, Close]:
        """Let one close through feed and data."""
        return self._data.push(self._feed.push(close_ms, bars, False, 0))


def data_of(history: Mapping[str, Sequence[Kline]]) -> Followed:
    """Return market data that begins with a history."""
    return Followed(history)


def began(bars: int, first: int = 0) -> Followed:
    """Return market data with the history [first, bars)."""
    return data_of({symbol: klines(symbol)[first:bars] for symbol in SYMBOLS})


def batch(stop: int, without: Mapping[str, Sequence[int]] | None = None) -> dict[str, Close]:
    """Return what features, cost tables and tapes of whole histories [0, stop) say of the last bar of each market."""
    left_out = {symbol: set((without or {}).get(symbol, ())) for symbol in SYMBOLS}
    kept = {symbol: [bar for bar in range(stop) if bar not in left_out[symbol]] for symbol in SYMBOLS}
    whole = {}
    for symbol in SYMBOLS:
        columns = {name: values[kept[symbol]] for name, values in candles(symbol).rows().columns.items()}
        whole[symbol] = Candles(symbol, TIMEFRAME, candles(symbol).timestamp[kept[symbol]], **columns)
    raw = compute_raw(whole, SETTINGS.features, KERNEL.decision_interval_bars, find_leader(whole, None))
    found = {}
    for symbol, instrument in instruments().items():
        costs = build_cost_table(whole[symbol], instrument, KERNEL)
        tape = build_tape(whole[symbol], raw[symbol], instrument, costs, KERNEL)
        found[symbol] = _close(tape.bars[-1].tolist(), float(tape.sigma[-1]), int(tape.day[-1]), costs, instrument)
        assert tape.ready[-1]
    return found


def _close(bar: list[int], sigma: float, day: int, costs: CostTable, instrument: Instrument) -> Close:
    """Return a closed bar under the default rules: stake 1,000, least order 5, fees 0.1 %, a tenth of the volume."""
    unit = instrument.tick * instrument.step
    terms = Terms(
        spread=int(costs.spread[day]),
        impact=float(costs.impact[day]),
        maker_ppm=1_000,
        taker_ppm=1_000,
        fee_in_quote=False,
        step_units=int(instrument.step * 10**8),
        quote_num=instrument.quote_ratio.numerator,
        quote_den=instrument.quote_ratio.denominator,
        share_num=1,
        share_den=10,
        kappa=0.1,
    )
    return Close(Bar(*bar), terms, View(sigma, int(costs.qcap[day]), int(1_000 / unit), int(5 / unit)))


# ---- the start ------------------------------------------------------------------------------------------------------


def test_after_the_history_each_bar_is_what_the_batch_computes() -> None:
    """Prices in ticks, sigma and the day's costs to the last bit, at midnight and within a day."""
    for stop in (WARM, WARM + 37):
        data = began(stop)
        assert data.last_ms == close_ms(stop - 1)
        assert data.closes() == batch(stop)


def test_with_as_many_bars_as_a_start_asks_for_the_machines_are_warm_and_the_costs_are_the_same() -> None:
    """What lies further back changes no cost; sigma forgets it slowly, and is there."""
    bars = history_bars(SETTINGS, KERNEL)
    for stop in (20 * PER_DAY, 20 * PER_DAY + 1, 20 * PER_DAY - 1, 19 * PER_DAY + 50):
        short, whole = began(stop, stop - bars).closes(), batch(stop)
        for symbol in SYMBOLS:
            assert short[symbol].terms == whole[symbol].terms
            assert short[symbol].view.qcap == whole[symbol].view.qcap > 0
            assert np.isfinite(short[symbol].view.sigma)


def test_a_start_asks_for_warm_machines_and_nine_days_whichever_is_longer() -> None:
    """On short bars the days are longer, on long bars the machines are."""
    assert history_bars(SETTINGS, resolve_settings(TradingSettings(), "1m")) == 9 * 1_440
    assert history_bars(SETTINGS, KERNEL) == 9 * PER_DAY > READY
    assert history_bars(SETTINGS, resolve_settings(TradingSettings(), "1d")) == windows_for("1d", None).ready + 1


def test_cold_machines_have_no_sigma() -> None:
    """A short history is traded on by nobody: an entry needs a finite sigma. It comes with the first warm bar."""
    data = began(READY - 2)
    assert all(np.isnan(close.view.sigma) for close in data.closes().values())
    sigmas = [data.push(close_ms(bar), at(bar))["BTC/USDT"].view.sigma for bar in range(READY - 2, READY + 2)]
    warm = [np.isfinite(sigma) for sigma in sigmas]
    assert warm == sorted(warm)
    assert (warm[0], warm[-1]) == (False, True)


def test_what_cannot_be_traded_is_refused_at_the_start() -> None:
    """No candle, candles that all are sick, a price between two ticks."""
    history = {symbol: klines(symbol)[:200] for symbol in SYMBOLS}
    sick = [replace(row, low=row.high * 2) for row in history["ADA/USDT"]]
    for rows in ([], sick):
        with pytest.raises(DataError, match="no sound candle of ADA/USDT"):
            data_of(history | {"ADA/USDT": rows})
    off = replace(history["ADA/USDT"][7], high=history["ADA/USDT"][7].high + Decimal("0.0005"))
    with pytest.raises(DataError, match=r"ADA/USDT: price .* is no multiple of the tick"):
        data_of(history | {"ADA/USDT": [*history["ADA/USDT"][:7], off, *history["ADA/USDT"][8:]]})


def test_a_market_that_lacks_the_last_candle_has_no_close() -> None:
    """The others have theirs; the moment is that of the newest."""
    data = data_of({"ADA/USDT": klines("ADA/USDT")[: WARM - 1], "BTC/USDT": klines("BTC/USDT")[:WARM]})
    assert set(data.closes()) == {"BTC/USDT"}
    assert data.last_ms == close_ms(WARM - 1)


# ---- bar by bar -----------------------------------------------------------------------------------------------------


def test_one_bar_at_a_time_is_the_same_as_the_longer_history() -> None:
    """From the evening over a midnight: each close equals that of the batch, and of a trader that starts then."""
    data = began(WARM - 3)
    for bar in range(WARM - 3, WARM + 4):
        closes = data.push(close_ms(bar), at(bar))
        assert closes == data.closes() == batch(bar + 1) == began(bar + 1).closes()
        assert data.last_ms == close_ms(bar)


def test_midnights_bring_the_cost_row_of_the_batch_however_long_it_runs() -> None:
    """Twelve days bar by bar, longer than candles are kept: at each new day, and at the end of it."""
    data = began(WARM)
    for bar in range(WARM, WARM + 12 * PER_DAY):
        closes = data.push(close_ms(bar), at(bar))
        if bar % PER_DAY in (0, PER_DAY - 1):
            assert closes == batch(bar + 1), f"day {bar // PER_DAY}, bar {bar % PER_DAY}"


def test_a_missing_candle_is_a_gap_for_its_market_alone() -> None:
    """A market without a candle has no close; afterwards everything is as in a history with that hole."""
    data = began(WARM)
    missing = {"ADA/USDT": [WARM, WARM + 1]}
    for bar in range(WARM, WARM + 4):
        arrived = {symbol: row for symbol, row in at(bar).items() if bar not in missing.get(symbol, ())}
        closes = data.push(close_ms(bar), arrived)
        assert set(closes) == set(arrived)
        expected = batch(bar + 1, missing)
        assert closes == {symbol: expected[symbol] for symbol in arrived}


def test_a_close_that_nobody_saw_is_a_gap_for_all() -> None:
    """Five closes are skipped, a midnight among them; a close without any candle is none."""
    data = began(WARM - 2)
    skipped = {symbol: [*range(WARM - 2, WARM + 3), WARM + 4] for symbol in SYMBOLS}
    assert data.push(close_ms(WARM + 3), at(WARM + 3)) == batch(WARM + 4, skipped)
    assert data.push(close_ms(WARM + 4), {}) == {}
    assert (data.closes(), data.last_ms) == ({}, close_ms(WARM + 4))
    assert data.push(close_ms(WARM + 5), at(WARM + 5)) == batch(WARM + 6, skipped)


SICK = {
    "high below close": lambda row: replace(row, high=row.low, close=row.low + 1),
    "low above open": lambda row: replace(row, low=row.open + 1, high=row.high + 2),
    "a price of nothing": lambda row: replace(row, low=Decimal(0)),
    "a negative price": lambda row: replace(row, low=Decimal(-1)),
    "a negative volume": lambda row: replace(row, volume=Decimal(-1)),
    "a negative value": lambda row: replace(row, quote_volume=Decimal(-1)),
    "a negative count": lambda row: replace(row, trades=-1),
    "a negative part": lambda row: replace(row, taker_buy_volume=Decimal(-1)),
}


@pytest.mark.parametrize("fault", SICK)
def test_a_candle_that_cannot_be_counts_as_missing(fault: str) -> None:
    """Live and in the history of the next start alike; the next midnight does not stumble over it."""
    data, sick = began(WARM - 2), SICK[fault](klines("BTC/USDT")[WARM - 2])
    missing = {"BTC/USDT": [WARM - 2]}
    assert set(data.push(close_ms(WARM - 2), at(WARM - 2) | {"BTC/USDT": sick})) == {"ADA/USDT"}
    for bar in (WARM - 1, WARM):
        assert data.push(close_ms(bar), at(bar)) == batch(bar + 1, missing)
    rows = [*klines("BTC/USDT")[: WARM - 2], sick, *klines("BTC/USDT")[WARM - 1 : WARM + 1]]
    again = data_of({"ADA/USDT": klines("ADA/USDT")[: WARM + 1], "BTC/USDT": rows})
    assert again.closes() == batch(WARM + 1, missing)


def test_an_earlier_close_is_refused_and_changes_nothing() -> None:
    """Time runs forwards: neither the last close again nor one before it; the next one is as if nobody had asked."""
    data = began(WARM)
    for bar in (WARM - 1, WARM - 2, 0):
        with pytest.raises(DataError, match="restart the feed"):
            data.push(close_ms(bar), at(bar))
        with pytest.raises(DataError, match="restart the trader"):
            data.told(MarketClose(close_ms(bar), False, SYMBOLS, at(bar), {}, 0))
    assert data.last_ms == close_ms(WARM - 1)
    assert data.push(close_ms(WARM), at(WARM)) == batch(WARM + 1)


def test_a_price_between_two_ticks_is_no_candle_of_this_market() -> None:
    """A venue that changed its grid is not the one whose rules we know: nothing may be traded on it."""
    row = klines("ADA/USDT")[WARM]
    with pytest.raises(InvariantError, match="no multiple of the tick"):
        began(WARM).push(close_ms(WARM), at(WARM) | {"ADA/USDT": replace(row, high=row.high + Decimal("0.0005"))})


# ---- the instrument -------------------------------------------------------------------------------------------------


def test_an_instrument_has_the_venues_grid_and_the_configured_fees() -> None:
    """Of the two least order values the greater one holds."""
    kernel = resolve_settings(TradingSettings(fee_maker_ppm=200, fee_taker_ppm=400, fee_asset="quote"), "1m")
    found = instrument_of(FILTERS, kernel)
    assert found == Instrument("A/USDT", Decimal("0.01"), Decimal("0.001"), Decimal(5), 200, 400, True)
    assert instrument_of(replace(FILTERS, notional_min=Decimal(10)), kernel).min_notional == 10
    assert instrument_of(replace(FILTERS, notional_min=Decimal(1)), kernel).min_notional == 5
