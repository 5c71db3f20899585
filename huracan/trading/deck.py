"""The deck: several tapes in one block of arrays, so that compiled code reaches any market by an offset."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.errors import InvariantError
from huracan.trading.costs import DAY_MS
from huracan.trading.instruments import Instrument
from huracan.trading.settings import KernelSettings, View
from huracan.trading.tape import CLOSE, HIGH, LOW, NUMBER, OPEN, VOLUME, Tape
from huracan.trading.venue_law import Bar, Terms

__all__ = ["Deck", "bar_at", "build_deck", "terms_at", "view_at"]

# columns of Deck.market, one row per tape
STEP_UNITS: Final = 0
QUOTE_NUM: Final = 1
QUOTE_DEN: Final = 2
MAKER_PPM: Final = 3
TAKER_PPM: Final = 4
FEE_IN_QUOTE: Final = 5
STAKE: Final = 6
MIN_NOTIONAL: Final = 7
SHARE_NUM: Final = 8
SHARE_DEN: Final = 9
FIRST_BAR: Final = 10
FIRST_ROW: Final = 11
END_ROW: Final = 12
FIRST_DAY: Final = 13

# columns of Deck.money
TICK_STEP: Final = 0
CAPITAL: Final = 1
KAPPA: Final = 2


class Deck(NamedTuple):
    """Tapes end to end; T bars, M decisions, D days of all tapes together, n tapes.

    Attributes:
        bars: int64[T, 6]; `sigma` float64[T]; `day` int32[T] row of the day columns.
        sigma: see `Tape`.
        day: row of the four day columns.
        day_number: int64[D], UTC day; `spread` int64[D], `qcap` int64[D], `impact` float64[D].
        spread: see `CostTable`.
        qcap: see `CostTable`.
        impact: see `CostTable`.
        rows: int64[M], bar of each decision, index into `bars`.
        age: float32[M], bars missing since the decision before: state entry 79.
        features: float32[M, 62].
        market: int64[n, 14], constants by column name above.
        money: float64[n, 3]: value of a tick x step and capital in quote currency, kappa.
    """

    bars: NDArray[np.int64]
    sigma: NDArray[np.float64]
    day: NDArray[np.int32]
    day_number: NDArray[np.int64]
    spread: NDArray[np.int64]
    qcap: NDArray[np.int64]
    impact: NDArray[np.float64]
    rows: NDArray[np.int64]
    age: NDArray[np.float32]
    features: NDArray[np.float32]
    market: NDArray[np.int64]
    money: NDArray[np.float64]


def build_deck(tapes: Sequence[Tape], settings: KernelSettings) -> Deck:
    """Copy the tapes into one block (a single tape is not copied)."""
    if not tapes:
        raise InvariantError("a deck needs at least one tape")
    first_bar = np.cumsum([0, *(len(tape.bars) for tape in tapes)])
    first_row = np.cumsum([0, *(len(tape.rows) for tape in tapes)])
    first_day = np.cumsum([0, *(len(tape.costs.day_ms) for tape in tapes)])
    market = np.array(
        [
            (*_constants(tape.instrument, settings), first_bar[i], first_row[i], first_row[i + 1], first_day[i])
            for i, tape in enumerate(tapes)
        ],
        dtype=np.int64,
    )
    money = np.array(
        [
            (float(tape.instrument.tick_step_quote), settings.capital_quote, settings.stop_slip_range_frac)
            for tape in tapes
        ]
    )
    return Deck(
        bars=_join([tape.bars for tape in tapes]),
        sigma=_join([tape.sigma for tape in tapes]),
        day=_join([tape.day + np.int32(first_day[i]) for i, tape in enumerate(tapes)]),
        day_number=_join([tape.costs.day_ms // DAY_MS for tape in tapes]),
        spread=_join([tape.costs.spread for tape in tapes]),
        qcap=_join([tape.costs.qcap for tape in tapes]),
        impact=_join([tape.costs.impact for tape in tapes]),
        rows=_join([tape.rows + first_bar[i] for i, tape in enumerate(tapes)]),
        age=_join([_missing_bars(tape) for tape in tapes]),
        features=_join([tape.features for tape in tapes]),
        market=market,
        money=money,
    )


def _join(columns: list[NDArray]) -> NDArray:
    """Return the columns end to end, without a copy when there is one."""
    return np.ascontiguousarray(columns[0]) if len(columns) == 1 else np.concatenate(columns)


def _constants(instrument: Instrument, settings: KernelSettings) -> tuple[int, ...]:
    """Return the first ten columns of `Deck.market`."""
    ratio = instrument.quote_ratio
    return (
        instrument.step_units,
        ratio.numerator,
        ratio.denominator,
        instrument.fee_maker_ppm,
        instrument.fee_taker_ppm,
        int(instrument.fee_in_quote),
        instrument.stake_ticks_steps(settings.stake_quote),
        instrument.min_notional_ticks_steps,
        settings.share_num,
        settings.share_den,
    )


def _missing_bars(tape: Tape) -> NDArray[np.float32]:
    """Return float32[M]: bars missing on the market clock between each decision and the one before."""
    number = tape.bars[:, NUMBER]
    missing = (number - number[0]) - np.arange(len(number))
    return np.diff(missing[tape.rows], prepend=0).astype(np.float32)


@njit(cache=True)
def bar_at(deck: Deck, at: int) -> Bar:
    """Return the bar at an index of the deck."""
    return Bar(
        deck.bars[at, NUMBER],
        deck.bars[at, OPEN],
        deck.bars[at, HIGH],
        deck.bars[at, LOW],
        deck.bars[at, CLOSE],
        deck.bars[at, VOLUME],
    )


@njit(cache=True)
def terms_at(deck: Deck, tape: int, at: int, scale: float) -> Terms:
    """Return the venue's terms on the day of a bar, fees, spread and impact multiplied by `scale`."""
    day = deck.day[at]
    spread, impact = deck.spread[day], deck.impact[day]
    maker, taker = deck.market[tape, MAKER_PPM], deck.market[tape, TAKER_PPM]
    if scale != 1.0:
        spread, impact = int(np.rint(spread * scale)), impact * scale
        maker, taker = int(np.rint(maker * scale)), int(np.rint(taker * scale))
    return Terms(
        spread,
        impact,
        maker,
        taker,
        deck.market[tape, FEE_IN_QUOTE] != 0,
        deck.market[tape, STEP_UNITS],
        deck.market[tape, QUOTE_NUM],
        deck.market[tape, QUOTE_DEN],
        deck.market[tape, SHARE_NUM],
        deck.market[tape, SHARE_DEN],
        deck.money[tape, KAPPA],
    )


@njit(cache=True)
def view_at(deck: Deck, tape: int, at: int) -> View:
    """Return what the trader knows at the close of a bar beside the bar."""
    return View(deck.sigma[at], deck.qcap[deck.day[at]], deck.market[tape, STAKE], deck.market[tape, MIN_NOTIONAL])
