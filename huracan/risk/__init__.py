"""Risk: limits, locks, trading state and breaker, all pure; every order passes one gate, and what is unknown denies.

`RiskGate.check(view, intent)` judges an order of a live account. `check_entry` holds the limits in money and is the
same function in portfolio shadow. `protect`, `Breaker`, `kill` and `day_effects` decide what must happen by itself;
`perform` has it done.
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
from huracan.risk.effects import CancelOrders, CancelScope, Desk, Effect, Flatten, SetState, day_effects, kill, perform
from huracan.risk.gate import GateLimits, RiskGate
from huracan.risk.limits import AccountView, Approved, EntryIntent, RiskLimits, check_entry, must_flatten, reserve
from huracan.risk.locks import EVERY_SYMBOL, LockBook, PairLock
from huracan.risk.protections import ClosedTrade, protect
from huracan.risk.rate import OrderRate
from huracan.risk.reservations import Reservation, ReservationBook
from huracan.risk.state import (
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
    "EVERY_SYMBOL",
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
    "Desk",
    "Effect",
    "EntryIntent",
    "FeedAge",
    "Flatten",
    "GateLimits",
    "HaltPolicy",
    "LockBook",
    "OrderIntent",
    "OrderRate",
    "PairLock",
    "Reservation",
    "ReservationBook",
    "RiskGate",
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
