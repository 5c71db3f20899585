"""Telling people, over real sockets and the real database: once each, not too often, and whatever is away meanwhile."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, text

from huracan.config import DestinationSettings, NoticeSettings, load_settings
from huracan.health.channels import open_channels
from huracan.health.notices import DRAFTS_MAX, Notices, Summary, open_notices
from huracan.memory import lazy_engine
from huracan.memory.health import Anomaly, Severity
from huracan.memory.notices import Notice, list_notices
from huracan.memory.remediations import Remediation, end_remediation, insert_remediation
from tests.health.posts import Message, Post, http_post, mail_post

pytestmark = pytest.mark.postgres

NOW = 1_790_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
AWAY = "postgresql://huracan:db-password@127.0.0.1:1/huracan"


def anomaly(subject: str = "BTC/USDT", severity: Severity = "warning", detector: str = "feed_silent") -> Anomaly:
    """Return something that is wrong."""
    return Anomaly(detector, "main", subject, severity, f"{detector} {subject}", "no decisions", NOW, NOW)


REMEDY = Remediation(
    account="main",
    kind="reducing",
    subject="",
    state="applied",
    reason="feed_silent: no close",
    author="monitor",
    at_ms=NOW,
)


def write(database: Engine, row: Remediation) -> int:
    """Write a remedy down as whoever did it does, and return its number."""
    with database.begin() as connection:
        return insert_remediation(connection.connection.cursor(), row).number


def settings(*posts: tuple[str, Post, str], **rest: object) -> NoticeSettings:
    """Return settings with these destinations (name, server, level) and no patience."""
    rows = tuple(DestinationSettings(name=name, url=post.url, level=level) for name, post, level in posts)  # type: ignore[arg-type]
    return NoticeSettings(destinations=rows, **({"gather_s": 0.0, "send_timeout_s": 3_600.0} | rest))  # type: ignore[arg-type]


def told(engine: Engine, given: NoticeSettings, summary: Summary | None = None) -> Notices:
    """Return the notices of a process that has just begun."""
    return Notices(engine, given, open_channels(given.destinations), summary)


def settle(notices: Notices, now_ms: int, post: Post, count: int) -> list[Message]:
    """Turn until so many messages have come, the clock standing still, and take in how they fared."""
    begun_s = time.monotonic()
    while len(post.taken) < count:
        assert time.monotonic() - begun_s < 10, f"{len(post.taken)} of {count} messages came"
        notices.turn(now_ms)
        time.sleep(0.01)
    time.sleep(0.05)
    notices.turn(now_ms)
    notices.turn(now_ms)
    return post.taken


@pytest.fixture(autouse=True)
def _empty(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("TRUNCATE notices, remediations CASCADE"))


@pytest.fixture
def post() -> Iterator[Post]:
    """A webhook."""
    with http_post() as found:
        yield found


def _rows(database: Engine) -> list[tuple[str, str, list[str]]]:
    with database.begin() as connection:
        rows = list_notices(connection, 100)
    return [(row.notice.kind, row.notice.title, [one.state for one in row.deliveries]) for row in reversed(rows)]


# ---- what is told -----------------------------------------------------------------------------------------------


def test_a_begin_and_an_end_are_told_once_each(database: Engine, post: Post) -> None:
    """However often the detector names it in between."""
    notices = told(database, settings(("hook", post, "info")))
    for turn in range(20):
        notices.take([anomaly()], NOW + turn * 5_000)
        notices.turn(NOW + turn * 5_000)
    settle(notices, NOW + 100_000, post, 1)
    notices.take([], NOW + 110_000)
    settle(notices, NOW + 110_000, post, 2)
    assert [one.title for one in post.taken] == [
        "[WARNING] main: feed_silent BTC/USDT",
        "[WARNING] over: main: feed_silent BTC/USDT",
    ]
    assert "it means: no decisions" in post.taken[0].body
    assert _rows(database)[0] == ("opened", "main: feed_silent BTC/USDT", ["sent"])


def test_what_gets_worse_is_told_and_what_stays_critical_again_after_hours(database: Engine, post: Post) -> None:
    """A warning that lasts is not repeated."""
    notices = told(database, settings(("hook", post, "info"), remind_after_h=6.0))
    notices.take([anomaly()], NOW)
    settle(notices, NOW, post, 1)
    notices.take([anomaly()], NOW + 7 * HOUR)
    notices.take([anomaly(severity="critical")], NOW + 8 * HOUR)
    settle(notices, NOW + 8 * HOUR, post, 2)
    notices.take([anomaly(severity="critical")], NOW + 13 * HOUR)
    notices.take([anomaly(severity="critical")], NOW + 14 * HOUR)
    notices.take([anomaly(severity="critical")], NOW + 15 * HOUR)
    settle(notices, NOW + 15 * HOUR, post, 3)
    assert [row[0] for row in _rows(database)] == ["opened", "worse", "reminder"]
    assert (post.taken[1].kind, post.taken[2].title) == ("failure", "[CRITICAL] still: main: feed_silent BTC/USDT")


def test_many_at_once_are_one_message(database: Engine, post: Post) -> None:
    """Thirty markets fall silent together: one message, which counts what it has no room for."""
    notices = told(database, settings(("hook", post, "info")))
    notices.take([anomaly(f"C{number}/USDT") for number in range(30)], NOW)
    settle(notices, NOW, post, 1)
    assert post.taken[0].title.endswith("(and 29 more)")
    assert "Held back, 18 more (18 warning)" in post.taken[0].body
    states = [row[2] for row in _rows(database)]
    assert (states.count(["sent"]), states.count(["held"]), post.asked) == (12, 18, 1)


def test_a_detector_that_cannot_look_ends_nothing(database: Engine, post: Post) -> None:
    """Its anomaly stands as it was told; another's ends."""
    notices = told(database, settings(("hook", post, "info")))
    notices.take([anomaly(), anomaly(detector="disk")], NOW)
    settle(notices, NOW, post, 1)
    notices.take([], NOW + MINUTE, names=frozenset({"disk"}))
    settle(notices, NOW + MINUTE, post, 2)
    assert post.taken[1].title == "[WARNING] over: main BTC/USDT: disk BTC/USDT" or "disk" in post.taken[1].title
    assert [row[0] for row in _rows(database)] == ["opened", "opened", "over"]


