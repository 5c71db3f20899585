"""What the past trades most like an entry had come to when it was decided: exact neighbours as of that moment."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from huracan.analysis.cases import Similar
from huracan.errors import DataError
from huracan.features import MARKET_SIZE, Scaler
from huracan.memory import TradeRows
from huracan.patterns import Outcomes, PatternMemory, outcomes_of_rows
from huracan.patterns.embedding import Embedding
from huracan.patterns.statistics import PRIOR_TRADES, Z_LOWER
from huracan.trading import Tape

__all__ = ["comparable", "embedding_of", "similar_of"]

_NO_OUTCOME = ("end_of_data", "kill_switch")


def comparable(trades: TradeRows, layout: int) -> NDArray[np.int64]:
    """Return the rows of trades that can be compared: states of this layout, a known risk, an end of their own."""
    usable = (trades.layout == layout) & (trades.risk_frac > 0) & ~np.isin(trades.exit_reason, _NO_OUTCOME)
    return np.flatnonzero(usable).astype(np.int64)


def embedding_of(tapes: Sequence[Tape], base_ms: int, until_ms: int, scaler: Scaler) -> Embedding | None:
    """Return the map of states to points as it was known at a moment; None when too little was.

    Args:
        tapes: with the features of a fit.
        base_ms: length of a bar, ms.
        until_ms: only decisions that closed by then are read.
        scaler: of the fit.
    """
    rows = []
    for tape in tapes:
        closed = (tape.bars[tape.rows, 0] + 1) * base_ms <= until_ms
        rows.append(tape.features[closed & tape.ready[tape.rows], :MARKET_SIZE])
    try:
        return Embedding.fit(np.concatenate(rows), scaler)
    except DataError:
        return None


def similar_of(
    asked: TradeRows, known: TradeRows, embedding: Embedding, layout: int, base_ms: int, hold_bars: int
) -> list[Similar | None]:
    """Return what past trades like each entry had come to then; None where fewer than one was known.

    Args:
        asked: the trades that want to know, as of the open of the bar of their first fill.
        known: trades to remember, those asked among them if they may count for later ones.
        embedding: of states to points.
        layout: of the states; others are neither asked nor remembered.
        base_ms: length of a bar, ms.
        hold_bars: longest hold of the rules: the purge of a coin's own trades.
    """
    outcomes: Outcomes = outcomes_of_rows(known.rows(comparable(known, layout).tolist()), layout, base_ms)
    found: list[Similar | None] = [None] * len(asked)
    if not len(outcomes):
        return found
    memory = PatternMemory(outcomes, embedding, hold_bars, 1.0, np.linspace(0.0, 1.0, 2))
    totals = np.cumsum(np.column_stack([outcomes.result, outcomes.result**2]), axis=0)
    for row in np.flatnonzero(asked.layout == layout).tolist():
        now = int(asked.entry_time[row])
        near = outcomes.result[memory.neighbours(asked.entry_state[row], now, str(asked.symbol[row]))]
        if not len(near):
            continue
        before = int(np.searchsorted(outcomes.known_ms, now, side="right"))
        base = float(totals[before - 1, 0] / before)
        overall = max(0.0, totals[before - 1, 1] / before - base**2)
        variance = (len(near) * float(near.var()) + PRIOR_TRADES * overall) / (len(near) + PRIOR_TRADES)
        mean, half = float(near.mean()), Z_LOWER * float(np.sqrt(variance / len(near)))
        found[row] = Similar(len(near), int((near > 0).sum()), mean, mean - half, mean + half, base)
    return found
