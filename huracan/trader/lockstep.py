"""Lock-step with a paper exchange: market time stands still until the trader says that it has finished."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from huracan.errors import VenueError
from huracan.paper.keys import open_keys
from huracan.trader.access import Access

__all__ = ["LockStep", "Step", "lock_step_of"]

_PAUSE_S = 0.005
_AWAY_S = 0.5
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """Where the exchange waits for this account.

    Attributes:
        bar: number of the bar that has closed ("close"), or in which resting buys were filled ("fills").
        stage: "close" or "fills"; "" when nothing waits: time moves by itself, or has ended.
        mine: it waits for this account.
        seq: number of the account's last private event.
        ended: every bar has closed.
    """

    bar: int
    stage: str
    mine: bool
    seq: int
    ended: bool

    def closed_ms(self, base_ms: int) -> int:
        """Return when the newest closed bar closed, ms UTC."""
        return (self.bar + (self.stage != "fills")) * base_ms


class LockStep:
    """The trader's side of lock-step.

    Args:
        url: of the exchange.
        token: its administrator's.
        account: name at the exchange.
        base_ms: length of a bar.

    Attributes:
        closed_ms: when the newest closed bar closed, ms UTC: the clock by which a candle is known to be closed.
    """

    def __init__(self, url: str, token: str, account: str, base_ms: int) -> None:
        self._url, self._account, self._base_ms = url.rstrip("/"), account, base_ms
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None
        self.closed_ms = 0

    async def look(self) -> Step:
        """Return where the exchange waits.

        Raises:
            VenueError: it does not answer, or not as a paper exchange.
        """
        found = await self._ask("GET", f"/admin/state?account={self._account}", None)
        step = self._step(found[1])
        if step.stage or step.ended:
            self.closed_ms = step.closed_ms(self._base_ms)
        return step

    async def next(self) -> Step:
        """Return the next stage that waits for this account, or the end; waits until there is one."""
        while True:
            try:
                step = await self.look()
            except VenueError:
                await asyncio.sleep(_AWAY_S)
                continue
            if step.mine or step.ended:
                return step
            await asyncio.sleep(_PAUSE_S)

    async def ack(self, step: Step) -> bool:
        """Say that this account has finished with a stage; returns whether the exchange took it.

        It does not as long as a request is open or an event came that the step does not know of.
        """
        body = {"account": self._account, "bar": step.bar, "stage": step.stage, "seq": step.seq}
        try:
            status, _ = await self._ask("POST", "/admin/ack", body)
        except VenueError:  # whether it was taken is not known; asking where it stands shows it
            return False
        return status == 200

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()

    def _step(self, found: dict[str, object]) -> Step:
        try:
            waiting = found["waiting"]
            mine = isinstance(waiting, list) and self._account in waiting
            bar, seq = int(str(found["bar"])), int(str(found["seq"]))
            return Step(bar, str(found["stage"]), mine, seq, bool(found["ended"]))
        except (KeyError, ValueError) as error:
            raise VenueError(
                f"{self._url}/admin/state: no state of a paper exchange for {self._account} ({error!r})"
            ) from None

    async def _ask(self, method: str, path: str, body: dict[str, object] | None) -> tuple[int, dict[str, object]]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers, timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)
            )
        try:
            async with self._session.request(method, self._url + path, json=body) as reply:
                found = await reply.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise VenueError(f"{self._url}{path}: no answer ({type(error).__name__})") from None
        if reply.status not in (200, 409) or not isinstance(found, dict):
            raise VenueError(f"{self._url}{path}: answer {reply.status}: {str(found)[:200]}")
        return reply.status, found


async def lock_step_of(access: Access, home: Path, base_ms: int) -> LockStep | None:
    """Return the lock-step of a paper exchange that waits for acks; None: time moves by itself, or it is none of ours.

    The administrator's token stands in the exchange's file of keys; without it nobody can ack.
    """
    path = home / "paper" / "keys.json"
    if access.mode != "paper" or access.url is None or not path.exists():
        return None
    found = LockStep(access.url, open_keys(path, ()).admin_token, access.account, base_ms)
    try:
        step = await found.look()
    except VenueError:
        step = Step(0, "", False, 0, False)
    if step.stage:
        return found
    await found.close()
    return None