def test_a_remedy_is_told_once_when_it_is_done_and_when_it_ends_whoever_did_it(database: Engine, post: Post) -> None:
    """The monitor and then a person, whose process tells nobody; long ago is no news."""
    notices = told(database, settings(("hook", post, "info")))
    write(database, replace(REMEDY, account="old", at_ms=NOW - 8 * DAY))
    number = write(database, REMEDY)
    for turn in range(3):
        notices.turn(NOW + turn * 1_000)
    with database.begin() as connection:
        end_remediation(connection.connection.cursor(), number, "undone", NOW + 3_000, "ann")
    write(database, replace(REMEDY, state="dry_run", at_ms=NOW + 4_000))
    for turn in range(3):
        notices.turn(NOW + (4 + turn) * 1_000)
    settle(notices, NOW + 9_000, post, 2)
    assert [row[:2] for row in _rows(database)] == [
        ("remedy", "main: reducing done"),
        ("remedy", "main: reducing undone"),
        ("remedy", "main: reducing would have been done"),
    ]


def test_what_was_done_before_a_kill_is_told_by_the_next_process_and_by_no_further_one(
    database: Engine, post: Post
) -> None:
    """Remedies committed, and whoever did it died before it told, or raised: the account is told all the same."""
    given = settings(("hook", post, "info"))
    write(database, replace(REMEDY, at_ms=NOW - 2 * DAY))
    first = told(database, given)
    settle(first, NOW, post, 1)
    for minute in range(1, 4):
        again = told(database, given)
        again.turn(NOW + minute * MINUTE)
        again.close(1.0)
    assert [row[1:] for row in _rows(database)] == [("main: reducing done", ["sent"])]
    assert post.asked == 1
    away = told(lazy_engine(AWAY, 1), given)
    away.turn(NOW + 5 * MINUTE)


