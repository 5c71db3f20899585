"""The gate: every code is reachable, every rule is needed, doubt denies, exits pass, and tighter is never looser."""

import contextlib
import math
from dataclasses import fields, replace
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.config import RiskSettings
from huracan.risk.live import (
    AccountView,
    Approval,
    Approved,
    DenialCode,
    Denied,
    EntryIntent,
    GateLimits,
    HaltPolicy,
    LockBook,
    OrderIntent,
    OrderRate,
    PairLock,
    Reservation,
    ReservationBook,
    RiskGate,
    RiskLimits,
    RiskView,
    StateRow,
    TradingState,
    account_view,
    check_entry,
    reserve,
)
from huracan.venue.orders import Side
from tests.risk.cases import (
    ACTIVE,
    BUY,
    CASES,
    COIN,
    FILTERS,
    LIMITS,
    MONEY,
    NOW,
    SELL,
    SITES,
    VIEW,
    Case,
    mutant,
    reservation,
    with_coin,
)

GATE = RiskGate(LIMITS)


def test_a_healthy_account_may_buy_and_sell() -> None:
    """Nothing binds: both orders pass, each with a reservation of all it may do."""
    bought, sold = GATE.check(VIEW, BUY), GATE.check(VIEW, SELL)
    assert isinstance(bought, Approval)
    assert isinstance(sold, Approval)
    assert bought.reservation == Reservation("i1", "A/USDT", Side.BUY, D(10), D(101), D(95), D("0.001"), NOW)
    assert bought.reservation.notional == D("1011.010")
    assert bought.reservation.heat == D("1011.010") - D(950) * D("0.999")
    assert (sold.reservation.side, sold.reservation.left, sold.reservation.notional) == (Side.SELL, D(10), 0)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_each_case_is_denied_with_its_code(case: Case) -> None:
    """One thing wrong with a healthy order or account: denied, with the code of that thing."""
    denied = GATE.check(case.view, case.intent)
    assert isinstance(denied, Denied)
    assert denied.code is case.code


def test_every_code_is_reached() -> None:
    """No code of the documented table is decoration."""
    assert {case.code for case in CASES.values()} == set(DenialCode)


@pytest.mark.parametrize(("module", "number", "site"), SITES, ids=[site for _, _, site in SITES])
def test_each_rule_is_needed(module: str, number: int, site: str) -> None:
    """With any single denial taken out of the source, a case above is not denied with its code any more."""
    changed = mutant(module, number)
    noticed = False
    for case in CASES.values():
        found: Any = None
        with contextlib.suppress(Exception):
            found = changed.check(case.view, case.intent)
        noticed = noticed or not (isinstance(found, Denied) and found.code is case.code)
    assert noticed, site


def test_taking_nothing_out_changes_nothing() -> None:
    """The mutants differ from the gate by their rule alone: without one removed, each case is denied as before."""
    assert len(SITES) > 40
    for module in ("gate", "shape", "limits"):
        same = mutant(module, -1)
        for case in CASES.values():
            assert same.check(case.view, case.intent).code is case.code


def test_an_edge_is_inside() -> None:
    """Exactly at its limit a figure passes; where the limit is a first forbidden value, just before it."""
    fine = [
        with_coin(VIEW, price_ms=NOW - 60_000),
        replace(VIEW, feed_age_s=180.0),
        replace(VIEW, skew_ms=499.9),
        replace(VIEW, in_flight=4),
        replace(VIEW, rate=OrderRate(4, 10_000, (NOW - 10_000, NOW, NOW, NOW))),
        replace(VIEW, day_pnl=D("-499.99")),
        replace(VIEW, day_pnl=D("899.99")),
        replace(VIEW, cash=D("1011.01")),
        replace(
            VIEW, locks=LockBook((PairLock("A/USDT", 0, NOW, "s", "over"), PairLock("B/USDT", 0, NOW + 1, "s", "b")))
        ),
    ]
    for view in fine:
        assert isinstance(GATE.check(view, BUY), Approval), view
    assert isinstance(GATE.check(VIEW, replace(BUY, quantity=D("0.050"), price=D(100))), Approval)


def test_a_coin_that_is_neither_held_nor_bought_needs_no_price() -> None:
    """What does not count towards a limit cannot make it unknown."""
    flat = with_coin(VIEW, "B/USDT", position=D(0), price=None, stop=None)
    assert isinstance(GATE.check(flat, BUY), Approval)


def test_an_order_of_unknown_fate_blocks_its_own_coin_and_counts_for_the_others() -> None:
    """B's order may have been filled: A may be bought as far as B's reservation leaves room, B not at all."""
    lost = ReservationBook((reservation("r", quantity=D(10), at_ms=NOW - 60_000),))
    view = with_coin(replace(VIEW, reservations=lost), "B/USDT", booked=False)
    assert isinstance(GATE.check(view, BUY), Approval)
    assert account_view(view).gross == 4_000.0
    denied = GATE.check(view, OrderIntent("i3", "B/USDT", Side.BUY, D(1), D(201), D(190)))
    assert isinstance(denied, Denied)
    assert denied.code is DenialCode.STATE_UNKNOWN


