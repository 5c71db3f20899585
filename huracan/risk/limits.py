"""Pure risk rules: an account and an entry intent in, `Approved` or `Denied(code)` out; doubt denies.

Portfolio shadow and live trading call the same functions. Exits are never asked about: they are never denied.
All money is in one currency, the account's or the quote's, as long as it is the same everywhere.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from huracan.config import RiskSettings

__all__ = [
    "AccountView",
    "Approved",
    "DenialCode",
    "Denied",
    "EntryIntent",
    "RiskLimits",
    "check_entry",
    "denial_table",
    "must_flatten",
    "reserve",
]


class DenialCode(StrEnum):
    """Why an entry was refused; each value is what is stored and served."""

    STATE_UNKNOWN = "STATE_UNKNOWN"
    DAILY_LOSS = "DAILY_LOSS"
    DRAWDOWN = "DRAWDOWN"
    OPEN_TRADES = "OPEN_TRADES"
    SYMBOL_NOTIONAL = "SYMBOL_NOTIONAL"
    GROSS_EXPOSURE = "GROSS_EXPOSURE"
    HEAT = "HEAT"
    BALANCE = "BALANCE"


_MEANING = {
    DenialCode.STATE_UNKNOWN: ("a figure is missing, not finite or impossible", "risk fails closed: find out which"),
    DenialCode.DAILY_LOSS: ("the UTC day's realised and unrealised loss reached its limit", "risk.daily_loss_max"),
    DenialCode.DRAWDOWN: ("equity fell too far below its peak", "risk.drawdown_max_frac"),
    DenialCode.OPEN_TRADES: ("as many trades are open or reserved as allowed", "risk.max_open_trades"),
    DenialCode.SYMBOL_NOTIONAL: ("the symbol's notional would pass its limit", "risk.symbol_notional_max"),
    DenialCode.GROSS_EXPOSURE: ("the sum of notionals would pass its share of equity", "risk.gross_exposure_max_frac"),
    DenialCode.HEAT: ("the loss if every stop is hit would pass its share of equity", "risk.heat_max_frac"),
    DenialCode.BALANCE: ("free cash does not cover the order at its worst price", "the account's balance"),
}


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits in one currency.

    Attributes:
        symbol_notional_max: largest notional of one symbol.
        daily_loss_max: largest loss of a UTC day, > 0.
        heat_max_frac: largest loss if all stops hit, share of equity.
        gross_exposure_max_frac: largest sum of notionals, share of equity.
        drawdown_max_frac: largest fall from the equity peak, share of the peak.
        max_open_trades: open or reserved trades.
    """

    symbol_notional_max: float
    daily_loss_max: float
    heat_max_frac: float
    gross_exposure_max_frac: float
    drawdown_max_frac: float
    max_open_trades: int

    @classmethod
    def of(cls, risk: RiskSettings, account_to_quote_rate: float = 1.0) -> "RiskLimits":
        """Return the settings in quote currency, at `account_to_quote_rate` quote units per account unit."""
        return cls(
            symbol_notional_max=risk.symbol_notional_max * account_to_quote_rate,
            daily_loss_max=risk.daily_loss_max * account_to_quote_rate,
            heat_max_frac=risk.heat_max_frac,
            gross_exposure_max_frac=risk.gross_exposure_max_frac,
            drawdown_max_frac=risk.drawdown_max_frac,
            max_open_trades=risk.max_open_trades,
        )


@dataclass(frozen=True, slots=True)
class AccountView:
    """What risk knows of the account at a decision, reservations of the same decision included.

    Attributes:
        equity: cash and positions at market.
        equity_peak: highest equity so far, >= equity.
        day_pnl: realised and unrealised since 00:00 UTC.
        free_cash: cash not bound by reservations.
        gross: sum of the notionals held and reserved, >= 0.
        heat: loss if every stop is hit, held and reserved, >= 0.
        open_trades: positions, working entries and reservations.
    """

    equity: float
    equity_peak: float
    day_pnl: float
    free_cash: float
    gross: float
    heat: float
    open_trades: int


@dataclass(frozen=True, slots=True)
class EntryIntent:
    """An entry that a policy wants.

    Attributes:
        symbol: ccxt symbol.
        notional: at the worst price, costs included, > 0.
        heat: loss if the stop is hit, costs included, >= 0.
        symbol_notional: notional of the symbol already held or reserved, >= 0.
    """

    symbol: str
    notional: float
    heat: float
    symbol_notional: float


