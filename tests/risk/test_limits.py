"""Risk limits: each one binds, the order is fixed, doubt denies, reservations count."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.config import RiskSettings
from huracan.risk import (
    AccountView,
    Approved,
    DenialCode,
    Denied,
    EntryIntent,
    RiskLimits,
    check_entry,
    must_flatten,
    reserve,
)

LIMITS = RiskLimits(
    symbol_notional_max=5_000.0,
    daily_loss_max=500.0,
    heat_max_frac=0.15,
    gross_exposure_max_frac=1.0,
    drawdown_max_frac=0.2,
    max_open_trades=3,
    daily_profit_target=800.0,
)
ACCOUNT = AccountView(
    equity=10_000.0, equity_peak=10_500.0, day_pnl=-100.0, free_cash=6_000.0, gross=4_000.0, heat=400.0, open_trades=2
)
INTENT = EntryIntent("A/USDT", notional=1_000.0, heat=50.0, symbol_notional=0.0)


def test_an_entry_within_all_limits_is_approved() -> None:
    """Nothing binds: the intent comes back for reservation."""
    assert check_entry(ACCOUNT, INTENT, LIMITS) == Approved(INTENT)


@pytest.mark.parametrize(
    ("account", "intent", "code"),
    [
        ({"day_pnl": -500.0}, {}, DenialCode.DAILY_LOSS),
        ({"day_pnl": 800.0}, {}, DenialCode.DAILY_PROFIT),
        ({"equity_peak": 12_500.0}, {}, DenialCode.DRAWDOWN),
        ({"open_trades": 3}, {}, DenialCode.OPEN_TRADES),
        ({}, {"symbol_notional": 4_000.01}, DenialCode.SYMBOL_NOTIONAL),
        ({"gross": 9_000.01}, {}, DenialCode.GROSS_EXPOSURE),
        ({"heat": 1_450.01}, {}, DenialCode.HEAT),
        ({"free_cash": 999.99}, {}, DenialCode.BALANCE),
    ],
)
def test_each_limit_binds_exactly_where_it_stands(
    account: dict[str, float], intent: dict[str, float], code: DenialCode
) -> None:
    """A hair beyond its limit a rule denies with its own code; a hair inside, it approves."""
    denied = check_entry(replace(ACCOUNT, **account), replace(INTENT, **intent), LIMITS)
    assert isinstance(denied, Denied)
    assert denied.code is code
    inward = {
        "day_pnl": 0.02 if code is DenialCode.DAILY_LOSS else -0.02,
        "equity_peak": -0.02,
        "open_trades": -1,
        "symbol_notional": -0.02,
    }
    eased = {name: value + inward.get(name, 0.02 if name == "free_cash" else -0.02) for name, value in account.items()}
    tamer = {name: value + inward[name] for name, value in intent.items()}
    assert isinstance(check_entry(replace(ACCOUNT, **eased), replace(INTENT, **tamer), LIMITS), Approved)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["equity", "equity_peak", "day_pnl", "free_cash", "gross", "heat"])
def test_an_unknown_account_denies(name: str, bad: float) -> None:
    """NaN or infinity anywhere in the account: STATE_UNKNOWN, never an approval."""
    denied = check_entry(replace(ACCOUNT, **{name: bad}), INTENT, LIMITS)
    assert isinstance(denied, Denied)
    assert denied.code is DenialCode.STATE_UNKNOWN


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("name", ["notional", "heat", "symbol_notional"])
def test_an_unknown_intent_denies(name: str, bad: float) -> None:
    """NaN, infinity or a negative figure in the intent: STATE_UNKNOWN."""
    denied = check_entry(ACCOUNT, replace(INTENT, **{name: bad}), LIMITS)
    assert isinstance(denied, Denied)
    assert denied.code is DenialCode.STATE_UNKNOWN


@pytest.mark.parametrize(
    "limits",
    [
        replace(LIMITS, daily_loss_max=math.nan),
        replace(LIMITS, heat_max_frac=math.inf),
        replace(LIMITS, daily_profit_target=math.nan),
    ],
)
def test_an_unknown_limit_denies(limits: RiskLimits) -> None:
    """A limit that is not a number protects from nothing, so nothing passes."""
    denied = check_entry(ACCOUNT, INTENT, limits)
    assert isinstance(denied, Denied)
    assert denied.code is DenialCode.STATE_UNKNOWN


def test_the_first_rule_broken_names_the_denial() -> None:
    """Daily loss comes before open trades, whoever else is broken."""
    denied = check_entry(replace(ACCOUNT, day_pnl=-501.0, open_trades=9, free_cash=0.0), INTENT, LIMITS)
    assert denied == Denied(DenialCode.DAILY_LOSS, -501.0, -500.0)


@given(st.lists(st.floats(1.0, 3_000.0), max_size=40), st.floats(0.0, 0.2))
def test_approvals_of_one_decision_never_pass_a_limit_together(notionals: list[float], stop_frac: float) -> None:
    """Whatever is asked in whatever order, the sum of what was approved keeps every limit."""
    limits = replace(LIMITS, max_open_trades=50)
    view = replace(ACCOUNT, open_trades=0)
    for notional in notionals:
        verdict = check_entry(view, EntryIntent("A", notional, notional * stop_frac, 0.0), limits)
        if isinstance(verdict, Approved):
            view = reserve(view, verdict)
    assert view.gross <= limits.gross_exposure_max_frac * view.equity
    assert view.heat <= limits.heat_max_frac * view.equity
    assert view.free_cash >= 0.0


def test_the_days_loss_flattens_at_its_limit() -> None:
    """At -500 everything is sold, above it nothing; an unknown result sells nothing."""
    assert must_flatten(-500.0, LIMITS)
    assert not must_flatten(-499.99, LIMITS)
    assert not must_flatten(math.nan, LIMITS)


def test_limits_come_in_quote_currency() -> None:
    """Money is converted once, shares are not."""
    limits = RiskLimits.of(RiskSettings(daily_loss_max=400.0, daily_profit_target=40.0), account_to_quote_rate=1.25)
    assert limits.daily_profit_target == 50.0
    assert RiskLimits.of(RiskSettings()).daily_profit_target is None
    assert (limits.daily_loss_max, limits.symbol_notional_max, limits.heat_max_frac) == (500.0, 6_250.0, 0.15)
