"""The front door of what judges a live account: the gate and everything around it.

`RiskGate.check(view, intent)` judges an order; `protect`, `Breaker`, `kill` and `day_effects` decide what must happen
by itself, and `perform` has it done; `RiskKeeper` holds all of it for a running account. Apart from `huracan.risk`,
because these names speak the venue's types: the many processes of portfolio shadow need not load an exchange library
for their limits.
"""

from huracan.risk.breaker import (
    AccountResult,
    BalanceCheck,
    Breaker,
    BreakerState,
    ClockSkew,
    FeedAge,
    Slippage,
    Trip,
    respond,
)
from huracan.risk.codes import DenialCode, Denied, denial_table
from huracan.risk.day import DayBook
from huracan.risk.effects import (
    CancelOrders,
    CancelScope,
    Effect,
    Flatten,
    Performer,
    SetState,
    day_effects,
    kill,
    perform,
)
from huracan.risk.gate import GateLimits, RiskGate
from huracan.risk.keeper import RiskKeeper
from huracan.risk.limits import AccountView, Approved, EntryIntent, RiskLimits, check_entry, must_flatten, reserve
from huracan.risk.locks import EVERY_SYMBOL, LockBook, PairLock
from huracan.risk.protections import ClosedTrade, protect
from huracan.risk.rate import OrderRate
from huracan.risk.reservations import Reservation, ReservationBook
from huracan.risk.restrictions import Entry, PausedPattern, Restriction, RestrictionKind, Restrictions
from huracan.risk.state import (
    BY_ITSELF,
    MONITOR,
    Author,
    CommandKind,
    HaltPolicy,
    StateChange,
    StateRefused,
    StateRow,
    TradingState,
    permits,
    reduces,
    transition,
)
from huracan.risk.view import Approval, CoinView, OrderIntent, RiskView, account_view

__all__ = [
    "BY_ITSELF",
    "EVERY_SYMBOL",
    "MONITOR",
    "AccountResult",
    "AccountView",
    "Approval",
    "Approved",
    "Author",
    "BalanceCheck",
    "Breaker",
    "BreakerState",
    "CancelOrders",
    "CancelScope",
    "ClockSkew",
    "ClosedTrade",
    "CoinView",
    "CommandKind",
    "DayBook",
    "DenialCode",
    "Denied",
    "Effect",
    "Entry",
    "EntryIntent",
    "FeedAge",
    "Flatten",
    "GateLimits",
    "HaltPolicy",
    "LockBook",
    "OrderIntent",
    "OrderRate",
    "PairLock",
    "PausedPattern",
    "Performer",
    "Reservation",
    "ReservationBook",
    "Restriction",
    "RestrictionKind",
    "Restrictions",
    "RiskGate",
    "RiskKeeper",
    "RiskLimits",
    "RiskView",
    "SetState",
    "Slippage",
    "StateChange",
    "StateRefused",
    "StateRow",
    "TradingState",
    "Trip",
    "account_view",
    "check_entry",
    "day_effects",
    "denial_table",
    "kill",
    "must_flatten",
    "perform",
    "permits",
    "protect",
    "reduces",
    "reserve",
    "respond",
    "transition",
]
