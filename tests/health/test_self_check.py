"""The monitor about itself: what lasts is told, what mends itself is not."""

from huracan.health.self_check import SelfCheck

T = 1_760_000_040_000
MINUTE = 60_000


def words(check: SelfCheck, now_ms: int) -> dict[str, str]:
    """Return what it says by whom."""
    return {f"{one.detector} {one.subject}": one.words for one in check.look(now_ms)}


def test_what_does_not_answer_for_five_minutes_is_told_until_it_does() -> None:
    """A source and a detector; each with its reason, and since when."""
    check = SelfCheck()
    for minute in range(6):
        check.note(T + minute * MINUTE, {"win_rate": "no table"}, {"ray": "away"} if minute else {}, {}, 0)
        found = words(check, T + minute * MINUTE)
        assert ("detector_blind win_rate" in found) == (minute >= 5)
    assert "no table" in found["detector_blind win_rate"]
    (anomaly,) = check.look(T + 5 * MINUTE)
    assert anomaly.since_ms == T
    check.note(T + 6 * MINUTE, {}, {"ray": "away"}, {}, 0)
    assert set(words(check, T + 6 * MINUTE)) == {"source_deaf ray"}
    assert {one.detector for one in check.look(T + 6 * MINUTE)} <= check.names


def test_parts_that_fail_are_told_soon_where_nothing_is_done_without_them() -> None:
    """Remedies and the writer are critical after half a minute; notices a warning after five, like any source."""
    check = SelfCheck()
    for second in range(0, 301, 5):
        check.note(T + second * 1_000, {}, {}, {"remedies": "a defect", "notices": "away"}, 0)
        found = {one.subject: one for one in check.look(T + second * 1_000)}
        assert ("remedies" in found, "notices" in found) == (second >= 30, second >= 300)
    assert (found["remedies"].severity, found["notices"].severity) == ("critical", "warning")
    assert "a defect" in found["remedies"].words
    assert {one.detector for one in found.values()} == {"part_failing"} <= check.names
    check.note(T + 305_000, {}, {}, {}, 0)
    assert check.look(T + 305_000) == []


def test_a_loss_is_told_for_an_hour() -> None:
    """With how much it is; a further one is told anew."""
    check = SelfCheck()
    check.note(T, {}, {}, {}, 0)
    assert check.look(T) == []
    check.note(T + MINUTE, {}, {}, {}, 17)
    check.note(T + 2 * MINUTE, {}, {}, {}, 17)
    (anomaly,) = check.look(T + 2 * MINUTE)
    assert (anomaly.detector, anomaly.observed, anomaly.since_ms) == ("samples_lost", 17, T + MINUTE)
    assert check.look(T + 61 * MINUTE) == []
    check.note(T + 62 * MINUTE, {}, {}, {}, 18)
    assert len(check.look(T + 62 * MINUTE)) == 1
