"""Which episodes a slot plays: market, start, end and load, as a pure function of (seed, slot, count).

The draws (`draws`) are counted by seed, slot and episode: slot i plays the same episodes whatever the number of slots,
and runners are sharded by their seed alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.config import EnvSettings
from huracan.env.draws import TERCILES, draw_load, place, uniforms
from huracan.errors import ConfigError, DataError
from huracan.market import timeframe_ms
from huracan.trading import Tape

__all__ = ["EpisodeBook", "EpisodePlan", "EpisodeSampler", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """A span of market time: bars with open time in [start_ms, end_ms), UTC milliseconds."""

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.end_ms <= self.start_ms:
            raise ConfigError(f"window [{self.start_ms}, {self.end_ms}) ms is empty; end must lie after start")

    def bars(self, tape: Tape) -> tuple[int, int]:
        """Return the bars [first, stop) of a tape that open in the window."""
        open_ms = tape.bars[:, 0] * timeframe_ms(tape.timeframe)
        first, stop = np.searchsorted(open_ms, (self.start_ms, self.end_ms))
        return int(first), int(stop)


@dataclass(frozen=True, slots=True)
class EpisodePlan:
    """The next episode of each of `n` slots.

    Attributes:
        tape: int64[n], index of the market.
        start: int64[n], bar index of the first decision.
        stop: int64[n], one past the last bar.
        at_end: bool[n]; True: the window ends there (position sold, terminated), False: truncated.
        load: float32[n, 4], use of each limit by the rest of the portfolio (state 72-75).
        cost_scale: float64[n], multiplier of the costs.
    """

    tape: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    at_end: NDArray[np.bool_]
    load: NDArray[np.float32]
    cost_scale: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Starts:
    """Every legal first decision, flattened over tapes; `first[tape, tercile]` delimits a group in `row`."""

    row: NDArray[np.int64]
    last_row: NDArray[np.int64]
    limit: NDArray[np.int64]
    closes: NDArray[np.bool_]
    first: NDArray[np.int64]
    tape: NDArray[np.int64]
    bar_of_row: NDArray[np.int64]


class EpisodeSampler:
    """Draws episodes inside one window, balanced by coin and by volatility tercile of the coin.

    A start is a due decision whose features are warm (`tape.ready`). An episode lasts `episode_bars` (default 4 to 8
    times the hold limit) and ends at a decision, `truncated`; one that would pass the window's end stops there and is
    closed (`at_end`); one that would cross a gap in the candles is truncated before it.
    """

    def __init__(
        self,
        tapes: Sequence[Tape],
        window: Window,
        settings: EnvSettings,
        decision_interval_bars: int,
        hold_bars: int,
    ) -> None:
        shortest, longest = settings.episode_bars or (4 * hold_bars, 8 * hold_bars)
        if longest < shortest:
            raise ConfigError(f"env.episode_bars: the longest episode {longest} is below the shortest {shortest}")
        if not 0 <= settings.cost_scale[0] <= settings.cost_scale[1]:
            raise ConfigError(
                f"env.cost_scale {settings.cost_scale} is no range of multipliers; give (low, high), low >= 0"
            )
        self._lengths = (max(shortest // decision_interval_bars, 1), max(longest // decision_interval_bars, 1))
        self._portfolio_frac = settings.portfolio_frac
        self._cost_scale = settings.cost_scale
        self._starts = _collect(tapes, window, shortest)

    def plan(self, seed: int, slots: NDArray[np.int64], counts: NDArray[np.int64]) -> EpisodePlan:
        """Return episode number `counts[i]` of slot `slots[i]` under `seed` (0 <= seed < 2**64)."""
        n = len(slots)
        plan = EpisodePlan(
            tape=np.empty(n, np.int64),
            start=np.empty(n, np.int64),
            stop=np.empty(n, np.int64),
            at_end=np.empty(n, np.bool_),
            load=np.zeros((n, 4), np.float32),
            cost_scale=np.empty(n, np.float64),
        )
        starts = self._starts
        uniform = uniforms(np.uint64(seed), slots, counts)
        place(
            uniform,
            starts.row,
            starts.last_row,
            starts.limit,
            starts.closes,
            starts.first,
            starts.tape,
            starts.bar_of_row,
            self._lengths[0],
            self._lengths[1],
            plan.tape,
            plan.start,
            plan.stop,
            plan.at_end,
        )
        draw_load(uniform, self._portfolio_frac, plan.load)
        low, high = self._cost_scale
        plan.cost_scale[:] = low + (high - low) * uniform[:, 11]
        return plan


class EpisodeBook:
    """Which episode a slot plays next; plans are drawn a page of `PAGE` episodes a slot at a time, to be looked up.

    Args:
        sampler: where plans come from.
        num_slots: N.
    """

    PAGE = 32

    def __init__(self, sampler: EpisodeSampler, num_slots: int) -> None:
        self._sampler = sampler
        self._seed = 0
        self._count = np.zeros(num_slots, np.int64)
        size = num_slots * self.PAGE
        self._page = EpisodePlan(
            tape=np.empty(size, np.int64),
            start=np.empty(size, np.int64),
            stop=np.empty(size, np.int64),
            at_end=np.empty(size, np.bool_),
            load=np.empty((size, 4), np.float32),
            cost_scale=np.empty(size, np.float64),
        )

    def open(self, seed: int) -> None:
        """Begin the sequences of episodes that belong to `seed` (0 <= seed < 2**64)."""
        self._seed = seed
        self._count[:] = 0

    def next(self, slots: NDArray[np.int64]) -> EpisodePlan:
        """Return the next episode of each of `slots`, each named once."""
        place = self._count[slots] % self.PAGE
        read = slots[place == 0]
        if len(read):
            self._turn(read)
        self._count[slots] += 1
        rows, page = slots * self.PAGE + place, self._page
        return EpisodePlan(
            page.tape[rows],
            page.start[rows],
            page.stop[rows],
            page.at_end[rows],
            page.load[rows],
            page.cost_scale[rows],
        )

    def _turn(self, slots: NDArray[np.int64]) -> None:
        """Write the next page of `slots`."""
        ahead = np.arange(self.PAGE)
        counts = (self._count[slots][:, None] + ahead).ravel()
        plan = self._sampler.plan(self._seed, np.repeat(slots, self.PAGE), counts)
        rows = (slots[:, None] * self.PAGE + ahead).ravel()
        for name in EpisodePlan.__slots__:
            getattr(self._page, name)[rows] = getattr(plan, name)


def _collect(tapes: Sequence[Tape], window: Window, shortest_bars: int) -> _Starts:
    """Gather the legal starts of all tapes; a tape without any is left out.

    Raises:
        DataError: no tape has a warm decision in the window.
    """
    columns: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]] = []
    sizes: list[list[int]] = []
    members: list[int] = []
    base = 0
    for index, tape in enumerate(tapes):
        groups = _starts_of(tape, window, shortest_bars)
        for row, last_row, limit, closes in groups:
            columns.append((row + base, last_row + base, limit, closes))
        if groups:
            members.append(index)
            sizes.append([len(group[0]) for group in groups])
        base += len(tape.rows)
    if not members:
        raise DataError(
            f"no episode can start in the window [{window.start_ms}, {window.end_ms}) ms: none of "
            f"{', '.join(tape.symbol for tape in tapes) or 'no symbols'} has a decision with warm features there; "
            "give more history or a later window"
        )
    first = np.concatenate([[0], np.cumsum(np.array(sizes).ravel())]).astype(np.int64)
    return _Starts(
        row=np.concatenate([column[0] for column in columns]),
        last_row=np.concatenate([column[1] for column in columns]),
        limit=np.concatenate([column[2] for column in columns]),
        closes=np.concatenate([column[3] for column in columns]),
        first=first,
        tape=np.array(members, np.int64),
        bar_of_row=np.concatenate([tape.rows for tape in tapes]).astype(np.int64),
    )


def _starts_of(
    tape: Tape, window: Window, shortest_bars: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
    """Return the tape's starts as three groups of rising volatility (one or two may be empty), or [] without starts."""
    begin, end = window.bars(tape)
    rows = tape.rows
    row = np.flatnonzero((rows >= begin) & (rows < end) & tape.ready[rows])
    breaks = np.append(np.flatnonzero(np.diff(tape.segment)) + 1, len(tape.bars))
    limit = np.minimum(breaks[np.searchsorted(breaks, rows[row], side="right")], end)
    last_row = np.searchsorted(rows, limit) - 1
    closes = limit == end
    playable = np.where(closes, limit >= rows[row] + 2, last_row > row)
    roomy = playable & (limit > rows[row] + shortest_bars)
    keep = roomy if roomy.any() else playable
    row, last_row, limit, closes = row[keep], last_row[keep], limit[keep], closes[keep]
    if not len(row):
        return []
    by_volatility = np.array_split(np.argsort(tape.sigma[rows[row]], kind="stable"), TERCILES)
    return [(row[group], last_row[group], limit[group], closes[group]) for group in by_volatility]