def test_levels_decide_who_hears_what(database: Engine, post: Post) -> None:
    """A pager hears what is critical; mail hears all; both hear of the end of what they heard of."""
    with http_post() as mail:
        notices = told(database, settings(("pager", post, "critical"), ("mail", mail, "info")))
        notices.take([anomaly()], NOW)
        settle(notices, NOW, mail, 1)
        notices.take([anomaly(), anomaly("ETH/USDT", "critical")], NOW + 1_000)
        settle(notices, NOW + 1_000, post, 1)
        notices.take([], NOW + 2_000)
        settle(notices, NOW + 2_000, post, 2)
        settle(notices, NOW + 2_000, mail, 3)
    assert [one.title for one in post.taken] == [
        "[CRITICAL] main: feed_silent ETH/USDT",
        "[CRITICAL] over: main: feed_silent ETH/USDT",
    ]


def test_without_a_destination_notices_are_kept(database: Engine) -> None:
    """For `huracan notices ls`."""
    notices = told(database, settings())
    notices.take([anomaly()], NOW)
    notices.turn(NOW)
    assert _rows(database) == [("opened", "main: feed_silent BTC/USDT", [])]


# ---- restarts ---------------------------------------------------------------------------------------------------


def test_a_restart_tells_nothing_twice_and_forgets_no_end(database: Engine, post: Post) -> None:
    """What lasts was told; what has ended meanwhile is told by the next process."""
    given = settings(("hook", post, "info"))
    first = told(database, given)
    first.take([anomaly(), anomaly("ETH/USDT")], NOW)
    settle(first, NOW, post, 1)
    second = told(database, given)
    second.take([anomaly()], NOW + MINUTE)
    second.turn(NOW + MINUTE)
    second.take([anomaly()], NOW + 2 * MINUTE)
    settle(second, NOW + 2 * MINUTE, post, 2)
    assert [row[:2] for row in _rows(database)] == [
        ("opened", "main: feed_silent BTC/USDT"),
        ("opened", "main: feed_silent ETH/USDT"),
        ("over", "over: main: feed_silent ETH/USDT"),
    ]
    assert len(post.taken) == 2


def test_what_a_dead_process_had_in_its_hands_is_sent_by_the_next(database: Engine, post: Post) -> None:
    """When its claim has run out; at least once is promised, and that is twice here."""
    given = settings(("hook", post, "info"), send_timeout_s=1.0)
    post.delay_s = 0.3
    first = told(database, given)
    first.take([anomaly()], NOW)
    first.turn(NOW)  # it is on its way, and nobody will write down that it arrived
    second = told(database, given)
    second.turn(NOW + 61_000)
    assert post.asked <= 1
    settle(second, NOW + 63_000, post, 2)
    assert _rows(database) == [("opened", "main: feed_silent BTC/USDT", ["sent"])]


def test_a_day_is_summed_up_once_in_its_hour_however_often_the_process_starts(database: Engine, post: Post) -> None:
    """From the configured hour on; each day; only for destinations that want it."""
    asked: list[int] = []

    def summary(_connection: Connection, day: int) -> tuple[Notice, ...]:
        asked.append(day)
        return (Notice(f"day/main/{day}", "day", "info", f"day {day}", "nothing happened", (day + 1) * DAY),)

    midnight = NOW - NOW % DAY
    given = settings(("hook", post, "critical"), daily_hour=6)
    notices = told(database, given, summary)
    notices.turn(midnight + 6 * HOUR - 1)
    assert asked == []
    for _start in range(3):
        notices = told(database, given, summary)
        for turn in range(3):
            notices.turn(midnight + 6 * HOUR + turn)
        notices.close(5.0)
    settle(notices, midnight + 7 * HOUR, post, 1)
    settle(notices, midnight + DAY + 6 * HOUR, post, 2)
    day = midnight // DAY
    assert [one.title for one in post.taken] == [f"[INFO] day {day - 1}", f"[INFO] day {day}"]
    assert asked == [day - 1, day - 1, day - 1, day]
    assert post.asked == 2


# ---- limits -----------------------------------------------------------------------------------------------------


