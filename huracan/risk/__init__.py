"""Risk: limits, locks, trading state and breaker, all pure; every order passes one gate, and what is unknown denies.

Here are the limits in money, which portfolio shadow calls as well; `huracan.risk.live` is the door of a live account.
"""

from huracan.risk.codes import DenialCode, Denied, denial_table
from huracan.risk.day import DayBook
from huracan.risk.limits import (
    AccountView,
    Approved,
    EntryIntent,
    RiskLimits,
    check_entry,
    must_flatten,
    reserve,
    sure_enough,
)

__all__ = [
    "AccountView",
    "Approved",
    "DayBook",
    "DenialCode",
    "Denied",
    "EntryIntent",
    "RiskLimits",
    "check_entry",
    "denial_table",
    "must_flatten",
    "reserve",
    "sure_enough",
]
