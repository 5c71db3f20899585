"""What risk decides, done by the engine: `Performer` over `Engine`, the only wire between them."""

from huracan.execution.engine import Engine
from huracan.logs import get_logger
from huracan.risk.live import CancelScope, HaltPolicy, StateRow, TradingState
from huracan.trading import ExitReason

__all__ = ["EnginePerformer"]


class EnginePerformer:
    """Carries out risk's effects on one engine.

    The engine's halt says what becomes of orders in one step, so the state brings the cancels of its policy with it:
    the breaker's `cancel` takes entries back and keeps the protective stops (the engine's HOLD), the kill switch
    cancels everything. The breaker's `hold` touches nothing at all: every desk stands still until a person resumes.

    Args:
        engine: started.

    Attributes:
        flattening: reason for which everything is forced out at every close; None: nothing is.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._row: StateRow | None = None
        self.flattening: ExitReason | None = None

    async def set_state(self, row: StateRow) -> None:
        """Store the row through the engine and obey it.

        Raises:
            TimeoutError: the venue did not confirm the cancels in time; nothing new is sent all the same.
        """
        self._row = row
        get_logger().warning("risk.state", state=row.state, policy=row.policy, author=row.author, reason=row.reason)
        if row.state is TradingState.REDUCING:
            await self._engine.reduce(row.author, row.reason)
        elif row.policy is HaltPolicy.HOLD:
            await self._engine.freeze(row.author, row.reason)
        else:
            self._thaw()
            await self._engine.halt(HaltPolicy.HOLD, row.author, row.reason)

    async def resume(self) -> None:
        """Let desks that stood still send again what their positions ask for, and force nothing out any more."""
        self.flattening = None
        if self._thaw():
            await self._engine.tasks.all(desk.settle for desk in self._engine.desks.values())

    def _thaw(self) -> bool:
        frozen = [desk for desk in self._engine.desks.values() if desk.frozen]
        for desk in frozen:
            desk.frozen = False
        return bool(frozen)

    async def cancel_orders(self, scope: CancelScope) -> None:
        """Cancel what the state has left: the brackets, for a kill switch; before a sale they stay until it comes.

        Raises:
            TimeoutError: the proof that nothing rests failed in time.
        """
        row = self._row
        assert row is not None, "the state comes first"
        if scope is CancelScope.ALL and row.policy is HaltPolicy.CANCEL:
            await self._engine.halt(HaltPolicy.CANCEL, row.author, row.reason)

    async def flatten(self, reason: ExitReason) -> None:
        """Force everything out now; whoever calls at closes repeats it until the account is flat."""
        self.flattening = reason
        await self._engine.on_intents((), self.forced())

    def forced(self) -> dict[str, ExitReason]:
        """Return what must be forced out at this close."""
        if self.flattening is None:
            return {}
        return {symbol: self.flattening for symbol, desk in self._engine.desks.items() if not desk.planner.idle}
