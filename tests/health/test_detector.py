"""Detectors asked together: one that cannot see silences nobody, and ends nothing."""

from collections.abc import Sequence

import pytest

from huracan.errors import DatabaseError
from huracan.health.detector import Detector, Paced, look_at
from huracan.memory.health import Anomaly


def wrong(detector: str, subject: str = "") -> Anomaly:
    """Return an anomaly of a name."""
    return Anomaly(detector, "main", subject, "warning", "it is", "it should not be", None, 1)


class Told:
    """A detector that says what it was told to say, or cannot see."""

    def __init__(self, *answers: Anomaly, names: tuple[str, ...] = ("one",), blind: bool = False) -> None:
        self.answers, self.names, self.blind, self.asked = answers, frozenset(names), blind, 0

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """Say it."""
        self.asked += 1
        if self.blind:
            raise DatabaseError("the server is away")
        return self.answers


def test_all_are_asked_and_each_anomaly_comes_once() -> None:
    """Two that name the same thing make one anomaly; the first word stands."""
    detectors: list[Detector] = [Told(wrong("one"), wrong("one", "BTC/USDT")), Told(wrong("one")), Told(names=("two",))]
    found = look_at(detectors, 5)
    assert [one.subject for one in found.anomalies] == ["", "BTC/USDT"]
    assert set(found.names) == {"one", "two"}
    assert not found.blind


def test_who_cannot_see_ends_nothing() -> None:
    """Its names are not among those that were looked for, though another speaks for one of them; the reason is told."""
    found = look_at([Told(blind=True, names=("one", "two")), Told(wrong("two"), names=("two", "three"))], 5)
    assert set(found.names) == {"three"}
    assert [one.detector for one in found.anomalies] == ["two"]
    (blind,) = found.blind
    assert set(blind.names) == {"one", "two"}
    assert blind.problem == "the server is away"


def test_a_paced_one_repeats_its_word_until_it_is_time() -> None:
    """Ten seconds; a clock that went back is no reason to wait for years, and a failed look is tried again."""
    told = Told(wrong("one"))
    paced = Paced(told, 10.0)
    assert set(paced.names) == {"one"}
    assert [len(paced.look(now_ms)) for now_ms in (1_000, 6_000, 10_999, 11_000, 12_000)] == [1] * 5
    assert told.asked == 2
    paced.look(5_000)
    assert told.asked == 3
    told.blind = True
    assert len(paced.look(6_000)) == 1
    for now_ms in (15_000, 15_001):
        with pytest.raises(DatabaseError):
            paced.look(now_ms)
    told.blind = False
    assert len(paced.look(15_002)) == 1
