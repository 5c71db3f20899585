"""The signals endpoint on Ray Serve: a shell that finds feed and execution by name and keeps versions loaded.

What restarts a replica and what does not. Serve replaces a replica whose `check_health` fails; so that fails only for
what a new replica would mend: the loops that follow feed and registry have ended, or the thread that decides hangs. A
feed, an execution process, a database that is away, stale data, an artefact that was tampered with: none is better for
a restart, which would throw away the loaded versions as well. `GET /v1/health` says those, with 503 and a code.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import ray
from numpy.typing import NDArray
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.config import BackpressureConfig

from huracan.clock import WallClock
from huracan.config import Settings, home_folder
from huracan.errors import ConfigError, DataError
from huracan.logs import collect_errors, configure_logging, errors_folder, get_logger
from huracan.market.timeframes import timeframe_ms
from huracan.memory import Registry, lazy_engine
from huracan.policy import Sureness
from huracan.risk.live import HaltPolicy
from huracan.signals.api import create_app
from huracan.signals.auth import TokenBook, token_file
from huracan.signals.backend import AccountStates, Asked, Quotes
from huracan.signals.model import Decisions, MarketClose
from huracan.signals.readiness import ReadyPolicies, ThreadedPolicies, check_alive
from huracan.signals.service import Limits, SignalService
from huracan.signals.versions import Versions
from serve.faults import own_fault, own_words
from serve.ledger import PostgresLedger
from serve.names import DEPLOYMENT, EXECUTION, FEED, NAMESPACE
from serve.surroundings import SETTINGS_VARIABLE, keep_settings, runtime_env, serving_settings

__all__ = ["HeardFeed", "Signals", "app"]

_AGAIN_S: Final = 0.5
_FIND_S: Final = 2.0
_POLL_S: Final = 30.0
_THREAD_S: Final = 10.0
_ROOM: Final = 64
"""Places of a replica beyond those of HTTP: decisions of the trading loop, and the kill switch, never wait for them."""


class _Actor:
    """An actor found by its name, found again after it was restarted or made anew."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handle: Any = None

    async def ask(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        """Call a method and return its answer.

        Raises:
            ConnectionError: there is no such actor, or it died; the call may have been carried out.
            TimeoutError: no answer in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                if self._handle is None:
                    self._handle = await asyncio.to_thread(ray.get_actor, self.name, NAMESPACE)
                return await getattr(self._handle, method).remote(*arguments)
        except RayTaskError as error:
            raise own_fault(error) from None  # it answers: with a fault
        except ValueError:  # Ray's word for a name that nobody has
            raise ConnectionError(f"there is no {self.name} on this cluster") from None
        except RayError as error:
            self._handle = None
            raise ConnectionError(f"{self.name} does not answer ({type(error).__name__})") from None


class HeardFeed:
    """`Market`: the feed actor's newest close, asked for all the time."""

    def __init__(self) -> None:
        self.actor = _Actor(FEED)
        self.newest: MarketClose | None = None
        self.down = f"{FEED} has not answered yet"

    async def follow(self) -> None:
        """Follow for ever."""
        while True:
            try:
                found = await self.ask()
            except (ConnectionError, TimeoutError, RayTaskError) as error:
                words = own_words(error)
                if not self.down:
                    get_logger().error("signals.feed_down", reason=words)
                self.down = words
                await asyncio.sleep(_AGAIN_S)
            else:
                self.newest, self.down = found or self.newest, ""

    async def ask(self) -> MarketClose | None:
        """Return the next close that is the newest, None when there was none for a while."""
        if self.newest is not None:
            try:
                after_ms = self.newest.close_ms
                found: Sequence[MarketClose] = await self.actor.ask("closes", after_ms, timeout_s=_POLL_S)
                return found[-1] if found else None
            except DataError:  # it keeps none from there on, or follows another market time: only the newest matters
                pass
        first: MarketClose | None = await self.actor.ask("newest", timeout_s=_POLL_S)
        if first is None or first is self.newest:
            await asyncio.sleep(_AGAIN_S)
        return first


class _ExecutionActor:
    """`Execution`, by name."""

    def __init__(self, timeout_s: float, halt_s: float) -> None:
        self._actor = _Actor(EXECUTION)
        self._timeout_s, self._halt_s = timeout_s, halt_s

    async def states(self) -> AccountStates:
        """See `Execution`."""
        found: AccountStates = await self._actor.ask("states", timeout_s=self._timeout_s)
        return found

    async def quote(self, asked: Sequence[Asked]) -> Quotes:
        """See `Execution`."""
        found: Quotes = await self._actor.ask("quote", tuple(asked), timeout_s=self._timeout_s)
        return found

    async def halt(self, policy: HaltPolicy, author: str, reason: str) -> None:
        """See `Execution`."""
        await self._actor.ask("halt", policy, author, reason, timeout_s=self._halt_s)

    async def resume(self, author: str, reason: str) -> None:
        """See `Execution`."""
        await self._actor.ask("resume", author, reason, timeout_s=self._timeout_s)


@serve.deployment(
    name=DEPLOYMENT, health_check_period_s=5.0, health_check_timeout_s=30.0, graceful_shutdown_timeout_s=10.0
)
@serve.ingress()
class Signals:
    """One replica: loads what is served, answers HTTP, and decides for whoever asks by handle."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Serve awaits it
        configure_logging(json_lines=True)
        settings, clock, execution = _settings(), WallClock(), _settings().execution
        assert settings.database.url is not None, "checked"
        engine = lazy_engine(settings.database.url, settings.database.connect_timeout_s)
        self._settings, self._home = settings, home_folder()
        collect_errors("signals", errors_folder(self._home), settings.health.errors_max_bytes)
        # live trading is a process of its own, without Ray: what is served here trades on paper
        self._versions = Versions(lambda: Registry(engine).models(), "paper", settings.serve.versions)
        await asyncio.to_thread(self._versions.refresh)
        self._market = HeardFeed()
        self._threaded = ThreadedPolicies(self._versions)
        self._policies = ReadyPolicies(self._threaded, self._market)
        self._service = SignalService(
            self._market,
            _ExecutionActor(settings.serve.decision_timeout_s, execution.halt_proof_s + _FIND_S),
            self._policies,
            PostgresLedger(engine, execution.account, clock, execution.database_timeout_s, settings),
            clock,
            limits_of(settings),
        )
        self._loops = [asyncio.ensure_future(loop) for loop in (self._market.follow(), self._follow_registry())]

    def __serve_build_asgi_app__(self) -> Any:
        """Return the routes; asked for once, after the constructor."""
        return create_app(self._service, TokenBook(token_file(self._home)), self._settings.serve)

    async def decide(self, close_ms: int, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """Decide for the trading loop, which asks by handle; see `huracan.signals.model.DecisionMaker`."""
        return await self._policies.book.decide(close_ms, symbols, states)

    async def check_health(self) -> None:
        """Raise for what a new replica would mend, and for nothing else."""
        await check_alive(self._loops, self._threaded.ping, _THREAD_S)

    async def _follow_registry(self) -> None:
        while True:
            await asyncio.sleep(self._settings.serve.registry_interval_s)
            await asyncio.to_thread(self._versions.refresh)


def limits_of(settings: Settings) -> Limits:
    """Return what an answer must keep."""
    return Limits(
        base_ms=timeframe_ms(settings.data.timeframe or "1m"),
        symbols_max=settings.serve.symbols_max,
        decision_timeout_s=settings.serve.decision_timeout_s,
        feed_age_max_s=settings.risk.feed_age_max_s,
        ask_timeout_s=_FIND_S,
        halt_policy=HaltPolicy(settings.risk.halt_policy),
        sureness=Sureness.of(settings.risk),
    )


def app(arguments: dict[str, str]) -> Any:
    """Return the application for `serve run serve.signals:app` and `serve deploy serve/config.yaml`.

    Settings come from the file that `huracan serve up` wrote, else from the environment (`HURACAN__SECTION__KEY`);
    then they are written to that file, so that no replica is given a secret by its runtime environment.

    Raises:
        ConfigError: HURACAN_HOME or the database's address is missing, an argument was given, or anybody may talk to
            the cluster.
    """
    if os.environ.get("RAY_AUTH_MODE") != "token":
        raise ConfigError(
            "Ray's token authentication is off, and Serve opens a port of each replica to every interface that runs "
            "what it is sent; start the cluster by `huracan serve up`, or with RAY_AUTH_MODE=token"
        )
    if arguments:
        raise ConfigError(f"serve.signals:app takes no arguments, got {', '.join(sorted(arguments))}; set HURACAN__...")
    settings, home = _settings(), home_folder()
    if not os.environ.get(SETTINGS_VARIABLE):
        assert settings.database.url is not None, "checked"
        keep_settings(settings, settings.database.url.get_secret_value(), home)
    limits = settings.serve
    return Signals.options(  # type: ignore[attr-defined]
        max_ongoing_requests=limits.requests_ongoing_max + limits.requests_queued_max + _ROOM,
        max_queued_requests=limits.requests_queued_max,
        backpressure_config=BackpressureConfig(status_code=503, retry_after_s=limits.retry_after_s),
        ray_actor_options={"num_cpus": 0.1, "runtime_env": runtime_env(home)},
    ).bind()


def _settings() -> Settings:
    """Return the settings in force, refused when they name no place of their own: a replica's folder is anywhere."""
    if not os.environ.get("HURACAN_HOME"):
        raise ConfigError(
            "HURACAN_HOME is not set where Ray Serve runs the application; run `huracan serve up`, or set it under "
            "env_vars of the application's runtime_env"
        )
    settings = serving_settings()
    if settings.database.url is None:
        raise ConfigError(
            "no database is named where Ray Serve runs the application, and a replica starts none; run `huracan serve "
            "up`, or export HURACAN__DATABASE__URL with what `huracan db url` prints"
        )
    return settings
