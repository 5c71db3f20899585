"""The resolver: an order whose fate is unknown is asked for until the venue's word decides, and never sent again.

"Absent" is a proof, not a reply: the venue must say several times that there is no such order, longer after the send
than a request can be admitted and a database can lag, a cancel by its id must find nothing, and no trade may have come
that belongs to no order of ours. Until then its money stays reserved.
"""

import asyncio
from dataclasses import dataclass

from huracan.clock import Clock
from huracan.errors import DatabaseError, VenueError
from huracan.execution.desk import Desk
from huracan.logs import get_logger

__all__ = ["Resolver", "ResolverSettings"]


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """When absence counts as proven, and how often the venue is asked.

    Attributes:
        absent_replies: replies "no such order" in a row.
        recv_window_ms: how long after its timestamp the venue may still admit a request.
        settle_ms: how long after that its database may lag.
        first_s: pause before the first question.
        pause_max_s: longest pause; pauses double.
        stuck_s: after this long without a decision an alarm is raised, and asking goes on.
    """

    absent_replies: int = 3
    recv_window_ms: int = 5_000
    settle_ms: int = 5_000
    first_s: float = 0.2
    pause_max_s: float = 5.0
    stuck_s: float = 60.0


class Resolver:
    """Asks for one child until it is decided.

    Args:
        settings: see there.
        clock: wall clock.
    """

    def __init__(self, settings: ResolverSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    async def resolve(self, desk: Desk, key: str) -> None:
        """Return when the child's fate is known and booked; an operator is told when that takes long."""
        settings = self._settings
        pause_s, asked_s, told = settings.first_s, 0.0, False
        while True:
            await asyncio.sleep(pause_s)
            asked_s += pause_s
            pause_s = min(2 * pause_s, settings.pause_max_s)
            try:
                if await desk.inquire(key) or (self._may_be_absent(desk, key) and await desk.prove_absent(key)):
                    return
            except (VenueError, DatabaseError) as error:  # the venue or the store is away: ask again after a pause
                get_logger().warning("resolver.waits", cid=key, symbol=desk.symbol, reason=str(error))
            if asked_s >= settings.stuck_s and not told:
                told = True
                await desk.report_stuck(key)

    def _may_be_absent(self, desk: Desk, key: str) -> bool:
        replies, sent_ms = desk.missing_since(key)
        if replies < self._settings.absent_replies:
            return False
        return self._clock.now_ms() - sent_ms >= self._settings.recv_window_ms + self._settings.settle_ms
