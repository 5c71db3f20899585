"""What the engine is given: markets, settings, and the port to risk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from huracan.execution.resolver import ResolverSettings
from huracan.risk.live import MONITOR, Approval, Denied, HaltPolicy, OrderIntent
from huracan.trading import Instrument, KernelSettings

__all__ = ["EngineSettings", "Market", "RiskPort", "Verdict"]


@dataclass(frozen=True, slots=True)
class Market:
    """One market to trade: its grid and fees, and the kernel's settings."""

    instrument: Instrument
    settings: KernelSettings


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine keeps itself informed; seconds of the loop's clock.

    Attributes:
        mode: "paper" or "live", as closed trades are stored.
        lease_ttl_s: how long a lease holds without renewal.
        lease_wait_s: how long the start waits for another holder's lease.
        start_s: longest time for the questions of the start.
        close_wait_s: how long a close waits for the books of its markets; then entries are denied there.
        watch_s: period of the loop that flushes the journal and reads the trading state.
        orders_s: period of asking for statuses and trades of markets at work.
        trades_s: period of asking for trades and foreign orders everywhere.
        balances_s: period of comparing balances.
        balance_strikes: comparisons in a row that must differ before trading reduces.
        halt_s: longest time for the proof that nothing rests at the venue.
        halt_policy: what a halt that somebody wrote into the store does to positions.
        gentle: authors whose halts leave the protective stops at the venue, whatever `halt_policy` says.
        still: market time waits for us.
        rates: quote currency per unit of assets that pay fees and are not traded here.
        resolver: see there.
    """

    mode: str = "paper"
    lease_ttl_s: float = 15.0
    lease_wait_s: float = 0.0
    start_s: float = 60.0
    close_wait_s: float = 10.0
    watch_s: float = 1.0
    orders_s: float = 5.0
    trades_s: float = 60.0
    balances_s: float = 60.0
    balance_strikes: int = 3
    halt_s: float = 60.0
    halt_policy: HaltPolicy = HaltPolicy.CANCEL
    gentle: frozenset[str] = frozenset({MONITOR.name})
    still: bool = False
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    resolver: ResolverSettings = field(default_factory=ResolverSettings)


class RiskPort(Protocol):
    """What the engine asks of risk and tells it."""

    def check(self, intent: OrderIntent) -> Approval | Denied:
        """Judge an order, and reserve for it when it is approved."""
        ...

    def filled(self, key: str, quantity: Decimal) -> None:
        """Note a booked fill of an intent."""
        ...

    def ended(self, key: str, filled: Decimal) -> None:
        """Note that no order of an intent can fill any more."""
        ...


Verdict = Approval | Denied | None
"""What became of an intent: approved, denied with a code, or nothing to judge (an exit, a no-op)."""