def test_no_more_messages_than_allowed_leave_in_an_hour_and_what_waited_is_told(database: Engine, post: Post) -> None:
    """Nothing is lost: the next message says since when it was kept back; the last quarter is for critical ones."""
    notices = told(database, settings(("hook", post, "info"), messages_per_hour=8))
    for number in range(40):
        at_ms = NOW + number * MINUTE
        notices.take([anomaly(f"C{n}/USDT") for n in range(number + 1)], at_ms)
        for _ in range(3):
            notices.turn(at_ms)
            time.sleep(0.02)
    assert len(post.taken) == 6
    critical = [anomaly(f"C{n}/USDT") for n in range(40)] + [anomaly("DISK", "critical")]
    notices.take(critical, NOW + 40 * MINUTE)
    settle(notices, NOW + 40 * MINUTE, post, 7)
    assert post.taken[6].title == "[CRITICAL] main: feed_silent DISK"
    settle(notices, NOW + HOUR + MINUTE, post, 8)
    assert "Kept back since" in post.taken[7].body
    assert "no more than 8 messages" in post.taken[7].body
    assert post.taken[7].title.endswith("(and 33 more)")
    with database.begin() as connection:
        waiting = connection.execute(
            text("SELECT count(*) FROM notice_deliveries WHERE state = 'waiting'")
        ).scalar_one()
    assert waiting == 0


# ---- failures ---------------------------------------------------------------------------------------------------


def test_what_fails_is_tried_again_ever_more_seldom_and_others_are_told(database: Engine, post: Post) -> None:
    """5, 10, 20, 40 seconds; after the fifth failure the other destination hears of it, once a day."""
    with mail_post() as mail:
        notices = told(database, settings(("hook", post, "info"), ("mail", mail, "warning")))
        post.status = 503
        notices.take([anomaly()], NOW)
        tried = []
        for second in range(200):
            before = post.asked
            notices.turn(NOW + second * 1_000)
            time.sleep(0.02)
            if post.asked > before:
                tried.append(second)
        waits = [later - earlier for earlier, later in itertools.pairwise(tried)]
        assert len(tried) >= 5
        for wait, base in zip(waits, (5, 10, 20, 40, 80), strict=False):
            assert base < wait <= base + 5  # a message takes some turns to come back on a busy machine
        assert [one.title for one in mail.wait(2)] == [
            "[WARNING] main: feed_silent BTC/USDT",
            "[WARNING] notices do not reach hook: HTTP 503",
        ]
        post.status = 200
        settle(notices, NOW + HOUR, post, 1)
    assert _rows(database)[0][2] == ["sent", "sent"]


def test_it_gives_up_after_a_day_and_says_so(database: Engine, post: Post) -> None:
    """The notice has failed, with the kind of its failure and nothing else."""
    notices = told(database, settings(("hook", post, "info"), give_up_after_h=1.0))
    post.status = 401
    notices.take([anomaly()], NOW)
    for at_ms in (NOW, NOW + MINUTE, NOW + 2 * HOUR, NOW + 3 * HOUR):
        notices.turn(at_ms)
        time.sleep(0.1)
        notices.turn(at_ms + 1)
    with database.begin() as connection:
        (row,) = [one for one in list_notices(connection, 9) if one.notice.kind == "opened"]
    assert [(one.state, one.error) for one in row.deliveries] == [("failed", "HTTP 401")]


def test_a_destination_that_dawdles_for_ever_holds_up_nobody(database: Engine, post: Post) -> None:
    """A turn never waits; the other destination is told; after two that hang no third is begun."""
    with http_post() as mail:
        notices = told(database, settings(("slow", post, "info"), ("mail", mail, "info"), send_timeout_s=1.0))
        post.drip_s = 0.05
        longest_s = 0.0
        for second in range(40):
            at_ms = NOW + second * 500
            notices.take([anomaly(f"C{n}/USDT") for n in range(second + 1)], at_ms)
            begun_s = time.monotonic()
            notices.turn(at_ms)
            longest_s = max(longest_s, time.monotonic() - begun_s)
            time.sleep(0.1)
        assert longest_s < 1.0
        assert post.asked <= 2
        assert len(mail.wait(10)) >= 10
    with database.begin() as connection:
        errors = {d.error for row in list_notices(connection, 99) for d in row.deliveries if d.destination == "slow"}
    assert errors == {None, "no answer within 1 s"}


# ---- the database is away ---------------------------------------------------------------------------------------