def test_an_exit_takes_over_the_coins_of_the_bracket_that_it_replaces() -> None:
    """The bracket holds all coins: a second sale is denied, one that replaces it passes."""
    view = replace(VIEW, reservations=ReservationBook((reservation("oco", side=Side.SELL, quantity=D(10)),)))
    denied = GATE.check(view, SELL)
    assert isinstance(denied, Denied)
    assert denied.code is DenialCode.OVERSOLD
    assert isinstance(GATE.check(view, replace(SELL, replaces=frozenset({"oco"}))), Approval)


_GARBAGE = st.sampled_from([None, D("NaN"), math.nan, -1, 1e18, "x"])


@settings(deadline=None)
@given(
    junk=st.fixed_dictionaries(
        {
            field.name: _GARBAGE
            for field in fields(RiskView)
            if field.name not in ("coins", "state", "reservations", "now_ms")
        }
    ),
    price=_GARBAGE,
    status=st.sampled_from(["TRADING", "HALT", None]),
    quantity=st.integers(1, 10_000),
    state=st.sampled_from(
        [
            ACTIVE,
            StateRow(TradingState.REDUCING, None, "ann", "r", NOW),
            StateRow(TradingState.HALTED, HaltPolicy.CANCEL, "ann", "h", NOW),
            StateRow(TradingState.HALTED, HaltPolicy.FLATTEN, "ann", "h", NOW),
        ]
    ),
)
def test_an_exit_of_what_is_held_always_passes(
    junk: dict[str, Any], price: Any, status: Any, quantity: int, state: StateRow
) -> None:
    """Whatever else is unknown, exhausted, stale, throttled or closed: coins that are held can be sold."""
    view = with_coin(VIEW, "B/USDT", price=price, price_ms=price, filters=replace(FILTERS, status=status))
    view = replace(view, state=state, **junk)
    sell = replace(SELL, quantity=D(quantity) / 1000)
    assert isinstance(GATE.check(view, sell), Approval)


def _money(top: int) -> st.SearchStrategy[D]:
    return st.integers(0, top * 100).map(lambda cents: D(cents) / 100)


VIEWS = st.builds(
    lambda equity, fall, day, cash, held, stop, bought, rate, flight, age, skew: replace(
        with_coin(VIEW, "B/USDT", position=held, stop=stop),
        equity=equity,
        equity_peak=equity + fall,
        day_pnl=day,
        cash=cash,
        reservations=ReservationBook((reservation("r", quantity=bought),) if bought else ()),
        rate=OrderRate(4, 10_000, (NOW,) * rate),
        in_flight=flight,
        feed_age_s=age,
        skew_ms=skew,
    ),
    st.integers(5_000, 20_000).map(D),
    _money(4_000),
    st.integers(-700, 1_000).map(D),
    _money(20_000),
    st.integers(0, 100).map(D),
    st.sampled_from([D(150), D(190), D(199), None]),
    st.integers(0, 20).map(D),
    st.integers(0, 4),
    st.integers(0, 6),
    st.floats(0.0, 200.0),
    st.floats(-600.0, 600.0),
)
BUYS = st.builds(
    lambda quantity, stop: replace(BUY, quantity=D(quantity) / 1000, stop=stop),
    st.integers(1, 60_000),
    st.sampled_from([D(50), D(90), D(99), None]),
)
FRACS = st.fixed_dictionaries(
    {
        name: st.floats(0.1, 1.0)
        for name in (
            "symbol_notional_max",
            "daily_loss_max",
            "heat_max_frac",
            "gross_exposure_max_frac",
            "drawdown_max_frac",
            "daily_profit_target",
            "max_open_trades",
            "price_age_max_ms",
            "feed_age_max_s",
            "clock_skew_max_ms",
            "max_orders_in_flight",
        )
    }
)


def _tightened(limits: GateLimits, fracs: dict[str, float]) -> GateLimits:
    def less(owner: Any) -> dict[str, Any]:
        own = {name: (getattr(owner, name), fracs[name]) for name in fracs if hasattr(owner, name)}
        return {
            name: int(value * frac) if isinstance(value, int) and "max_o" in name else value * frac
            for name, (value, frac) in own.items()
        }

    return replace(limits, money=replace(limits.money, **less(limits.money)), **less(limits))


@settings(deadline=None)
@given(view=VIEWS, intent=BUYS, fracs=FRACS, locked=st.booleans(), slots=st.integers(1, 4))
def test_tightening_never_turns_a_denial_into_an_approval(
    view: RiskView, intent: OrderIntent, fracs: dict[str, float], locked: bool, slots: int
) -> None:
    """Smaller limits, a lock more, fewer orders in the window: what was denied stays denied."""
    if isinstance(GATE.check(view, intent), Approval):
        return
    assert view.rate is not None
    locks = LockBook((PairLock("*", 0, NOW + 1, "s", "r"),)) if locked else LockBook()
    tighter = replace(view, locks=locks, rate=OrderRate(slots, 10_000, view.rate.sent_ms[-slots:]))
    assert isinstance(RiskGate(_tightened(LIMITS, fracs)).check(tighter, intent), Denied)


