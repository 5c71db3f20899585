"""Remedies that tighten the trading state: REDUCING and HALT; only a person loosens what they tightened."""

from collections.abc import Mapping
from typing import Any

from huracan.errors import DatabaseError
from huracan.execution.model import StateChange
from huracan.execution.postgres_rows import insert_state, select_states
from huracan.health.remedies.model import Done, Plan, Refusal, Scene
from huracan.memory.remediations import Remediation
from huracan.risk import live
from huracan.risk.live import MONITOR, HaltPolicy, StateRefused, StateRow, TradingState, transition

__all__ = ["Tighten"]

_FIRST = StateChange(0, TradingState.ACTIVE, "huracan", "never changed", 0)


class Tighten:
    """Ask for a state at least as strict as the one that stands; the trader obeys the row within a second.

    Args:
        change: REDUCE or HALT.
    """

    def __init__(self, change: live.StateChange) -> None:
        self._change = change

    def refuse(self, scene: Scene, plan: Plan) -> Refusal | None:
        """See `Remedy`."""
        if _account_no(scene, plan.account) is None:
            return Refusal(f"account {plan.account!r} was never traded")
        newest = _newest(scene, plan.account)
        found = self._after(newest, scene, plan)
        if isinstance(found, StateRefused):
            return Refusal(f"trading is {newest.state} already, which is stricter")
        return None if found is not None else Refusal(f"trading is {newest.state} already")

    def apply(self, scene: Scene, plan: Plan) -> Done:
        """See `Remedy`; written only as the successor of the state that it tightens.

        Raises:
            DatabaseError: somebody has changed the state since it was read; nothing is done, the next turn looks again.
        """
        before = _newest(scene, plan.account)
        after = self._after(before, scene, plan)
        if not isinstance(after, StateRow):  # it was looser when `refuse` looked
            raise _changed(plan.account)
        written = StateChange(before.seq + 1, after.state, after.author, after.reason, after.at_ms)
        _append(scene, plan.account, written)
        return Done({"trading_state": _packed(before)}, {"trading_state": _packed(written)})

    def superseded(self, scene: Scene, row: Remediation) -> str | None:
        """See `Remedy`: somebody has changed the state since."""
        newest = _newest(scene, row.account)
        return None if newest.seq == _unpacked(row.after).seq else newest.author

    def undo(self, scene: Scene, row: Remediation, author: str, reason: str) -> Refusal | None:
        """See `Remedy`: the state that stood before, by the person who wants it back."""
        newest = _newest(scene, row.account)
        if newest.seq != _unpacked(row.after).seq:
            return Refusal(f"{newest.author} has changed the trading state since ({newest.state}: {newest.reason})")
        before = _unpacked(row.before)
        words = f"{reason} (undoes remedy {row.number})"
        _append(scene, row.account, StateChange(newest.seq + 1, before.state, author, words, scene.now_ms))
        return None

    def _after(self, newest: StateChange, scene: Scene, plan: Plan) -> StateRow | StateRefused | None:
        """Return the state that would follow, why none would, or None where it stands already."""
        state = TradingState(newest.state)
        policy = HaltPolicy.CANCEL if state is TradingState.HALTED else None
        before = StateRow(state, policy, newest.author, newest.reason, newest.at_ms)
        words = f"{plan.anomaly.detector}: {plan.anomaly.words}"
        found = transition(before, self._change, MONITOR, words, scene.now_ms)
        return None if found == before else found


def _account_no(scene: Scene, account: str) -> int | None:
    cursor = scene.cursor
    cursor.execute("SELECT account_no FROM accounts WHERE name = %s", (account,))
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def _newest(scene: Scene, account: str) -> StateChange:
    number = _account_no(scene, account)
    found = select_states(scene.cursor, {"account": number}, 1) if number is not None else ()
    return found[-1] if found else _FIRST


def _append(scene: Scene, account: str, change: StateChange) -> None:
    number = _account_no(scene, account)
    assert number is not None, "refused before"
    cursor = scene.cursor
    cursor.execute(*insert_state(number, change))
    if cursor.fetchone() is None:  # whoever was faster decides; the next turn looks again
        raise _changed(account)


def _changed(account: str) -> DatabaseError:
    return DatabaseError(f"the trading state of {account} was changed in the same moment; look again")


def _packed(change: StateChange) -> Mapping[str, Any]:
    names = ("seq", "state", "author", "reason", "at_ms")
    return {name: getattr(change, name) for name in names}


def _unpacked(said: Mapping[str, Any]) -> StateChange:
    return StateChange(**said["trading_state"])
