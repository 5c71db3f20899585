"""What the exchange's operator may do: faults, acks, foreign orders, deposits, a look at the state. JSON in and out."""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from huracan.errors import HuracanError, UsageError
from huracan.paper.account import move
from huracan.paper.core import Core
from huracan.paper.errors import Refusal
from huracan.paper.events import EventLog
from huracan.paper.faults import ScriptedFault, faults_from_json
from huracan.paper.lockstep import AckOutcome, LockStage
from huracan.paper.params import Params
from huracan.paper.payloads import account_position, money_text
from huracan.paper.private import PrivateRoutes
from huracan.paper.state import Money

__all__ = ["AdminRoutes"]

_SCRIPT_MAX = 10_000

Ack = Callable[[str, int, str, int], AckOutcome]


class AdminRoutes:
    """Handlers under /admin; `ack` and `stage` are the exchange's."""

    def __init__(
        self,
        core: Core,
        events: EventLog,
        private: PrivateRoutes,
        ack: Ack,
        stage: Callable[[], LockStage | None],
    ) -> None:
        self._core = core
        self._events = events
        self._private = private
        self._ack = ack
        self._stage = stage

    def handle(self, method: str, path: str, query: Params, body: str) -> tuple[int, Any]:
        """Carry out one request; return (status, body)."""
        routes: dict[tuple[str, str], Callable[[dict[str, Any]], tuple[int, Any]]] = {
            ("POST", "/admin/ack"): self._acknowledge,
            ("POST", "/admin/external"): self._external,
            ("POST", "/admin/deposit"): self._deposit,
        }
        try:
            if (method, path) == ("POST", "/admin/faults"):
                return self._faults(body)
            if (method, path) == ("GET", "/admin/faults"):
                return 200, json.loads(self._core.state.faults.to_json())
            if (method, path) == ("GET", "/admin/state"):
                return 200, self._state(query.get("account"))
            if (method, path) not in routes:
                return 404, {"error": f"no route {method} {path}"}
            given = json.loads(body)
            if not isinstance(given, dict):
                raise UsageError("send a JSON object")
            return routes[method, path](given)
        except (HuracanError, ValueError, TypeError, KeyError, InvalidOperation) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}

    def _faults(self, body: str) -> tuple[int, Any]:
        faults, script = faults_from_json(body, self._core.state.faults)
        self._core.state.faults = faults
        for fault in script:
            self.script(fault)
        return 200, json.loads(faults.to_json())

    def script(self, fault: ScriptedFault) -> None:
        """Add a one-shot fault."""
        if len(self._core.state.script) >= _SCRIPT_MAX:
            raise UsageError(f"{_SCRIPT_MAX} faults are waiting already; let some of them strike first")
        self._core.state.script.append(fault)

    def _acknowledge(self, given: dict[str, Any]) -> tuple[int, Any]:
        done = self._ack(str(given["account"]), int(given["bar"]), str(given["stage"]), int(given["seq"]))
        answer = {"accepted": done.accepted, "reason": done.reason, **self._state(str(given["account"]))}
        return (200 if done.accepted else 409), answer

    def _state(self, account: str | None) -> dict[str, Any]:
        stage, clock = self._stage(), self._core.state.clock
        shown: dict[str, Any] = {
            "now_ms": clock.now_ms,
            "ended": clock.ended,
            "bar": clock.closed if stage is None else stage.bar,
            "stage": "" if stage is None else stage.stage,
            "waiting": [] if stage is None else list(stage.waiting),
            "late_commands": {symbol: state.late for symbol, state in self._core.state.markets.items()},
        }
        if account is not None and account in self._core.accounts:
            shown["seq"] = self._core.account(account).seq
        return shown

    def _external(self, given: dict[str, Any]) -> tuple[int, Any]:
        name = self._known(str(given["account"]))
        params = {str(key): str(value) for key, value in given["order"].items()}
        try:
            return 200, self._private.new_order(name, Params(params))
        except Refusal as refusal:
            return refusal.status, {"code": refusal.code, "msg": refusal.message}

    def _known(self, name: str) -> str:
        if name not in self._core.accounts:
            raise UsageError(f"no account {name!r}; there are {', '.join(self._core.accounts)}")
        return name

    def _deposit(self, given: dict[str, Any]) -> tuple[int, Any]:
        self.deposit(str(given["account"]), str(given["asset"]), str(given["amount"]))
        return 200, {}

    def deposit(self, name: str, asset: str, amount: str) -> None:
        """Add to the free balance of an account, or with a minus take from it, and tell its user stream.

        Raises:
            UsageError: there is no such account, the amount is no number of at most eight decimals, or not free.
        """
        value, state = Decimal(amount), self._core.account(self._known(name))
        if not value.is_finite() or value != round(value, 8):
            raise UsageError(f"amount {amount} is no number of at most eight decimals")
        if state.money.get(asset, Money()).free + value < 0:
            raise UsageError(f"{name} has less than {-value} {asset} free; take less")
        move(state, asset, value)
        now = self._core.state.clock.now_ms
        update = {"e": "balanceUpdate", "E": now, "a": asset, "d": money_text(value), "T": now}
        self._events.private(name, update)
        self._events.private(name, account_position(state, [asset], now))
