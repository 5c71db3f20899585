"""What a fold learns about features from its training window, frozen: profiles, quantiles, regime model, scalers."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huracan.errors import ArtefactError, ConfigError, DataError, InvariantError
from huracan.features.batch import RawFeatures
from huracan.features.catalogue import CATALOGUE, catalogue_hash
from huracan.features.engine import EngineBlock, FeatureContext
from huracan.features.finish import HOURS, PROFILED, QUANTILED, finish_close, finish_rows, hour_of_week
from huracan.features.hmm import STATES, Hmm, fit_hmm
from huracan.features.layout import MARKET_SIZE, STATE_SIZE
from huracan.features.machines.coin import OPTIONAL_INPUTS
from huracan.features.windows import WindowTable

__all__ = ["FeatureFit", "Scaler", "apply_fit", "finish_block", "finish_with", "new_regime"]

GRID = 101
PROFILE_ROWS_MIN = 8
INPUT_SHARE_MIN = 0.1
HMM_ROWS_MAX = 40_000
HMM_BLOCK_ROWS = 512
IQR_PER_SD = 1.3489795003921634
FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """How the network's normaliser scales a state: z = clip((x - center) / scale, -clip, clip).

    Attributes:
        center: float32[80], 0 for identity entries.
        scale: float32[80], 1 for identity entries, positive.
        clip: float32[80], infinite where nothing is cut.
    """

    center: NDArray[np.float32]
    scale: NDArray[np.float32]
    clip: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureFit:
    """Everything fitted on one training window; frozen, and the same bytes wherever it travels.

    Attributes:
        context: windows, interval, universe and leader of the features.
        start_ms: beginning of the training window, ms UTC.
        end_ms: its end; no row whose bar closes later was read.
        seed: of the regime model's random starts.
        inputs: optional inputs that training had; others are forced to 0 with the flag down.
        profiles: float64[3, 168] hour-of-week medians of entries 11, 28, 29.
        grids: float64[2, 101] evenly spaced quantiles of entries 15, 41.
        hmm: regime model behind 25 and 26.
        scaler: center, scale and clip of all 80 entries.
    """

    context: FeatureContext
    start_ms: int
    end_ms: int
    seed: int
    inputs: tuple[str, ...]
    profiles: NDArray[np.float64]
    grids: NDArray[np.float64]
    hmm: Hmm
    scaler: Scaler

    @classmethod
    def fit(
        cls,
        raw: Mapping[str, RawFeatures],
        start_ms: int,
        end_ms: int,
        seed: int,
        sample_max: int = 200_000,
    ) -> "FeatureFit":
        """Fit on the decision rows whose bar opens at `start_ms` or later and closes by `end_ms`, all coins pooled.

        Args:
            raw: raw features by symbol, of one context.
            start_ms: beginning of the training window, ms UTC.
            end_ms: its end.
            seed: of the regime model's random starts.
            sample_max: rows at most, evenly spaced, behind profiles, quantiles and scalers.

        Raises:
            DataError: the window holds fewer than 100 warm rows.
            InvariantError: the raw features differ in their context.
        """
        order = [raw[symbol] for symbol in sorted(raw)]
        context = _common_context(order)
        windows = [_window_rows(r, start_ms, end_ms) for r in order]
        warm = [w[r.ready[r.rows[w]]] for r, w in zip(order, windows, strict=True)]
        total = sum(len(w) for w in warm)
        if total < 100:
            raise DataError(
                f"features: the training window [{start_ms}, {end_ms}) holds {total} warm decision rows, need 100; "
                f"machines warm up for {context.windows.ready} bars: give more history or fewer folds"
            )
        step = -(-total // sample_max)
        sampled = [w[::step] for w in warm]
        values = np.concatenate([r.values[w] for r, w in zip(order, sampled, strict=True)])
        available = np.concatenate([r.available[w] for r, w in zip(order, sampled, strict=True)])
        close_ms = np.concatenate([r.row_close_ms[w] for r, w in zip(order, sampled, strict=True)])
        share = available.mean(axis=0)
        inputs = tuple(name for name, s in zip(OPTIONAL_INPUTS, share, strict=True) if s >= INPUT_SHARE_MIN)
        has = {"trades": available[:, 0], "taker": available[:, 1]}
        profiles = np.stack([_profile(values, close_ms, i, has["trades"] if i == 29 else None) for i in PROFILED])
        grids = np.stack([_grid(values[:, i], has["taker"] if i == 41 else None) for i in QUANTILED])
        hmm = fit_hmm(*_hmm_rows(order, warm), seed)
        segment = np.zeros(len(values), dtype=np.int32)
        constants = (_allowed(inputs), profiles, grids, hmm)
        finished = _finish(constants, values, available, close_ms, segment, new_regime(hmm))
        scaler = _scaler_of(finished, available & constants[0])
        return cls(context, start_ms, end_ms, seed, inputs, profiles, grids, hmm, scaler)

    def to_json(self) -> str:
        """Return canonical JSON; floats are written so that they read back bit for bit."""
        context = self.context
        clip = [None if math.isinf(c) else c for c in self.scaler.clip.tolist()]
        tree = {
            "format": FORMAT,
            "formulas": catalogue_hash(context.windows),
            "windows": context.windows.to_json(),
            "decision_interval_bars": context.decision_interval_bars,
            "universe": list(context.universe),
            "leader": context.leader,
            "gap_fill_max_bars": context.gap_fill_max_bars,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "seed": self.seed,
            "inputs": list(self.inputs),
            "profiles": self.profiles.tolist(),
            "grids": self.grids.tolist(),
            "hmm": {
                "start": self.hmm.start.tolist(),
                "transition": self.hmm.transition.tolist(),
                "mean": self.hmm.mean.tolist(),
                "variance": self.hmm.variance.tolist(),
                "log_likelihood": self.hmm.log_likelihood,
            },
            "scaler": {"center": self.scaler.center.tolist(), "scale": self.scaler.scale.tolist(), "clip": clip},
        }
        return json.dumps(tree, sort_keys=True, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "FeatureFit":
        """Read `to_json` back.

        Raises:
            ArtefactError: the text is not a fit, or its formulas are not the ones this version computes.
        """
        try:
            tree: dict[str, Any] = json.loads(text)
            windows = WindowTable.from_json(tree["windows"])
            context = FeatureContext(
                windows,
                int(tree["decision_interval_bars"]),
                tuple(tree["universe"]),
                tree["leader"],
                int(tree["gap_fill_max_bars"]),
            )
            h, s = tree["hmm"], tree["scaler"]
            hmm = Hmm(
                _array(h["start"], (STATES,)),
                _array(h["transition"], (STATES, STATES)),
                _array(h["mean"], (STATES, 2)),
                _array(h["variance"], (STATES, 2)),
                float(h["log_likelihood"]),
            )
            clip = [math.inf if c is None else c for c in s["clip"]]
            scaler = Scaler(*(_array(x, (STATE_SIZE,)).astype(np.float32) for x in (s["center"], s["scale"], clip)))
            fit = cls(
                context,
                int(tree["start_ms"]),
                int(tree["end_ms"]),
                int(tree["seed"]),
                tuple(tree["inputs"]),
                _array(tree["profiles"], (len(PROFILED), HOURS)),
                _array(tree["grids"], (len(QUANTILED), GRID)),
                hmm,
                scaler,
            )
            known = (tree["format"], tree["formulas"]) == (FORMAT, catalogue_hash(windows))
        except (ConfigError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtefactError(f"feature fit cannot be read: {error!r}; export the policy again") from None
        if not known:
            raise ArtefactError("feature fit was made with other feature formulas than this version's; train again")
        return fit

    @property
    def sha256(self) -> str:
        """Return the hash of `to_json`, hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def new_regime(hmm: Hmm) -> NDArray[np.float64]:
    """Return the regime filter before a coin's first row: float64[K + 1], its segment last (-1: none yet)."""
    return np.append(hmm.start, -1.0)


