"""Setups that come again: closed trades in groups by the market they were entered in, never by what became of them.

Points are whitened as for neighbours; for groups each axis gets its own spread back, because whitening levels exactly
the differences that groups consist of. Centres are found by k-means (k-means++ starts, the best of several). The
number of groups is the largest whose groups are found again on other days: in drawn halves of the days, groups made of
one half keep together at least 80 % of the pairs of every group of the other (prediction strength, Tibshirani and
Walther 2005). A cloud without structure is one group.
"""

import warnings
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import ClusterError, kmeans2

from huracan.errors import ArtefactError, DataError
from huracan.features import CATALOGUE, MARKET_SIZE, STATE_SIZE, Scaler
from huracan.patterns.embedding import DIMENSIONS, ROWS_MIN, Embedding
from huracan.patterns.identity import EMBEDDED
from huracan.patterns.outcomes import pack, unpack

__all__ = [
    "GROUPS_MAX",
    "GROUP_TRADES_MIN",
    "STRENGTH_MIN",
    "Clusters",
    "Strength",
    "embedding_bytes",
    "embedding_of_bytes",
    "embedding_of_entries",
]

GROUPS_MAX: Final = 12
GROUP_TRADES_MIN: Final = 30
"""A group of fewer trades says nothing that an interval would bear out."""
STRENGTH_MIN: Final = 0.8
SPLITS: Final = 6
STARTS: Final = 8
STARTS_HALF: Final = 3
ROUNDS: Final = 20
DAYS_MIN: Final = 4
SAMPLE_MAX: Final = 5_000
"""Trades, evenly spaced, that numbers of groups are tried on; the groups themselves are made of all."""
IQR_PER_SD: Final = 1.349

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
States = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Strength:
    """How well a number of groups was found again on other days.

    Attributes:
        groups: the number tried.
        strength: mean over splits of the days of the weakest group's share of pairs kept together, 0 to 1.
        smallest: trades of the smallest group, all days together (of a sample where there are very many).
    """

    groups: int
    strength: float
    smallest: int


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Groups of entries, frozen: which one is a state's?

    Attributes:
        embedding: from states to points.
        centres: float64[K, 32], means of the groups' points, largest group first.
        tried: each number of groups that was tried, in rising order; empty when there are too few days to try any.
    """

    embedding: Embedding
    centres: Floats
    tried: tuple[Strength, ...]

    @classmethod
    def fit(cls, states: States, day: Ints, embedding: Embedding, seed: int) -> Self:
        """Return the groups of some trades' entries.

        Args:
            states: float32[N, >= 52], market entries first, in an order that does not depend on who asks.
            day: int64[N], UTC days of the entries.
            embedding: from states to points.
            seed: of the starts and the halves of days.

        Raises:
            DataError: there are fewer than 100 trades, or a state is not finite.
        """
        if len(states) < ROWS_MIN:
            raise DataError(
                f"patterns: {len(states)} closed trades that can be compared, need {ROWS_MIN}; trade longer, on more "
                "coins, or name another run"
            )
        if not np.isfinite(states[:, EMBEDDED]).all():
            raise DataError("patterns: a state is not finite; its trade was not written by huracan, remove it")
        points = embedding.points(states).astype(np.float64)
        weighed = points * _spread(embedding)
        tried = _strengths(weighed, day, seed)
        chosen = max((one.groups for one in tried if _holds(one)), default=1)
        label = _label(weighed, _centres(weighed, chosen, seed))
        size = np.bincount(label, minlength=chosen)
        order = np.argsort(-size, kind="stable")
        centres = np.array([points[label == group].mean(axis=0) for group in order.tolist()])
        return cls(embedding, centres, tried)

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.centres)

    def of(self, states: States) -> Ints:
        """Return int64[M], each state's group: the one whose centre is nearest; of equally near ones the first.

        A row's group does not depend on the other rows.

        Args:
            states: float32[M, >= 52], market entries first.
        """
        spread = _spread(self.embedding)
        return _label(self.embedding.points(states).astype(np.float64) * spread, self.centres * spread)


def embedding_of_entries(states: States) -> Embedding:
    """Return the map of states to points as the entries of trades alone give it, without candles or a trained version.

    Each entry is scaled as the network's normaliser would be fitted: identity, or median and IQR, then clipped.

    Args:
        states: float32[N, >= 52], market entries first, at least 100.

    Raises:
        DataError: there are too few, or they do not vary.
    """
    center, scale = np.zeros(STATE_SIZE, np.float32), np.ones(STATE_SIZE, np.float32)
    clip = np.full(STATE_SIZE, np.inf, np.float32)
    for spec in CATALOGUE[:MARKET_SIZE]:
        if spec.clip is not None:
            clip[spec.index] = spec.clip
        if spec.scaling == "robust" and len(states):
            low, middle, high = np.quantile(states[:, spec.index].astype(np.float64), (0.25, 0.5, 0.75))
            center[spec.index], scale[spec.index] = middle, max((high - low) / IQR_PER_SD, 1e-6)
    return Embedding.fit(states, Scaler(center, scale, clip))


def embedding_bytes(embedding: Embedding) -> bytes:
    """Return a map of states to points as one block of bytes; the same map gives the same bytes."""
    return pack({name: getattr(embedding, name) for name in _COLUMNS}, {"entries": len(EMBEDDED)})


def embedding_of_bytes(data: bytes) -> Embedding:
    """Return the map that wrote `embedding_bytes`.

    Raises:
        ArtefactError: the bytes are damaged, or of a layout with other entries.
    """
    tensors, numbers = unpack(data)
    if set(tensors) != set(_COLUMNS) or numbers.get("entries") != len(EMBEDDED):
        raise ArtefactError("these bytes are no map of this version's states to points; find the patterns again")
    return Embedding(**{name: tensors[name] for name in _COLUMNS})


_COLUMNS: Final = ("center", "scale", "clip", "mean", "axes")


def _spread(embedding: Embedding) -> Floats:
    """Return float64[32], the standard deviation along each axis that whitening took out; 0 where there is no axis."""
    length = np.sqrt((embedding.axes**2).sum(axis=0))
    assert length.shape == (DIMENSIONS,)
    return np.divide(1.0, length, out=np.zeros_like(length), where=length > 0.0)


def _holds(one: Strength) -> bool:
    return one.strength >= STRENGTH_MIN and one.smallest >= GROUP_TRADES_MIN


def _strengths(points: Floats, day: Ints, seed: int) -> tuple[Strength, ...]:
    """Return what became of each number of groups worth trying."""
    every = -(-len(points) // SAMPLE_MAX)
    points, day = points[::every], day[::every]
    days = np.unique(day)
    most = min(GROUPS_MAX, len(points) // (2 * GROUP_TRADES_MIN))
    if len(days) < DAYS_MIN:
        return ()
    halves = []
    for split in range(SPLITS):
        rng = np.random.default_rng([seed, split])
        halves.append(np.isin(day, rng.permutation(days)[: len(days) // 2]))
    found = []
    for groups in range(2, most + 1):
        size = np.bincount(_label(points, _centres(points, groups, seed)), minlength=groups)
        kept = [_kept(points[half], points[~half], groups, seed) for half in halves]
        found.append(Strength(groups, float(np.mean(kept)), int(size.min())))
    return tuple(found)


def _kept(first: Floats, second: Floats, groups: int, seed: int) -> float:
    """Return the least share of pairs of a group of `second` that the groups made of `first` keep together."""
    if min(len(first), len(second)) < 2 * groups:
        return 0.0
    own, others = (_centres(half, groups, seed, STARTS_HALF) for half in (second, first))
    mine, theirs = _label(second, own), _label(second, others)
    together = np.bincount(mine * groups + theirs, minlength=groups * groups).reshape(groups, groups)
    size = together.sum(axis=1)
    if size.min() < 2:
        return 0.0
    return float(((together * (together - 1)).sum(axis=1) / (size * (size - 1))).min())


def _centres(points: Floats, groups: int, seed: int, starts: int = STARTS) -> Floats:
    """Return float64[K, D], centres of least squared distance among several starts; the first of equally good ones."""
    if groups == 1:
        return np.asarray(points.mean(axis=0)[None, :], np.float64)
    best, least = None, np.inf
    for start in range(starts):
        rng = np.random.default_rng([seed, groups, start])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a start with an empty group is one that failed
            try:
                centres, label = kmeans2(points, groups, iter=ROUNDS, minit="++", missing="raise", seed=rng)
            except ClusterError:
                continue
        far = float(((points - centres[label]) ** 2).sum())
        if far < least:
            best, least = np.asarray(centres, np.float64), far
    return points[:groups].copy() if best is None else best


def _label(points: Floats, centres: Floats) -> Ints:
    """Return int64[N], the nearest centre of each point, in one fixed order of operations."""
    away = np.empty((len(centres), len(points)))
    for group, centre in enumerate(centres):
        away[group] = ((points - centre) ** 2).sum(axis=1)
    return away.argmin(axis=0).astype(np.int64)
