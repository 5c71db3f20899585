"""One account for all coins: lockstep, limits that bind, reservations, the day's loss."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.baselines import BuyAndHold, MeanReversion, Momentum
from huracan.config import RiskSettings
from huracan.policy import Decision, Sureness
from huracan.risk import DenialCode
from huracan.shadow.portfolio import shadow_portfolio
from huracan.shadow.run import shadow_block
from huracan.shadow.splits import DAY_MS
from huracan.shadow.trades import TradeTable
from huracan.trading import ExitReason
from huracan.trading.slot import SLOT
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of

KERNEL = rules()
TAPES = wild_world(KERNEL)
WINDOW = window_of(TAPES, 1, 4)
LOOSE = RiskSettings(
    daily_loss_max=1e9, heat_max_frac=1.0, symbol_notional_max=1e9, drawdown_max_frac=1.0, dry_run_wallet=1e6
)


@pytest.mark.parametrize("policy", [Momentum(), MeanReversion()], ids=lambda p: type(p).__name__)
def test_without_binding_limits_one_account_trades_like_one_account_per_coin(policy: Momentum) -> None:
    """Lockstep over base bars, missing ones included, gives the per-coin trades to the last bit."""
    single = shadow_block(policy, TAPES, WINDOW, KERNEL, LIMITS, name="p", fold=0)
    whole = shadow_portfolio(policy, TAPES, WINDOW, KERNEL, LOOSE, name="p", fold=0)
    assert len(whole.result.trades) > 80
    assert (whole.denials, whole.breach_ms) == ((), ())
    for field in fields(TradeTable):
        if field.name != "entry_state":
            assert np.array_equal(getattr(whole.result.trades, field.name), getattr(single.trades, field.name))
    assert np.array_equal(whole.result.trades.entry_state[:, :72], single.trades.entry_state[:, :72])
    assert np.array_equal(whole.result.pnl, single.pnl)
    assert whole.result.pace.decisions == single.pace.decisions


class Doubted(Momentum):
    """Momentum that says how sure it is."""

    def decide(self, states: NDArray[np.float32]) -> Decision:
        """Return its actions with a confidence of each state's own."""
        zeros = np.zeros(len(states), np.float32)
        confidence = (0.5 + 0.4 * np.tanh(states[:, 7])).astype(np.float32)
        return Decision(self.act(states), zeros, np.zeros((len(states), 6), np.float32), zeros, confidence)


def test_confidence_is_lowered_and_judged_the_same_in_one_account_and_in_many() -> None:
    """Bad results of similar entries (random here) and a least confidence: equal trades, equal confidences."""
    risk = LOOSE.model_copy(update={"bad_pattern_factor_min": 0.3, "confidence_min": 0.4})
    sureness = Sureness.of(risk)
    single = shadow_block(Doubted(), TAPES, WINDOW, KERNEL, LIMITS, name="p", fold=0, sureness=sureness)
    whole = shadow_portfolio(Doubted(), TAPES, WINDOW, KERNEL, risk, name="p", fold=0)
    assert {one.code for one in whole.denials} == {DenialCode.LOW_CONFIDENCE}
    assert all(one.value < one.limit == 0.4 for one in whole.denials)
    trades = whole.result.trades
    assert len(trades) > 20
    assert trades.confidence.min() >= 0.4
    for field in fields(TradeTable):
        if field.name != "entry_state":
            assert np.array_equal(getattr(trades, field.name), getattr(single.trades, field.name)), field.name
    entered = np.ascontiguousarray(trades.entry_state)
    plain = Doubted().decide(entered).confidence
    lowered = sureness.lowered(np.full(len(trades), 2), plain, entered)
    assert (lowered < plain).any()
    assert np.array_equal(trades.confidence, lowered.astype(np.float64))


def test_a_single_coin_with_default_limits_has_the_states_of_its_own_account() -> None:
    """The account function is one: with one coin, states 72-78 equal those of the separate account."""
    window = window_of(TAPES, 1, 3)
    single = shadow_block(Momentum(), TAPES[2:], window, KERNEL, LIMITS, name="p", fold=0)
    whole = shadow_portfolio(Momentum(), TAPES[2:], window, KERNEL, RiskSettings(), name="p", fold=0)
    assert single.pace.chances.size == 1
    assert len(single.trades) > 20
    assert np.array_equal(whole.result.trades.entry_state, single.trades.entry_state)


