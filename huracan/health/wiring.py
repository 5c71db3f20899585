"""From the configuration to a monitor: everything that is watched is put together here, and nothing is decided.

What needs Ray is passed in; the rest is the same on a cluster and on a machine without one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huracan.clock import Clock
from huracan.config import Settings
from huracan.health.accounts import Accounts
from huracan.health.buffer import DiskBuffer
from huracan.health.detector import Detector, Paced
from huracan.health.error_rate import ErrorRates
from huracan.health.errors import Spool
from huracan.health.monitor import Collector, Monitor, Turn
from huracan.health.notices import open_notices
from huracan.health.remedies import Hands
from huracan.health.resources import Resources
from huracan.health.sampling import Paced as PacedSampler
from huracan.health.sampling import Sampler
from huracan.health.sampling_database import DatabaseSampler
from huracan.health.sampling_host import HostSampler
from huracan.health.sampling_learning import LearningSampler
from huracan.health.sampling_trader import TraderSampler
from huracan.health.store import HealthWriter, Heart, health_engine
from huracan.health.window import Window
from huracan.logs import errors_folder

__all__ = ["Around", "open_monitor"]

_MB: Final = 1_000_000
_LEARNING_S: Final = 60.0
_SLOW_S: Final = 15.0
"""Machines and accounts: what matters of them within seconds detectors look at; each sample is stored for days."""
_ERRORS_S: Final = 15.0
"""Errors are counted a minute."""


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds a monitor on a cluster.

    Attributes:
        samplers: ask the cluster.
        collectors: of warnings and errors on other machines.
        hands: restart parts; None: nobody does.
    """

    samplers: tuple[Sampler, ...] = ()
    collectors: tuple[Collector, ...] = ()
    hands: Hands | None = None


def open_monitor(
    settings: Settings,
    home: Path,
    clock: Clock,
    around: Around | None = None,
    show: Callable[[Turn], None] | None = None,
) -> Monitor:
    """Return a monitor that is ready to turn.

    Args:
        settings: whole configuration; its database must be named by a URL.
        home: folder of huracan's data.
        clock: wall clock.
        around: the cluster; None: there is none, and the trader's closes tell how old the market's are.
        show: told each turn, for metrics; None: nobody is.

    Raises:
        ConfigError: the database is not named, or the folder cannot be used.
        RefusedError: another monitor has the folder.
    """
    health, given = settings.health, around or Around()
    engine, window = health_engine(settings.database), Window()
    buffer = DiskBuffer(home / "health" / "buffer", round(_MB * health.buffer_max_mb))
    notices = open_notices(engine, settings)
    accounts = Accounts(engine, settings, given.hands)
    errors: Detector = Paced(ErrorRates(engine, health.false_alarm_days), _ERRORS_S)
    samplers: Sequence[Sampler] = (PacedSampler(HostSampler(home), _SLOW_S), *given.samplers)
    return Monitor(
        clock=clock,
        database=DatabaseSampler(engine),
        samplers=samplers,
        stored_samplers=(
            PacedSampler(TraderSampler(engine, feed=around is None), _SLOW_S),
            PacedSampler(LearningSampler(engine), _LEARNING_S),
        ),
        detectors=(Resources(window),),
        stored_detectors=lambda: (*accounts.detectors(), errors),
        window=window,
        collectors=(Spool(errors_folder(home)), *given.collectors),
        writer=HealthWriter(engine, buffer, health),
        heart=Heart(engine, health.monitor_silent_s),
        interval_s=health.interval_s,
        act=accounts.act,
        tell=notices,
        more=(notices.samples,),
        show=show,
    )
