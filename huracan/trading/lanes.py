"""Lanes: N slots stepped together over tapes; the environment, shadow trading and the baselines are shells over it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from huracan.features.layout import STATE_SIZE
from huracan.trading.settings import KernelSettings, Limits
from huracan.trading.tape import Tape
from huracan.trading.trades import Trades

__all__ = ["Lanes"]


class Lanes:
    """N independent accounts of one market each, stepped together; every array is written in place.

    A lane starts with `reset` and is done when `terminated` or `truncated` is set; a done lane ignores actions, its
    reward is 0 and its flags stay until the next `reset`. Lanes never influence each other.

    Args:
        tapes: the markets; copied once into one block (give the same list to one `Lanes` only).
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
        slots: int64[N, SLOT_SIZE], position records (`huracan.trading.slot`); read only.
    """

    obs: NDArray[np.float32]
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    bar: NDArray[np.int64]
    bar_no: NDArray[np.int64]
    next_bar_no: NDArray[np.int64]
    due: NDArray[np.bool_]
    equity: NDArray[np.float64]
    tape: NDArray[np.int64]
    slots: NDArray[np.int64]

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
        self.obs = np.zeros((num_lanes, STATE_SIZE), np.float32)
        raise NotImplementedError

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
            cost_scale: float64[n], multiplier of fees, spread and impact; None: 1, the plain rules.

        Raises:
            InvariantError: an argument breaks one of these conditions.
        """
        raise NotImplementedError

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
            advance: bool[N], False leaves a lane as it is (a coin whose next bar is missing while the others go on);
                None advances all.
        """
        raise NotImplementedError

    def set_account(self, columns: NDArray[np.float32]) -> None:
        """Replace the account entries of the current states, to be read by the next `step`'s mask.

        Args:
            columns: float32[N, 5], state entries 72, 73, 74, 75 and 78.
        """
        raise NotImplementedError

    def trades(self) -> Trades:
        """Return the trades closed since the last call of `clear_records` (needs `record`)."""
        raise NotImplementedError

    def equity_curve(self, lane: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return (start of UTC day in ms, equity at the day's last close in quote) of the lane's episode so far."""
        raise NotImplementedError

    def snapshot(self) -> bytes:
        """Return the whole state of all lanes (not the records); `restore` continues from it bit for bit."""
        raise NotImplementedError

    def restore(self, state: bytes) -> None:
        """Continue from a `snapshot` of lanes over the same tapes, settings and number of lanes."""
        raise NotImplementedError
