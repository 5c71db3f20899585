"""What travels between feed, signals and execution: frozen records, the same in one process and through Ray."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from huracan.memory.registry import Stage
from huracan.venue.klines import Kline

__all__ = ["CloseSource", "DecisionMaker", "Decisions", "FitRows", "MarketClose", "ServedVersion"]


@dataclass(frozen=True, slots=True, eq=False)
class FitRows:
    """What one feature fit makes of a close; N rows in the order of `MarketClose.symbols`.

    Attributes:
        market: float32[N, 52], state entries 0-51 of the newest decision row; zeros before the first.
        due: bool[N], a decision is due at this close and its row is in `market`.
        age: float32[N], state entry 79 of that row: bars missing on the market clock since the decision before.
        sigma: float64[N], per base bar; NaN where the bar is missing.
        ready: bool[N], machines warm.
    """

    market: NDArray[np.float32]
    due: NDArray[np.bool_]
    age: NDArray[np.float32]
    sigma: NDArray[np.float64]
    ready: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class MarketClose:
    """Everything that one close of the market tells.

    Attributes:
        close_ms: when the bars closed, ms UTC, market clock.
        late: a newer close is known already: keep house, decide nothing.
        symbols: markets followed, sorted.
        bars: closed candles; a market without one is left out.
        fits: by the fit's sha256; under "" the machines alone when no version is served.
        heard_ms: wall clock of the newest candle's arrival, ms UTC.
    """

    close_ms: int
    late: bool
    symbols: tuple[str, ...]
    bars: Mapping[str, Kline]
    fits: Mapping[str, FitRows]
    heard_ms: int


class CloseSource(Protocol):
    """Where closes come from: the process's own feed, or the feed actor."""

    def follow(self, after_ms: int) -> AsyncIterator[MarketClose]:
        """Yield each close after `after_ms`, in order, none twice and none left out, as long as somebody asks."""
        ...


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A policy version that decides, and what may be said of it.

    Attributes:
        version: name in the registry.
        scope: a ccxt symbol, or `*`.
        stage: when it was loaded.
        proven: it passed the promotion gate.
        sha256: of its artefact.
        fit: sha256 of its feature fit.
        layout: of its states (`huracan.patterns.state_layout`).
    """

    version: str
    scope: str
    stage: Stage
    proven: bool
    sha256: str
    fit: str
    layout: int


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What is decided for N states.

    Attributes:
        symbols: one a row.
        action: int64[N], codes of `huracan.trading.Action`.
        probs: float32[N, 6], exactly 0 for illegal actions.
        confidence: float32[N] in [0, 1].
        version: name of the version that decided, one a row; "" where no version serves the coin.
    """

    symbols: tuple[str, ...]
    action: NDArray[np.int64]
    probs: NDArray[np.float32]
    confidence: NDArray[np.float32]
    version: tuple[str, ...]


class DecisionMaker(Protocol):
    """Whoever turns states into decisions: the policies in this process, or a deployment asked by handle."""

    async def decide(self, close_ms: int, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """Decide for one state a market.

        Args:
            close_ms: the close that the states belong to, ms UTC.
            symbols: one a row.
            states: float32[N, 80], complete.

        Raises:
            TimeoutError: no answer in time; nothing was decided.
        """
        ...
