"""The endpoint's answers: the last close's states, decided by the served versions, judged by risk, written on wish.

One close at a time: decisions, risk's word and intents of an answer belong to the same candle, or the answer is made
again. Nothing here trades; an intent is a row that the execution process may act on while its candle is the last one.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from huracan.clock import Clock
from huracan.errors import DatabaseError, HuracanError, VenueError
from huracan.execution.model import Intent
from huracan.features.layout import S_DATA_AGE
from huracan.logs import get_logger
from huracan.policy import CERTAIN, Sureness
from huracan.risk.live import HaltPolicy
from huracan.signals.answers import JUDGED, Decided, answer_of, iso, wanted_intents
from huracan.signals.backend import (
    AccountStates,
    Asked,
    Book,
    Execution,
    Kept,
    Ledger,
    Market,
    Policies,
    Problem,
    Quote,
)
from huracan.signals.contract import (
    ErrorCode,
    HealthAnswer,
    HealthPart,
    Metric,
    MetricsAnswer,
    ModelsAnswer,
    OrdersAnswer,
    PositionsAnswer,
    SignalsAnswer,
    SignalsRequest,
    StateAnswer,
    StatusAnswer,
    TradesAnswer,
)
from huracan.signals.model import Decisions, MarketClose, ServedVersion

__all__ = ["Limits", "SignalService"]

_PAUSE_S = 0.05
_STATES_S = 1.0
"""How long an account's states are taken for those of now: fills of orders under way change them within a bar."""

_BEHIND_MAX = 1
"""Closes by which the account may lag: it is at work on the newest one."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an answer must keep.

    Attributes:
        base_ms: length of a base bar.
        symbols_max: markets in one request.
        decision_timeout_s: how long an answer may take.
        feed_age_max_s: how long the next candle may be overdue before data counts as stale.
        ask_timeout_s: how long the parts have to say that they are well.
        halt_policy: of a halt that names none.
        sureness: what is made of a version's confidence, as in shadow and in the trading loop.
    """

    base_ms: int
    symbols_max: int
    decision_timeout_s: float
    feed_age_max_s: float
    ask_timeout_s: float
    halt_policy: HaltPolicy
    sureness: Sureness = CERTAIN


class SignalService:
    """`Backend` over the four ports.

    Args:
        market: newest close.
        execution: account states, risk's word, halt and resume.
        policies: served versions.
        ledger: database.
        clock: wall clock.
        limits: what an answer must keep.
    """

    def __init__(
        self, market: Market, execution: Execution, policies: Policies, ledger: Ledger, clock: Clock, limits: Limits
    ) -> None:
        self._market, self._execution, self._policies = market, execution, policies
        self._ledger, self._clock, self._limits = ledger, clock, limits
        self._states: AccountStates | None = None
        self._asked_s = 0.0
        self._account = ""
        self._decided = 0
        self._intents = 0

    # ---- signals ------------------------------------------------------------------------------------------------

    async def signals(self, request: SignalsRequest, key: str | None, author: str) -> SignalsAnswer | Problem:
        """See `Backend`."""
        name = None if key is None else _key(author, key)
        body = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        try:
            if name is not None and (kept := await self._ledger.kept(name)) is not None:
                return await self._again(kept, body)
            problem = self._refuse(request)
            if problem is not None:
                return problem
            async with asyncio.timeout(self._limits.decision_timeout_s):
                decided = await self._decide(request.symbols)
            if isinstance(decided, Problem):
                return decided
            intents = wanted_intents(decided, self._limits.base_ms) if request.execute else {}
            answer = self._answer(decided, intents)
            if name is not None:
                kept = await self._ledger.keep(name, Kept(body, answer.model_dump_json(), tuple(intents.values())))
                return await self._again(kept, body)
            await self._put(tuple(intents.values()))
            return answer
        except DatabaseError as error:
            return Problem(ErrorCode.DATABASE_DOWN, str(error))
        except ConnectionError as error:
            return Problem(ErrorCode.EXECUTION_DOWN, _why(error))
        except TimeoutError:
            limit_s = self._limits.decision_timeout_s
            return Problem(ErrorCode.DECISION_LATE, f"no decision within {limit_s:g} s; nothing was written down")

    async def _again(self, kept: Kept, body: str) -> SignalsAnswer | Problem:
        """Return what a key stands for, its intents written down: whoever died in between had not done it."""
        if kept.body_sha256 != body:
            return Problem(ErrorCode.KEY_REUSED, "this Idempotency-Key stands for another request; take a new one")
        await self._put(kept.intents)
        return SignalsAnswer.model_validate_json(kept.answer)

    async def _put(self, intents: Sequence[Intent]) -> None:
        if intents:
            await self._ledger.put_intents(intents)
            self._intents += len(intents)
            self._states = None  # the account will soon be another

    def _refuse(self, request: SignalsRequest) -> Problem | None:
        """Return why nothing can be decided for these markets now."""
        count, most = len(request.symbols), self._limits.symbols_max
        if count > most:
            return Problem(ErrorCode.TOO_MANY_SYMBOLS, f"{count} symbols; ask for at most {most} at once")
        close = self._market.newest
        if self._market.down or close is None:
            return Problem(ErrorCode.FEED_DOWN, self._market.down or "no candle has come yet")
        if (stale := self._stale(close)) is not None:
            return Problem(ErrorCode.STALE_DATA, stale)
        unknown = sorted({*request.symbols} - {*close.symbols})
        if unknown:
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            return Problem(ErrorCode.UNKNOWN_SYMBOL, f"nobody follows {', '.join(unknown[:3])}{more}")
        if not self._policies.book.versions:
            return Problem(ErrorCode.NO_VERSION, self._policies.problem or "no version is served")
        return None

    def _stale(self, close: MarketClose) -> str | None:
        """Return in words that a candle is overdue, None when none is."""
        limit_s = self._limits.base_ms / 1_000 + self._limits.feed_age_max_s
        age_s = self._age_s(close)
        if age_s <= limit_s:
            return None
        return (
            f"the newest candle closed at {iso(close.close_ms)} and came {age_s:.0f} s ago, the limit is {limit_s:g} s"
        )

    def _age_s(self, close: MarketClose) -> float:
        return max(0, self._clock.now_ms() - close.heard_ms) / 1_000

    async def _decide(self, symbols: Sequence[str]) -> Decided | Problem:
        """Decide on one close and have it judged; when the next one comes in between, begin again."""
        while True:
            found, book = await self._account_states(), self._policies.book
            if found is not None:
                wanted = [row for row, name in enumerate(found.symbols) if not symbols or name in symbols]
                served = {found.symbols[row]: book.version_of(found.symbols[row]) for row in wanted}
                rows = [row for row in wanted if served[found.symbols[row]] is not None]
                if not rows and not symbols:
                    return Problem(
                        ErrorCode.NO_VERSION,
                        "no version decides on a market of the account, or its features are not warm yet",
                    )
                states = self._market_rows(found, rows, served)
                if states is not None:
                    decided = await self._judged(found, book, rows, states, symbols)
                    if decided is not None:
                        return decided
            self._states = None
            await asyncio.sleep(_PAUSE_S)

    async def _account_states(self) -> AccountStates | None:
        """Return the states at the newest close; None: the account is not that far yet."""
        close, now_s = self._market.newest, asyncio.get_running_loop().time()
        assert close is not None, "checked before"
        if self._states is None or self._states.close_ms != close.close_ms or now_s - self._asked_s >= _STATES_S:
            self._states, self._asked_s = await self._execution.states(), now_s
        self._account = self._states.account
        return self._states if self._states.close_ms >= close.close_ms else None

    def _market_rows(
        self, found: AccountStates, rows: Sequence[int], served: Mapping[str, ServedVersion | None]
    ) -> NDArray[np.float32] | None:
        """Return float32[len(rows), 80], the market's entries by the fit of whoever decides; None: not known yet."""
        states = found.states[rows].copy()
        close = self._market.newest
        for number, row in enumerate(rows):
            version = served[found.symbols[row]]
            assert version is not None
            if version.fit == found.fits[row]:
                continue
            fit = None if close is None or close.close_ms != found.close_ms else close.fits.get(version.fit)
            if fit is None or close is None or found.symbols[row] not in close.symbols:
                return None
            at = close.symbols.index(found.symbols[row])
            states[number, : fit.market.shape[1]] = fit.market[at]
            states[number, S_DATA_AGE] = fit.age[at]
        return states

    async def _judged(
        self,
        found: AccountStates,
        book: Book,
        rows: Sequence[int],
        states: NDArray[np.float32],
        symbols: Sequence[str],
    ) -> Decided | None:
        """Return decisions with risk's word on each; None: a candle came in between."""
        names = tuple(found.symbols[row] for row in rows)
        said = await book.decide(found.close_ms, names, states)
        sureness = self._limits.sureness
        decisions = replace(said, confidence=sureness.lowered(said.action, said.confidence, states))
        asked = [row for row, action in enumerate(decisions.action) if int(action) in JUDGED]
        quotes: Mapping[str, Quote] = {}
        if asked:
            answer = await self._execution.quote([_asked(decisions, states, row) for row in asked])
            if answer.close_ms != found.close_ms:
                return None
            quotes = {quote.symbol: quote for quote in answer.rows}
        decided = {name for name, version in zip(names, decisions.version, strict=True) if version}
        wanted = symbols or found.symbols
        unserved = tuple(sorted(name for name in wanted if name not in decided))
        return Decided(found.account, found.close_ms, book, decisions, states, quotes, unserved)

    def _answer(self, decided: Decided, intents: Mapping[str, Intent]) -> SignalsAnswer:
        close = self._market.newest
        assert close is not None, "checked before"
        age_s = self._age_s(close)
        answer = answer_of(decided, intents, self._limits.base_ms, age_s)
        self._decided += len(answer.signals)
        get_logger().debug(
            "signals.decided", close_ms=decided.close_ms, markets=len(answer.signals), intents=len(intents), age_s=age_s
        )
        return answer

    # ---- what works ---------------------------------------------------------------------------------------------

    async def health(self) -> HealthAnswer:
        """See `Backend`."""
        close, versions, problem = self._market.newest, self._policies.book.versions, self._policies.problem
        execution, database = await asyncio.gather(
            self._ask(self._keeps_up(), ErrorCode.EXECUTION_DOWN),
            self._ask(self._ledger.ping(), ErrorCode.DATABASE_DOWN),
        )
        down = self._market.down or ("" if close is not None else "no candle has come yet")
        stale = None if close is None else self._stale(close)
        model = _part("model", None, "")
        if not versions:
            model = _part("model", ErrorCode.NO_VERSION, problem or "no version is served")
        elif problem:
            model = _part("model", ErrorCode.MODEL_STALE, problem)
        parts = (
            _part("feed", ErrorCode.FEED_DOWN if down else None, down),
            _part("data", ErrorCode.STALE_DATA if stale else None, stale or ""),
            _part(
                "database", None if database is None else database.code, "" if database is None else database.message
            ),
            model,
            _part(
                "execution",
                None if execution is None else execution.code,
                "" if execution is None else execution.message,
            ),
        )
        first = next((part for part in parts if not part.ok), None)
        return HealthAnswer(
            status="ok" if first is None else "failing",
            code=None if first is None else first.code,
            message="" if first is None else first.detail,
            parts=parts,
            versions=tuple(sorted(versions)),
            close_ms=None if close is None else close.close_ms,
        )

    async def _keeps_up(self) -> None:
        """Ask how far the account is; a trader that stands while the market goes on is none.

        Raises:
            ConnectionError: it does not answer, or is more than one close behind.
        """
        market, found = self._market.newest, await self._execution.states()
        behind = 0 if market is None else (market.close_ms - found.close_ms) // self._limits.base_ms
        if behind > _BEHIND_MAX:
            raise ConnectionError(f"the trader of {found.account} is {behind} closes behind, at {iso(found.close_ms)}")

    async def _ask(self, question: Awaitable[object], code: ErrorCode) -> Problem | None:
        try:
            async with asyncio.timeout(self._limits.ask_timeout_s):
                await question
        except TimeoutError:
            return Problem(code, f"no answer within {self._limits.ask_timeout_s:g} s")
        except (ConnectionError, DatabaseError) as error:
            return Problem(code, _why(error))
        return None

    async def metrics(self) -> MetricsAnswer:
        """See `Backend`."""
        close, rows = self._market.newest, []
        if close is not None:
            rows.append(
                _gauge("huracan_data_age_seconds", "Wall time since the newest candle came.", self._age_s(close))
            )
            rows.append(_gauge("huracan_close_ms", "Close of the newest candle, ms UTC.", close.close_ms))
        rows.append(_counter("huracan_signals_total", "Signals answered.", self._decided))
        rows.append(_counter("huracan_http_intents_total", "Intents written down for callers.", self._intents))
        for version in sorted(self._policies.book.versions.values(), key=lambda row: row.version):
            labels = {"version": version.version, "scope": version.scope, "stage": version.stage}
            rows.append(_gauge("huracan_version_served", "1 for each version that decides.", 1.0, labels))
        return MetricsAnswer(metrics=tuple(rows))

    # ---- the account --------------------------------------------------------------------------------------------

    async def status(self) -> StatusAnswer | Problem:
        """See `Backend`."""
        return await _read(self._ledger.status())

    async def positions(self) -> PositionsAnswer | Problem:
        """See `Backend`."""
        return await _read(self._ledger.positions())

    async def orders(self) -> OrdersAnswer | Problem:
        """See `Backend`."""
        return await _read(self._ledger.orders())

    async def trades(self, since_ms: int, limit: int) -> TradesAnswer | Problem:
        """See `Backend`."""
        return await _read(self._ledger.trades(since_ms, limit))

    async def models(self) -> ModelsAnswer | Problem:
        """See `Backend`."""
        found = await _read(self._ledger.models())
        if isinstance(found, Problem):
            return found
        served = self._policies.book.versions
        rows = tuple(row.model_copy(update={"served": row.version in served}) for row in found.models)
        return ModelsAnswer(models=rows, problem=self._policies.problem)

    async def halt(self, policy: HaltPolicy | None, author: str, reason: str) -> StateAnswer | Problem:
        """See `Backend`; without the execution process the halt is written down, and its proof left open."""
        try:
            await self._execution.halt(policy or self._limits.halt_policy, author, reason)
        except (TimeoutError, VenueError) as error:
            if isinstance(error, TimeoutError):  # whoever does not answer may not have heard: the database tells it
                try:
                    await self._ledger.halt(author, reason)
                except DatabaseError as down:
                    words = f"NOT KNOWN TO BE HALTED: {_why(error)}; {down}; run `huracan halt`"
                    return Problem(ErrorCode.HALT_NOT_PROVEN, words)
            return Problem(ErrorCode.HALT_NOT_PROVEN, "halted, and orders may still rest: see /v1/orders, ask again")
        except (ConnectionError, HuracanError) as error:
            return await self._halt_alone(author, reason, _why(error))
        return StateAnswer(account=self._account, state="HALTED", proven=True, author=author, reason=reason)

    async def _halt_alone(self, author: str, reason: str, why: str) -> Problem:
        try:
            await self._ledger.halt(author, reason)
        except DatabaseError as error:
            return Problem(ErrorCode.EXECUTION_DOWN, f"NOT HALTED: {why}; {error}; run `huracan halt`")
        return Problem(
            ErrorCode.EXECUTION_DOWN,
            f"the halt is written down, orders may still rest: {why}; run `huracan halt`, which cancels them itself",
        )

    async def resume(self, author: str, reason: str) -> StateAnswer | Problem:
        """See `Backend`."""
        try:
            await self._execution.resume(author, reason)
        except DatabaseError as error:
            return Problem(ErrorCode.DATABASE_DOWN, str(error))
        except (ConnectionError, TimeoutError, HuracanError) as error:
            return Problem(ErrorCode.EXECUTION_DOWN, _why(error))
        return StateAnswer(account=self._account, state="ACTIVE", proven=False, author=author, reason=reason)


async def _read(question: Awaitable[T]) -> T | Problem:
    try:
        return await question
    except DatabaseError as error:
        return Problem(ErrorCode.DATABASE_DOWN, str(error))


def _asked(decisions: Decisions, states: NDArray[np.float32], row: int) -> Asked:
    return Asked(
        symbol=decisions.symbols[row],
        action=int(decisions.action[row]),
        policy=decisions.version[row],
        confidence=float(decisions.confidence[row]),
        state=states[row].astype("<f4").tobytes(),
    )


def _key(author: str, key: str) -> str:
    return hashlib.sha256(f"{author}\0{key}".encode()).hexdigest()


def _part(name: str, code: ErrorCode | None, detail: str) -> HealthPart:
    return HealthPart.model_validate({"name": name, "ok": code is None, "code": code, "detail": detail})


def _gauge(name: str, words: str, value: float, labels: dict[str, str] | None = None) -> Metric:
    return Metric(name=name, kind="gauge", help=words, labels=labels or {}, value=value)


def _counter(name: str, words: str, value: float) -> Metric:
    return Metric(name=name, kind="counter", help=words, labels={}, value=value)


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__
