"""From a folder of candles to the tapes that training and shadow trading read, with what was refused and why."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa

from huracan.clock import Clock, WallClock
from huracan.config import FeatureSettings, Settings, TradingSettings
from huracan.errors import DataError, InvariantError
from huracan.features import HEAD_SIZE, MARKET_SIZE, FeatureFit, RawFeatures, apply_fit, compute_raw, windows_for
from huracan.features.layout import MEMORY_SLICE, S_LGBM_EDGE
from huracan.market import Candles, CandleSet, Verdict, day_marks, load_candles, open_folder
from huracan.patterns import Outcomes, PatternMemory, WindowRows, state_layout
from huracan.storage import Location
from huracan.trading import (
    KernelSettings,
    Limits,
    RuleSpace,
    Tape,
    build_cost_table,
    build_tape,
    infer_instrument,
    resolve_settings,
    rule_space,
    with_rules,
)
from huracan.trading.tape import check_stop
from huracan.trees import LABELS_MAX, Edges, TreeFit, fit_tree, label_entries

__all__ = ["Compute", "Dataset", "DatasetSummary", "Refusal", "check_source"]

Compute = Callable[[CandleSet, FeatureSettings, int], Mapping[str, RawFeatures]]
"""Raw features by symbol of candles, settings and decision interval: `compute_raw`, or what gives the same bits."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A symbol that is not traded.

    Attributes:
        symbol: ccxt symbol.
        by: `quality` (the gate over its candles) or `kernel` (the rules cannot trade it).
        reason: the figures, and what changes the verdict.
    """

    symbol: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """What a dataset holds, for the report and the run's row.

    Attributes:
        source: folder the candles came from.
        timeframe: base timeframe.
        symbols: traded, sorted.
        leader: market leader of the cross-asset features (traded or not), or None.
        bars: existing bars over all traded symbols.
        start_ms: open time of the first bar of any traded symbol, UTC ms.
        end_ms: close time of the last bar of any traded symbol, UTC ms.
        refused: symbols left out, sorted.
        verdicts: the quality gate's word on every symbol looked at.
        fingerprint: SHA-256 over candles, recorded books, instruments and cost tables.
        marks: of the traded coins' days (`day_marks`), by which overlapping histories are known as one.
    """

    source: str
    timeframe: str
    symbols: tuple[str, ...]
    leader: str | None
    bars: int
    start_ms: int
    end_ms: int
    refused: tuple[Refusal, ...]
    verdicts: tuple[Verdict, ...]
    fingerprint: str
    marks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Every market that passed the gates, ready to be cut into folds.

    Attributes:
        settings: the whole configuration.
        kernel: the trading rules in force, resolved for the timeframe: as configured, or as a search chose them.
        raw: features without any fitted constant, by symbol, at the decisions of every interval that a search may
            choose; also of symbols that are watched and not traded.
        bare: one tape per traded symbol, sorted by symbol; their features are zero until a fit is applied.
        summary: what was taken and what refused.
        past: closed trades that training may remember; None: it remembers none.
    """

    settings: Settings
    kernel: KernelSettings
    raw: Mapping[str, RawFeatures]
    bare: tuple[Tape, ...]
    summary: DatasetSummary
    past: Outcomes | None = None

    @classmethod
    def load(cls, settings: Settings, clock: Clock | None = None, compute: Compute | None = None) -> Self:
        """Read `settings.data.folder` (flat, or the root of a store) and build everything that no fold changes.

        Args:
            settings: the whole configuration.
            clock: tells which last bar is still open; None reads the machine's.
            compute: computes the features, elsewhere if it likes; None: here.

        Raises:
            DataError: no folder is given, it cannot be used, or a symbol asked for cannot be traded by the rules.
            RefusedError: the quality gate refuses a symbol named in `data.symbols`, or every symbol.
        """
        folder = _folder(settings)
        now_ms = (clock or WallClock()).now_ms()
        found = load_candles(folder, settings.data, settings.quality, now_ms)
        dataset = cls.build(found, settings, str(folder), compute)
        del found
        pa.default_memory_pool().release_unused()  # the candles' memory, which Arrow would keep: a fifth of the process
        return dataset

    @classmethod
    def build(cls, found: CandleSet, settings: Settings, source: str, compute: Compute | None = None) -> Self:
        """Build a dataset of candles that passed the quality gate; `source` names them in messages.

        Raises:
            DataError: a symbol asked for, or every symbol, cannot be traded by the rules.
        """
        rules = rule_space(settings.trading, settings.search, found.timeframe)
        raw = (compute or _here)(found, settings.features, rules.grid_bars)
        refused = [
            Refusal(verdict.report.symbol, "quality", "; ".join(verdict.reasons))
            for verdict in found.verdicts
            if not verdict.accepted
        ]
        tapes: list[Tape] = []
        for symbol in found.symbols:
            try:
                tapes.append(_tape(found.candles[symbol], raw[symbol], rules))
            except DataError as error:
                if symbol in settings.data.symbols:
                    raise
                refused.append(Refusal(symbol, "kernel", str(error)))
        if not tapes:
            raise DataError(
                f"{source}: none of {len(found.symbols)} symbols can be traded; the first: {refused[0].reason}"
            )
        refused.sort(key=lambda refusal: refusal.symbol)
        summary = _summary(found, tapes, tuple(refused), source)
        return cls(settings, rules.given, raw, tuple(tapes), summary)

    @property
    def rules(self) -> RuleSpace:
        """Return the trading rules that a search of this configuration may choose, whichever are in force."""
        return rule_space(self.settings.trading, self.settings.search, self.kernel.timeframe)

    @property
    def trading(self) -> TradingSettings:
        """Return the `trading` section with the rules in force."""
        return with_rules(self.settings.trading, self.kernel)

    @property
    def layout(self) -> int:
        """Return what identifies the features behind a state (`huracan.patterns.state_layout`)."""
        return state_layout(next(iter(self.raw.values())).context.windows)

    def remembering(self, past: Outcomes) -> Self:
        """Return the same markets with closed trades of others' runs to remember.

        Raises:
            DataError: their states have another layout.
        """
        if past.layout != self.layout:
            raise DataError(
                f"memory: its trades were entered on states of another feature layout ({past.layout}) than these "
                f"candles have ({self.layout}): windows, timeframe or formulas differ; recall the trades of this layout"
            )
        return replace(self, past=past)

    def under(self, trading: TradingSettings) -> Self:
        """Return the same markets under rules that a search of this configuration may choose.

        Raises:
            InvariantError: the rules differ in more than a search chooses, or in an interval it cannot.
        """
        kernel = resolve_settings(trading, self.kernel.timeframe)
        if with_rules(trading, self.kernel) != self.trading:
            raise InvariantError("rules that no search chooses differ from those the dataset was built with")
        if kernel.decision_interval_bars == self.kernel.decision_interval_bars:
            return replace(self, kernel=kernel)
        bare = tuple(tape.every(kernel.decision_interval_bars) for tape in self.bare)
        return replace(self, kernel=kernel, bare=bare)

    def fit(self, start_ms: int, end_ms: int, seed: int) -> FeatureFit:
        """Fit the constants of the features on bars in [start_ms, end_ms) alone, at the decisions in force."""
        raw = {symbol: self._due(symbol) for symbol in self.raw}
        return FeatureFit.fit(raw, start_ms, end_ms, seed, sample_max=self.settings.features.fit_sample_max)

    def memory(self, fit: FeatureFit) -> PatternMemory | None:
        """Return the memory of the closed trades that were known when the window of `fit` ended.

        None when nothing is to be remembered, or the window knew too little of it to learn from. The purge of a coin's
        own trades is the hold of the rules in force.

        Args:
            fit: of a training window.

        Raises:
            DataError: the window has too few rows.
        """
        if self.past is None or not len(self.past):
            return None
        grounds = []
        for tape in self.bare:
            raw = self._due(tape.symbol)
            close_ms = raw.row_close_ms
            inside = (close_ms - raw.context.base_ms >= fit.start_ms) & (close_ms <= fit.end_ms) & raw.ready[raw.rows]
            grounds.append(WindowRows(tape.symbol, apply_fit(fit, raw)[inside], close_ms[inside]))
        return PatternMemory.fit(self.past.until(fit.end_ms), grounds, fit.scaler, self.kernel.hold_bars)

    def tree(self, fit: FeatureFit, symbols: Collection[str], seed: int) -> TreeFit | None:
        """Return the tree model of a training window, trained on the results of entries in it; None when not wanted.

        Args:
            fit: of the window; no label reaches past its end.
            symbols: coins to learn from.
            seed: of LightGBM.

        Raises:
            DataError: the window cannot be learnt from: too few labels, one outcome, or rules without exits.
        """
        if not self.settings.features.tree:
            return None
        tapes = [tape for tape in self.fold_tapes(fit) if tape.symbol in symbols]
        limits = Limits.of(self.settings.risk, self.settings.trading.account_to_quote_rate)
        labels = label_entries(tapes, self.kernel, fit.start_ms, fit.end_ms, limits, rows_max=LABELS_MAX)
        return fit_tree(
            labels,
            fit=fit.sha256,
            hold_bars=self.kernel.hold_bars,
            start_ms=fit.start_ms,
            end_ms=fit.end_ms,
            seed=seed,
        )

    def fold_tapes(self, fit: FeatureFit, memory: PatternMemory | None = None, tree: Edges | None = None) -> list[Tape]:
        """Return the tapes with the features of one fit; without memory and tree their block (52-61) is zero.

        Args:
            fit: of the fold's training window.
            memory: of the same window (`memory`), or as it came with a version; asked as of every decision's close.
            tree: of the same window (`tree`), out of fold inside it; or as it came with a version. Cold rows stay 0.
        """
        tapes = []
        for tape in self.bare:
            raw = self._due(tape.symbol)
            features = np.zeros((len(tape.rows), HEAD_SIZE), np.float32)
            features[:, :MARKET_SIZE] = apply_fit(fit, raw)
            if memory is not None:
                features[:, MEMORY_SLICE] = memory.history(features[:, :MARKET_SIZE], raw.row_close_ms, tape.symbol)
            if tree is not None:
                warm = np.flatnonzero(raw.ready[raw.rows])
                features[warm, S_LGBM_EDGE] = tree.history(features[warm, :MARKET_SIZE], raw.row_close_ms[warm])
            tapes.append(tape.with_features(features))
        return tapes

    def _due(self, symbol: str) -> RawFeatures:
        return self.raw[symbol].every(self.kernel.decision_interval_bars)


