"""Pure risk rules: an account and an entry intent in, `Approved` or `Denied(code)` out; doubt denies.

Portfolio shadow and live trading call the same functions. Exits are never asked about: they are never denied.
All money is in one currency, the account's or the quote's, as long as it is the same everywhere.
"""

import math
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from huracan.config import RiskSettings
from huracan.risk.codes import DenialCode, Denied

__all__ = [
    "AccountView",
    "Approved",
    "EntryIntent",
    "RiskLimits",
    "check_entry",
    "must_flatten",
    "reserve",
    "sure_enough",
]


IntentT = TypeVar("IntentT")


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
        daily_profit_target: result of a UTC day that ends entries until midnight; None: no target.
    """

    symbol_notional_max: float
    daily_loss_max: float
    heat_max_frac: float
    gross_exposure_max_frac: float
    drawdown_max_frac: float
    max_open_trades: int
    daily_profit_target: float | None = None

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
            daily_profit_target=None
            if risk.daily_profit_target is None
            else risk.daily_profit_target * account_to_quote_rate,
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
class Approved(Generic[IntentT]):
    """The order may go out; its `intent` is reserved until it is filled or void."""

    intent: IntentT


def check_entry(view: AccountView, intent: EntryIntent, limits: RiskLimits) -> Approved[EntryIntent] | Denied:
    """Judge one entry; the first rule broken, in the order of `DenialCode`, names the denial.

    A figure that is NaN, infinite or impossible denies with STATE_UNKNOWN, whatever the others say.
    """
    if not _known(view, intent, limits):
        return Denied(DenialCode.STATE_UNKNOWN, math.nan, math.nan)
    for code, value, limit, allowed in _rules(view, intent, limits):
        if not allowed:
            return Denied(code, value, limit)
    return Approved(intent)


def reserve(view: AccountView, approved: Approved[EntryIntent]) -> AccountView:
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


def sure_enough(confidence: float, least: float) -> bool:
    """Return whether a decision is confident enough for an entry; unknown (NaN) is not, save where nothing is asked.

    Both are float64: a float32 confidence is widened before it is compared, in shadow as in live trading.
    """
    return least <= 0.0 or confidence >= least


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
        0.0 if limits.daily_profit_target is None else limits.daily_profit_target,
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
    profit_max = math.inf if limits.daily_profit_target is None else limits.daily_profit_target
    gross, gross_max = view.gross + intent.notional, limits.gross_exposure_max_frac * view.equity
    heat, heat_max = view.heat + intent.heat, limits.heat_max_frac * view.equity
    return (
        (DenialCode.DAILY_LOSS, view.day_pnl, -limits.daily_loss_max, view.day_pnl > -limits.daily_loss_max),
        (DenialCode.DAILY_PROFIT, view.day_pnl, profit_max, view.day_pnl < profit_max),
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
