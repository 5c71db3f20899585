"""A frozen memory of closed trades: fitted on one training window, asked in batch by tapes and live by signals.

What it holds travels as one block of bytes with the policy that learnt to read it; it does not grow until a version is
trained anew, so that training, shadow and live look into the same memory.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from huracan.errors import ArtefactError
from huracan.features import Scaler
from huracan.features.layout import MEMORY_SLICE
from huracan.patterns.embedding import COMPILED, Embedding
from huracan.patterns.identity import EMBEDDED
from huracan.patterns.neighbours import nearest
from huracan.patterns.outcomes import Outcomes, pack, unpack
from huracan.patterns.statistics import HALF_LIFE_HOLDS, NEIGHBOURS, NEIGHBOURS_MIN, describe

__all__ = ["MEMORY_SIZE", "ROWS_MIN_SHARE", "PatternMemory", "WindowRows"]

MEMORY_SIZE: Final = MEMORY_SLICE.stop - MEMORY_SLICE.start
ROWS_MIN_SHARE: Final = 0.1
"""A policy does not learn from an input that fewer of its training rows have; the same share as of optional inputs."""
GRID: Final = 101
FIT_ROWS_MAX: Final = 20_000
FORMAT: Final = 1

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
States = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class WindowRows:
    """Decision rows of one coin in a training window.

    Attributes:
        symbol: ccxt symbol.
        market: float32[M, 52], its market entries at the decisions.
        close_ms: int64[M], closes of the decisions' bars, ms UTC, increasing.
    """

    symbol: str
    market: States
    close_ms: Ints


class PatternMemory:
    """Closed trades that are asked: how did it go when the market looked like this?

    Made by `fit`, or of the bytes of one that was.

    Args:
        outcomes: the trades.
        embedding: of the training window.
        hold_bars: longest hold of the rules in force; also the purge of a coin's own trades.
        middle: median distance to the 5th neighbour in the training window.
        grid: float64[101], quantiles of that distance.
    """

    def __init__(self, outcomes: Outcomes, embedding: Embedding, hold_bars: int, middle: float, grid: Floats) -> None:
        self.outcomes, self.embedding, self.hold_bars = outcomes, embedding, hold_bars
        self._middle, self._grid = middle, grid
        self._number: Mapping[str, int] = {name: n for n, name in enumerate(np.unique(outcomes.symbol).tolist())}
        self._coins = np.array([self._number[name] for name in outcomes.symbol.tolist()], np.int64)
        self._points = np.ascontiguousarray(embedding.points(outcomes.market).T)
        self._known_ms, self._hold_ms = outcomes.known_ms, outcomes.hold_ms
        won = (outcomes.result > 0.0).astype(np.float64)
        steps = np.column_stack([won, outcomes.result, outcomes.result**2])
        self._totals = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])

    @classmethod
    def fit(cls, outcomes: Outcomes, rows: Sequence[WindowRows], scaler: Scaler, hold_bars: int) -> Self | None:
        """Return the memory as a training window knows it, or None when that window knew too little to learn from.

        Args:
            outcomes: closed trades known when the window ends; what is known later is the caller's to leave out.
            rows: the window's warm decision rows, coin by coin.
            scaler: of the window's feature fit.
            hold_bars: longest hold of the rules in force.

        Raises:
            DataError: the window has too few rows, or they do not vary.
        """
        grounds = sorted(rows, key=lambda ground: ground.symbol)
        total = sum(len(ground.close_ms) for ground in grounds)
        if not len(outcomes) or not total:
            return None
        every = -(-total // FIT_ROWS_MAX)
        sampled = [WindowRows(g.symbol, g.market[::every], g.close_ms[::every]) for g in grounds]
        embedding = Embedding.fit(np.concatenate([ground.market for ground in sampled]), scaler)
        asked = cls(outcomes, embedding, hold_bars, 1.0, np.linspace(0.0, 1.0, GRID))
        distances = np.concatenate([asked._fifth(ground) for ground in sampled])
        known = distances[np.isfinite(distances)]
        if len(known) < ROWS_MIN_SHARE * len(distances):
            return None
        middle = max(float(np.median(known)), 1e-6)
        return cls(outcomes, embedding, hold_bars, middle, np.quantile(known, np.linspace(0.0, 1.0, GRID)))

    def __len__(self) -> int:
        """Return the number of trades."""
        return len(self.outcomes)

    def entries(self, state: States, close_ms: int, symbol: str) -> States:
        """Return entries 52 to 61 of one decision: the live look-up.

        Args:
            state: float32[>= 52], market entries first.
            close_ms: close of the decision's bar, ms UTC.
            symbol: ccxt symbol.

        Returns:
            float32[10], bit for bit what `history` has for that row; zeros while fewer than five trades are known.
        """
        return self.history(state[None, :], np.array([close_ms], np.int64), symbol)[0]

    def history(self, states: States, close_ms: Ints, symbol: str) -> States:
        """Return entries 52 to 61 of M decisions of one coin, each as of its own close.

        Args:
            states: float32[M, >= 52].
            close_ms: int64[M].
            symbol: ccxt symbol.

        Returns:
            float32[M, 10].
        """
        close_ms = np.require(close_ms, np.int64, COMPILED)
        found, square, count = self._nearest(states, close_ms, symbol)
        out = np.empty((len(states), MEMORY_SIZE), np.float32)
        known, base_ms = self.outcomes, self.outcomes.base_ms
        describe(
            found,
            square,
            count,
            close_ms,
            self._known_ms,
            known.exit_ms,
            self._hold_ms,
            known.result,
            known.best,
            known.worst,
            self._totals,
            self.hold_bars * base_ms,
            HALF_LIFE_HOLDS * self.hold_bars * base_ms,
            self._middle,
            self._grid,
            out,
        )
        return out

    @property
    def points(self) -> States:
        """Return float32[N, 32], the trades' places."""
        return np.ascontiguousarray(self._points.T)

    def neighbours(self, state: States, close_ms: int, symbol: str) -> Ints:
        """Return the trades that speak for one decision, nearest first, as row numbers of `outcomes`."""
        found, _, count = self._nearest(state[None, :], np.array([close_ms], np.int64), symbol)
        return found[0, : count[0]]

    # ---- bytes ------------------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return everything as one block; the same memory gives the same bytes."""
        tensors, numbers = self.outcomes.parts()
        tensors |= {name: getattr(self.embedding, name) for name in _EMBEDDING}
        tensors |= {"middle": np.array([self._middle]), "grid": self._grid}
        return pack(tensors, numbers | {"format": FORMAT, "hold_bars": self.hold_bars})

    @classmethod
    def from_bytes(cls, data: bytes, layout: int) -> Self:
        """Return the memory that wrote `to_bytes`.

        Args:
            data: the block.
            layout: of the states it will be asked about (`state_layout`).

        Raises:
            ArtefactError: the bytes are no memory, are damaged, or hold states of another feature layout.
        """
        tensors, numbers = unpack(data)
        outcomes = Outcomes.of_parts(tensors, numbers)
        try:
            embedding = Embedding(**{name: tensors[name] for name in _EMBEDDING})
            made_by, hold_bars = int(numbers["format"]), int(numbers["hold_bars"])
            middle, grid = float(tensors["middle"][0]), tensors["grid"]
        except (ValueError, LookupError, TypeError) as error:
            raise ArtefactError(f"these bytes are trades without their memory ({error!r}); train again") from None
        if made_by != FORMAT or len(embedding.center) != len(EMBEDDED):
            raise ArtefactError(f"memory of trades has format {made_by}, this code reads {FORMAT}; train again")
        if outcomes.layout != layout:
            raise ArtefactError(
                f"memory of trades holds states of another feature layout ({outcomes.layout}) than the states it is to "
                f"be asked about ({layout}): windows, timeframe or formulas differ; train again"
            )
        return cls(outcomes, embedding, hold_bars, middle, grid)

    def __reduce__(self) -> tuple[object, tuple[bytes, int]]:
        """Travel as bytes: arrays that Ray hands out are read-only, and would be compiled for once more."""
        return PatternMemory.from_bytes, (self.to_bytes(), self.outcomes.layout)

    @property
    def sha256(self) -> str:
        """Return the hash of `to_bytes`, hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    # ---- inside -----------------------------------------------------------------------------------------------

    def _nearest(self, states: States, close_ms: Ints, symbol: str) -> tuple[Ints, States, Ints]:
        """Return (found int64[M, K], square float32[M, K], count int64[M]) of M decisions of a coin."""
        rows, close_ms = len(states), np.require(close_ms, np.int64, COMPILED)
        found = np.zeros((rows, NEIGHBOURS), np.int64)
        square = np.full((rows, NEIGHBOURS), np.inf, np.float32)
        count = np.zeros(rows, np.int64)
        nearest(
            self.embedding.points(states),
            close_ms,
            self._number.get(symbol, -1),
            self._points,
            self._known_ms,
            self.outcomes.exit_ms,
            self._coins,
            self.outcomes.base_ms,
            self.hold_bars * self.outcomes.base_ms,
            found,
            square,
            count,
        )
        return found, square, count

    def _fifth(self, ground: WindowRows) -> Floats:
        """Return float64[M], the distance to each row's 5th neighbour, infinite where there is none."""
        _, square, count = self._nearest(ground.market, ground.close_ms, ground.symbol)
        far = np.sqrt(square[:, NEIGHBOURS_MIN - 1].astype(np.float64))
        return np.where(count >= NEIGHBOURS_MIN, far, np.inf)


_EMBEDDING = ("center", "scale", "clip", "mean", "axes")
