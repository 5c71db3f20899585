"""Writing the trading state: one more line of its history, whoever else writes at the same moment."""

from huracan.errors import InvariantError
from huracan.execution.model import StateChange
from huracan.execution.store import Store
from huracan.risk.live import TradingState

__all__ = ["write_state"]

_WRITES_MAX = 10


async def write_state(store: Store, state: TradingState, author: str, reason: str, at_ms: int) -> StateChange:
    """Append a state to the account's history and return the line.

    Args:
        store: of the account.
        state: from now on.
        author: who; never empty.
        reason: why; never empty.
        at_ms: wall clock.

    Raises:
        DatabaseError: the store does not answer.
        InvariantError: others wrote faster, ten times in a row.
    """
    for _ in range(_WRITES_MAX):
        last = await store.state()
        row = StateChange(1 if last is None else last.seq + 1, state, author, reason, at_ms)
        if await store.change_state(row):
            return row
    raise InvariantError(f"the trading state changed {_WRITES_MAX} times while {state} was to be written")
