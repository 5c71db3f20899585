"""The slot: one position record as int64, the whole state of an account in one market between two closes."""

from typing import Final

__all__ = [
    "ACTION",
    "BASE",
    "CAP",
    "CASH",
    "DEADLINE",
    "DUST_IN",
    "ENTRY_FALLBACK",
    "ENTRY_NONE",
    "ENTRY_REFUSED",
    "ENTRY_RESTING",
    "ENTRY_SENT",
    "ENTRY_TAKER",
    "EXIT_DEADLINE",
    "EXIT_LIMIT",
    "EXIT_MARKET",
    "EXIT_MODE",
    "EXIT_NONE",
    "EXIT_RESTING",
    "EXIT_SENT",
    "FEE",
    "FEE_BASE",
    "FEE_QUOTE",
    "FIRST_FILL",
    "HIGH",
    "LIMIT",
    "LOT",
    "LOW",
    "MAKER_FILL",
    "MODE",
    "PLACED",
    "QUANTITY_IN",
    "QUANTITY_OUT",
    "REASON",
    "REF",
    "REQUESTED",
    "SLIPPAGE",
    "SLOT_NAMES",
    "SLOT_SIZE",
    "SPREAD",
    "STOP",
    "TARGET",
    "TRIES",
    "VALUE_IN",
    "VALUE_OUT",
    "WANT",
]

# the account: lives as long as the slot
BASE: Final = 0  # coins held, 1e-8
CASH: Final = 1  # received less paid, ticks x steps, fees aside
FEE: Final = 2  # fees paid in quote, 1e-8

# the entry at work
WANT: Final = 3  # still to be bought, steps
MODE: Final = 4  # ENTRY_*
LIMIT: Final = 5  # price of the resting order, ticks
CAP: Final = 6  # worst price of a taking order, ticks
DEADLINE: Final = 7  # bar_no at whose close the attempt is over
TRIES: Final = 8  # attempts left after this one
PLACED: Final = 9  # bar_no of the decision
REQUESTED: Final = 10  # steps asked for
ACTION: Final = 11  # the Action that entered
REF: Final = 12  # close of the decision, ticks
LOT: Final = 13  # least order that can be sold again, steps
STOP: Final = 14  # ticks, frozen at the decision
TARGET: Final = 15  # ticks, frozen at the decision

# the exit at work
REASON: Final = 16  # ExitReason, 0 while none is decided
EXIT_MODE: Final = 17  # EXIT_*
EXIT_LIMIT: Final = 18  # price of the resting exit, ticks
EXIT_DEADLINE: Final = 19  # bar_no at whose close it turns into a market order

# the position since its first fill
FIRST_FILL: Final = 20  # bar_no
MAKER_FILL: Final = 21  # bar_no of the last resting buy fill, -1 before
QUANTITY_IN: Final = 22  # steps bought; > 0 means a trade is open
VALUE_IN: Final = 23  # ticks x steps paid
QUANTITY_OUT: Final = 24
VALUE_OUT: Final = 25
FEE_BASE: Final = 26  # 1e-8 coin
FEE_QUOTE: Final = 27  # 1e-8 quote
DUST_IN: Final = 28  # coins held before the first fill, 1e-8
HIGH: Final = 29  # highest and lowest of closed candles and fill prices, ticks
LOW: Final = 30
SPREAD: Final = 31  # paid to the half-spread, ticks x steps
SLIPPAGE: Final = 32  # paid beyond the touch, ticks x steps

SLOT_SIZE: Final = 33
SLOT_NAMES: Final = (
    "base",
    "cash",
    "fee",
    "want",
    "mode",
    "limit",
    "cap",
    "deadline",
    "tries",
    "placed",
    "requested",
    "action",
    "ref",
    "lot",
    "stop",
    "target",
    "reason",
    "exit_mode",
    "exit_limit",
    "exit_deadline",
    "first_fill",
    "maker_fill",
    "quantity_in",
    "value_in",
    "quantity_out",
    "value_out",
    "fee_base",
    "fee_quote",
    "dust_in",
    "high",
    "low",
    "spread",
    "slippage",
)

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
