"""The exchange's front door: requests in, replies and stream events out, market time moved from outside."""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Context, localcontext
from typing import Any

from huracan.clock import Clock
from huracan.errors import DataError
from huracan.paper.access import check_request, check_subscription
from huracan.paper.admin import AdminRoutes
from huracan.paper.codec import decode, encode
from huracan.paper.core import Core
from huracan.paper.desk import Desk
from huracan.paper.errors import Refusal
from huracan.paper.events import EventLog
from huracan.paper.faults import ERROR_CODES, LOST_HOW, FaultKind, Faults, ScriptedFault
from huracan.paper.feed import Feed
from huracan.paper.history import History
from huracan.paper.limits import charge, impose, order_headers, used_weight
from huracan.paper.lockstep import AckOutcome, Clockwork, LockStage
from huracan.paper.market import PaperMarket
from huracan.paper.params import Params, parse_params
from huracan.paper.payloads import money_text, my_trade, order_view
from huracan.paper.private import PrivateRoutes
from huracan.paper.public import PublicRoutes
from huracan.paper.router import Effect, Route, make_routes
from huracan.paper.settings import PaperAccount, PaperSettings
from huracan.paper.state import ExchangeState
from huracan.paper.wire import DropHow, Reply, Request, StreamEvent

__all__ = ["AckOutcome", "LockStage", "PaperExchange"]

_LOG_MAX = 100_000
_CONTEXT = Context(prec=60)
_JSON = {"Content-Type": "application/json;charset=UTF-8"}
_HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
_ADMIN = "/admin/"
_FORMAT = 1


class PaperExchange:
    """A Binance-spot-compatible exchange over candles.

    Args:
        settings: how it runs.
        markets: at least one; venue symbols are unique, bars of one length.
        accounts: at least one; names and keys are unique.
        seed: of its random generators; the same seed and requests give the same bytes.
        clock: wall clock: signing, request weights, latencies. Market time is the exchange's own.

    A transport does, for each request: `wait = begin(request)`; sleep `wait` ms; `reply = handle(request)`; sleep
    `reply.delay_ms`; send or spoil it; `end(request)`. Afterwards (and after `advance` or `ack`) it drains the events.
    """

    def __init__(
        self,
        settings: PaperSettings,
        markets: Sequence[PaperMarket],
        accounts: Sequence[PaperAccount],
        seed: int,
        clock: Clock,
    ) -> None:
        self._core = Core(settings, markets, accounts, seed, clock)
        self._events = EventLog(self._core)
        self._history = History(self._core)
        self._log: deque[tuple[int, Request]] = deque(maxlen=_LOG_MAX)
        self._under_way: dict[str, int] = {}
        self._build()
        with localcontext(_CONTEXT):
            self._clockwork.start()

    def _build(self) -> None:
        """Put the parts together over the core's state."""
        core = self._core
        self._feed = Feed(core, self._events, self._history)
        self._desk = Desk(core, self._events)
        self._clockwork = Clockwork(core, self._desk, self._feed)
        self._private = PrivateRoutes(core, self._desk)
        self._admin = AdminRoutes(core, self._events, self._private, self.ack, lambda: self.stage)
        self._routes = make_routes(PublicRoutes(core, self._history, self._feed), self._private)

    # ---- time ---------------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """Return the market clock."""
        return self._core.state.clock.now_ms

    @property
    def stage(self) -> LockStage | None:
        """Return where lock-step waits; None in free run and after the last bar."""
        return self._clockwork.stage

    @property
    def ended(self) -> bool:
        """Return whether every market's last bar has closed."""
        return self._core.state.clock.ended

    def next_ms(self) -> int | None:
        """Return the market time of the next phase in free run; None after the last bar, and in lock-step."""
        return self._clockwork.next_ms()

    def advance(self, to_ms: int) -> None:
        """Move the market clock of a free run to `to_ms`, through each phase on the way.

        Raises:
            UsageError: the exchange runs in lock-step, or the time lies in the past.
        """
        with localcontext(_CONTEXT):
            self._clockwork.advance(to_ms)

    def ack(self, account: str, bar: int, stage: str, seq: int) -> AckOutcome:
        """Take an account's word that it has finished with a stage; time moves when all have.

        Args:
            account: its name.
            bar: number of the bar that has closed (stage "close"), or in which resting buys were filled ("fills").
            stage: "close" or "fills".
            seq: number of the account's last private event.
        """
        with localcontext(_CONTEXT):
            return self._clockwork.ack(account, bar, stage, seq, self._under_way.get(account, 0))

    # ---- requests -----------------------------------------------------------------------------------------------

    def begin(self, request: Request) -> int:
        """Note that a request is under way; return the latency of the command, wall ms."""
        name = self._core.keys.get(request.header("X-MBX-APIKEY") or "")
        if name is not None:
            self._under_way[name] = self._under_way.get(name, 0) + 1
        latency = self._core.settings.latency
        return (
            0 if request.path.startswith(_ADMIN) else self._core.delay_ms(latency.command_ms, latency.command_mean_ms)
        )

    def end(self, request: Request) -> None:
        """Note that the reply to a request that was begun is sent, or lost."""
        name = self._core.keys.get(request.header("X-MBX-APIKEY") or "")
        if name is not None:
            self._under_way[name] -= 1
            assert self._under_way[name] >= 0, "more requests ended than were begun"

    def handle(self, request: Request) -> Reply:
        """Carry out one request at once and return the reply, faults included."""
        self._log.append((self._core.clock.now_ms(), request))
        with localcontext(_CONTEXT):
            try:
                if request.path.startswith(_ADMIN):
                    params = parse_params(request.query, "")
                    status, body = self._admin.handle(request.method, request.path, params, request.body)
                    return Reply(status, dict(_JSON), json.dumps(body))
                return self._answer(request)
            except Refusal as refusal:
                return self._refusal(request, refusal)

    def _answer(self, request: Request) -> Reply:
        route = self._routes.get((request.method, request.path))
        if route is None:
            raise Refusal(-1020, "This operation is not supported.", 404)
        params = parse_params(request.query, request.body)
        self._weigh(request, route.weigh(params.raw))
        name = self._core.keys.get(request.header("X-MBX-APIKEY") or "")
        struck = self._before(request, route, name)
        if struck is not None:
            return struck
        return self._carry_out(request, route, params, name)

    def _carry_out(self, request: Request, route: Route, params: Params, name: str | None) -> Reply:
        if route.public is not None:
            reply = self._reply(request, 200, route.public(params))
        else:
            assert route.private is not None
            try:
                signer = check_request(self._core, request, params)
                reply = self._reply(request, 200, route.private(signer, params), signer, route.effect)
            except Refusal as refusal:
                reply = self._refusal(request, refusal)
        return reply if route.effect is Effect.READ else self._after(request, reply, name)

    def _weigh(self, request: Request, weight: int) -> None:
        """Count a request's weight; a fault limits or bans its address first."""
        limiter, faults, limits = (
            self._core.limiter(request.client),
            self._core.state.faults,
            self._core.settings.limits,
        )
        key = f"{request.method} {request.path}"
        now = self._core.clock.now_ms()
        for kind, rate, seconds in (
            (FaultKind.RATE_LIMITED, faults.rate_limited, 5),
            (FaultKind.BANNED, faults.banned, 120),
        ):
            how = self._core.strikes(kind, rate, key)
            if how is not None:
                raise impose(limiter, kind is FaultKind.BANNED, int(how or seconds), now, limits)
        charge(limiter, weight, now, limits)

    # ---- faults of one request ----------------------------------------------------------------------------------

    def _before(self, request: Request, route: Route, name: str | None) -> Reply | None:
        """Return what a fault answers before anything was done, None when none strikes."""
        faults, strikes = self._core.state.faults, self._core.strikes
        key = f"{request.method} {request.path}"
        if route.effect is Effect.READ:
            how = strikes(FaultKind.READ_ERROR, faults.read_error, key, name)
            return None if how is None else self._error_page(how)
        if (
            route.effect is Effect.CANCEL
            and strikes(FaultKind.CANCEL_TIMEOUT, faults.cancel_timeout, key, name) is not None
        ):
            return self._lost("TIMEOUT", Reply(200, {}, ""))
        how = strikes(FaultKind.REQUEST_LOST, faults.request_lost, key, name)
        if how is not None:
            return self._lost(how or self._choose(LOST_HOW[:2]), Reply(200, {}, ""))
        how = strikes(FaultKind.ERROR_BEFORE, faults.error_before, key, name)
        return None if how is None else self._error_page(how)

    def _after(self, request: Request, reply: Reply, name: str | None) -> Reply:
        """Return what a fault makes of the reply to a command that was carried out."""
        faults, strikes = self._core.state.faults, self._core.strikes
        key = f"{request.method} {request.path}"
        how = strikes(FaultKind.RESPONSE_LOST, faults.response_lost, key, name)
        if how is not None:
            return self._lost(how or self._choose(LOST_HOW), reply)
        how = strikes(FaultKind.ERROR_AFTER, faults.error_after, key, name)
        return reply if how is None else self._error_page(how)

    def _choose(self, options: Sequence[str]) -> str:
        return self._core.random["faults"].choice(options)

    def _lost(self, how: str, reply: Reply) -> Reply:
        """Return a reply that says nothing: dropped by the transport, or a page or nothing instead of JSON."""
        if how == "HTML":
            return Reply(200, {"Content-Type": "text/html"}, _HTML, reply.delay_ms)
        if how == "EMPTY":
            return Reply(200, dict(_JSON), "", reply.delay_ms)
        return Reply(reply.status, reply.headers, reply.body, reply.delay_ms, DropHow(how))

    def _error_page(self, how: str) -> Reply:
        """Return one of the errors that leave the execution unknown; `how` is a code, empty to draw one."""
        code = int(how) if how else int(self._choose([str(code) for code in ERROR_CODES]))
        status, message = ERROR_CODES.get(code, (503, "Service unavailable."))
        if code == 0:
            return Reply(status, {"Content-Type": "text/html"}, _HTML, self._ack_ms())
        return Reply(status, dict(_JSON), json.dumps({"code": code, "msg": message}), self._ack_ms())

    # ---- replies ------------------------------------------------------------------------------------------------

    def _ack_ms(self) -> int:
        latency = self._core.settings.latency
        return self._core.delay_ms(latency.ack_ms, latency.ack_mean_ms)

    def _headers(self, request: Request, signer: str | None = None, effect: Effect = Effect.READ) -> dict[str, str]:
        used = str(used_weight(self._core.limiter(request.client), self._core.clock.now_ms()))
        headers = {**_JSON, "X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        if signer is not None:
            headers["X-PAPER-SEQ"] = str(self._core.account(signer).seq)
            if effect is Effect.PLACE:
                headers |= order_headers(self._core.account(signer), self._core.wall_ms)
        return headers

    def _reply(
        self, request: Request, status: int, body: Any, signer: str | None = None, effect: Effect = Effect.READ
    ) -> Reply:
        return Reply(status, self._headers(request, signer, effect), json.dumps(body), self._ack_ms())

    def _refusal(self, request: Request, refusal: Refusal) -> Reply:
        headers = self._headers(request)
        if refusal.retry_after_s is not None:
            headers["Retry-After"] = str(refusal.retry_after_s)
        body = json.dumps({"code": refusal.code, "msg": refusal.message})
        return Reply(refusal.status, headers, body, self._ack_ms())

    # ---- streams ------------------------------------------------------------------------------------------------

    def drain(self) -> list[StreamEvent]:
        """Return the events since the last call, in the order in which they are to be sent."""
        return self._events.drain()

    def subscribe(self, params: Mapping[str, Any]) -> str | Reply:
        """Check a signed `userDataStream.subscribe.signature`; return the account's name, or the refusal."""
        try:
            return check_subscription(self._core, params)
        except Refusal as refusal:
            return self._refusal(Request("GET", "/ws-api/v3"), refusal)

    # ---- faults and foreign hands -------------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        """Probabilities and states of faults; replace them at any time (or POST /admin/faults)."""
        return self._core.state.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._core.state.faults = faults

    def script(self, fault: ScriptedFault) -> None:
        """Add a one-shot fault.

        Raises:
            UsageError: ten thousand are waiting already.
        """
        self._admin.script(fault)

    def external_order(self, account: str, params: Mapping[str, str]) -> Reply:
        """Place an order on the account that its trader did not send (parameters of POST /api/v3/order)."""
        body = json.dumps({"account": account, "order": dict(params)})
        return self.handle(Request("POST", "/admin/external", body=body))

    def deposit(self, account: str, asset: str, amount: str) -> None:
        """Add to the free balance of an account, or with a minus take from it.

        Raises:
            UsageError: there is no such account, or the amount is no number of at most eight decimals.
        """
        with localcontext(_CONTEXT):
            self._admin.deposit(account, asset, amount)

    # ---- the truth, for tests and reports -----------------------------------------------------------------------

    @property
    def request_log(self) -> Sequence[tuple[int, Request]]:
        """Return (wall ms, request) of each request that reached the exchange, the newest 100,000."""
        return tuple(self._log)

    def seq(self, account: str) -> int:
        """Return the number of an account's last private event."""
        return self._core.account(account).seq

    def trades(self, account: str) -> list[dict[str, Any]]:
        """Return every trade of an account as myTrades shows it."""
        with localcontext(_CONTEXT):
            return [my_trade(one, self._core.markets[one.symbol]) for one in self._core.account(account).trades]

    def orders(self, account: str) -> list[dict[str, Any]]:
        """Return every order of an account as allOrders shows it."""
        with localcontext(_CONTEXT):
            orders = self._core.account(account).orders.values()
            return [order_view(one, self._core.markets[one.symbol]) for one in orders]

    def balances(self, account: str) -> dict[str, tuple[str, str]]:
        """Return (free, locked) by asset."""
        money = self._core.account(account).money
        return {asset: (money_text(one.free), money_text(one.locked)) for asset, one in money.items()}

    # ---- snapshot -----------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Return the whole state as JSON bytes; events that were not drained are lost, as in a crash."""
        self._core.state.random = self._core.save_random()
        return json.dumps({"format": _FORMAT, "state": encode(self._core.state)}).encode()

    def restore(self, state: bytes) -> None:
        """Take over a snapshot of an exchange made with the same arguments.

        Raises:
            DataError: it is no snapshot, or one of other markets or accounts.
        """
        try:
            data = json.loads(state)
            known = data["format"] == _FORMAT
        except (ValueError, TypeError, KeyError):
            known = False
        if not known:
            raise DataError("this is no snapshot of the paper exchange; start it without")
        found = decode(ExchangeState, data["state"])
        same = set(found.markets) == set(self._core.markets) and set(found.accounts) == set(self._core.accounts)
        if not same:
            raise DataError("the snapshot has other markets or accounts; start the exchange with the same ones")
        self._core.state = found
        self._core.load_random(found.random)
        self._under_way = {}
        self._events.drain()
        self._build()
