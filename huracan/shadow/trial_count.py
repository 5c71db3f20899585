"""How many independent trials correlated ones are worth; shown beside the plain count, which the gate uses.

The plain count is the cautious one: correlated trials find less luck than as many independent ones.
"""

import numpy as np
import numpy.typing as npt

from huracan.errors import EvidenceError

__all__ = ["effective_rank", "independent_trials"]

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


def independent_trials(net: Floats) -> float | None:
    """Return the effective rank of the correlations of daily results float64[T, N]; None where no two of them vary."""
    moving = net[:, np.ptp(net, axis=0) > 0.0]
    if moving.shape[1] < 2:
        return None
    return effective_rank(np.asarray(np.corrcoef(moving, rowvar=False)))
