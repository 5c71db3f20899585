"""Virtual time: an event loop whose clock jumps to the next timer, and a scripted venue inside the process."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from huracan.venue.binance import BinanceVenue
from huracan.venue.budget import WeightBudget
from huracan.venue.client import InProcessBinance, WireReply, client_config
from tests.venue.scripted import CREDENTIALS, Answer, Seen, reply

START_MS = 1_700_000_040_000  # a full minute


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeps take no time: when nothing is ready, the clock jumps to the next timer."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__()

    def time(self) -> float:
        """Return the virtual time, s."""
        return self._now_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._now_s = max(self._now_s, self._scheduled[0]._when)
        super()._run_once()


class LoopClock:
    """The wall clock of a virtual loop; `ahead_ms` makes it wrong."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        """Return the time in ms."""
        return true_ms() + self.ahead_ms


def true_ms() -> int:
    """Return the venue's own time in ms."""
    return START_MS + int(asyncio.get_running_loop().time() * 1_000)


class Script:
    """Answers in turn, GET time by itself; notes every request with its virtual time."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = deque(answers)
        self.seen: list[Seen] = []
        self.time_answers: deque[Answer] = deque()

    @property
    def asked(self) -> list[Seen]:
        """Every request but GET time."""
        return [one for one in self.seen if not one.path.endswith("/time")]

    async def __call__(self, method, url, headers, body) -> WireReply:
        """Carry one request."""
        split = urlsplit(url)
        params = dict(parse_qsl(split.query)) | dict(parse_qsl(body or ""))
        self.seen.append(Seen(method, split.path, params, dict(headers), asyncio.get_running_loop().time()))
        if split.path.endswith("/time"):
            answer = self.time_answers.popleft() if self.time_answers else reply({"serverTime": true_ms()})
        else:
            answer = self.answers.popleft()
        await asyncio.sleep(answer.delay_s)
        if answer.fate == "hang":
            await asyncio.sleep(1e6)
        if answer.fate == "reset":
            raise ConnectionResetError
        return WireReply(answer.status, answer.headers, answer.body)


def virtually(
    script: Script,
    steps: Callable[[BinanceVenue, LoopClock], Awaitable[Any]],
    budget: WeightBudget | None = None,
    seed: int = 1,
) -> Any:
    """Run `steps` against a venue over `script` in virtual time; every answer must have been used."""

    async def whole() -> Any:
        clock = LoopClock()
        client = InProcessBinance(client_config("http://inside", CREDENTIALS, 5_000), script)
        venue = BinanceVenue(CREDENTIALS, clock=clock, budget=budget, rng=random.Random(seed), client=client)
        try:
            return await steps(venue, clock)
        finally:
            await venue.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        found = runner.run(whole())
    assert not script.answers, f"{len(script.answers)} answers were not asked for"
    return found
