"""From a folder of candles to the tapes that training and shadow trading read, with what was refused and why."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from huracan.config import Settings
from huracan.errors import DataError, RefusedError
from huracan.features import MEMORY_SLICE, FeatureFit, RawFeatures, apply_fit, compute_raw
from huracan.market import Candles, open_folder
from huracan.trading import KernelSettings, Tape, build_cost_table, build_tape, infer_instrument, resolve_settings

__all__ = ["Dataset", "DatasetSummary", "Refusal"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A symbol that was left out: who refused it and the figures."""

    symbol: str
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """What a dataset holds, for the report and the run's row.

    Attributes:
        source: folder the candles came from.
        timeframe: base timeframe.
        symbols: traded, sorted.
        leader: market leader of the cross-asset features, or None.
        bars: existing bars over all traded symbols.
        start_ms: open time of the first bar of any symbol, UTC ms.
        end_ms: close time of the last bar of any symbol, UTC ms.
        refused: symbols left out.
        fingerprint: SHA-256 of candles, instruments and cost tables.
    """

    source: str
    timeframe: str
    symbols: tuple[str, ...]
    leader: str | None
    bars: int
    start_ms: int
    end_ms: int
    refused: tuple[Refusal, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Every market that passed the gates, ready to be cut into folds.

    Attributes:
        settings: the whole configuration.
        kernel: the trading rules resolved for the timeframe.
        raw: features without any fitted constant, by symbol (the leader included even when it is not traded).
        bare: one tape per traded symbol, sorted by symbol, its features zero until a fit is applied.
        summary: what was taken and what refused.
    """

    settings: Settings
    kernel: KernelSettings
    raw: Mapping[str, RawFeatures]
    bare: tuple[Tape, ...]
    summary: DatasetSummary

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read `settings.data.folder` (flat, or the root of a store) and build everything that no fold changes.

        Raises:
            DataError: no folder is given, it cannot be used, or no symbol passes the gates.
            RefusedError: a symbol named in `data.symbols` does not pass.
        """
        raise NotImplementedError

    @classmethod
    def from_candles(cls, candles: Mapping[str, Candles], settings: Settings, source: str) -> Self:
        """Build a dataset of candles in memory; `source` names them in messages."""
        raise NotImplementedError

    def fit(self, start_ms: int, end_ms: int, seed: int) -> FeatureFit:
        """Fit the features' constants on [start_ms, end_ms) alone."""
        return FeatureFit.fit(self.raw, start_ms, end_ms, seed)

    def fold_tapes(self, fit: FeatureFit) -> list[Tape]:
        """Return the tapes with the features of one fit; the memory block is zero (no memory yet)."""
        raise NotImplementedError
