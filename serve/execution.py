"""The execution actor: one account traded on the serve cluster; a shell over `huracan.trader`.

Starting is recovering: Ray may restart it whenever its process dies, and no call to it is ever repeated by Ray. The
database's lease says who trades; a process that has lost it ends at once, and what takes its place waits for the lease.
The trader lives on a thread of its own, so that a kill switch or a question never waits for a close. SIGTERM takes
entries back before the process goes; Ray itself gives a killed actor no such chance, which is a crash like any other.
"""

import os
import random
import signal
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

import ray

import huracan
from huracan.clock import WallClock
from huracan.config import home_folder
from huracan.errors import RefusedError
from huracan.execution.failpoints import kill_at
from huracan.execution.postgres_store import PostgresStore
from huracan.logs import collect_errors, configure_logging, errors_folder
from huracan.memory import Registry, open_database, run
from huracan.risk.live import HaltPolicy
from huracan.signals.backend import AccountStates, Asked, Quotes
from huracan.signals.versions import Versions
from huracan.trader.access import access_of
from huracan.trader.accounts import run_kind
from huracan.trader.beside import StoredBeside
from huracan.trader.decided import AccountDecisions
from huracan.trader.host import Doing, Host
from huracan.trader.meters import MeteredDecisions, MeteredStore, MeteredViews, Since
from huracan.trader.pulse import StoredPulse
from huracan.trader.restricting import AccountRestrictions
from huracan.trader.served import Remote
from huracan.trader.service import Trader
from huracan.trader.views import AccountViews
from huracan.trader.wiring import Setup, open_trader
from serve.feed import FeedSource
from serve.metrics import RayMeter
from serve.ports import ServedDecisions
from serve.surroundings import serving_settings

__all__ = ["EXIT_FENCED", "OPTIONS", "Execution", "Orders"]

EXIT_FENCED: Final = 75
_ASK_S: Final = 10.0
_LEASE_S: Final = 3_600.0
_GO_S: Final = 1.0
OPTIONS: Final[dict[str, Any]] = {
    "lifetime": "detached",
    "max_restarts": -1,
    "max_task_retries": 0,
    "num_cpus": 0.1,
}
"""Restarted for ever; no call is repeated: it may have been carried out."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a person has ordered.

    Attributes:
        overrides: dotted settings that differ from those of `huracan serve up`; nothing secret.
        credentials: file that holds the keys; None: the paper exchange's own.
        lease_wait_s: how long the first start waits for another's lease.
        accept_balances: at the first start book balances that differ as a deposit or withdrawal.
    """

    overrides: Mapping[str, Any]
    credentials: str | None = None
    lease_wait_s: float = 0.0
    accept_balances: bool = False


@ray.remote(concurrency_groups={"control": 4, "ask": 8})
class Execution:
    """Trades one paper account.

    Args:
        orders: of the person who started it.
    """

    def __init__(self, orders: Orders) -> None:
        configure_logging(json_lines=True)
        again = bool(ray.get_runtime_context().was_current_actor_reconstructed)
        self._settings = serving_settings(orders.overrides)
        collect_errors("trader", errors_folder(home_folder()), self._settings.health.errors_max_bytes)
        self._account = self._settings.execution.account
        self._host = Host(partial(_opened, orders), again, lambda: os._exit(EXIT_FENCED))
        signal.signal(signal.SIGTERM, self._on_sigterm)
        self._host.start()

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        """Drain on a thread: a handler must return, or nobody could ask any more."""

        def drain() -> None:
            self._host.stop(self._settings.execution.drain_s + _GO_S)
            os._exit(0)

        threading.Thread(target=drain, name="huracan-drain", daemon=True).start()

    @ray.method(concurrency_group="control")
    def settled(self) -> Doing:
        """Return what it is doing once the start has succeeded or failed."""
        return self._host.settled()

    @ray.method(concurrency_group="control")
    def status(self) -> tuple[str, int, Doing]:
        """Return account, process id, and what it is doing; waits for nobody."""
        return self._account, os.getpid(), self._host.doing()

    @ray.method(concurrency_group="control")
    def stop(self) -> Doing:
        """Take entries back, leave brackets, let go of the account; whoever calls ends the actor afterwards."""
        return self._host.stop()

    @ray.method(concurrency_group="control")
    def halt(self, policy: HaltPolicy, author: str, reason: str) -> None:
        """See `huracan.signals.backend.Execution.halt`."""
        limit_s = self._settings.execution.halt_proof_s + _GO_S
        self._host.ask(lambda trader: trader.engine.halt(HaltPolicy(policy), author, reason), limit_s)

    @ray.method(concurrency_group="control")
    def resume(self, author: str, reason: str) -> None:
        """See `huracan.signals.backend.Execution.resume`."""
        self._host.ask(lambda trader: trader.engine.resume(author, reason), _ASK_S)

    @ray.method(concurrency_group="ask")
    def states(self) -> AccountStates:
        """See `huracan.signals.backend.Execution.states`."""
        return self._host.ask(lambda trader: trader.answers.states(), _ASK_S)

    @ray.method(concurrency_group="ask")
    def quote(self, asked: Sequence[Asked]) -> Quotes:
        """See `huracan.signals.backend.Execution.quote`."""
        return self._host.ask(lambda trader: trader.answers.quote(asked), _ASK_S)

    def __ray_shutdown__(self) -> None:
        """Drain when the actor is told to go."""
        self._host.stop(self._settings.execution.drain_s + _GO_S)


@asynccontextmanager
async def _opened(orders: Orders, again: bool) -> AsyncIterator[Trader]:
    """Open a trader whose closes come from the feed actor and whose decisions from the signals deployment."""
    settings, home, clock = serving_settings(orders.overrides), home_folder(), WallClock()
    access = access_of(settings.execution, "paper", home, Path(orders.credentials) if orders.credentials else None)
    engine, account = open_database(settings.database), access.account
    timeout_s, meter, since = settings.execution.database_timeout_s, RayMeter(), Since()
    versions = Versions(Registry(engine).models, access.mode, settings.serve.versions)
    versions.refresh()
    try:
        if versions.problem or not versions.book.loaded:
            raise RefusedError(versions.problem or "the registry has no version; train one")
        with run(engine, run_kind(access.mode), settings, "", huracan.__version__) as run_id:
            setup = Setup(
                settings=settings,
                access=access,
                script=None,
                store=MeteredStore(PostgresStore(engine, account, run_id, timeout_s), meter, clock, since),
                views=MeteredViews(AccountViews(engine, account, timeout_s), meter, account),
                decisions=MeteredDecisions(AccountDecisions(engine, account, timeout_s), meter, account, since),
                versions=versions,
                beside=StoredBeside(engine, account, run_id, timeout_s),
                remote=Remote(FeedSource(), ServedDecisions()),
                home=home,
                clock=clock,
                rng=random.Random(),  # noqa: S311 (spreads retries, guards nothing)
                failpoints=kill_at(os.environ),
                restricting=AccountRestrictions(engine, account, timeout_s),
                pulses=StoredPulse(engine, timeout_s),
                lease_wait_s=_LEASE_S if again else orders.lease_wait_s,
                accept_balances=orders.accept_balances and not again,
            )
            try:
                async with open_trader(setup) as trader:
                    yield trader
            finally:
                parts = (setup.store, setup.views, setup.decisions, setup.restricting, setup.pulses, setup.beside)
                for part in parts:
                    if part is not None:
                        await part.close()
    finally:
        engine.dispose()
