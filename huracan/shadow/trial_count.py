"""How many independent trials correlated ones are worth; shown beside the plain count, which the gate uses.

The plain count is the cautious one: correlated trials find less luck than as many independent ones.
"""

import numpy as np
import numpy.typing as npt

from huracan.errors import EvidenceError

__all__ = ["effective_rank", "mean_correlation_count"]

Floats = npt.NDArray[np.float64]


def effective_rank(correlation: Floats) -> float:
    """Return exp of the entropy of the normalised positive eigenvalues of float64[N, N] (Roy & Vetterli 2007).

    Raises:
        EvidenceError: the matrix is not finite, or has no positive eigenvalue.
    """
    if not np.isfinite(correlation).all():
        raise EvidenceError("a correlation of the trials is not finite; leave out those whose results are constant")
    values = np.linalg.eigvalsh(correlation)
    values = values[values > 1e-12]
    if values.size == 0:
        raise EvidenceError("the trials' correlations have no positive eigenvalue; give a correlation matrix")
    shares = values / values.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def mean_correlation_count(correlation: Floats) -> float:
    """Return rho + (1 - rho) N with the mean pairwise correlation rho, clipped to [0, 1], of float64[N, N]."""
    count = correlation.shape[0]
    if count == 1:
        return 1.0
    rho = float(np.clip((correlation.sum() - np.trace(correlation)) / (count * (count - 1)), 0.0, 1.0))
    return rho + (1.0 - rho) * count
