"""Sampling: a figure that is none is no sample, and a source is not asked more often than said."""

import math

import pytest

from huracan.errors import DatabaseError
from huracan.health.sampling import Paced, sample
from huracan.memory.health import Sample

T = 1_760_000_040_000


class Counting:
    """A source that counts how often it is asked, and does not answer when told so."""

    source = "host"

    def __init__(self) -> None:
        self.asked, self.away = 0, False

    def sample(self, now_ms: int) -> tuple[Sample, ...]:
        """Return one sample."""
        if self.away:
            raise DatabaseError("away")
        self.asked += 1
        return sample(now_ms, "host.cpu_frac", self.asked, "here")


def test_a_sample_knows_whose_it_is() -> None:
    """By its name; an unknown name is a defect."""
    assert sample(T, "feed.gaps", 3) == (Sample(T, "feed", "feed.gaps", "", 3.0),)
    with pytest.raises(KeyError):
        sample(T, "feed.gap", 3)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_known_is_left_out(value: float | None) -> None:
    """Never guessed, and never stored as a figure."""
    assert sample(T, "feed.gaps", value) == ()


def test_a_source_is_asked_when_it_is_time_to() -> None:
    """Every ten seconds; one that did not answer is asked at once, and so is one whose clock went back."""
    inner = Counting()
    paced = Paced(inner, 10.0)
    assert paced.source == "host"
    assert [len(paced.sample(T + 1_000 * second)) for second in (0, 5, 9, 10, 15)] == [1, 0, 0, 1, 0]
    inner.away = True
    with pytest.raises(DatabaseError):
        paced.sample(T + 20_000)
    inner.away = False
    assert paced.sample(T + 21_000)
    assert paced.sample(T)
