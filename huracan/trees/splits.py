"""Purged, embargoed splits of labelled decisions: k folds in time, and combinatorial splits with their paths.

Decision i is made at t_i and its label is known at e_i. A training decision is purged when [t_i, e_i] meets the span of
a test block, and embargoed when it begins within the embargo behind one. CPCV (López de Prado 2018, ch. 12) cuts time
into N groups and tests every k of them: C(N, k) splits, whose predictions make k C(N, k) / N paths over all groups.
Groups are cut at moments, the same for all coins.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError

__all__ = ["Spans", "Split", "check_split", "combinatorial_splits", "paths_of", "purged_folds"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """When decisions were made and their labels known.

    Attributes:
        start_ms: int64[n].
        end_ms: int64[n], not before `start_ms`.
    """

    start_ms: Ints
    end_ms: Ints

    def __post_init__(self) -> None:
        if self.start_ms.shape != self.end_ms.shape or (self.end_ms < self.start_ms).any():
            raise DataError("splits: a label is known before its decision, or has no end; label the decisions again")

    def __len__(self) -> int:
        return len(self.start_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One fit and what it is judged on.

    Attributes:
        train: int64[m], rows, increasing.
        test: int64[l], rows, increasing.
        groups: the groups that are tested.
        group: int64[l], the group of each test row.
        purged: training rows left out because their label reaches into a test block.
        embargoed: further ones left out because they begin right behind one.
    """

    train: Ints
    test: Ints
    groups: tuple[int, ...]
    group: Ints
    purged: int
    embargoed: int


def purged_folds(spans: Spans, folds: int, embargo_ms: int) -> tuple[Split, ...]:
    """Return `folds` splits of contiguous test blocks that cover every row once.

    Raises:
        DataError: there are fewer moments than folds, or a fold is left without training rows.
    """
    return combinatorial_splits(spans, folds, 1, embargo_ms)


def combinatorial_splits(spans: Spans, groups: int, tested: int, embargo_ms: int) -> tuple[Split, ...]:
    """Return the C(groups, tested) splits, in lexical order of the groups tested.

    Args:
        spans: n decisions, in any order.
        groups: N, of about equally many rows; a moment belongs to one group.
        tested: k, 1 <= k < N.
        embargo_ms: time behind each test block in which no training decision may begin.

    Raises:
        DataError: N or k make no sense, there are fewer moments than groups, or a split is left without training rows.
    """
    if not 1 <= tested < groups:
        raise DataError(f"splits: {tested} of {groups} groups cannot be tested; give 1 <= tested < groups")
    if embargo_ms < 0:
        raise DataError(f"splits: an embargo of {embargo_ms} ms is negative")
    moments = np.unique(spans.start_ms)
    if moments.size < groups:
        raise DataError(f"splits: {moments.size} different decision times cannot make {groups} groups; give more")
    edges = np.quantile(np.sort(spans.start_ms), np.arange(1, groups) / groups, method="higher")
    group = np.searchsorted(edges, spans.start_ms, side="right").astype(np.int64)
    if np.unique(group).size < groups:
        raise DataError(f"splits: decisions crowd at one moment, so that one of {groups} groups is empty; use fewer")
    return tuple(_split(spans, group, chosen, embargo_ms) for chosen in combinations(range(groups), tested))


def paths_of(splits: tuple[Split, ...], groups: int) -> tuple[tuple[int, ...], ...]:
    """Return, per path, which split predicts each group: k C(N, k) / N paths use every (split, group tested) once."""
    users: list[list[int]] = [[] for _ in range(groups)]
    for index, split in enumerate(splits):
        for group in split.groups:
            users[group].append(index)
    return tuple(tuple(row) for row in zip(*users, strict=True))


def check_split(spans: Spans, train: Ints, test: Ints) -> None:
    """Hold that no training label overlaps the span of a test label.

    Raises:
        DataError: one does; the message counts them.
    """
    if not train.size or not test.size:
        raise DataError(f"splits: {train.size} training and {test.size} test rows; both sides need some")
    shared = np.intersect1d(train, test).size
    if shared:
        raise DataError(f"splits: {shared} rows are in training and test; folds must not overlap")
    order = np.argsort(spans.start_ms[test], kind="stable")
    start, end = spans.start_ms[test][order], np.maximum.accumulate(spans.end_ms[test][order])
    # of the test labels that start by the end of a training label, the one that ends last
    before = np.searchsorted(start, spans.end_ms[train], side="right") - 1
    meets = (before >= 0) & (end[np.maximum(before, 0)] >= spans.start_ms[train])
    if meets.any():
        raise DataError(
            f"splits: {int(np.count_nonzero(meets))} of {train.size} training labels overlap a test label in time; "
            "purge them (`purged_folds`)"
        )


def _split(spans: Spans, group: Ints, chosen: tuple[int, ...], embargo_ms: int) -> Split:
    tested = np.isin(group, chosen)
    purge, embargo = np.zeros(len(spans), np.bool_), np.zeros(len(spans), np.bool_)
    for block in _blocks(chosen):
        rows = np.isin(group, block)
        first, last = spans.start_ms[rows].min(), spans.end_ms[rows].max()
        purge |= (spans.start_ms <= last) & (spans.end_ms >= first)
        embargo |= (spans.start_ms > last) & (spans.start_ms <= last + embargo_ms)
    train = np.flatnonzero(~tested & ~purge & ~embargo)
    if not train.size:
        raise DataError(
            f"splits: testing groups {list(chosen)} leaves no training label of {len(spans)} behind purge and embargo; "
            "give a longer history, fewer groups, or a shorter trading.hold_bars"
        )
    test = np.flatnonzero(tested)
    purged = int(np.count_nonzero(purge & ~tested))
    return Split(train, test, chosen, group[test], purged, int(np.count_nonzero(embargo & ~purge & ~tested)))


def _blocks(chosen: tuple[int, ...]) -> list[list[int]]:
    """Return the runs of neighbouring groups."""
    blocks: list[list[int]] = []
    for group in chosen:
        if blocks and blocks[-1][-1] == group - 1:
            blocks[-1].append(group)
        else:
            blocks.append([group])
    return blocks