def apply_fit(fit: FeatureFit, raw: RawFeatures) -> NDArray[np.float32]:
    """Return the market entries of every decision row of a coin.

    Args:
        fit: of any window; the regime filter runs from the coin's first row.
        raw: raw features of the same context.

    Returns:
        float32[M, 52], not scaled: the network's normaliser does that with `fit.scaler`.

    Raises:
        ArtefactError: fit and raw features differ in windows, interval, universe, leader or gap rule.
    """
    if raw.context != fit.context:
        raise ArtefactError(
            f"features of {raw.symbol} were computed with another window table, decision interval, universe, leader "
            "or gap rule than the fit's; use the ones the policy was trained with"
        )
    return finish_with(fit, raw.values, raw.available, raw.row_close_ms, raw.segment[raw.rows], new_regime(fit.hmm))


def finish_with(
    fit: FeatureFit,
    values: NDArray[np.float64],
    available: NDArray[np.bool_],
    close_ms: NDArray[np.int64],
    segment: NDArray[np.int32],
    regime: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Finish M consecutive rows of one coin, going on from `regime` and leaving it after the last row.

    Args:
        fit: the fold's fit.
        values: float64[M, 52] raw features.
        available: bool[M, 4] of the optional inputs.
        close_ms: int64[M].
        segment: int32[M].
        regime: float64[K + 1] of `new_regime`, changed in place.

    Returns:
        float32[M, 52].
    """
    constants = (_allowed(fit.inputs), fit.profiles, fit.grids, fit.hmm)
    return _finish(constants, values, available, close_ms, segment, regime)


def finish_block(
    fit: FeatureFit, block: EngineBlock, close_ms: int, regimes: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Finish the rows of a block of one close, all coins in one call: the stream's `finish_with`.

    Args:
        fit: the fold's fit.
        block: what the engine yielded for one close of N coins.
        close_ms: close time, ms UTC.
        regimes: float64[N, K + 1], one filter per coin, changed in place.

    Returns:
        float32[N, 52], zeros where no row is due.
    """
    hmm = fit.hmm
    out = np.zeros((len(block.row_count), MARKET_SIZE), dtype=np.float32)
    finish_close(
        block.row_count,
        block.values,
        block.available,
        np.array([close_ms], dtype=np.int64),
        block.segment,
        _allowed(fit.inputs),
        fit.profiles,
        fit.grids,
        hmm.start,
        hmm.transition,
        hmm.mean,
        hmm.variance,
        regimes,
        out,
    )
    return _finite(out, np.full(len(out), close_ms))


def _finish(
    constants: tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64], Hmm],
    values: NDArray[np.float64],
    available: NDArray[np.bool_],
    close_ms: NDArray[np.int64],
    segment: NDArray[np.int32],
    regime: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Run `finish_rows` with the fitted constants."""
    allowed, profiles, grids, hmm = constants
    out = np.empty((len(values), MARKET_SIZE), dtype=np.float32)
    finish_rows(
        values,
        available,
        close_ms,
        segment,
        allowed,
        profiles,
        grids,
        hmm.start,
        hmm.transition,
        hmm.mean,
        hmm.variance,
        regime,
        out,
    )
    return _finite(out, close_ms)


def _finite(out: NDArray[np.float32], close_ms: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the rows; a number that is not finite is a defect of a machine."""
    if not np.isfinite(out).all():
        at = np.argwhere(~np.isfinite(out))[0]
        raise InvariantError(f"feature {CATALOGUE[at[1]].name} is not finite at close {close_ms[at[0]]}")
    return out


