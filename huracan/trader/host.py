"""A host: one trader on a thread and loop of its own, started again as often as the world lets it down.

Whoever lives in the same process asks from other threads and never waits for what the trader waits for. There is one
way to start, and it is recovery; so what ends a trader that has traded (an exchange or a database that is away, closes
that are kept no more) is answered by starting again. A first start that is refused is not repeated: a person asked for
it and is told why.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from huracan.errors import FencedError, HuracanError, InvariantError
from huracan.logs import get_logger
from huracan.trader.service import Trader
from huracan.trader.status import Holding

__all__ = ["Doing", "Host", "Phase"]

_PAUSE_FIRST_S: Final = 1.0
_PAUSE_MAX_S: Final = 10.0

T = TypeVar("T")


class Phase(StrEnum):
    """What a host is about."""

    STARTING = "STARTING"
    TRADING = "TRADING"
    STOPPED = "STOPPED"  # as it was told
    REFUSED = "REFUSED"  # the first start was; a person must look
    FENCED = "FENCED"  # somebody else has the account
    FAULT = "FAULT"  # a defect; nothing more is sent


@dataclass(frozen=True, slots=True)
class Doing:
    """What a host is doing.

    Attributes:
        phase: see there.
        reason: why it is in it, or why the last start failed; empty when all is well.
        symbols: markets traded; none before the start.
        state: trading state that is obeyed; None before the start.
        market_ms: last close carried out; None before the start.
        held: what is held, once it has stopped; None: not known.
        exit_code: of the error that refused it, as on the command line.
    """

    phase: Phase
    reason: str
    symbols: tuple[str, ...]
    state: str | None
    market_ms: int | None
    held: tuple[Holding, ...] | None
    exit_code: int


class Host:
    """Hosts one trader.

    Args:
        opened: opens a trader that has started; told whether the account was traded before by this program.
        again: it was: an earlier process died, and this one takes its place.
        fenced: called when somebody else has the account; ends the process.
    """

    def __init__(
        self,
        opened: Callable[[bool], AbstractAsyncContextManager[Trader]],
        again: bool,
        fenced: Callable[[], None],
    ) -> None:
        self._opened, self._again, self._fenced = opened, again, fenced
        self._phase, self._reason, self._exit_code = Phase.STARTING, "", 0
        self._held: tuple[Holding, ...] | None = None
        self._trader: Trader | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._decided, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._live, name="huracan-trader", daemon=True)

    def start(self) -> None:
        """Begin; see `settled`."""
        self._thread.start()

    def settled(self, timeout_s: float | None = None) -> Doing:
        """Return what it is doing once the first start has succeeded or failed, or the time is over."""
        self._decided.wait(timeout_s)
        return self.doing()

    def doing(self) -> Doing:
        """Return what it is doing now; waits for nobody."""
        trader = self._trader
        return Doing(
            phase=self._phase,
            reason=self._reason,
            symbols=() if trader is None else trader.symbols,
            state=None if trader is None else str(trader.state),
            market_ms=None if trader is None else trader.market_ms,
            held=self._held,
            exit_code=self._exit_code,
        )

    def stop(self, timeout_s: float | None = None) -> Doing:
        """Take entries back, leave brackets, let go of the account, and return how that ended."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._over.wait(timeout_s)
        return self.doing()

    def ask(self, question: Callable[[Trader], Coroutine[Any, Any, T]], timeout_s: float) -> T:
        """Have the trader answer.

        Raises:
            ConnectionError: no trader trades at the moment.
            TimeoutError: no answer in time; it goes on all the same.
        """
        trader = self._trader
        if trader is None:
            raise ConnectionError(f"nothing is traded: {self._phase} {self._reason}".rstrip())
        future = asyncio.run_coroutine_threadsafe(question(trader), self._loop)
        try:
            return future.result(timeout_s)
        except FutureTimeoutError:
            raise TimeoutError(f"the trader did not answer within {timeout_s:g} s") from None

    # ---- the thread -------------------------------------------------------------------------------------------

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._trade())
        finally:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._decided.set()
            self._over.set()

    async def _trade(self) -> None:
        pause_s = _PAUSE_FIRST_S
        while not self._stop.is_set():
            try:
                async with AsyncExitStack() as stack:
                    trader = await self._open(stack)
                    if trader is None:
                        break
                    self._trader, self._phase, self._reason = trader, Phase.TRADING, ""
                    self._again, pause_s = True, _PAUSE_FIRST_S
                    self._decided.set()
                    await trader.run(self._stop)
                    self._held = await trader.held()
            except FencedError as error:
                self._end(Phase.FENCED, error)
                self._fenced()
                return
            except InvariantError as error:
                self._end(Phase.FAULT, error)
                return
            except (HuracanError, OSError) as error:  # a ConnectionError and a TimeoutError are OSErrors
                if self._stop.is_set():
                    self._end(Phase.STOPPED, error)
                    return
                if not self._again:
                    self._end(Phase.REFUSED, error)
                    return
                self._end(Phase.STARTING, error)
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_MAX_S)
            except (Exception, asyncio.CancelledError) as error:  # the supervisor: a defect ends trading, and is told
                self._end(Phase.FAULT, error)
                return
            finally:
                self._trader = None
        self._phase, self._reason = Phase.STOPPED, ""

    async def _open(self, stack: AsyncExitStack) -> Trader | None:
        """Return a trader that has started; None: it was told to stop before, however long the start would take."""
        opening = asyncio.ensure_future(stack.enter_async_context(self._opened(self._again)))
        told = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((opening, told), return_when=asyncio.FIRST_COMPLETED)
            return opening.result() if opening.done() else None
        finally:
            for task in (opening, told):
                task.cancel()
            await asyncio.gather(opening, told, return_exceptions=True)

    def _end(self, phase: Phase, error: BaseException) -> None:
        self._phase, self._reason = phase, str(error) or repr(error)
        self._exit_code = getattr(error, "exit_code", 1)
        get_logger().error("trader.ended", phase=phase, reason=self._reason)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass
