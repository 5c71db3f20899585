"""The inbox: intents that others wrote down, carried out by the holder of the lease, those of the last close alone.

Whoever may write to the account's database may want something: the HTTP endpoint with `execute` does. Nothing is
believed of it: the engine judges it as it judges the trader's own, with the account as it is now. An entry is claimed
by `Store.begin_entry`, in the same transaction that sets what it may buy, so that it is acted on at most once however
often a process dies here; what died between the claim and its first order is given up by the next start. An exit may
be obeyed twice, which sells what is there once.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from huracan.errors import DatabaseError, VenueError
from huracan.execution.commands import ENTRIES
from huracan.execution.model import Intent, IntentKind
from huracan.execution.ports import Verdict
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.trading import Action, ExitReason
from huracan.venue.orders import Side

__all__ = ["EXPIRED", "MALFORMED", "POLL_S", "Inbox"]

POLL_S: Final = 0.1
"""Pause between two looks, s; a look that finds nothing is one query."""
EXPIRED: Final = "EXPIRED"
"""Why an intent was given up: it was not acted on before the next close."""
MALFORMED: Final = "MALFORMED"
"""Why an intent was given up: its kind, side and action contradict each other."""


class Hands(Protocol):
    """What the inbox needs of the engine."""

    async def on_intents(
        self, intents: Sequence[Intent], forced: Mapping[str, ExitReason] | None = None
    ) -> dict[str, Verdict]:
        """Judge and send."""
        ...

    async def give_up(self, intent: Intent, code: str) -> None:
        """End an intent unacted on."""
        ...


class Inbox:
    """Carries out what others wrote down for one account.

    Args:
        hands: the engine, started.
        store: of the account.
        base_ms: length of a bar.
        last_close: newest close that the trader has carried out, ms UTC, market clock.
        closing: held by whoever carries out a close; nothing is done in the middle of one.
        forced: markets that risk sells whatever anybody says.
        decided: told of each intent that was decided, with the verdicts and what was forced.
    """

    def __init__(
        self,
        hands: Hands,
        store: Store,
        base_ms: int,
        last_close: Callable[[], int],
        closing: asyncio.Lock,
        forced: Callable[[], dict[str, ExitReason]],
        decided: Callable[[Intent, Mapping[str, Verdict], Mapping[str, ExitReason]], None],
    ) -> None:
        self._hands, self._store, self._base_ms = hands, store, base_ms
        self._last_close, self._closing, self._forced, self._decided = last_close, closing, forced, decided

    async def run(self) -> None:
        """Look until cancelled; what fails is looked at again.

        Raises:
            FencedError: the lease is lost: someone else carries out what is here.
        """
        while True:
            try:
                await self.look()
            except (DatabaseError, VenueError, TimeoutError) as error:
                get_logger().warning("inbox.waits", reason=str(error) or repr(error))
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Carry out what there is: give up what is too old, leave what is of a close that has not come here yet.

        Raises:
            FencedError: the lease is lost.
            DatabaseError: the store does not answer.
        """
        if not await self._store.unclaimed():
            return
        async with self._closing:
            close_ms, forced, due = self._last_close(), self._forced(), []
            for intent in await self._store.unclaimed():  # once more: the close that was waited for has its own
                decided_ms = intent.candle_ms + self._base_ms
                if not _consistent(intent):
                    await self._give_up(intent, MALFORMED)
                elif decided_ms < close_ms:
                    await self._give_up(intent, EXPIRED)
                elif decided_ms == close_ms and intent.symbol not in forced:
                    due.append(intent)
            if due:
                verdicts = await self._hands.on_intents(due, forced)
                for intent in due:
                    self._decided(intent, verdicts, forced)

    async def _give_up(self, intent: Intent, code: str) -> None:
        await self._hands.give_up(intent, code)
        get_logger().info("inbox.given_up", intent=intent.intent_id, symbol=intent.symbol, code=code)


def _consistent(intent: Intent) -> bool:
    """Return whether kind, side and action say the same."""
    if intent.kind is IntentKind.ENTER:
        return intent.side is Side.BUY and intent.action in ENTRIES
    return intent.side is Side.SELL and intent.action == Action.EXIT
