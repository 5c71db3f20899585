"""The deck: several tapes in one block of records, so that compiled code reaches any market by an offset."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from huracan.errors import InvariantError
from huracan.trading.compiled import hot_law, law
from huracan.trading.costs import DAY_MS
from huracan.trading.settings import KernelSettings, View
from huracan.trading.tape import CLOSE, HIGH, LOW, NUMBER, OPEN, VOLUME, Tape
from huracan.trading.venue_law import Terms

__all__ = ["BAR", "DAY", "MARKET", "TERMS", "Deck", "build_deck", "set_terms", "view_of"]

_NEVER = np.iinfo(np.int64).max

BAR = np.dtype(
    [
        ("number", "i8"),
        ("open", "i8"),
        ("high", "i8"),
        ("low", "i8"),
        ("close", "i8"),
        ("volume", "i8"),
        ("sigma", "f8"),
        ("day", "i8"),
    ]
)
"""One bar, one cache line: `venue_law.Bar`, sigma and the row of its day."""

DAY = np.dtype([("number", "i8"), ("spread", "i8"), ("qcap", "i8"), ("impact", "f8")])
"""One row of a cost table; `number` counts UTC days since the epoch."""

MARKET = np.dtype(
    [
        ("step_units", "i8"),
        ("quote_num", "i8"),
        ("quote_den", "i8"),
        ("maker_ppm", "i8"),
        ("taker_ppm", "i8"),
        ("fee_in_quote", "i8"),
        ("stake", "i8"),
        ("min_notional", "i8"),
        ("share_num", "i8"),
        ("share_den", "i8"),
        ("kappa", "f8"),
        ("tick_step", "f8"),
        ("capital", "f8"),
        ("first_bar", "i8"),
        ("end_bar", "i8"),
        ("first_row", "i8"),
        ("end_row", "i8"),
        ("first_day", "i8"),
    ]
)
"""Constants of one market (see `Terms`, `View`), and where its bars, decisions and days begin in the deck."""


TERMS = np.dtype([(name, "f8" if kind is float else "i8") for name, kind in Terms.__annotations__.items()])
"""`venue_law.Terms` as a record: the terms of a lane on its current day."""


class Deck(NamedTuple):
    """Tapes end to end; T bars, M decisions and D days of all tapes together, n tapes.

    Attributes:
        bars: BAR[T].
        days: DAY[D].
        markets: MARKET[n].
        rows: int64[M], index into `bars` of each decision, and one that never comes at the end.
        age: float32[M], bars missing since the decision before: state entry 79.
        features: float32[M, 62], state entries 0-61.
    """

    bars: NDArray[Any]
    days: NDArray[Any]
    markets: NDArray[Any]
    rows: NDArray[np.int64]
    age: NDArray[np.float32]
    features: NDArray[np.float32]


def build_deck(tapes: Sequence[Tape], settings: KernelSettings) -> Deck:
    """Copy the tapes into one block (the features of a single tape are not copied)."""
    if not tapes:
        raise InvariantError("a deck needs at least one tape")
    first_bar = np.cumsum([0, *(len(tape.bars) for tape in tapes)])
    first_row = np.cumsum([0, *(len(tape.rows) for tape in tapes)])
    first_day = np.cumsum([0, *(len(tape.costs.day_ms) for tape in tapes)])
    bars, days = np.empty(first_bar[-1], BAR), np.empty(first_day[-1], DAY)
    markets = np.zeros(len(tapes), MARKET)
    for i, tape in enumerate(tapes):
        _fill_bars(bars[first_bar[i] : first_bar[i + 1]], tape, int(first_day[i]))
        _fill_days(days[first_day[i] : first_day[i + 1]], tape)
        _fill_market(markets[i], tape, settings)
        markets[i]["first_bar"], markets[i]["end_bar"] = first_bar[i], first_bar[i + 1]
        markets[i]["first_day"] = first_day[i]
        markets[i]["first_row"], markets[i]["end_row"] = first_row[i], first_row[i + 1]
    rows = np.concatenate([*(tape.rows + first_bar[i] for i, tape in enumerate(tapes)), [_NEVER]])
    single = len(tapes) == 1 and tapes[0].features.flags.writeable and tapes[0].features.flags.c_contiguous
    return Deck(
        bars=bars,
        days=days,
        markets=markets,
        rows=rows.astype(np.int64),
        age=np.concatenate([_missing_bars(tape) for tape in tapes]),
        features=tapes[0].features if single else np.concatenate([tape.features for tape in tapes]),
    )


def _fill_bars(bars: NDArray[Any], tape: Tape, first_day: int) -> None:
    columns = {"number": NUMBER, "open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE, "volume": VOLUME}
    for name, column in columns.items():
        bars[name] = tape.bars[:, column]
    bars["sigma"] = tape.sigma
    bars["day"] = tape.day
    bars["day"] += first_day


def _fill_days(days: NDArray[Any], tape: Tape) -> None:
    days["number"] = tape.costs.day_ms // DAY_MS
    days["spread"], days["qcap"], days["impact"] = tape.costs.spread, tape.costs.qcap, tape.costs.impact


def _fill_market(market: Any, tape: Tape, settings: KernelSettings) -> None:
    instrument = tape.instrument
    market["step_units"] = instrument.step_units
    market["quote_num"] = instrument.quote_ratio.numerator
    market["quote_den"] = instrument.quote_ratio.denominator
    market["maker_ppm"] = instrument.fee_maker_ppm
    market["taker_ppm"] = instrument.fee_taker_ppm
    market["fee_in_quote"] = instrument.fee_in_quote
    market["stake"] = instrument.stake_ticks_steps(settings.stake_quote)
    market["min_notional"] = instrument.min_notional_ticks_steps
    market["share_num"] = settings.share_num
    market["share_den"] = settings.share_den
    market["kappa"] = settings.stop_slip_range_frac
    market["tick_step"] = float(instrument.tick_step_quote)
    market["capital"] = settings.capital_quote


def _missing_bars(tape: Tape) -> NDArray[np.float32]:
    """Return float32[M]: bars missing on the market clock between each decision and the one before."""
    number = tape.bars[:, NUMBER]
    missing = (number - number[:1]) - np.arange(len(number))
    return np.diff(missing[tape.rows], prepend=0).astype(np.float32)


@law
def set_terms(terms: Any, market: Any, day: Any, scale: float) -> None:
    """Write the venue's terms in a MARKET on a DAY into a TERMS; fees, spread and impact multiplied by `scale`."""
    terms.spread = day.spread
    terms.impact = day.impact
    terms.maker_ppm = market.maker_ppm
    terms.taker_ppm = market.taker_ppm
    if scale != 1.0:
        terms.spread = int(np.rint(day.spread * scale))
        terms.impact = day.impact * scale
        terms.maker_ppm = int(np.rint(market.maker_ppm * scale))
        terms.taker_ppm = int(np.rint(market.taker_ppm * scale))
    terms.fee_in_quote = market.fee_in_quote
    terms.step_units = market.step_units
    terms.quote_num = market.quote_num
    terms.quote_den = market.quote_den
    terms.share_num = market.share_num
    terms.share_den = market.share_den
    terms.kappa = market.kappa


@hot_law
def view_of(market: Any, day: Any, bar: Any) -> View:
    """Return what the trader knows at the close of a BAR beside the bar."""
    return View(bar.sigma, day.qcap, market.stake, market.min_notional)
