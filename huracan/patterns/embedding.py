"""From a state to a point: the market scaled as the network sees it, then whitened; frozen with the fit.

z = clip((x - center) / scale, -clip, clip) by the fit's scaler; y = (z - mean) W, where the columns of W are the
first 32 principal axes of z in the training window divided by their standard deviations: along each axis of y the
training window has variance 1, so that no direction counts more because many features say the same thing.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.features import Scaler
from huracan.patterns.identity import EMBEDDED

__all__ = ["COMPILED", "DIMENSIONS", "Embedding"]

COMPILED: Final = ("C", "W")
"""How compiled code here takes arrays; one that Ray shares is read-only, and would be compiled for a second time."""

DIMENSIONS: Final = 32
"""Numbers of a point; fewer axes are filled up with zeros. `pattern_library.centroid` has as many."""
ROWS_MIN: Final = 100
VARIANCE_MIN: Final = 1e-4
"""An axis along which the training window varies less than this says nothing; whitening would blow it up."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A frozen map from market entries to points.

    Attributes:
        center: float64[44] of the embedded entries; with `scale` and `clip` as the network's normaliser has them.
        scale: float64[44].
        clip: float64[44].
        mean: float64[44], of the scaled entries in the training window.
        axes: float64[44, 32], whitening axes; columns of zeros where the window has fewer.
    """

    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    clip: NDArray[np.float64]
    mean: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def fit(cls, market: NDArray[np.float32], scaler: Scaler) -> Self:
        """Fit mean and axes on the market entries of a training window.

        Args:
            market: float32[M, >= 52].
            scaler: of the same window's feature fit.

        Raises:
            DataError: there are fewer than 100 rows, or they do not vary.
        """
        if len(market) < ROWS_MIN:
            raise DataError(f"memory: {len(market)} rows to whiten states by, need {ROWS_MIN}; give a longer history")
        center, scale, clip = (
            np.asarray(values, np.float64)[EMBEDDED] for values in (scaler.center, scaler.scale, scaler.clip)
        )
        z = np.clip((market[:, EMBEDDED].astype(np.float64) - center) / scale, -clip, clip)
        mean = z.mean(axis=0)
        variance, vectors = np.linalg.eigh((z - mean).T @ (z - mean) / len(z))
        best = np.argsort(-variance, kind="stable")[:DIMENSIONS]
        best = best[variance[best] >= VARIANCE_MIN]
        if not len(best):
            raise DataError("memory: the market entries do not vary in the training window; give a longer history")
        axes = vectors[:, best]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None, :], axis=0)
        axes = (
            axes * np.where(largest < 0, -1.0, 1.0) / np.sqrt(variance[best])
        )  # the sign of an axis is nobody's choice
        whole = np.zeros((len(EMBEDDED), DIMENSIONS))
        whole[:, : len(best)] = axes
        return cls(center, scale, clip, mean, whole)

    def points(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32[M, 32], one point a row; a row's point does not depend on the other rows.

        Args:
            states: float32[M, >= 52], market entries first.
        """
        out = np.empty((len(states), DIMENSIONS), np.float32)
        states = np.require(states, np.float32, COMPILED)
        _points(states, EMBEDDED, self.center, self.scale, self.clip, self.mean, self.axes, out)
        return out


@njit(cache=True, nogil=True)
def _points(
    states: NDArray[np.float32],
    entries: NDArray[np.int64],
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    clip: NDArray[np.float64],
    mean: NDArray[np.float64],
    axes: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Write the points; sums run over the entries in their order, whatever the compiler does with the axes."""
    count, size = axes.shape
    total = np.empty(size)
    for row in range(states.shape[0]):
        for axis in range(size):
            total[axis] = 0.0
        for k in range(count):
            z = (np.float64(states[row, entries[k]]) - center[k]) / scale[k]
            z = min(max(z, -clip[k]), clip[k]) - mean[k]
            for axis in range(size):
                total[axis] += z * axes[k, axis]
        for axis in range(size):
            out[row, axis] = np.float32(total[axis])
