"""A monitor put together for tests: real disk, real Postgres, sources and detectors that a test sets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from huracan.clock import WallClock
from huracan.config import HealthSettings
from huracan.errors import DatabaseError
from huracan.health.buffer import DiskBuffer
from huracan.health.detector import Looked
from huracan.health.errors import Spool
from huracan.health.monitor import Monitor
from huracan.health.sampling import sample
from huracan.health.sampling_database import DatabaseSampler
from huracan.health.store import HealthWriter, Heart
from huracan.health.window import Window
from huracan.logs import errors_folder
from huracan.memory.health import Anomaly, Sample

__all__ = ["Silent", "Told", "Watching", "watching"]


@dataclass
class Silent:
    """A detector that names the markets it is told; and a source of their ages. `fault` is raised by both."""

    wrong: tuple[str, ...] = ()
    fault: Exception | None = None
    looks: int = 0
    names: frozenset[str] = frozenset({"feed_silent"})
    source: str = "feed"

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """See `Detector`."""
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        (name,) = self.names
        return [Anomaly(name, "", one, "critical", f"{one} is silent", "x", None, now_ms) for one in self.wrong]

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """See `Sampler`."""
        if self.fault is not None:
            raise self.fault
        return sample(now_ms, "feed.candle_age_s", 1.5, "BTC/USDT")


@dataclass
class Told:
    """Whoever tells people: remembers what it was given."""

    taken: list[tuple[tuple[str, ...], frozenset[str] | None]] = field(default_factory=list)
    turns: int = 0
    closed: bool = False

    def take(self, anomalies: Sequence[Anomaly], now_ms: int, names: frozenset[str] | None = None) -> None:
        """See `Tell`."""
        self.taken.append((tuple(one.subject for one in anomalies), names))

    def turn(self, now_ms: int) -> None:
        """See `Tell`."""
        self.turns += 1

    def close(self, wait_s: float = 0.0) -> None:
        """See `Tell`."""
        self.closed = True


@dataclass
class Watching:
    """A monitor and its parts."""

    monitor: Monitor
    window: Window
    buffer: DiskBuffer
    writer: HealthWriter
    feed: Silent
    stored: Silent
    told: Told
    errors: Path


def watching(
    engine: Engine,
    home: Path,
    act: Callable[[Looked, int], Sequence[Any]] | None = None,
    interval_s: float = 0.1,
    silent_s: float = 30.0,
    buffer_bytes: int = 10_000_000,
) -> Watching:
    """Put a monitor together; its first detector looks at the window, its second one at Postgres."""
    buffer, window = DiskBuffer(home / "health" / "buffer", buffer_bytes), Window()
    writer, feed, told = HealthWriter(engine, buffer, HealthSettings()), Silent(), Told()
    stored = Silent(names=frozenset({"win_rate"}))
    errors = errors_folder(home)
    monitor = Monitor(
        clock=WallClock(),
        database=DatabaseSampler(engine),
        samplers=(feed,),
        stored_samplers=(),
        detectors=(feed,),
        stored_detectors=lambda: (stored,),
        window=window,
        collectors=(Spool(errors),),
        writer=writer,
        heart=Heart(engine, silent_s),
        interval_s=interval_s,
        act=act,
        tell=told,
    )
    return Watching(monitor, window, buffer, writer, feed, stored, told, errors)


def away(*_: Any) -> Any:
    """Fail as a database that is away does."""
    raise DatabaseError("away")
