"""The outbox: what comes again is counted, one at a time claims what is due, a sender that dies loses nothing."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from huracan.memory.notices import (
    Notice,
    add_notice,
    claim_due,
    count_messages,
    count_states,
    end_claim,
    last_told,
    list_notices,
    remove_old,
)

pytestmark = pytest.mark.postgres

NOW = 1_790_000_000_000
MINUTE = 60_000
SILENT = Notice("anomaly/feed_silent//BTC/USDT", "opened", "warning", "feed silent", "since 12:00", NOW)
OVER = replace(SILENT, kind="over", title="over: feed silent", body="")


@pytest.fixture(autouse=True)
def _empty(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("TRUNCATE notices CASCADE"))


def _add(database: Engine, *notices: Notice, wanted: tuple[str, ...] = ("phone",), **rest: object) -> list[bool]:
    with database.begin() as connection:
        return [add_notice(connection, one, wanted, 5_000, 30 * MINUTE, **rest) for one in notices]  # type: ignore[arg-type]


def _claim(database: Engine, at_ms: int, name: str = "phone", least: str = "info") -> list[tuple[int, str, int]]:
    with database.begin() as connection:
        due = claim_due(connection, name, at_ms, at_ms + MINUTE, least)  # type: ignore[arg-type]
    return [(one.notice_id, one.notice.title, one.repeats) for one in due]


def _end(
    database: Engine, ids: list[int], state: str, at_ms: int, name: str = "phone", error: str | None = None
) -> None:
    with database.begin() as connection:
        end_claim(connection, name, ids, state, at_ms, error)  # type: ignore[arg-type]


def test_a_notice_waits_for_others_and_then_leaves_once(database: Engine) -> None:
    """Not before it is due, not twice, and it is listed as sent."""
    _add(database, SILENT)
    assert _claim(database, NOW + 4_999) == []
    ((key, title, repeats),) = _claim(database, NOW + 5_000)
    assert (title, repeats) == ("feed silent", 0)
    assert _claim(database, NOW + 6_000) == []
    _end(database, [key], "sent", NOW + 7_000)
    assert _claim(database, NOW + 90 * MINUTE) == []
    with database.begin() as connection:
        (stored,) = list_notices(connection, 10)
        assert count_messages(connection, "phone", NOW) == 1
        assert count_states(connection, NOW) == {"waiting": 0, "sent": 1, "held": 0, "failed": 0}
    assert stored.notice == SILENT
    assert [(one.destination, one.state, one.tries, one.ended_ms) for one in stored.deliveries] == [
        ("phone", "sent", 1, NOW + 7_000)
    ]


def test_what_comes_again_before_it_left_is_counted(database: Engine) -> None:
    """The last word stands, at the highest level that it had; whoever wants that level is added."""
    worse = replace(SILENT, kind="worse", level="critical", title="worse: feed silent", at_ms=NOW + 1_000)
    assert _add(database, SILENT, replace(OVER, at_ms=NOW + 500)) == [True, False]
    assert _add(database, worse, wanted=("phone", "pager")) == [False]
    assert _add(database, replace(OVER, level="warning", at_ms=NOW + 2_000)) == [False]
    assert [row[1:] for row in _claim(database, NOW + 5_000)] == [("over: feed silent", 3)]
    assert [row[1:] for row in _claim(database, NOW + 5_000, "pager")] == [("over: feed silent", 3)]
    with database.begin() as connection:
        (stored,) = list_notices(connection, 10)
    assert (stored.notice.level, stored.last_ms) == ("critical", NOW + 2_000)


def test_begin_and_end_leave_at_once_the_third_word_waits(database: Engine) -> None:
    """A topic that flaps is told twice in a window; all that comes in the rest of it is one notice."""
    for number, notice in enumerate((SILENT, OVER)):
        at_ms = NOW + number * MINUTE
        _add(database, replace(notice, at_ms=at_ms))
        ((key, *_),) = _claim(database, at_ms + 5_000)
        _end(database, [key], "sent", at_ms + 6_000)
    for number in range(2, 20):
        _add(database, replace((SILENT, OVER)[number % 2], at_ms=NOW + number * MINUTE))
    assert _claim(database, NOW + 29 * MINUTE) == []
    assert [row[1:] for row in _claim(database, NOW + 30 * MINUTE)] == [("over: feed silent", 17)]


def test_what_gets_worse_does_not_wait(database: Engine) -> None:
    """However much was said of the topic."""
    for number in range(2):
        _add(database, replace(SILENT, at_ms=NOW + number * MINUTE))
        ((key, *_),) = _claim(database, NOW + number * MINUTE + 5_000)
        _end(database, [key], "sent", NOW + number * MINUTE + 5_000)
    _add(database, replace(SILENT, kind="worse", level="critical", at_ms=NOW + 2 * MINUTE))
    assert len(_claim(database, NOW + 2 * MINUTE + 5_000)) == 1


def test_destinations_fare_by_themselves(database: Engine) -> None:
    """One that fails keeps its notice; another's is sent."""
    _add(database, SILENT, wanted=("phone", "mail"))
    ((key, *_),) = _claim(database, NOW + 5_000, "phone")
    assert _claim(database, NOW + 5_000, "mail")[0][0] == key
    _end(database, [key], "sent", NOW + 5_000, "mail")
    _end(database, [key], "waiting", NOW + 5_000, "phone", "HTTP 500")
    assert _claim(database, NOW + 6_000, "mail") == []
    assert _claim(database, NOW + 6_000, "phone")[0][0] == key
    with database.begin() as connection:
        deliveries = list_notices(connection, 1)[0].deliveries
    assert [(one.destination, one.state, one.tries, one.error) for one in deliveries] == [
        ("mail", "sent", 1, None),
        ("phone", "sending", 2, "HTTP 500"),
    ]