def test_without_the_database_what_is_critical_leaves_and_the_rest_waits(database: Engine, post: Post) -> None:
    """That the database is away is such a notice; when it is back all is written down, and nothing is sent twice."""
    given = settings(("hook", post, "info"))
    notices = told(lazy_engine(AWAY, 1), given)
    notices.take([anomaly(), anomaly("", "critical", "database_away")], NOW)
    settle(notices, NOW, post, 1)
    assert post.taken[0].title == "[CRITICAL] main: database_away"
    for minute in range(5):
        notices.take([anomaly(), anomaly("", "critical", "database_away")], NOW + minute * MINUTE)
        notices.turn(NOW + minute * MINUTE)
    assert post.asked == 1
    notices._engine = database  # the same process, its database back
    notices.take([anomaly()], NOW + 6 * MINUTE)
    settle(notices, NOW + 6 * MINUTE, post, 2)
    assert [(row[0], row[2]) for row in _rows(database)] == [
        ("opened", ["sent"]),
        ("opened", ["sent"]),
        ("over", ["sent"]),
    ]
    assert post.taken[1].title.endswith("(and 1 more)")


def test_memory_has_an_end_and_says_what_it_lost(database: Engine, post: Post) -> None:
    """The least important go first."""
    notices = told(lazy_engine(AWAY, 1), settings(("hook", post, "warning")))
    notices.take([anomaly(f"C{n}", "info") for n in range(DRAFTS_MAX)], NOW)
    notices.take([*(anomaly(f"C{n}", "info") for n in range(DRAFTS_MAX)), anomaly("X"), anomaly("Y")], NOW)
    notices._engine = database
    settle(notices, NOW, post, 1)
    assert "2 notices were lost" in post.taken[0].body
    assert {sample.name for sample in notices.samples(NOW)} >= {"notices.lost", "notices.sent", "notices.waiting"}


def test_at_the_end_what_is_in_memory_is_written_down(database: Engine, post: Post) -> None:
    """And a message on its way is waited for."""
    notices = told(database, settings(("hook", post, "info")))
    post.delay_s = 0.2
    notices.take([anomaly()], NOW)
    notices.turn(NOW)
    notices.take([anomaly(), anomaly("ETH/USDT")], NOW)
    notices.close(5.0)
    assert [row[2] for row in _rows(database)] == [["sent"], ["waiting"]]


def test_nothing_that_is_stored_logged_or_shown_has_an_address(
    database: Engine, post: Post, capfd: pytest.CaptureFixture[str]
) -> None:
    """After successes, refusals, silence and a database that is away."""
    with mail_post() as mail:
        given = settings(("hook", post, "info"), ("mail", mail, "info"))
        notices = told(database, given)
        for number, status in enumerate((200, 401, 500)):
            post.status, mail.status = status, {200: 535, 401: 550, 500: 250}[status]
            notices.take([anomaly(f"C{number}")], NOW + number * HOUR)
            for _ in range(8):
                notices.turn(NOW + number * HOUR)
                time.sleep(0.05)
        away = told(lazy_engine(AWAY, 1), given)
        away.take([anomaly(severity="critical")], NOW)
        away.turn(NOW)
        away.close(2.0)
        with database.begin() as connection:
            stored = connection.execute(
                text("SELECT string_agg(n::text || d::text, '') FROM notices n, notice_deliveries d")
            ).scalar_one()
    out = capfd.readouterr()
    everything = "".join([stored, out.out, out.err, repr(notices), repr(given), str(vars(away))])
    assert "HTTP 500" in stored
    assert "the mail server refuses" in stored
    assert not [one for one in ("a-password", "a-secret-token", "db-password") if one in everything]


def test_an_address_that_is_none_keeps_nobody_else_from_being_told(
    database: Engine, post: Post, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is left out by its name; the account's days are summed up for the others."""
    rows = [{"name": "typo", "url": "nosuch://a-password"}, {"name": "hook", "url": post.url, "level": "critical"}]
    given = load_settings(None, {"notices.destinations": rows, "notices.gather_s": 0}, {})
    with database.begin() as connection:
        connection.execute(text("INSERT INTO accounts (name) VALUES ('main') ON CONFLICT DO NOTHING"))
    notices = open_notices(database, given)
    settle(notices, NOW, post, 1)
    assert post.taken[0].title.startswith("[INFO] 2026-09-20 main:")
    out = capfd.readouterr()
    assert "notices.refused" in out.err
    assert "a-password" not in out.err
