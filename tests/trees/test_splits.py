"""Splits neither overlap nor leak, and CPCV has the counts that combinatorics demands."""

import math

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.trees import Spans, check_split, combinatorial_splits, paths_of, purged_folds


def _spans(count: int, hold: int, seed: int = 0) -> Spans:
    rng = np.random.default_rng(seed)
    start = np.sort(rng.integers(0, 10 * count, count))
    return Spans(start, start + rng.integers(1, hold + 1, count))


@pytest.mark.parametrize(
    ("groups", "tested", "splits", "paths"), [(5, 2, 10, 4), (6, 2, 15, 5), (10, 2, 45, 9), (10, 8, 45, 36)]
)
def test_cpcv_has_the_known_numbers_of_splits_and_paths(groups: int, tested: int, splits: int, paths: int) -> None:
    """C(N, k) splits and k C(N, k) / N paths; every path has each group once, every prediction is used once."""
    found = combinatorial_splits(_spans(4_000, 3), groups, tested, 0)
    assert len(found) == splits == math.comb(groups, tested)
    strung = paths_of(found, groups)
    assert len(strung) == paths
    used = [(split, group) for path in strung for group, split in enumerate(path)]
    assert len(set(used)) == len(used) == splits * tested
    assert all(group in found[split].groups for split, group in used)


def test_a_label_that_reaches_into_the_test_is_purged_and_one_right_behind_it_embargoed() -> None:
    """By hand: decisions at 0, 10, ..., 50, labels known 12 later; the middle third tested, an embargo of 5."""
    start = np.arange(0, 60, 10)
    first, middle, last = purged_folds(Spans(start, start + 12), 3, 5)
    assert middle.test.tolist() == [2, 3]
    assert middle.train.tolist() == [0, 5]  # 10 ends at 22 > 20; 40 begins before 42, the last test label's end
    assert (middle.purged, middle.embargoed) == (2, 0)
    assert last.test.tolist() == [4, 5]
    assert last.train.tolist() == [0, 1, 2]
    assert (first.train.tolist(), first.purged, first.embargoed) == ([3, 4, 5], 1, 0)
    assert purged_folds(Spans(start, start + 12), 3, 10)[0].embargoed == 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("groups", "tested"), [(5, 1), (6, 2)])
def test_no_training_label_meets_a_test_label(seed: int, groups: int, tested: int) -> None:
    """Whatever the spans: folds cover every row, training is clear of each test block and of the embargo behind it."""
    spans = _spans(600, 200, seed)
    splits = combinatorial_splits(spans, groups, tested, 100)
    for split in splits:
        check_split(spans, split.train, split.test)
        assert len(split.train) + len(split.test) + split.purged + split.embargoed == len(spans)
        for row in split.train:
            ends = spans.end_ms[split.test]
            near = (spans.start_ms[row] > ends) & (spans.start_ms[row] <= ends + 100)
            behind_block = near & (split.group == split.group[np.argmax(np.where(near, ends, -1))])
            last = ends[split.group == split.group[np.argmax(behind_block)]].max() if behind_block.any() else None
            assert last is None or not last < spans.start_ms[row] <= last + 100
    covered = np.concatenate([split.test for split in splits])
    assert np.bincount(covered, minlength=len(spans)).tolist() == [tested * math.comb(groups, tested) // groups] * len(
        spans
    )


def test_a_moment_belongs_to_one_group_for_all_coins() -> None:
    """Two coins that decide at the same closes are never divided at one of them."""
    start = np.repeat(np.arange(100), 2)
    for split in purged_folds(Spans(start, start), 7, 0):
        assert not set(start[split.test]) & set(start[split.train])


def test_overlapping_folds_are_refused() -> None:
    """A row on both sides, a training label inside a test label, and a test label inside a training label."""
    spans = Spans(np.array([0, 10, 20]), np.array([5, 30, 25]))
    with pytest.raises(DataError, match="1 rows are in training and test"):
        check_split(spans, np.array([0, 1]), np.array([1]))
    with pytest.raises(DataError, match="overlap a test label"):
        check_split(spans, np.array([2]), np.array([0, 1]))
    with pytest.raises(DataError, match="overlap a test label"):
        check_split(spans, np.array([1]), np.array([2]))
    check_split(spans, np.array([0]), np.array([1, 2]))


def test_splits_that_cannot_be_are_refused() -> None:
    """Each message has the figures and the way out."""
    spans = _spans(100, 3)
    with pytest.raises(DataError, match="3 of 3 groups"):
        combinatorial_splits(spans, 3, 3, 0)
    with pytest.raises(DataError, match="2 different decision times"):
        purged_folds(Spans(np.array([0, 0, 1]), np.array([1, 1, 2])), 3, 0)
    with pytest.raises(DataError, match="no training label"):
        purged_folds(spans, 4, 10**6)
    with pytest.raises(DataError, match="known before its decision"):
        Spans(np.array([5]), np.array([4]))
    with pytest.raises(DataError, match="negative"):
        purged_folds(spans, 4, -1)