def test_a_sender_that_dies_loses_nothing_and_its_late_word_counts_no_more(database: Engine) -> None:
    """Another finds its claim when the time is over."""
    _add(database, SILENT)
    ((key, *_),) = _claim(database, NOW + 5_000)
    assert _claim(database, NOW + 5_000 + MINUTE - 1) == []
    assert _claim(database, NOW + 5_000 + MINUTE)[0][0] == key
    _end(database, [key], "sent", NOW + 6_000 + MINUTE)
    _end(database, [key], "failed", NOW + 7_000 + MINUTE)
    with database.begin() as connection:
        assert list_notices(connection, 1, "sent")[0].notice_id == key
        assert list_notices(connection, 1, "failed") == ()


def test_two_senders_never_claim_one_notice(database: Engine) -> None:
    """What one looks at, the other passes by, without waiting."""
    _add(database, SILENT)
    with database.begin() as one, database.begin() as other:
        assert len(claim_due(one, "phone", NOW + 5_000, NOW + MINUTE)) == 1
        assert claim_due(other, "phone", NOW + 5_000, NOW + MINUTE) == ()


def test_the_worst_is_claimed_first_and_a_level_can_be_asked_for(database: Engine) -> None:
    """When messages are short, critical ones leave alone."""
    levels = ("info", "critical", "warning")
    _add(database, *(replace(SILENT, topic=f"anomaly/x//{level}", level=level, title=level) for level in levels))  # type: ignore[arg-type]
    assert [row[1] for row in _claim(database, NOW + 5_000, least="critical")] == ["critical"]
    assert [row[1] for row in _claim(database, NOW + 5_000)] == ["warning", "info"]


def test_a_day_is_told_once_whoever_sums_it_up(database: Engine) -> None:
    """A process that was started again, two of them at once, years later."""
    day = Notice("day/main/2026-11-25", "day", "info", "a day", "nothing", NOW)
    assert _add(database, day, replace(day, title="again"), replace(day, at_ms=NOW + 90 * MINUTE)) == [
        True,
        False,
        False,
    ]
    assert [row[1:] for row in _claim(database, NOW + 91 * MINUTE)] == [("a day", 0)]


def test_what_was_sent_without_the_database_is_written_as_sent(database: Engine) -> None:
    """To whom and when; the others still get it."""
    _add(database, replace(SILENT, level="critical"), wanted=("phone", "mail"), sent={"phone": NOW + 100})
    assert _claim(database, NOW + 5_000) == []
    assert len(_claim(database, NOW + 5_000, "mail")) == 1
    with database.begin() as connection:
        assert count_messages(connection, "phone", NOW) == 1


def test_what_nobody_wants_is_kept_and_does_not_grow(database: Engine) -> None:
    """A topic that flaps for an hour is some rows, not hundreds; its last word is known after a restart."""
    for number in range(60):
        _add(database, replace((SILENT, OVER)[number % 2], at_ms=NOW + number * MINUTE), wanted=())
    with database.begin() as connection:
        rows = list_notices(connection, 100)
        assert len(rows) <= 3
        assert sum(row.repeats + 1 for row in rows) == 60
        assert last_told(connection)[SILENT.topic].kind == "over"


def test_old_ones_go_and_waiting_ones_stay(database: Engine) -> None:
    """With their deliveries."""
    _add(database, SILENT, replace(SILENT, topic="anomaly/other//"))
    ((first, *_), _) = _claim(database, NOW + 5_000)
    _end(database, [first], "sent", NOW + 5_000)
    with database.begin() as connection:
        assert remove_old(connection, NOW) == 0
        assert remove_old(connection, NOW + 1) == 1
        assert [row.notice.topic for row in list_notices(connection, 9)] == ["anomaly/other//"]
        assert connection.execute(text("SELECT count(*) FROM notice_deliveries")).scalar_one() == 1
