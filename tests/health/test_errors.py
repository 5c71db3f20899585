"""The error monitor: what processes write is taken once, and grouped by what it says but for its figures."""

import json
import threading
from fcntl import LOCK_SH, flock
from pathlib import Path

import pytest

from huracan.errors import ConfigError
from huracan.health.errors import GROUPS_MAX, Event, Spool, Taken, fingerprint_of, group
from huracan.logs import ErrorFile

T = 1_760_000_040_000


def event(
    at_ms: int = T, event: str = "feed.waits", level: str = "warning", process: str = "feed", **fields: object
) -> Event:
    """Return an event."""
    return Event(at_ms, process, level, event, fields)


def test_what_was_written_is_taken_and_forgotten_when_told(tmp_path: Path) -> None:
    """Nothing is forgotten by being read: another process would read it again, this one does not count it twice."""
    spool = Spool(tmp_path / "errors")
    file = ErrorFile("feed", tmp_path / "errors")
    file.write("warning", "feed.waits", {"reason": "away"})
    first = spool.take(T)
    assert [(row.process, row.event, row.fields) for row in first.events] == [
        ("feed", "feed.waits", {"reason": "away"})
    ]
    file.write("warning", "feed.waits", {"reason": "still away"})
    second = spool.take(T + 1)
    assert [row.fields["reason"] for row in second.events] == ["still away"]
    again = Spool(tmp_path / "errors").take(T + 2)
    assert [row.fields["reason"] for row in again.events] == ["away", "still away"], "nobody said that they are safe"
    spool.forget([*first.names, "elsewhere/taken-1.jsonl"])
    assert Spool(tmp_path / "errors").take(T + 3).names == second.names


def test_a_process_in_the_middle_of_its_line_is_waited_for(tmp_path: Path) -> None:
    """It holds the file's lock; a turn later the line is whole."""
    spool = Spool(tmp_path)
    ErrorFile("feed", tmp_path).write("error", "a", {})
    with (tmp_path / "events.jsonl").open("ab") as late:
        flock(late, LOCK_SH)
        assert spool.take(T) == Taken((), (), 0)
        late.write((tmp_path / next(iter(tmp_path.glob("taken-*")))).read_bytes())
    assert [row.event for row in spool.take(T).events] == ["a", "a"]


def test_many_writers_tear_and_lose_no_line(tmp_path: Path) -> None:
    """Four threads, a thousand lines each, a reader that takes the file away all the time: every line comes once."""
    spool, seen = Spool(tmp_path), []

    def write(number: int) -> None:
        file = ErrorFile(f"p{number}", tmp_path)
        for count in range(1_000):
            file.write("warning", "w", {"number": count, "padding": "x" * 300})
        assert file.lost == 0

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()

    def take() -> None:
        found = spool.take(T)
        assert found.lost == 0
        seen.extend((row.process, row.fields["number"]) for row in found.events)
        spool.forget(found.names)

    while any(thread.is_alive() for thread in threads):
        take()
    take()
    assert sorted(seen) == [(f"p{number}", count) for number in range(4) for count in range(1_000)]


def test_half_a_line_is_counted_as_lost_and_takes_no_whole_one_with_it(tmp_path: Path) -> None:
    """The disk was full for a moment."""
    spool, line = (
        Spool(tmp_path),
        json.dumps({"at_ms": T, "process": "p", "level": "error", "event": "b", "fields": {}}),
    )
    (tmp_path / "events.jsonl").write_text(
        '{"at_ms": 17, "proc' + line + "\nnonsense\n\n" + line.replace("error", "info")
    )
    found = spool.take(T)
    assert ([row.event for row in found.events], found.lost) == (["b"], 3)


def test_a_folder_that_cannot_be_made_is_a_clear_refusal(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "health").write_text("")
    with pytest.raises(ConfigError, match="HURACAN_HOME"):
        Spool(tmp_path / "health" / "errors")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no candle for 12.5 s", "no candle for 3,000 s"),
        ("BTC/USDT is unknown", "1000SATS/USDT is unknown"),
        ("order h0011223344556677-1 is gone", "order hffeeddccbbaa9988-20 is gone"),
        ("at 0x7f00aa", "at 0x10"),
        ("Traceback (most recent call last):\n  File \"a.py\", line 3, in run\n    x\nValueError: 3 is bad",
         "Traceback (most recent call last):\n  File \"/b/a.py\", line 9, in run\n    y\nValueError: 4 is bad"),
    ],
)  # fmt: skip
def test_what_differs_by_figures_markets_and_places_is_the_same(one: str, other: str) -> None:
    """Two events of one kind."""
    assert fingerprint_of(event(reason=one)) == fingerprint_of(event(reason=other))


@pytest.mark.parametrize(
    "other",
    [
        event(reason="the venue is away"),
        event(reason="the database is away", level="error"),
        event(reason="the database is away", event="feed.defect"),
        event(reason="the database is away", process="trader"),
    ],
)
def test_what_says_something_else_is_another_kind(other: Event) -> None:
    """Words, level, name and process tell them apart; of whom it is said does not."""
    first = event(reason="the database is away", symbol="BTC/USDT")
    assert fingerprint_of(first) != fingerprint_of(other)
    assert fingerprint_of(first) == fingerprint_of(event(reason="the database is away", symbol="ADA/USDT"))


def test_groups_count_by_minute_and_keep_the_newest_example() -> None:
    """Three of one kind over two minutes, one of another."""
    found = group(
        [event(T, reason="1 s"), event(T + 3, reason="2 s"), event(T + 60_000, reason="3 s"), event(reason="x")]
    )
    assert [(one.minute_ms, one.count, one.example) for one in found] == [
        (T, 2, {"reason": "2 s"}),
        (T + 60_000, 1, {"reason": "3 s"}),
        (T, 1, {"reason": "x"}),
    ]
    assert found[0].fingerprint == found[1].fingerprint != found[2].fingerprint
    assert (found[0].first_ms, found[0].last_ms) == (T, T + 3)


def test_a_flood_of_kinds_is_one_kind() -> None:
    """A message with a new word each time does not make a row each time; nothing of it goes uncounted."""
    flood = [event(reason="".join(chr(97 + int(digit)) for digit in str(number))) for number in range(5_000)]
    found = group(flood)
    assert len(found) == GROUPS_MAX + 1
    assert sum(one.count for one in found) == 5_000
