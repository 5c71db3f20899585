"""The halt: nothing new is sent, everything is cancelled, and the venue's own list proves that nothing rests."""

import asyncio
from collections.abc import Iterable

from huracan.errors import VenueError
from huracan.execution.desk import Desk
from huracan.execution.tasks import Tasks
from huracan.logs import get_logger
from huracan.risk.live import HaltPolicy
from huracan.trading import ExitReason
from huracan.venue.orders import Side
from huracan.venue.protocol import TradingVenue

__all__ = ["clear_all", "flatten"]

_PAUSE_FIRST_S = 0.1
_PAUSE_MAX_S = 2.0


async def clear_all(
    desks: Iterable[Desk], venue: TradingVenue, policy: HaltPolicy, limit_s: float, tasks: Tasks
) -> None:
    """Cancel everything at the venue and prove it; HOLD leaves the brackets where they are.

    The limit ends the waiting, never a cancel that is under way.

    Raises:
        TimeoutError: the venue did not confirm in time; nothing new is sent all the same.
    """
    desks = tuple(desks)
    for desk in desks:
        desk.planner.give_up_entry()
        desk.planner.entries_blocked = True
        desk.planner.muted = policy is not HaltPolicy.HOLD
    give_up_s = asyncio.get_running_loop().time() + limit_s
    proven: set[str] = set()
    await tasks.within(limit_s, [_clear(desk, venue, policy, give_up_s, proven) for desk in desks])
    if unproven := sorted({desk.symbol for desk in desks} - proven):
        raise TimeoutError(f"halt not proven after {limit_s:g} s in {', '.join(unproven)}")
    get_logger().warning("engine.halted", policy=policy, markets=len(desks))


async def flatten(desks: Iterable[Desk]) -> None:
    """Sell everything held at market, nothing being in its way any more."""
    desks = tuple(desks)
    for desk in desks:
        desk.planner.muted = False
        desk.planner.force(ExitReason.KILL_SWITCH)
    await asyncio.gather(*(desk.settle() for desk in desks))


async def _clear(desk: Desk, venue: TradingVenue, policy: HaltPolicy, give_up_s: float, proven: set[str]) -> None:
    """Cancel until the venue shows no open order of the market, foreign ones included, or it is too late."""
    pause_s = _PAUSE_FIRST_S
    while asyncio.get_running_loop().time() < give_up_s:
        try:
            await desk.settle()
            rest = await venue.open_orders(desk.symbol)
        except VenueError as error:
            get_logger().warning("halt.waits", symbol=desk.symbol, reason=str(error))
        else:
            if policy is HaltPolicy.HOLD:
                rest = tuple(order for order in rest if order.side is Side.BUY)
            for order in rest:  # foreign ones, and ours where the desk must not act because the store is away
                await venue.cancel(desk.symbol, order.cid)
            if not rest and (policy is HaltPolicy.HOLD or not desk.alive):
                proven.add(desk.symbol)
                return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _PAUSE_MAX_S)
