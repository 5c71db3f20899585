"""The monitor: at each turn it asks, looks, writes down, has remedies act and people told, and says that it works.

A part that fails keeps no other from its work: a source that does not answer makes the monitor deaf on that side, a
detector that cannot look leaves it blind there, and both are figures and, when they last, anomalies of their own. What
is seen goes to disk before anything else happens with it. A monitor that has not been able to act for minutes says no
more that it works: entries are denied, and another one may take its place.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import uuid4

import psutil

from huracan.clock import Clock
from huracan.errors import DatabaseError, HuracanError, InvariantError
from huracan.health.detector import Detector, Looked, look_at
from huracan.health.errors import Event, Taken, group
from huracan.health.sampling import Sampler, sample
from huracan.health.sampling_database import DatabaseSampler
from huracan.health.self_check import ACTING, SelfCheck
from huracan.health.store import HealthWriter, Heart
from huracan.health.window import Window
from huracan.logs import get_logger
from huracan.memory.health import Anomaly, Sample
from huracan.memory.health_rows import Batch

__all__ = ["Act", "Collector", "Monitor", "Tell", "Turn", "watch_over"]

_IDLE_S: Final = 180.0
"""A restart or a failover of Postgres takes less; a monitor that cannot act for longer is as good as none."""

Act = Callable[[Looked, int], Sequence[Any]]
"""Remedies: told what is wrong and the time, they return what was decided or ended; the database has what they see.

People are told of what the database has: what was done before a fault is there, and not in what is returned."""


class Tell(Protocol):
    """Whoever tells people; see `huracan.health.notices.Notices`."""

    def take(self, anomalies: Sequence[Anomaly], now_ms: int, names: frozenset[str] | None = None) -> None:
        """Compare what is wrong now with what was told."""
        ...

    def turn(self, now_ms: int) -> None:
        """Send what is due, and what remedies did as the database has it."""
        ...

    def close(self, wait_s: float = 0.0) -> None:
        """Let what is on its way arrive."""
        ...


class Collector(Protocol):
    """Where warnings and errors of other processes are taken from; see `huracan.health.errors.Spool`."""

    def take(self, now_ms: int) -> Taken:
        """Return what came since."""
        ...

    def forget(self, names: Iterable[str]) -> None:
        """Delete what is counted where nothing is lost; names of others are left alone."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn came to.

    Attributes:
        at_ms: wall clock.
        took_s: how long it took.
        samples: measured.
        anomalies: everything wrong now.
        blind: names of detectors that could not look, with the reason.
        deaf: sources that did not answer, with the reason.
        errors: warnings and errors of other processes that were counted.
        acted: what remedies decided or ended.
        waiting: batches that Postgres has not taken.
        lost: samples lost since the start.
        database: why Postgres does not answer; "": it does.
        other: who is the monitor instead of this one; "": nobody.
    """

    at_ms: int
    took_s: float
    samples: tuple[Sample, ...]
    anomalies: tuple[Anomaly, ...]
    blind: dict[str, str]
    deaf: dict[str, str]
    errors: int
    acted: tuple[Any, ...]
    waiting: int
    lost: int
    database: str
    other: str


class _Careful:
    """A detector whose defects are its own: they are logged, and it counts as one that cannot look."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    @property
    def names(self) -> frozenset[str]:
        """Return its names."""
        return self._detector.names

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """See `Detector`."""
        try:
            return self._detector.look(now_ms)
        except HuracanError:
            raise
        except Exception as error:  # the monitor is the supervisor of its parts: it goes on without this one
            get_logger().error("monitor.defect", part=sorted(self.names), error=repr(error), exc_info=error)
            raise InvariantError(f"a defect: {error!r}") from error


