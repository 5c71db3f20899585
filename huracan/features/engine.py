"""The machines of a whole universe as one object: feed bars, read rows, save and restore the bytes in between."""

import json
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from huracan.errors import ConfigError, InvariantError
from huracan.features.layout import MARKET_SIZE
from huracan.features.machines.coin import BAR_COLUMNS, OPTIONAL_INPUTS, coin_template
from huracan.features.machines.universe import MARK_FLOATS, SEGMENT, universe_run
from huracan.features.windows import WindowTable

__all__ = ["Engine", "EngineBlock", "FeatureContext"]


@dataclass(frozen=True, slots=True)
class FeatureContext:
    """What raw features depend on besides the candles; fit, rows and stream of one artefact share it.

    Attributes:
        windows: window table, the base timeframe with it.
        decision_interval_bars: k; rows are due when (bar number + 1) % k == 0.
        universe: symbols of the cross-section, sorted.
        leader: the market leader's symbol, one of `universe`, or None.
        gap_fill_max_bars: missing bars bridged by flat ones.
    """

    windows: WindowTable
    decision_interval_bars: int
    universe: tuple[str, ...]
    leader: str | None
    gap_fill_max_bars: int

    def __post_init__(self) -> None:
        if not self.universe or list(self.universe) != sorted(set(self.universe)):
            raise ConfigError(f"universe {self.universe} must name at least one symbol, sorted and without repetition")
        if self.leader is not None and self.leader not in self.universe:
            raise ConfigError(f"leader {self.leader} is not among the symbols; set data.leader_symbol to one of them")
        if self.decision_interval_bars < 1 or self.gap_fill_max_bars < 0:
            raise ConfigError("decision_interval_bars must be at least 1 and gap_fill_max_bars at least 0")

    @property
    def base_ms(self) -> int:
        """Return the length of one base bar, ms."""
        return self.windows.base_ms


@dataclass(frozen=True, slots=True)
class EngineBlock:
    """What one advance over C closes yields for N coins.

    Attributes:
        sigma: float64[C, N], NaN where the bar is missing.
        ready: bool[C, N].
        segment: int32[C, N], -1 where the bar is missing.
        row_count: int64[N] rows per coin.
        row_bar: int64[N, R] close index of each row.
        values: float64[N, R, 52] raw features.
        available: bool[N, R, 4] of `OPTIONAL_INPUTS`.
    """

    sigma: NDArray[np.float64]
    ready: NDArray[np.bool_]
    segment: NDArray[np.int32]
    row_count: NDArray[np.int64]
    row_bar: NDArray[np.int64]
    values: NDArray[np.float64]
    available: NDArray[np.bool_]

    @classmethod
    def empty(cls, closes: int, coins: int, rows: int) -> Self:
        """Return room for what C closes of N coins yield in at most R rows each."""
        return cls(
            np.full((closes, coins), np.nan),
            np.zeros((closes, coins), dtype=np.bool_),
            np.full((closes, coins), -1, dtype=np.int32),
            np.zeros(coins, dtype=np.int64),
            np.empty((coins, rows), dtype=np.int64),
            np.empty((coins, rows, MARKET_SIZE)),
            np.empty((coins, rows, len(OPTIONAL_INPUTS)), dtype=np.bool_),
        )


class Engine:
    """All machines of a universe; `advance` is the only way forward, in batch (many closes) and stream (one)."""

    def __init__(self, context: FeatureContext) -> None:
        self.context = context
        w = context.windows
        self._template, self._offsets = coin_template(w)
        coins = len(context.universe)
        self._states = np.tile(self._template, (coins, 1))
        self._marks = np.zeros((coins, MARK_FLOATS))
        self._marks[:, SEGMENT] = -1.0
        leader = -1 if context.leader is None else context.universe.index(context.leader)
        self._parameters = np.array(
            [
                context.decision_interval_bars,
                context.gap_fill_max_bars,
                context.base_ms,
                leader,
                w.ready,
                *w.leader_returns,
                *w.ranks,
            ],
            dtype=np.int64,
        )
        self.next_bar_no: int | None = None

    def advance(self, first_bar_no: int, bars: NDArray[np.float64]) -> EngineBlock:
        """Feed C consecutive closes of all coins.

        Args:
            first_bar_no: bar number (open time / bar length) of the first close; follows the last one fed.
            bars: float64[C, N, 12], coins in the order of the universe, columns as `BAR_COLUMNS`; NaN close: no bar.

        Raises:
            InvariantError: the bars do not follow on the last ones or have another shape.
        """
        coins = len(self.context.universe)
        if bars.shape[1:] != (coins, BAR_COLUMNS) or bars.dtype != np.float64:
            raise InvariantError(f"bars have shape {bars.shape} {bars.dtype}, not float64[C, {coins}, {BAR_COLUMNS}]")
        if self.next_bar_no is not None and first_bar_no != self.next_bar_no:
            raise InvariantError(f"bar {first_bar_no} does not follow on; the machines stand before {self.next_bar_no}")
        closes = bars.shape[0]
        rows = closes // self.context.decision_interval_bars + 2
        block = EngineBlock.empty(closes, coins, rows)
        universe_run(
            self._states,
            self._marks,
            self._template,
            self._offsets,
            self._parameters,
            first_bar_no,
            bars,
            block.sigma,
            block.ready,
            block.segment,
            block.row_count,
            block.row_bar,
            block.values,
            block.available,
        )
        self.next_bar_no = first_bar_no + closes
        return block

    def snapshot(self) -> bytes:
        """Return everything the next bar depends on, as bytes."""
        head = {"next_bar_no": self.next_bar_no, "shape": self._states.shape, "windows": self.context.windows.sha256}
        line = json.dumps(head, sort_keys=True).encode() + b"\n"
        return line + self._marks.tobytes() + self._states.tobytes()

    def restore(self, data: bytes) -> None:
        """Take the place of the engine that wrote `snapshot`.

        Raises:
            ConfigError: the bytes belong to another universe or other windows, or are cut off.
        """
        line, _, body = data.partition(b"\n")
        try:
            head = json.loads(line)
            same = tuple(head["shape"]) == self._states.shape and head["windows"] == self.context.windows.sha256
        except (ValueError, KeyError, TypeError):
            same = False
        if not same or len(body) != self._marks.nbytes + self._states.nbytes:
            raise ConfigError(
                "feature snapshot does not fit this universe and its windows; start from the candles again"
            )
        marks = np.frombuffer(body, count=self._marks.size).reshape(self._marks.shape)
        self._marks[:] = marks
        self._states[:] = np.frombuffer(body, offset=marks.nbytes).reshape(self._states.shape)
        self.next_bar_no = head["next_bar_no"]
