"""What people read: the words of an anomaly, its end, a remedy, and a message that holds too many."""

from dataclasses import replace

from huracan.health.letters import SHOWN_MAX, letter_of, notice_of_anomaly, notice_of_remedy, over, topic_of
from huracan.memory.health import Anomaly
from huracan.memory.notices import Due, Notice
from huracan.memory.remediations import Remediation

NOW = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
MINUTE = 60_000
WIN_RATE = Anomaly(
    detector="win_rate",
    account="main",
    subject="v3",
    severity="warning",
    words="41 % of 120 trades won, 55 % claimed",
    means="the version no longer does what it was judged by",
    since_ms=NOW - 3_600_000,
    noticed_ms=NOW,
    observed=0.41,
    claimed=0.55,
    unit="of trades",
    false_every_days=1_825.0,
    delay="80 trades",
)


REMEDY = Remediation(
    account="main",
    kind="pause_coin",
    subject="BTC/USDT",
    state="applied",
    reason="slippage doubled",
    author="monitor",
    at_ms=NOW,
    number=7,
)


def _due(number: int, level: str = "warning", repeats: int = 0, due_ms: int = NOW) -> Due:
    notice = Notice(f"t{number}", "opened", level, f"notice {number}", f"body {number}", NOW)  # type: ignore[arg-type]
    return Due(number, notice, repeats, NOW + repeats * MINUTE, due_ms, 1)


def test_an_anomaly_says_what_since_when_how_sure_and_what_it_means() -> None:
    """Everything that its detector knows, figures with their unit."""
    found = notice_of_anomaly(WIN_RATE, "opened", NOW)
    assert found.topic == topic_of(WIN_RATE) == "anomaly/win_rate/main/v3"
    assert found.title == "main v3: 41 % of 120 trades won, 55 % claimed"
    assert found.body.splitlines() == [
        "it means: the version no longer does what it was judged by",
        "since 2026-09-21 13:13:20 UTC, noticed 2026-09-21 14:13:20 UTC",
        "observed 0.41 of trades, expected 0.55",
        "such a change takes 80 trades to be noticed",
        "false about every 1,825 days",
    ]


def test_a_plain_one_says_no_more_than_it_knows() -> None:
    """No figures, no account: no lines of dashes."""
    plain = Anomaly("disk_full", "", "", "critical", "the disk is full", "nothing can be written", None, NOW)
    found = notice_of_anomaly(plain, "worse", NOW)
    assert (found.title, len(found.body.splitlines())) == ("worse: the disk is full", 2)


def test_an_end_names_what_has_ended_and_how_long_it_took() -> None:
    """As loud as the begin, so that whoever heard of one hears of the other."""
    ended = over(notice_of_anomaly(WIN_RATE, "reminder", NOW), NOW - 3 * 3_600_000, NOW)
    assert (ended.kind, ended.level, ended.topic) == ("over", "warning", "anomaly/win_rate/main/v3")
    assert ended.title == "over: main v3: 41 % of 120 trades won, 55 % claimed"
    assert ended.body == "it lasted 3.0 h, until 2026-09-21 14:13:20 UTC"


def test_a_remedy_says_what_was_done_why_when_and_by_whom() -> None:
    """Each row has one topic for each way it may stand."""
    done = notice_of_remedy(REMEDY, NOW)
    assert (done.title, done.level, done.kind) == ("main BTC/USDT: pause_coin done", "warning", "remedy")
    assert done.body.splitlines()[:2] == ["because slippage doubled", "2026-09-21 14:13:20 UTC"]
    assert notice_of_remedy(replace(REMEDY, state="failed"), NOW).level == "critical"
    refused = notice_of_remedy(replace(REMEDY, state="refused", error="there is no market"), NOW)
    assert "but there is no market" in refused.body
    undone = notice_of_remedy(replace(REMEDY, state="undone", ended_ms=NOW + MINUTE, ended_by="ann"), NOW)
    assert "2026-09-21 14:14:20 UTC, by ann" in undone.body
    assert len({one.topic for one in (done, refused, undone)}) == 3


def test_one_notice_is_its_own_message() -> None:
    """With how often it came."""
    found = letter_of([_due(1, repeats=2)], NOW, 20, False)
    assert (found.title, found.level, found.told, found.counted) == (
        "[WARNING] notice 1 (3 times)",
        "warning",
        (1,),
        (),
    )
    assert found.body == "body 1\ncame 3 times between 2026-09-21 14:13:20 UTC and 2026-09-21 14:15:20 UTC"


def test_many_are_one_message_that_tells_the_worst_and_counts_the_rest() -> None:
    """Held back ones are said to be, by level."""
    rows = [_due(0, "critical"), *(_due(n) for n in range(1, SHOWN_MAX + 3)), _due(99, "info")]
    found = letter_of(rows, NOW, 20, False)
    assert found.title == f"[CRITICAL] notice 0 (and {SHOWN_MAX + 3} more)"
    assert found.told == tuple(range(SHOWN_MAX))
    assert len(found.counted) == 4
    assert "Held back, 4 more (3 warning, 1 info)" in found.body


def test_what_the_limit_kept_back_is_said() -> None:
    """Since when; and what was lost in memory."""
    found = letter_of([_due(1, due_ms=NOW), _due(2, due_ms=NOW - 23 * MINUTE)], NOW, 20, True, lost=4)
    assert "Kept back since 2026-09-21 13:50:20 UTC: no more than 20 messages leave in an hour." in found.body
    assert "4 notices were lost" in found.body
    assert "Kept back" not in letter_of([_due(1, due_ms=NOW - 23 * MINUTE)], NOW, 20, False).body