class Monitor:
    """Looks at everything.

    Args:
        clock: wall clock.
        database: asked first at each turn: while Postgres is away nobody else waits for it.
        samplers: asked beside it, those that need Postgres in `stored_samplers`.
        stored_samplers: see there.
        detectors: look at the window or at files alone.
        stored_detectors: return those that look at what is in Postgres; they are not asked while it is away.
        window: of the last samples, which detectors share.
        collectors: of warnings and errors.
        writer: writes.
        heart: says that it works.
        interval_s: from the beginning of a turn to that of the next.
        act: remedies; None: nothing is done.
        tell: notices; None: nobody is told.
        more: further samples, of parts that count by themselves.
        show: told each turn, for metrics; None: nobody is.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        database: DatabaseSampler,
        samplers: Sequence[Sampler],
        stored_samplers: Sequence[Sampler],
        detectors: Sequence[Detector],
        stored_detectors: Callable[[], Sequence[Detector]],
        window: Window,
        collectors: Sequence[Collector],
        writer: HealthWriter,
        heart: Heart,
        interval_s: float,
        act: Act | None = None,
        tell: Tell | None = None,
        more: Sequence[Callable[[int], Sequence[Sample]]] = (),
        show: Callable[[Turn], None] | None = None,
    ) -> None:
        self._clock, self._database, self._window = clock, database, window
        self._samplers, self._stored_samplers = tuple(samplers), tuple(stored_samplers)
        self._self_check = SelfCheck()
        self._detectors = tuple(_Careful(one) for one in (self._self_check, *detectors))
        self._stored_detectors = stored_detectors
        self._collectors, self._writer, self._heart = tuple(collectors), writer, heart
        self._interval_s, self._act, self._tell, self._more = interval_s, act, tell, tuple(more)
        self._show = show
        self._process, self._used = psutil.Process(), (time.monotonic(), _cpu_s())
        self._said: dict[str, str] = {}
        self._failing: dict[str, str] = {}
        self._idle_s: float | None = None
        self._turns = self._errors_lost = 0
        self._other, self._beat_s = "", float("-inf")
        self._turn_s = 0.0
        self._moved_s = time.monotonic()
        self.last: Turn | None = None
        taken = self._writer.taken()  # an earlier process was killed between counting them and deleting them
        for collector in self._collectors:
            collector.forget(taken)

    @property
    def holder(self) -> str:
        """Return the name under which it beats."""
        return self._heart.holder

    @property
    def still_s(self) -> float:
        """Return for how long nothing has moved in it, on a clock that nobody sets."""
        return time.monotonic() - self._moved_s

    # ---- a turn -------------------------------------------------------------------------------------------------

    def turn(self) -> Turn:
        """Do everything once."""
        begun_s, now_ms = time.monotonic(), self._clock.now_ms()
        self._moved_s = begun_s
        deaf: dict[str, str] = {}
        samples = list(self._ask(self._database, now_ms, deaf))
        if self._database.up:
            self._beat()
        if self._other:
            return self._stand_by(begun_s, now_ms, samples, deaf)
        asked = (*self._samplers, *(self._stored_samplers if self._database.up else ()))
        for sampler in asked:
            samples += self._ask(sampler, now_ms, deaf)
        events, names = self._take(now_ms)
        samples += self._own(now_ms, len(events), deaf)
        self._window.add(samples, now_ms)
        looked = self._look(now_ms)
        blind = {name: one.problem for one in looked.blind for name in sorted(one.names)}
        samples += sample(now_ms, "monitor.blind", len(looked.blind))
        batch = Batch(uuid4(), now_ms, tuple(samples), looked.names, looked.anomalies, group(events))
        self._writer.keep(batch, names)
        self._forget_counted()  # before Postgres takes the batch: then nobody knows what is counted in it
        acted = self._write_and_act(looked, now_ms)
        self._forget_counted()
        if self._tell is not None:
            self._guarded("notices", self._told, looked, now_ms)
        self._note(now_ms, blind, deaf)
        self._say("database", self._database.problem)
        return self._end(begun_s, now_ms, samples, looked.anomalies, blind, deaf, len(events), acted)

    def _note(self, now_ms: int, blind: dict[str, str], deaf: dict[str, str]) -> None:
        """Take in who has failed in this turn, and say so."""
        failing = self._failing
        self._failing = {part: why for part, why in failing.items() if part in ACTING}  # until they are tried again
        if not self._failing:
            self._idle_s = None
        elif self._idle_s is None:
            self._idle_s = time.monotonic()
        self._self_check.note(now_ms, blind if self._database.up else {}, deaf, failing, self._writer.lost)
        for part, problem in (blind | deaf).items():
            self._say(part, problem)
        for part in self._said.keys() - blind.keys() - deaf.keys() - failing.keys() - {"database", "heartbeat"}:
            self._say(part, "")

    def _end(
        self,
        begun_s: float,
        now_ms: int,
        samples: Sequence[Sample],
        anomalies: tuple[Anomaly, ...],
        blind: dict[str, str],
        deaf: dict[str, str],
        errors: int,
        acted: tuple[Any, ...],
    ) -> Turn:
        self._moved_s = time.monotonic()
        self._turn_s = self._moved_s - begun_s
        self._turns += 1
        self.last = Turn(
            at_ms=now_ms,
            took_s=self._turn_s,
            samples=tuple(samples),
            anomalies=anomalies,
            blind=blind,
            deaf=deaf,
            errors=errors,
            acted=acted,
            waiting=self._writer.waiting,
            lost=self._writer.lost,
            database=self._database.problem,
            other=self._other,
        )
        if self._show is not None:
            self._guarded("metrics", self._show, self.last)
        return self.last

    def _stand_by(self, begun_s: float, now_ms: int, samples: list[Sample], deaf: dict[str, str]) -> Turn:
        """Do nothing: another one works."""
        self._say("monitor", f"{self._other} is the monitor; this one waits for its end")
        self._failing, self._idle_s = {}, None
        return self._end(begun_s, now_ms, samples, (), {}, deaf, 0, ())

    def _ask(self, sampler: Sampler, now_ms: int, deaf: dict[str, str]) -> Sequence[Sample]:
        try:
            found = sampler.sample(now_ms)
        except HuracanError as error:
            deaf[sampler.source] = str(error)
            return ()
        except Exception as error:  # as for detectors
            get_logger().error("monitor.defect", part=sampler.source, error=repr(error), exc_info=error)
            deaf[sampler.source] = f"a defect: {error!r}"
            return ()
        self._moved_s = time.monotonic()
        return found

    def _take(self, now_ms: int) -> tuple[list[Event], tuple[str, ...]]:
        events: list[Event] = []
        names: tuple[str, ...] = ()
        for collector in self._collectors:
            taken = self._guarded("errors", collector.take, now_ms)
            if taken is not None:
                events += taken.events
                names += taken.names
                self._errors_lost += taken.lost
        return events, names

    def _forget_counted(self) -> None:
        for collector in self._collectors:
            self._guarded("errors", collector.forget, self._writer.settled())
        self._writer.forget_settled()

    def _own(self, now_ms: int, errors: int, deaf: dict[str, str]) -> list[Sample]:
        """Return the figures of the monitor itself."""
        (before_s, used_s), now = self._used, (time.monotonic(), _cpu_s())
        self._used = now
        found = [
            *sample(now_ms, "monitor.turn_s", self._turn_s if self._turns else None),
            *sample(now_ms, "monitor.cpu_frac", (now[1] - used_s) / max(now[0] - before_s, 1e-3)),
            *sample(now_ms, "monitor.memory_mb", self._process.memory_info().rss / 1e6),
            *sample(now_ms, "monitor.waiting", self._writer.waiting),
            *sample(now_ms, "monitor.lost", self._writer.lost),
            *sample(now_ms, "monitor.errors", errors),
            *sample(now_ms, "monitor.errors_lost", self._errors_lost),
            *sample(now_ms, "monitor.deaf", len(deaf)),
        ]
        for source in self._more:
            found += self._guarded("samples", source, now_ms) or ()
        return found

    def _look(self, now_ms: int) -> Looked:
        stored = self._guarded("accounts", self._stored_detectors) or () if self._database.up else ()
        return look_at(self._beating((*self._detectors, *map(_Careful, stored))), now_ms)

    def _beating(self, detectors: Iterable[Detector]) -> Iterator[Detector]:
        """Yield detectors, and say between them that the monitor works: some take their time."""
        for detector in detectors:
            yield detector
            self._moved_s = time.monotonic()
            if self._database.up and self._moved_s - self._beat_s >= self._interval_s:
                self._beat()

    def _write_and_act(self, looked: Looked, now_ms: int) -> tuple[Any, ...]:
        """Give Postgres what waits; remedies act on what it has, and on nothing else."""
        if not self._database.up:
            return ()
        for part in ACTING:
            self._failing.pop(part, None)
        try:
            if not self._writer.drain():
                self._failing["remedies"] = f"{self._writer.waiting} batches wait for Postgres; they act on what it has"
                return ()
        except DatabaseError as error:
            self._fails("writer", str(error))
            return ()
        self._moved_s = time.monotonic()
        acted = () if self._act is None else tuple(self._guarded("remedies", self._act, looked, now_ms) or ())
        self._guarded("prune", self._writer.prune)  # nothing waits for it
        return acted

    def _told(self, looked: Looked, now_ms: int) -> None:
        assert self._tell is not None
        self._tell.take(looked.anomalies, now_ms, looked.names)
        self._tell.turn(now_ms)

    def _beat(self) -> None:
        detail = {"turn": self._turns, "interval_s": self._interval_s, "waiting": self._writer.waiting}
        withheld = self._idle_s is not None and time.monotonic() - self._idle_s > _IDLE_S
        try:
            self._other = self._heart.other() if withheld else self._heart.beat(detail)
        except DatabaseError as error:
            self._say("heartbeat", str(error))
            return
        self._beat_s = time.monotonic()
        self._say(
            "heartbeat", "remedies or the writer fail; until they work this one counts as none" if withheld else ""
        )
        if not self._other:
            self._say("monitor", "")

    def _guarded(self, part: str, work: Callable[..., Any], *given: Any) -> Any:
        """Run a part's work; what it raises is logged, and costs the others nothing."""
        try:
            found = work(*given)
        except HuracanError as error:
            self._fails(part, str(error))
            return None
        except Exception as error:  # as for detectors
            get_logger().error("monitor.defect", part=part, error=repr(error), exc_info=error)
            self._failing[part] = f"a defect: {error!r}"
            return None
        self._moved_s = time.monotonic()
        return found

    def _fails(self, part: str, problem: str) -> None:
        self._failing[part] = problem
        self._say(part, problem)

    def _say(self, part: str, problem: str) -> None:
        """Log that a part has failed or works again: once, not at each turn."""
        if self._said.get(part, "") == problem:
            return
        if problem:
            get_logger().warning("monitor.fails", part=part, reason=problem)
            self._said[part] = problem
        else:
            get_logger().info("monitor.works", part=part)
            self._said.pop(part, None)

    # ---- life ---------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Turn until told to stop, then give Postgres what waits and say that it was meant to end."""
        get_logger().info("monitor.started", holder=self.holder, interval_s=self._interval_s)
        while not stop.is_set():
            begun_s = time.monotonic()
            self.turn()
            stop.wait(max(0.0, begun_s + self._interval_s - time.monotonic()))
        self.close()

    def close(self) -> None:
        """End as it should: nobody waits for its heartbeat any more."""
        if self._tell is not None:
            self._guarded("notices", self._tell.close, _CLOSE_S)
        if self._database.up and not self._other:
            self._guarded("writer", self._writer.drain)
        self._heart.end()
        self._writer.close()
        get_logger().info("monitor.stopped", turns=self._turns, waiting=self._writer.waiting, lost=self._writer.lost)


_CLOSE_S: Final = 5.0


def watch_over(monitor: Monitor, limit_s: float, stop: threading.Event, end: Callable[[int], None] = os._exit) -> None:
    """End the process when its monitor does not move any more: whoever supervises it starts another one.

    Args:
        monitor: on another thread.
        limit_s: how long a part may take.
        stop: set when the monitor is to end.
        end: the process.
    """
    while not stop.wait(min(1.0, limit_s / 4)):
        if monitor.still_s > limit_s:
            get_logger().critical("monitor.hangs", still_s=round(monitor.still_s, 1), limit_s=limit_s)
            end(1)
            return


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system