def test_with_one_open_trade_allowed_positions_never_overlap() -> None:
    """Every refused entry has the code OPEN_TRADES, and at any time at most one coin is held."""
    found = shadow_portfolio(
        Momentum(), TAPES, WINDOW, KERNEL, LOOSE.model_copy(update={"max_open_trades": 1}), name="p", fold=0
    )
    trades = found.result.trades
    order = np.argsort(trades.entry_ms, kind="stable")
    assert len(trades) > 20
    assert (trades.entry_ms[order][1:] > trades.exit_ms[order][:-1]).all()
    assert {denial.code for denial in found.denials} == {DenialCode.OPEN_TRADES}
    assert found.approvals >= len(trades)


def test_approvals_of_one_close_count_for_the_next_symbol() -> None:
    """All coins enter at one close, the gross limit holds two stakes: the first two by name get in, the third not."""
    kernel = rules(stops_enabled=False)
    named = ("C/USDT", "A/USDT", "B/USDT")
    tapes = [replace(TAPES[2], symbol=name) for name in named]
    risk = LOOSE.model_copy(update={"dry_run_wallet": 2_200.0})
    found = shadow_portfolio(BuyAndHold(), tapes, window_of(TAPES, 1, 2), kernel, risk, name="hold", fold=0)
    first = min(denial.time_ms for denial in found.denials)
    assert {denial.symbol for denial in found.denials if denial.time_ms == first} == {"C/USDT"}
    assert {denial.code for denial in found.denials} <= {DenialCode.GROSS_EXPOSURE, DenialCode.BALANCE}
    bought = {tapes[coin].symbol for coin in found.result.trades.coin}
    assert bought == {"A/USDT", "B/USDT"}


def test_the_days_loss_sells_everything_at_the_next_open_and_closes_the_day() -> None:
    """A loss of 30: what is held is sold in the next bar as risk exit, no entry for the rest of that UTC day."""
    risk = LOOSE.model_copy(update={"daily_loss_max": 30.0})
    found = shadow_portfolio(Momentum(), TAPES, WINDOW, KERNEL, risk, name="p", fold=0)
    trades = found.result.trades
    assert len(found.breach_ms) == 4
    assert np.count_nonzero(trades.reason == ExitReason.RISK_EXIT) >= 3
    for breach in found.breach_ms:
        midnight = (breach // DAY_MS + 1) * DAY_MS
        held = trades.where((trades.entry_ms < breach) & (trades.exit_ms >= breach))
        assert (held.exit_ms <= breach + 10 * KERNEL.base_ms).all()
        assert not ((trades.entry_ms >= breach) & (trades.entry_ms < midnight)).any()
    assert max(found.breach_ms) > min(found.breach_ms) + DAY_MS


def test_an_unlimited_day_would_have_lost_more() -> None:
    """The limit does what it is for: no day ends much below it, while without it days do."""
    free = shadow_portfolio(Momentum(), TAPES, WINDOW, KERNEL, LOOSE, name="p", fold=0).result
    tight = LOOSE.model_copy(update={"daily_loss_max": 30.0})
    held = shadow_portfolio(Momentum(), TAPES, WINDOW, KERNEL, tight, name="p", fold=0).result
    assert free.daily.min() < -200.0
    assert held.daily.min() > -120.0


def test_stopped_early_it_keeps_what_is_open_and_traded_the_same_until_then() -> None:
    """Nothing is sold for the end's sake: closed trades are those of the whole run; the slots say what is held."""
    whole = shadow_portfolio(Momentum(), TAPES, WINDOW, KERNEL, LOOSE, name="p", fold=0).result.trades
    long = whole.where((whole.exit_ms > whole.entry_ms + 3 * KERNEL.base_ms) & (whole.reason != ExitReason.END_OF_DATA))
    until_ms = int(np.sort(long.entry_ms)[len(long) // 2]) + 2 * KERNEL.base_ms
    found = shadow_portfolio(Momentum(), TAPES, WINDOW, KERNEL, LOOSE, name="p", fold=0, until_ms=until_ms)
    trades = found.result.trades
    until = whole.where(whole.exit_ms < until_ms)
    assert len(trades) > 20
    for field in fields(TradeTable):
        assert np.array_equal(getattr(trades, field.name), getattr(until, field.name))
    held = {symbol for symbol, data in found.slots.items() if np.frombuffer(data, SLOT)["quantity_in"][0] > 0}
    across = whole.where((whole.entry_ms < until_ms) & (whole.exit_ms >= until_ms))
    assert held == {TAPES[coin].symbol for coin in across.coin}
    assert held