def check_source(settings: Settings) -> None:
    """Refuse what can be refused without reading a price, before a database or a cluster is started for it.

    Raises:
        DataError: no folder is given, it cannot be used, or lacks a symbol that the settings name.
        ConfigError: the rules or the windows do not fit the candles' timeframe.
    """
    folder = open_folder(_folder(settings), settings.data.timeframe)
    for symbol in (*settings.data.symbols, *settings.quality.allow):
        folder.path_of(symbol)
    rule_space(settings.trading, settings.search, folder.timeframe)
    windows_for(folder.timeframe, settings.features.windows)


def _here(found: CandleSet, settings: FeatureSettings, interval: int) -> Mapping[str, RawFeatures]:
    return compute_raw(found.candles, settings, interval, found.leader, found.books)


def _folder(settings: Settings) -> Location:
    if settings.data.folder is None:
        raise DataError("no candles are configured: give a folder of Parquet files in data.folder")
    return settings.data.folder


def _tape(candles: Candles, raw: RawFeatures, rules: RuleSpace) -> Tape:
    """Return the tape under the configured rules of a market that every rule of the search could trade."""
    kernel = rules.given
    instrument = infer_instrument(candles, kernel)
    costs = build_cost_table(candles, instrument, kernel)
    tape = build_tape(candles, raw.every(kernel.decision_interval_bars), instrument, costs, kernel)
    check_stop(tape, rules.nearest)
    return tape


