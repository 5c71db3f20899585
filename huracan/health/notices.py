"""Who is told what, and when: what begins, worsens and ends becomes notices; notices become messages that leave.

`take` compares what is wrong now with what was told; `turn` writes down what is new, also of remedies, whoever began or
ended them, sends what is due and takes in what has left. Neither waits for a destination: each message is sent on a
thread, and a destination that does not answer keeps no other from being told. While the database is away critical
notices leave without it, the others wait in memory.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, text

from huracan.config import NoticeSettings, Settings
from huracan.errors import ConfigError, DatabaseError
from huracan.health.channels import AppriseChannel, Channel
from huracan.health.daily import summaries
from huracan.health.letters import (
    Letter,
    letter_of,
    notice_of_anomaly,
    notice_of_remedy,
    over,
    topic_of,
)
from huracan.logs import get_logger
from huracan.memory import translated
from huracan.memory.health import Anomaly, Sample
from huracan.memory.notices import (
    LEVELS,
    Due,
    Notice,
    add_notice,
    claim_due,
    count_messages,
    count_states,
    end_claim,
    last_told,
    remove_old,
)
from huracan.memory.remediations import untold_remediations

__all__ = ["DRAFTS_MAX", "Notices", "Summary", "open_notices"]

DRAFTS_MAX: Final = 1_000
"""Notices kept in memory while the database is away."""
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_RESERVE: Final = 4  # of the messages of an hour, one in so many is for critical ones
_HANGING_MAX: Final = 2
_TELL_FAILURES: Final = 5
_OLD_MS: Final = _HOUR_MS
_STATEMENT_MS: Final = 5_000
_UNTOLD_MS: Final = 7 * _DAY_MS
"""A remedy of which nobody was told is news for so long: nobody leaves a machine without a monitor for longer."""
_UNTOLD_MAX: Final = 100

Summary = Callable[[Connection, int], Sequence[Notice]]
"""Sums up a UTC day, given its number since the epoch; none: there is nothing to say."""


@dataclass(slots=True, eq=False)
class _Draft:
    """A notice that is not in the database yet; `sent`: who has it already, and when."""

    notice: Notice
    wanted: tuple[str, ...]
    sent: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    """What was told of something that lasts: the last notice on it, and when the first was."""

    last: Notice
    since_ms: int


@dataclass(slots=True)
class _Flight:
    """A message on its way."""

    letter: Letter
    due: tuple[Due, ...]
    drafts: tuple[_Draft, ...]
    begun_ms: int
    done: threading.Event
    answer: list[str | None]


@dataclass(frozen=True, slots=True)
class _Ended:
    """What is to be written down of a claim."""

    destination: str
    notice_ids: tuple[int, ...]
    state: Literal["waiting", "sent", "held", "failed"]
    at_ms: int
    error: str | None = None


@dataclass(slots=True)
class _Post:
    """One destination, and how it fares."""

    channel: Channel
    rank: int
    daily: bool
    flight: _Flight | None = None
    hanging: list[_Flight] = field(default_factory=list)
    failures: int = 0
    next_ms: int = 0
    limited: bool = False
    direct_ms: deque[int] = field(default_factory=deque)

    @property
    def name(self) -> str:
        """Return its name."""
        return self.channel.name


class Notices:
    """Tells people; made and used by one thread.

    Args:
        engine: of the database; it need not answer.
        settings: levels, limits, patience.
        channels: the destinations of `settings`, opened.
        summary: sums up a day; None: days are not summed up.
    """

    def __init__(
        self, engine: Engine, settings: NoticeSettings, channels: Sequence[Channel], summary: Summary | None = None
    ) -> None:
        self._engine, self._settings, self._summary = engine, settings, summary
        asked = {one.name: one for one in settings.destinations}
        self._posts = [_Post(one, LEVELS.index(asked[one.name].level), asked[one.name].daily) for one in channels]
        self._known: dict[str, _Known] = {}
        self._drafts: list[_Draft] = []
        self._ended: list[_Ended] = []
        self._lost = 0
        self._synced = False
        self._day: int | None = None
        self._counts: dict[str, int] = {}

    # ---- what is told -------------------------------------------------------------------------------------------

    def take(self, anomalies: Sequence[Anomaly], now_ms: int, names: frozenset[str] | None = None) -> None:
        """Compare what is wrong now with what was told; asks nobody and never fails.

        Args:
            anomalies: everything that is wrong now.
            now_ms: wall clock.
            names: detectors that could look; anomalies of others stand as they were told. None: all could.
        """
        now = {topic_of(one): one for one in anomalies}
        for topic, anomaly in now.items():
            known = self._known.get(topic)
            if known is None:
                self._tell(notice_of_anomaly(anomaly, "opened", now_ms))
            elif LEVELS.index(anomaly.severity) > LEVELS.index(known.last.level):
                self._tell(notice_of_anomaly(anomaly, "worse", now_ms))
            elif (
                anomaly.severity == "critical" and now_ms - known.last.at_ms >= self._settings.remind_after_h * _HOUR_MS
            ):
                self._tell(notice_of_anomaly(anomaly, "reminder", now_ms))
        for topic in [one for one in self._known if one not in now]:
            if names is None or topic.split("/")[1] in names:
                known = self._known.pop(topic)
                self._draft(over(known.last, known.since_ms, now_ms))

    def add(self, notice: Notice) -> None:
        """Have something else told."""
        self._draft(notice)

    def _tell(self, notice: Notice) -> None:
        known = self._known.get(notice.topic)
        self._known[notice.topic] = _Known(notice, notice.at_ms if known is None else known.since_ms)
        self._draft(notice)

    def _draft(self, notice: Notice) -> None:
        if len(self._drafts) >= DRAFTS_MAX:
            least = min(self._drafts, key=lambda one: LEVELS.index(one.notice.level))
            self._drafts.remove(least)
            self._lost += 1
        self._drafts.append(_Draft(notice, self._wanting(notice)))

    def _wanting(self, notice: Notice) -> tuple[str, ...]:
        if notice.kind == "day":
            return tuple(post.name for post in self._posts if post.daily)
        rank = LEVELS.index(notice.level)
        return tuple(post.name for post in self._posts if rank >= post.rank or notice.kind == "test")

    # ---- one turn -----------------------------------------------------------------------------------------------

    def turn(self, now_ms: int) -> None:
        """Write down, send, take in; waits for no destination, and for a database only until it does not connect."""
        for post in self._posts:
            self._land(post, now_ms)
        try:
            with translated(self._engine), self._engine.begin() as connection:
                connection.execute(text(f"SET LOCAL statement_timeout = {_STATEMENT_MS}"))
                if not self._synced:
                    self._sync(connection)
                self._write(connection, now_ms)
                flights = [(post, self._claim(connection, post, now_ms)) for post in self._posts]
                self._counts = dict(count_states(connection, now_ms - _DAY_MS))
        except DatabaseError as error:
            get_logger().debug("notices.database_away", reason=str(error), kept=len(self._drafts))
            for post in self._posts:
                self._without_database(post, now_ms)
            return
        self._synced = True
        self._drafts, self._ended = self._flying(), []
        for post, due in flights:
            if due:
                letter = letter_of(due, now_ms, self._settings.messages_per_hour, post.limited, self._lost)
                post.limited, self._lost = False, 0
                self._send(post, letter, due, (), now_ms)

    def samples(self, now_ms: int) -> tuple[Sample, ...]:
        """Return how notices fare: those that wait, and those of the last day that were sent, held or have failed."""
        rows = [("notices.lost", self._lost), ("notices.kept_in_memory", len(self._drafts))]
        rows += [(f"notices.{state}", count) for state, count in sorted(self._counts.items())]
        found = [Sample(now_ms, "notices", name, "", float(value)) for name, value in rows]
        found += [
            Sample(now_ms, "notices", "notices.failures_in_a_row", p.name, float(p.failures)) for p in self._posts
        ]
        return tuple(found)

    def close(self, wait_s: float = 0.0) -> None:
        """Wait for messages on their way, and write down how they fared as far as that is known."""
        for post in self._posts:
            if post.flight is not None:
                post.flight.done.wait(wait_s)
                self._land(post, post.flight.begun_ms)
        try:
            with translated(self._engine), self._engine.begin() as connection:
                self._write(connection, None)
        except DatabaseError as error:
            get_logger().warning("notices.kept_in_memory_lost", reason=str(error), notices=len(self._drafts))
        self._drafts, self._ended = [], []

    # ---- the database -------------------------------------------------------------------------------------------

    def _sync(self, connection: Connection) -> None:
        """Learn what was told before this process began: what lasts is not told again, what has ended since is."""
        for topic, last in last_told(connection).items():
            if last.kind == "over" or not topic.startswith("anomaly/"):
                continue
            mine = self._known.get(topic)
            if mine is None:
                self._known[topic] = _Known(last, last.at_ms)
            elif LEVELS.index(mine.last.level) <= LEVELS.index(last.level):
                self._known[topic] = _Known(last, last.at_ms)
                self._drafts = [one for one in self._drafts if one.notice is not mine.last or one.sent]

    def _write(self, connection: Connection, now_ms: int | None) -> None:
        for ended in self._ended:
            end_claim(connection, ended.destination, ended.notice_ids, ended.state, ended.at_ms, ended.error)
        gather_ms, quiet_ms = round(self._settings.gather_s * 1_000), round(self._settings.quiet_s * 1_000)
        flying = self._flying()
        for draft in self._drafts:
            if draft in flying:
                continue
            add_notice(connection, draft.notice, draft.wanted, gather_ms, quiet_ms, draft.sent)
        if now_ms is not None:
            self._tell_of_remedies(connection, now_ms, gather_ms)
            self._sum_up(connection, now_ms)

    def _tell_of_remedies(self, connection: Connection, now_ms: int, gather_ms: int) -> None:
        """Tell what was done and nobody was told: rows and notices are in one database, so a kill loses neither."""
        since_ms = now_ms - min(_UNTOLD_MS, self._settings.keep_days * _DAY_MS // 2)  # what was told is still known
        for row in untold_remediations(connection.connection.cursor(), since_ms)[:_UNTOLD_MAX]:
            notice = notice_of_remedy(row, now_ms)
            add_notice(connection, notice, self._wanting(notice), gather_ms, 0)

    def _flying(self) -> list[_Draft]:
        """Return the drafts in messages on their way: who has them is not known yet."""
        return [draft for post in self._posts if post.flight is not None for draft in post.flight.drafts]

    def _sum_up(self, connection: Connection, now_ms: int) -> None:
        """Sum yesterday up once; a row of its day keeps every later process from doing it again."""
        day, hour = divmod(now_ms // _HOUR_MS, 24)
        if self._summary is None or self._day == day or hour < self._settings.daily_hour:
            return
        for notice in self._summary(connection, day - 1):
            add_notice(connection, notice, self._wanting(notice), 0, 0)
        remove_old(connection, now_ms - self._settings.keep_days * _DAY_MS)
        self._day = day

    def _claim(self, connection: Connection, post: _Post, now_ms: int) -> tuple[Due, ...]:
        if not self._ready(post, now_ms):
            return ()
        used, limit = count_messages(connection, post.name, now_ms - _HOUR_MS), self._settings.messages_per_hour
        if used >= limit:
            post.limited = True
            return ()
        least: Literal["info", "critical"] = "info" if used < limit - max(1, limit // _RESERVE) else "critical"
        post.limited |= least == "critical"
        free_ms = now_ms + round(self._settings.send_timeout_s * 2_000) + 60_000
        return claim_due(connection, post.name, now_ms, free_ms, least)

    # ---- messages -----------------------------------------------------------------------------------------------

    def _ready(self, post: _Post, now_ms: int) -> bool:
        post.hanging = [one for one in post.hanging if not one.done.is_set()]
        return post.flight is None and now_ms >= post.next_ms and len(post.hanging) < _HANGING_MAX

    def _without_database(self, post: _Post, now_ms: int) -> None:
        """Send what is critical though nobody can write it down; it is, with who has it, when the database is back."""
        while post.direct_ms and post.direct_ms[0] <= now_ms - _HOUR_MS:
            post.direct_ms.popleft()
        due = [
            one
            for one in self._drafts
            if one.notice.level == "critical" and post.name in one.wanted and post.name not in one.sent
        ]
        if not due or not self._ready(post, now_ms) or len(post.direct_ms) >= self._settings.messages_per_hour:
            return
        rows = tuple(
            Due(number, one.notice, 0, one.notice.at_ms, one.notice.at_ms, 1) for number, one in enumerate(due)
        )
        letter = letter_of(rows, now_ms, self._settings.messages_per_hour, False)
        shown = tuple(due[number] for number in letter.told)
        self._send(post, letter, (), shown, now_ms)

    def _send(self, post: _Post, letter: Letter, due: tuple[Due, ...], drafts: tuple[_Draft, ...], now_ms: int) -> None:
        flight = _Flight(letter, due, drafts, now_ms, threading.Event(), [])

        def send() -> None:
            try:
                flight.answer.append(post.channel.send(letter.title, letter.body, letter.level))
            except Exception as error:  # a channel must not raise; if it does, its message may hold its address
                flight.answer.append(type(error).__name__)
            finally:
                flight.done.set()

        post.flight = flight
        threading.Thread(target=send, name=f"huracan-notices-{post.name}", daemon=True).start()

    def _land(self, post: _Post, now_ms: int) -> None:
        """Take in a message that has left, failed, or took too long."""
        flight = post.flight
        if flight is None:
            return
        if flight.done.is_set():
            error = flight.answer[0]
        elif now_ms - flight.begun_ms > self._settings.send_timeout_s * 1_000:
            error = f"no answer within {self._settings.send_timeout_s:g} s"
            post.hanging.append(flight)
        else:
            return
        post.flight = None
        if error is None:
            self._sent(post, flight, now_ms)
        else:
            self._failed(post, flight, error, now_ms)

    def _sent(self, post: _Post, flight: _Flight, now_ms: int) -> None:
        post.failures, post.next_ms = 0, 0
        letter = flight.letter
        for draft in flight.drafts:
            draft.sent[post.name] = now_ms
        if flight.drafts:
            post.direct_ms.append(now_ms)
        else:
            self._ended.append(_Ended(post.name, letter.told, "sent", now_ms))
            if letter.counted:
                self._ended.append(_Ended(post.name, letter.counted, "held", now_ms))
        get_logger().info("notices.sent", destination=post.name, notices=len(letter.told), held=len(letter.counted))

    def _failed(self, post: _Post, flight: _Flight, error: str, now_ms: int) -> None:
        post.failures += 1
        wait_s = min(self._settings.retry_max_s, self._settings.retry_base_s * 2 ** min(post.failures - 1, 30))
        post.next_ms = now_ms + round(wait_s * 1_000)
        oldest_ms = now_ms - round(self._settings.give_up_after_h * _HOUR_MS)
        dead = tuple(one.notice_id for one in flight.due if one.due_ms < oldest_ms)
        alive = tuple(one.notice_id for one in flight.due if one.due_ms >= oldest_ms)
        if dead:
            self._ended.append(_Ended(post.name, dead, "failed", now_ms, error))
        if alive:
            self._ended.append(_Ended(post.name, alive, "waiting", now_ms, error))
        get_logger().warning(
            "notices.failed",
            destination=post.name,
            reason=error,
            tries=post.failures,
            again_in_s=wait_s,
            lost=len(dead),
        )
        if post.failures == _TELL_FAILURES or dead:
            self._tell_of_failure(post, error, len(dead), now_ms)

    def _tell_of_failure(self, post: _Post, error: str, given_up: int, now_ms: int) -> None:
        """Tell the other destinations, once a day."""
        words = f"{given_up} notices were given up. " if given_up else ""
        notice = Notice(
            f"failed/{post.name}/{now_ms // _DAY_MS}",
            "failed",
            "warning",
            f"notices do not reach {post.name}: {error}",
            f"{words}It was tried {post.failures} times in a row; `huracan notices test` tries it now.",
            now_ms,
        )
        others = tuple(name for name in self._wanting(notice) if name != post.name)
        self._drafts.append(_Draft(notice, others))

    def __repr__(self) -> str:
        """Return the names of the destinations."""
        names: Any = [post.name for post in self._posts]
        return f"Notices({names})"


def open_notices(engine: Engine, settings: Settings) -> Notices:
    """Return the notices of a monitor, with the summary of each day of the configured account.

    A destination whose address is none is left out and logged by its name: it keeps nobody else from being told.
    """
    channels = []
    for one in settings.notices.destinations:
        try:
            channels.append(AppriseChannel(one))
        except ConfigError as error:
            get_logger().error("notices.refused", destination=one.name, reason=str(error))
    account = settings.execution.account
    return Notices(engine, settings.notices, channels, lambda connection, day: summaries(connection, account, day))