@settings(deadline=None)
@given(view=VIEWS, intents=st.lists(BUYS, max_size=12))
def test_approvals_of_one_decision_never_pass_a_limit_together(view: RiskView, intents: list[OrderIntent]) -> None:
    """Whatever is asked in whatever order: the account after all approvals keeps every limit it kept before."""
    loose = RiskGate(replace(LIMITS, max_orders_in_flight=100))
    view = replace(view, rate=OrderRate(100, 10_000))
    any_approved = False
    for number, intent in enumerate(intents):
        verdict = loose.check(view, replace(intent, key=f"k{number}"))
        if isinstance(verdict, Approval):
            view, any_approved = view.after(verdict), True
    if any_approved:
        account = account_view(view)
        assert account.gross <= MONEY.gross_exposure_max_frac * account.equity * (1 + 1e-12)
        assert account.heat <= MONEY.heat_max_frac * account.equity * (1 + 1e-12)
        assert account.open_trades <= MONEY.max_open_trades
        assert account.free_cash >= -1e-9


@settings(deadline=None)
@given(
    side=st.sampled_from(list(Side)),
    quantity=st.integers(1, 30),
    held=st.integers(0, 20),
    selling=st.integers(0, 20),
    symbol=st.sampled_from(["A/USDT", "B/USDT"]),
)
def test_while_reducing_nothing_grows_and_nothing_turns(
    side: Side, quantity: int, held: int, selling: int, symbol: str
) -> None:
    """|after| <= |before| and no change of sign, counting the sales that are at work."""
    state = StateRow(TradingState.REDUCING, None, "ann", "care", NOW)
    rows = (reservation("s", symbol, Side.SELL, quantity=D(selling)),) if selling else ()
    view = with_coin(replace(VIEW, state=state, reservations=ReservationBook(rows)), symbol, position=D(held))
    intent = OrderIntent("q", symbol, side, D(quantity), D(210), D(90) if side is Side.BUY else None)
    if isinstance(GATE.check(view, intent), Approval):
        before = held - selling
        after = before + (quantity if side is Side.BUY else -quantity)
        assert 0 <= after <= before


@settings(deadline=None)
@given(
    entries=st.lists(st.tuples(st.integers(1, 30_000), st.integers(60, 99)), min_size=1, max_size=8),
    limits=st.builds(
        lambda heat, gross, trades: replace(
            MONEY, heat_max_frac=heat, gross_exposure_max_frac=gross, max_open_trades=trades, symbol_notional_max=1e9
        ),
        st.floats(0.01, 0.2),
        st.floats(0.1, 1.0),
        st.integers(1, 8),
    ),
)
def test_the_gate_denies_as_shadow_does(entries: list[tuple[int, int]], limits: RiskLimits) -> None:
    """One decision over many coins: the same approvals and the same codes as `check_entry` and `reserve` give."""
    coins = {f"C{number}/USDT": COIN for number in range(len(entries))}
    live = replace(VIEW, coins=coins, cash=D(10_000), rate=OrderRate(100, 10_000))
    shadow = AccountView(10_000.0, 10_500.0, -100.0, 10_000.0, 0.0, 0.0, 0)
    gate = RiskGate(replace(LIMITS, money=limits, max_orders_in_flight=100, confidence_min=0.0))
    for number, (quantity, stop) in enumerate(entries):
        steps, symbol = D(quantity) / 1000, f"C{number}/USDT"
        verdict = gate.check(live, OrderIntent(symbol, symbol, Side.BUY, steps, D(101), D(stop)))
        notional = float(steps) * 101.0 * 1.001
        heat = notional - float(steps) * stop * 0.999
        expected = check_entry(shadow, EntryIntent(symbol, notional, heat, 0.0), limits)
        if isinstance(verdict, Denied) and verdict.code is DenialCode.MIN_NOTIONAL:
            continue
        if isinstance(expected, Approved):
            assert isinstance(verdict, Approval)
            live, shadow = live.after(verdict), reserve(shadow, expected)
        else:
            assert isinstance(verdict, Denied)
            assert verdict.code is expected.code


def test_limits_come_from_the_settings_in_quote_currency_and_milliseconds() -> None:
    """Money is converted by the rate, bars by their length."""
    limits = GateLimits.of(RiskSettings(price_age_max_bars=2), base_ms=60_000, account_to_quote_rate=2.0)
    assert (limits.price_age_max_ms, limits.money.daily_loss_max) == (120_000, 1_000.0)
    assert (limits.max_orders_in_flight, limits.feed_age_max_s, limits.clock_skew_max_ms) == (50, 180.0, 500)
