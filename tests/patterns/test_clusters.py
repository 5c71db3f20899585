"""Groups of entries: those that are there are found, a cloud is not cut, and a row's group is its own affair."""

import numpy as np
import pytest

from huracan.errors import ArtefactError, DataError
from huracan.patterns.clusters import Clusters, embedding_bytes, embedding_of_bytes, embedding_of_entries
from tests.patterns.worlds import states


def grouped(groups: int, count: int, seed: int, shift: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Return (states, group of each): group g has its own four entries shifted, group 0 none."""
    found, label = states(count, seed), np.arange(count) % groups
    for group in range(1, groups):
        found[label == group, 16 + 4 * (group - 1) : 20 + 4 * (group - 1)] += np.float32(shift)
    return found, label


def days(count: int, seed: int = 1) -> np.ndarray:
    """Return int64[count] days."""
    return np.random.default_rng(seed).integers(0, 40, count)


def fitted(found: np.ndarray, seed: int = 1) -> Clusters:
    """Return the groups of states spread over forty days."""
    return Clusters.fit(found, days(len(found)), embedding_of_entries(found), seed)


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_as_many_groups_are_found_as_there_are(groups: int) -> None:
    """One, two and three planted groups are found as such, each state in its own."""
    found, label = grouped(groups, 600, 4)
    clusters = fitted(found)
    assert len(clusters) == groups
    placed = clusters.of(found)
    for group in range(groups):
        assert np.bincount(placed[label == group]).max() > 0.97 * (label == group).sum()


def test_a_cloud_is_never_cut() -> None:
    """In twenty clouds of normal entries no number of groups is found again on other days."""
    assert [len(fitted(states(200, 100 + seed), seed)) for seed in range(20)] == [1] * 20


def test_the_same_states_give_the_same_groups_and_a_row_stands_alone() -> None:
    """Centres are equal to the bit when asked again; a state's group is the same alone as among others."""
    found, _ = grouped(3, 400, 6)
    one, again = fitted(found), fitted(found)
    assert np.array_equal(one.centres, again.centres)
    assert one.tried == again.tried
    together = one.of(found)
    assert all(one.of(found[row : row + 1])[0] == together[row] for row in range(0, 400, 37))


def test_groups_are_numbered_by_size() -> None:
    """The first group is the largest."""
    found, label = grouped(2, 600, 8)
    kept = np.flatnonzero((label == 1) | (np.arange(600) % 3 == 0))
    size = np.bincount(fitted(found[kept]).of(found[kept]))
    assert size[0] > size[1] > 30


def test_a_small_group_is_not_made_one_of() -> None:
    """Twenty trades far from all others stay with them: too few to say anything about."""
    found, label = grouped(2, 600, 9, shift=6.0)
    kept = np.flatnonzero((label == 0) | (np.arange(600) < 40))
    assert len(fitted(found[kept])) == 1


def test_a_map_of_states_to_points_goes_through_bytes() -> None:
    """Bit for bit; damaged bytes are refused."""
    embedding = embedding_of_entries(states(200, 1))
    data = embedding_bytes(embedding)
    assert np.array_equal(embedding_of_bytes(data).points(states(50, 2)), embedding.points(states(50, 2)))
    assert embedding_bytes(embedding_of_bytes(data)) == data
    with pytest.raises(ArtefactError):
        embedding_of_bytes(data[:-100])


def test_too_few_or_broken_states_are_refused() -> None:
    """Fewer than a hundred, one that is not finite, entries that do not vary."""
    found = states(150, 1)
    embedding = embedding_of_entries(found)
    with pytest.raises(DataError, match="99 closed trades that can be compared, need 100"):
        Clusters.fit(found[:99], days(99), embedding, 1)
    broken = found.copy()
    broken[7, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        Clusters.fit(broken, days(150), embedding, 1)
    with pytest.raises(DataError, match="do not vary"):
        embedding_of_entries(np.ones((150, 52), np.float32))
