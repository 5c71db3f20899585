"""Lanes: N slots stepped together over tapes; the environment, shadow trading and the baselines are shells over it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from huracan.config import RiskSettings
from huracan.errors import InvariantError
from huracan.features.layout import S_DAY_PNL, S_DRAWDOWN, S_GROSS, S_HEALTH, S_HEAT, STATE_SIZE
from huracan.trading.account import ACCOUNT_SIZE
from huracan.trading.deck import TERMS, build_deck
from huracan.trading.settings import RULES, KernelSettings, Limits
from huracan.trading.slot import SLOT
from huracan.trading.stepping import LANE, LaneArrays, Records, begin_lanes, place_lanes, step_lanes
from huracan.trading.tape import COST_SCALE_MAX, Tape
from huracan.trading.trades import Trades

__all__ = ["Lanes"]

_ACCOUNT_ENTRIES = [S_HEAT, S_DRAWDOWN, S_DAY_PNL, S_GROSS, S_HEALTH]


class Lanes:
    """N independent accounts of one market each, stepped together; every array is written in place.

    A lane starts with `reset` and is done when `terminated` or `truncated` is set; a done lane ignores actions, its
    reward is 0 and its flags stay until the next `reset`. Lanes never influence each other.

    Args:
        tapes: the markets; copied into one block, a single one is not.
        settings: resolved rules; must be those the tapes were built with.
        num_lanes: N.
        record: keep closed trades with their entry states and the daily equity.
        every_bar: one `step` is one base bar instead of one decision interval. Actions count at closes where `due`
            is set and are ignored elsewhere; features, account entries and reward change at due closes only, the
            position entries at every close. Acting every k-th bar gives exactly what steps of k bars give.
        limits: the account's limits that state 72-75 are measured against; default: `Limits.of(RiskSettings())`.

    Attributes:
        obs: float32[N, 80], raw states after the last step.
        reward: float32[N], log1p(change of equity / 1.5 stakes) / (sigma * sqrt(k)), clipped; over the whole
            decision interval, written when it ends (0 at closes in between).
        terminated: bool[N], the window ended and the position was sold (`end_of_data`).
        truncated: bool[N], the window ended and the position is kept: bootstrap its value.
        bar: int64[N], index of the bar just closed.
        bar_no: int64[N], open time of that bar / bar length; `next_bar_no` of the next existing one, -1 if done.
        next_bar_no: int64[N].
        due: bool[N], a decision is due at this close.
        equity: float64[N], result of the account since reset marked at the close, quote currency (0 at the start).
        tape: int64[N], the lane's market.
        heat: float64[N], loss if the lane's stop hits, working entry included, quote currency.
        gross: float64[N], value held and being bought, quote currency.
        slots: SLOT[N], position records (`huracan.trading.slot`), int64 by name, e.g. `slots["coins"]`; read only.
    """

    def __init__(
        self,
        tapes: Sequence[Tape],
        settings: KernelSettings,
        num_lanes: int,
        record: bool = False,
        every_bar: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.num_lanes = num_lanes
        self.settings = settings
        self._tapes = tuple(tapes)
        self._deck = build_deck(self._tapes, settings)
        self._rules = np.array([settings.rules], RULES)
        self._limits = Limits.of(RiskSettings()) if limits is None else limits
        self._every_bar = every_bar
        self._arrays = LaneArrays(
            lane=np.zeros(num_lanes, LANE),
            slots=np.zeros(num_lanes, SLOT),
            terms=np.zeros(num_lanes, TERMS),
            accounts=np.zeros((num_lanes, ACCOUNT_SIZE), np.float64),
            obs=np.zeros((num_lanes, STATE_SIZE), np.float32),
            entry_state=np.zeros((num_lanes, STATE_SIZE), np.float32),
            load=np.zeros((num_lanes, 4), np.float32),
        )
        lane = self._arrays.lane
        lane["truncated"] = True  # nothing runs before its reset
        self._days = max(len(tape.costs.day_ms) for tape in self._tapes)
        self._records = _new_records(record, num_lanes, self._days)
        self._no_force = np.zeros(num_lanes, np.int64)
        self._all = np.ones(num_lanes, np.bool_)
        self.obs: NDArray[np.float32] = self._arrays.obs
        self.slots: NDArray[Any] = self._arrays.slots
        self.reward: NDArray[np.float32] = lane["reward"]
        self.terminated: NDArray[np.bool_] = lane["terminated"]
        self.truncated: NDArray[np.bool_] = lane["truncated"]
        self.due: NDArray[np.bool_] = lane["due"]
        self.tape: NDArray[np.int64] = lane["tape"]
        self.bar: NDArray[np.int64] = lane["bar"]
        self.bar_no: NDArray[np.int64] = lane["bar_no"]
        self.next_bar_no: NDArray[np.int64] = lane["next_bar_no"]
        self.equity: NDArray[np.float64] = lane["equity"]
        self.heat: NDArray[np.float64] = lane["heat"]
        self.gross: NDArray[np.float64] = lane["gross"]

    def reset(
        self,
        lanes: NDArray[np.int64],
        tape: NDArray[np.int64],
        start: NDArray[np.int64],
        stop: NDArray[np.int64],
        at_end: NDArray[np.bool_],
        load: NDArray[np.float32] | None = None,
        cost_scale: NDArray[np.float64] | None = None,
    ) -> None:
        """Begin a new episode with an empty account in the given lanes and write their first states.

        Args:
            lanes: int64[n], which lanes, each at most once.
            tape: int64[n], index of the market.
            start: int64[n], index of the bar at whose close the first decision falls; must be one of `tape.rows`.
            stop: int64[n], one past the last bar; at least start + 2.
            at_end: bool[n], True: at the last close the position is sold, reason `end_of_data`, `terminated`;
                False: it is kept, `truncated`.
            load: float32[n, 4], use of the limits 72-75 by the rest of the portfolio, added to the lane's own for the
                whole episode; None: 0.
            cost_scale: float64[n], multiplier of fees, spread and impact, 0 to 8; None: 1, the plain rules.

        Raises:
            InvariantError: an argument breaks one of these conditions.
        """
        arrays, deck = self._arrays, self._deck
        which, market, first, last = (
            np.ascontiguousarray(column, dtype=np.int64) for column in (lanes, tape, start, stop)
        )
        ends = np.ascontiguousarray(at_end, dtype=np.bool_)
        if not len(which) == len(market) == len(first) == len(last) == len(ends):
            raise InvariantError(f"{len(which)} lanes need as many markets, starts, stops and ends")
        if len(which) and not 0 <= which.min() <= which.max() < self.num_lanes:
            raise InvariantError(f"lanes {which.min()} to {which.max()}: there are 0 to {self.num_lanes - 1}")
        misplaced = place_lanes(deck, arrays, which, market, first, last, ends)
        if misplaced >= 0:
            raise InvariantError(self._misplaced(int(market[misplaced]), int(first[misplaced]), int(last[misplaced])))
        scale = np.ones(len(which)) if cost_scale is None else cost_scale
        if not (np.all(scale >= 0) and np.all(scale <= COST_SCALE_MAX)):
            raise InvariantError(f"cost_scale {cost_scale} leaves [0, {COST_SCALE_MAX}], where all integers are exact")
        arrays.lane["scale"][which] = scale
        arrays.load[which] = 0.0 if load is None else load
        begin_lanes(deck, arrays, self._records, self._rules, self._limits, which)

    def _misplaced(self, market: int, first: int, last: int) -> str:
        """Return why no episode runs from bar `first` to before bar `last` of a market."""
        if not 0 <= market < len(self._tapes):
            return f"there is no market {market}: the lanes have {len(self._tapes)} tapes"
        tape = self._tapes[market]
        if first not in tape.rows:
            return f"{tape.symbol}: no decision is due at bar {first}, start at one"
        return f"{tape.symbol}: bars {first} to {last} leave no bar to trade, or the tape ({len(tape)} bars)"

    def step(
        self,
        actions: NDArray[np.int64],
        forced: NDArray[np.int64] | None = None,
        advance: NDArray[np.bool_] | None = None,
    ) -> None:
        """Apply the actions at the current close, then advance to the next decision or the end of the window.

        Args:
            actions: int64[N]; an illegal action is its no-op.
            forced: int64[N], `ExitReason.RISK_EXIT` or `KILL_SWITCH` sells the lane and cancels its entry whatever
                the action, due or not; 0 does nothing.
            advance: bool[N], False holds a lane at its close (a coin whose next bar is missing while the others go
                on): it obeys, what it asked for counts, and a later step takes it on; None advances all.

        Raises:
            InvariantError: an argument has another length than N.
        """
        if self._records.on:
            self._grow_records()
        step_lanes(
            self._deck,
            self._arrays,
            self._records,
            self._rules,
            self._limits,
            self._column("actions", actions, np.int64),
            self._no_force if forced is None else self._column("forced", forced, np.int64),
            self._all if advance is None else self._column("advance", advance, np.bool_),
            self._every_bar,
        )

    def _column(self, name: str, values: NDArray, dtype: DTypeLike) -> NDArray:
        """Return an argument as compiled code takes it; there, a wrong length would read foreign memory."""
        column: NDArray = np.ascontiguousarray(values, dtype=dtype)
        if column.shape != (self.num_lanes,):
            raise InvariantError(f"{name} have shape {column.shape}; give one entry for each of {self.num_lanes} lanes")
        return column

    def _grow_records(self) -> None:
        """Make room for what one step can close: one trade a lane."""
        records = self._records
        if records.closed[0] + self.num_lanes > len(records.lane):
            self._records = records._replace(
                slots=_doubled(records.slots),
                lane=_doubled(records.lane),
                tape=_doubled(records.tape),
                exit_no=_doubled(records.exit_no),
                states=_doubled(records.states),
            )

    def set_account(self, columns: NDArray[np.float32]) -> None:
        """Replace the account entries of the current states, to be read by the next `step`'s mask.

        Args:
            columns: float32[N, 5], state entries 72, 73, 74, 75 and 78.
        """
        self.obs[:, _ACCOUNT_ENTRIES] = columns

    def trades(self) -> Trades:
        """Return every trade closed so far, sorted by lane, then time.

        Raises:
            InvariantError: the lanes were made without `record`.
        """
        self._need_records()
        return Trades.from_records(self._records, self._tapes, self.settings.base_ms)

    def equity_curve(self, lane: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return (start of UTC day in ms, equity at its last close in quote) of the days of the lane's episode so far.

        The day at work shows its equity so far; days without a bar are left out.

        Raises:
            InvariantError: the lanes were made without `record`.
        """
        self._need_records()
        daily = self._records.daily[lane]
        days = np.flatnonzero(np.isfinite(daily))
        return self._tapes[self.tape[lane]].costs.day_ms[days], daily[days]

    def _need_records(self) -> None:
        if not self._records.on:
            raise InvariantError("these lanes keep no records; make them with record=True")

    def snapshot(self) -> bytes:
        """Return the whole state of all lanes (not the records); `restore` continues from it bit for bit."""
        columns: list[NDArray] = list(self._arrays)
        return b"".join(column.tobytes() for column in columns)

    def restore(self, state: bytes) -> None:
        """Continue from a `snapshot` of lanes over the same tapes, settings and number of lanes.

        Raises:
            InvariantError: the bytes are not those of as many lanes.
        """
        columns: list[NDArray] = list(self._arrays)
        sizes = [column.nbytes for column in columns]
        if len(state) != sum(sizes):
            raise InvariantError(f"snapshot has {len(state)} bytes, {self.num_lanes} lanes have {sum(sizes)}")
        offset = 0
        for column, size in zip(columns, sizes, strict=True):
            column[...] = np.frombuffer(state, column.dtype, column.size, offset).reshape(column.shape)
            offset += size


def _new_records(on: bool, n: int, days: int) -> Records:
    """Return empty records; without recording they take no memory."""
    room = max(2 * n, 256) if on else 0
    return Records(
        on=on,
        closed=np.zeros(1, np.int64),
        slots=np.zeros(room, SLOT),
        lane=np.zeros(room, np.int64),
        tape=np.zeros(room, np.int64),
        exit_no=np.zeros(room, np.int64),
        states=np.zeros((room, STATE_SIZE), np.float32),
        daily=np.full((n if on else 0, days if on else 0), np.nan),
    )


def _doubled(column: NDArray) -> NDArray:
    """Return the column with as many zero rows again."""
    return np.concatenate([column, np.zeros_like(column)])