@dataclass(frozen=True, slots=True)
class Approved:
    """The entry may go out; its `intent` is reserved until it is filled or void."""

    intent: EntryIntent


@dataclass(frozen=True, slots=True)
class Denied:
    """The entry is refused.

    Attributes:
        code: the rule.
        value: the figure that broke it, NaN when unknown.
        limit: what it may be, NaN when unknown.
    """

    code: DenialCode
    value: float
    limit: float


def check_entry(view: AccountView, intent: EntryIntent, limits: RiskLimits) -> Approved | Denied:
    """Judge one entry; the first rule broken, in the order of `DenialCode`, names the denial.

    A figure that is NaN, infinite or impossible denies with STATE_UNKNOWN, whatever the others say.
    """
    if not _known(view, intent, limits):
        return Denied(DenialCode.STATE_UNKNOWN, math.nan, math.nan)
    for code, value, limit, allowed in _rules(view, intent, limits):
        if not allowed:
            return Denied(code, value, limit)
    return Approved(intent)


def reserve(view: AccountView, approved: Approved) -> AccountView:
    """Return the account as the next intent of the same decision must see it: the approved one counts already."""
    intent = approved.intent
    return replace(
        view,
        free_cash=view.free_cash - intent.notional,
        gross=view.gross + intent.notional,
        heat=view.heat + intent.heat,
        open_trades=view.open_trades + 1,
    )


def must_flatten(day_pnl: float, limits: RiskLimits) -> bool:
    """Return True when the UTC day's loss reached its limit: every position is sold as RISK_EXIT.

    An unknown result flattens nothing; it denies entries (STATE_UNKNOWN), since selling blindly is a risk of its own.
    """
    return day_pnl <= -limits.daily_loss_max


def denial_table() -> str:
    """Return the codes as a Markdown table, as the documentation shows them."""
    rows = ["| code | meaning | setting |", "|---|---|---|"]
    rows += [f"| `{code}` | {_MEANING[code][0]} | {_MEANING[code][1]} |" for code in DenialCode]
    return "\n".join(rows) + "\n"


def _known(view: AccountView, intent: EntryIntent, limits: RiskLimits) -> bool:
    figures = (
        view.equity,
        view.equity_peak,
        view.day_pnl,
        view.free_cash,
        view.gross,
        view.heat,
        intent.notional,
        intent.heat,
        intent.symbol_notional,
        limits.symbol_notional_max,
        limits.daily_loss_max,
        limits.heat_max_frac,
        limits.gross_exposure_max_frac,
        limits.drawdown_max_frac,
    )
    return (
        all(math.isfinite(figure) for figure in figures)
        and view.equity > 0.0
        and view.equity_peak >= view.equity
        and min(view.gross, view.heat, intent.heat, intent.symbol_notional, view.open_trades) >= 0
        and intent.notional > 0.0
    )


def _rules(
    view: AccountView, intent: EntryIntent, limits: RiskLimits
) -> tuple[tuple[DenialCode, float, float, bool], ...]:
    """Return (code, figure, limit, allowed) of every rule, in the order of `DenialCode`."""
    drawdown_frac = (view.equity_peak - view.equity) / view.equity_peak
    symbol_notional = intent.symbol_notional + intent.notional
    gross, gross_max = view.gross + intent.notional, limits.gross_exposure_max_frac * view.equity
    heat, heat_max = view.heat + intent.heat, limits.heat_max_frac * view.equity
    return (
        (DenialCode.DAILY_LOSS, view.day_pnl, -limits.daily_loss_max, view.day_pnl > -limits.daily_loss_max),
        (DenialCode.DRAWDOWN, drawdown_frac, limits.drawdown_max_frac, drawdown_frac < limits.drawdown_max_frac),
        (
            DenialCode.OPEN_TRADES,
            view.open_trades + 1,
            limits.max_open_trades,
            view.open_trades + 1 <= limits.max_open_trades,
        ),
        (
            DenialCode.SYMBOL_NOTIONAL,
            symbol_notional,
            limits.symbol_notional_max,
            symbol_notional <= limits.symbol_notional_max,
        ),
        (DenialCode.GROSS_EXPOSURE, gross, gross_max, gross <= gross_max),
        (DenialCode.HEAT, heat, heat_max, heat <= heat_max),
        (DenialCode.BALANCE, intent.notional, view.free_cash, intent.notional <= view.free_cash),
    )
