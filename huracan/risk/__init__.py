"""Risk: pure limits that approve or deny an entry; exits are never denied."""

from huracan.risk.day import DayBook
from huracan.risk.limits import (
    AccountView,
    Approved,
    DenialCode,
    Denied,
    EntryIntent,
    RiskLimits,
    check_entry,
    denial_table,
    must_flatten,
    reserve,
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
]