def _summary(found: CandleSet, tapes: list[Tape], refused: tuple[Refusal, ...], source: str) -> DatasetSummary:
    bar_ms = found.candles[tapes[0].symbol].bar_ms
    digest = hashlib.sha256(f"{found.timeframe}\n{found.leader}\n".encode())
    for symbol in sorted(found.candles):
        digest.update(found.candles[symbol].fingerprint().encode())
        if symbol in found.books:
            digest.update(f"\nbooks {symbol}\n".encode() + found.books[symbol].tobytes())
    for tape in tapes:
        digest.update(f"{tape.instrument.fingerprint()}\n{tape.costs.sha256}\n".encode())
    return DatasetSummary(
        source=source,
        timeframe=found.timeframe,
        symbols=tuple(tape.symbol for tape in tapes),
        leader=found.leader,
        bars=sum(len(tape) for tape in tapes),
        start_ms=min(int(tape.bars[0, 0]) for tape in tapes) * bar_ms,
        end_ms=(max(int(tape.bars[-1, 0]) for tape in tapes) + 1) * bar_ms,
        refused=refused,
        verdicts=found.verdicts,
        fingerprint=digest.hexdigest(),
        marks=tuple(mark for tape in tapes for mark in day_marks(found.candles[tape.symbol]).tolist()),
    )