def _allowed(inputs: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([name in inputs for name in OPTIONAL_INPUTS], dtype=np.bool_)


def _array(values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"array of shape {array.shape}, not {shape}")
    return array


def _common_context(raw: Sequence[RawFeatures]) -> FeatureContext:
    contexts = {r.context for r in raw}
    if len(contexts) != 1:
        raise InvariantError(f"raw features of {len(raw)} coins come from {len(contexts)} contexts, not one")
    return contexts.pop()


def _window_rows(raw: RawFeatures, start_ms: int, end_ms: int) -> NDArray[np.int64]:
    """Return the rows that lie wholly inside the window."""
    close = raw.row_close_ms
    return np.flatnonzero((close - raw.context.base_ms >= start_ms) & (close <= end_ms))


def _profile(
    values: NDArray[np.float64], close_ms: NDArray[np.int64], column: int, has: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    """Return the median by hour of week; hours seen too rarely take the median of all, none seen: 0."""
    x, at = values[:, column], np.array([hour_of_week(int(c)) for c in close_ms], dtype=np.int64)
    if has is not None:
        x, at = x[has], at[has]
    if not len(x):
        return np.zeros(HOURS)
    profile = np.full(HOURS, np.median(x))
    for hour in np.flatnonzero(np.bincount(at, minlength=HOURS) >= PROFILE_ROWS_MIN):
        profile[hour] = np.median(x[at == hour])
    return profile


def _grid(x: NDArray[np.float64], has: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Return evenly spaced quantiles; without any data a grid that maps to within [0, 1] all the same."""
    x = x if has is None else x[has]
    return np.quantile(x, np.linspace(0.0, 1.0, GRID)) if len(x) else np.linspace(0.0, 1.0, GRID)


def _hmm_rows(
    raw: Sequence[RawFeatures], warm: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the regime model's observations: runs of consecutive rows spread evenly over window and coins."""
    share = max(HMM_ROWS_MAX // max(len(raw), 1), HMM_BLOCK_ROWS)
    parts, marks = [], []
    for r, rows in zip(raw, warm, strict=True):
        blocks = -(-len(rows) // HMM_BLOCK_ROWS)
        every = max(1, -(-blocks * HMM_BLOCK_ROWS // share))
        for b in range(0, blocks, every):
            take = rows[b * HMM_BLOCK_ROWS : (b + 1) * HMM_BLOCK_ROWS]
            segment = r.segment[r.rows[take]]
            fresh = np.ones(len(take), dtype=np.bool_)
            fresh[1:] = (segment[1:] != segment[:-1]) | (np.diff(take) != 1)
            parts.append(r.values[take, 25:27])
            marks.append(fresh)
    return np.concatenate(parts), np.concatenate(marks)


def _scaler_of(finished: NDArray[np.float32], available: NDArray[np.bool_]) -> Scaler:
    """Return median and IQR / 1.349 of every robust entry over the rows that have its inputs."""
    center, scale = np.zeros(STATE_SIZE), np.ones(STATE_SIZE)
    clip = np.array([math.inf if spec.clip is None else spec.clip for spec in CATALOGUE])
    for spec in CATALOGUE[:MARKET_SIZE]:
        if spec.scaling == "identity":
            continue
        has = np.ones(len(finished), dtype=np.bool_)
        for j, name in enumerate(OPTIONAL_INPUTS):
            if name in spec.inputs:
                has &= available[:, j]
        x = finished[has, spec.index].astype(np.float64)
        if len(x) < PROFILE_ROWS_MIN:
            continue
        low, middle, high = np.quantile(x, (0.25, 0.5, 0.75))
        spread = (high - low) / IQR_PER_SD if high > low else float(x.std())
        center[spec.index] = middle
        scale[spec.index] = spread if spread > 1e-9 else 1.0
    return Scaler(center.astype(np.float32), scale.astype(np.float32), clip.astype(np.float32))
