"""The execution actor as a command has it: started on what is served, stopped, and never twice for one account."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import ray
from ray.exceptions import RayActorError, RayError

from huracan.errors import ConfigError, HuracanError, RefusedError, ServeError, VenueError
from huracan.trader.host import Doing, Phase
from serve.cluster import joined
from serve.execution import OPTIONS, Execution, Orders
from serve.faults import own_words
from serve.names import EXECUTION, NAMESPACE
from serve.surroundings import runtime_env

__all__ = ["error_of", "start_trading", "stop_trading"]

_ANSWER_S: Final = 30.0
_GONE_S: Final = 30.0
_PAUSE_S: Final = 0.1


def start_trading(address: str, orders: Orders, home: Path) -> tuple[int, Doing]:
    """Create the actor, wait until it trades, and return its process and what it does.

    Raises:
        RefusedError: an account is traded there already, or the start was refused.
        ConfigError, ServeError: the start failed otherwise; no actor is left behind.
    """
    with joined(address):
        _make_room()
        try:
            actor = Execution.options(  # type: ignore[attr-defined]
                name=EXECUTION, namespace=NAMESPACE, runtime_env=runtime_env(home), **OPTIONS
            ).remote(orders)
        except ValueError:  # Ray's word for a name that somebody took since
            raise RefusedError(f"{EXECUTION} was started just now; see `huracan serve status`") from None
        try:
            doing: Doing = ray.get(actor.settled.remote())
            if doing.phase is Phase.TRADING:
                _, pid, doing = ray.get(actor.status.remote(), timeout=_ANSWER_S)
                return pid, doing
        except RayError as error:
            doing = Doing(Phase.FAULT, own_words(error), (), None, None, None, 1)
        except BaseException:
            ray.kill(actor)
            raise
        ray.kill(actor)
        raise error_of(doing)


def stop_trading(address: str, account: str) -> tuple[int, Doing] | None:
    """Drain and end the actor; None when none trades this account there.

    Raises:
        VenueError: not everything was taken back; it does not trade any more.
    """
    with joined(address):
        actor = _actor()
        if actor is None:
            return None
        try:
            name, pid, _ = ray.get(actor.status.remote(), timeout=_ANSWER_S)
            if name != account:
                return None
            ended: Doing = ray.get(actor.stop.remote())
        except RayActorError:
            ray.kill(actor)
            raise ServeError(
                f"the trader of {account} died; look with `huracan trade status`, its brackets rest"
            ) from None
        ray.kill(actor)
        if ended.reason:
            raise VenueError(ended.reason)
        return pid, ended


def _make_room() -> None:
    """Take away an actor that trades no more; refuse when it does."""
    actor = _actor()
    if actor is None:
        return
    try:
        name, pid, doing = ray.get(actor.status.remote(), timeout=_ANSWER_S)
    except RayError:
        raise RefusedError(f"{EXECUTION} is there and does not answer; `huracan serve down` ends it") from None
    if doing.phase in (Phase.TRADING, Phase.STARTING):
        raise RefusedError(f"account {name} is traded there already (process {pid}, {doing.phase}); stop it first")
    ray.kill(actor)
    give_up_s = time.monotonic() + _GONE_S
    while _actor() is not None and time.monotonic() < give_up_s:
        time.sleep(_PAUSE_S)


def _actor() -> Any:
    with suppress(ValueError):
        return ray.get_actor(EXECUTION, NAMESPACE)
    return None


def error_of(doing: Doing) -> HuracanError:
    """Return the error that a command ends with, of the class that refused the start."""
    kinds: dict[int, type[HuracanError]] = {ConfigError.exit_code: ConfigError, RefusedError.exit_code: RefusedError}
    return kinds.get(doing.exit_code, ServeError)(doing.reason)
