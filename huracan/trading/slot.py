"""The slot: one position record of int64 fields, the whole state of an account in one market between two closes."""

from typing import Any, Final

import numpy as np

__all__ = [
    "ENTRY_FALLBACK",
    "ENTRY_NONE",
    "ENTRY_REFUSED",
    "ENTRY_RESTING",
    "ENTRY_SENT",
    "ENTRY_TAKER",
    "EXIT_MARKET",
    "EXIT_NONE",
    "EXIT_RESTING",
    "EXIT_SENT",
    "SLOT",
    "Slot",
]

_ACCOUNT = (  # lives as long as the slot
    "coins",  # held, 1e-8
    "cash",  # received less paid, ticks x steps, fees aside
    "fee",  # fees paid in quote, 1e-8
)
_ENTRY = (  # the entry at work, and what was frozen at its decision
    "want",  # still to be bought, steps
    "mode",  # ENTRY_*
    "limit",  # price of the resting order, ticks
    "cap",  # worst price of a taking order, ticks
    "deadline",  # bar_no at whose close the attempt is over
    "tries",  # attempts left after this one
    "placed",  # bar_no of the decision
    "requested",  # steps asked for
    "action",  # the Action that entered
    "ref",  # close of the decision, ticks
    "lot",  # least order that can be sold again, steps
    "stop",  # ticks
    "target",  # ticks
)
_EXIT = (  # the exit at work
    "reason",  # ExitReason, 0 while none is decided
    "exit_mode",  # EXIT_*
    "exit_limit",  # price of the resting exit, ticks
    "exit_deadline",  # bar_no at whose close it turns into a market order
)
_TRADE = (  # the position since its first fill
    "first_fill",  # bar_no
    "maker_fill",  # bar_no of the last resting buy fill, -1 before
    "quantity_in",  # steps bought; > 0 means a trade is open
    "value_in",  # ticks x steps paid
    "quantity_out",  # steps sold
    "value_out",  # ticks x steps received
    "fee_base",  # 1e-8 coin
    "fee_quote",  # 1e-8 quote
    "dust_in",  # coins held before the first fill, 1e-8
    "high",  # highest price of closed candles and fills, ticks
    "low",  # lowest
    "spread",  # paid to the half-spread, ticks x steps
    "slippage",  # paid beyond the touch, ticks x steps
)

SLOT = np.dtype([(name, "i8") for name in (*_ACCOUNT, *_ENTRY, *_EXIT, *_TRADE)])
"""An idle slot has zeros everywhere but in coins, cash and fee."""

Slot = Any
"""One element of an array of `SLOT`, changed in place (`slots[i]`; from Python of `slots.view(np.recarray)`)."""

ENTRY_NONE: Final = 0
ENTRY_TAKER: Final = 1  # fill-or-kill, meets the next open
ENTRY_SENT: Final = 2  # post-only, meets the next open
ENTRY_RESTING: Final = 3  # on the book
ENTRY_REFUSED: Final = 4  # would have crossed; the attempt waits out its life
ENTRY_FALLBACK: Final = 5  # fill-or-kill after the last attempt

EXIT_NONE: Final = 0
EXIT_MARKET: Final = 1  # meets the next open
EXIT_SENT: Final = 2  # resting exit, meets the next open
EXIT_RESTING: Final = 3  # on the book
