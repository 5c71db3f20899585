"""The report of several folds: sums close, intervals share their days, and nothing is claimed that is not there."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from huracan.baselines import BASELINES, Flat, MeanReversion, Momentum
from huracan.config import RiskSettings, ShadowSettings
from huracan.errors import InvariantError
from huracan.policy import Policy
from huracan.shadow.assess import FoldOutcome, assess
from huracan.shadow.portfolio import shadow_portfolio
from huracan.shadow.run import random_block, shadow_block
from huracan.shadow.splits import DAY_MS, Fold, Window
from huracan.shadow.summary import ShadowReport, to_json
from huracan.shadow.verdict import Finding
from tests.shadow.worlds import LIMITS, rules, wild_world, window_of

KERNEL = rules()
TAPES = wild_world(KERNEL)
SETTINGS = ShadowSettings(bootstrap_resamples=200)


def outcome(policy: Policy, fold: int, coins: int = 3) -> FoldOutcome:
    """Return one fold of two days with everything that is traded beside the policy."""
    window, tapes = window_of(TAPES, 1 + 2 * fold, 2), TAPES[:coins]
    train = Window(window.start_ms - 9 * DAY_MS, window.start_ms - DAY_MS)
    judged = shadow_block(policy, tapes, window, KERNEL, LIMITS, name="ensemble", fold=fold)
    return FoldOutcome(
        fold=Fold(fold, train, window, 62, 10, judged.symbols, ()),
        policy=judged,
        seeds=(shadow_block(policy, tapes, window, KERNEL, LIMITS, name="seed-1", fold=fold),),
        baselines=tuple(
            shadow_block(row.policy, tapes, window, KERNEL, LIMITS, name=row.name, fold=fold) for row in BASELINES
        ),
        chance=random_block(judged.pace, tapes, window, KERNEL, LIMITS, copies=10, seed=fold),
        portfolio=shadow_portfolio(policy, tapes, window, KERNEL, RiskSettings(), name="ensemble", fold=fold),
    )


@pytest.fixture(scope="module")
def report() -> ShadowReport:
    """Momentum over two folds; the second lacks a coin."""
    return assess([outcome(Momentum(), 0), outcome(Momentum(), 1, coins=2)], KERNEL, SETTINGS, run_id=7)


def test_all_sums_close(report: ShadowReport) -> None:
    """Days, folds, coins and the equity curve give one total; costs and price add up to the net of the trades."""
    total = report.policy.metrics.pnl_total
    assert len(report.day_ms) == len(report.policy.daily) == 4
    assert sum(report.policy.daily) == pytest.approx(total)
    assert sum(fold.pnl_total for fold in report.folds) == pytest.approx(total)
    assert sum(coin.pnl_total for coin in report.coins) == pytest.approx(total)
    assert report.equity.mid[-1] == pytest.approx(total)
    trades = report.policy.trades
    assert trades.price + trades.spread + trades.slippage + trades.fee == pytest.approx(trades.net)
    assert trades.net == pytest.approx(total, abs=1.0)
    closed = trades.trades + trades.end_of_data_trades
    assert sum(fold.trades for fold in report.folds) == sum(coin.trades for coin in report.coins) == closed
    assert sum(row.trades for row in trades.exits) == trades.trades + trades.end_of_data_trades
    assert report.capital == 1_500.0 * 3


def test_a_policy_equals_itself(report: ShadowReport) -> None:
    """Momentum judged beside the baseline momentum: no difference, without any uncertainty; the same for its seed."""
    row = next(row for row in report.baselines if row.summary.name == "momentum")
    assert row.summary.daily == report.policy.daily == report.seeds[0].daily
    assert (row.policy_minus_this.low, row.policy_minus_this.high) == (0.0, 0.0)
    assert [row.summary.name for row in report.baselines] == ["flat", "buy_and_hold", "momentum", "mean_reversion"]
    assert not any(report.baselines[0].summary.daily)


def test_a_losing_policy_is_told_so(report: ShadowReport) -> None:
    """Momentum pays 20 bp a trade on a market without trends: no edge."""
    assert report.verdict.finding is Finding.NO_EDGE
    assert report.policy.day_mean.estimate < 0
    assert report.policy.metrics.sharpe_annual.value is None
    assert report.chance.p_value is not None
    assert report.chance.trades_mean == pytest.approx(report.policy.trades.trades, rel=0.15)


def test_the_sample_is_the_last_folds_trades_from_its_beginning(report: ShadowReport) -> None:
    """Consecutive trades of every coin of the last fold, each closing its identity."""
    assert {trade.fold for trade in report.sample} == {1}
    for symbol in {trade.symbol for trade in report.sample}:
        own = [trade for trade in report.sample if trade.symbol == symbol]
        assert own[0].entry_ms - report.folds[1].test.start_ms < DAY_MS
        assert all(a.exit_ms < b.entry_ms for a, b in itertools.pairwise(own))
    trade = report.sample[0]
    assert trade.price + trade.spread + trade.slippage + trade.fee == pytest.approx(trade.net, abs=1e-9)


def test_the_report_is_json_and_says_the_same(report: ShadowReport) -> None:
    """Written and read back: the same figures, no NaN, enums as text."""
    text = json.dumps(to_json(report), allow_nan=False)
    read = json.loads(text)
    assert read["run_id"] == 7
    assert read["policy"]["daily"] == list(report.policy.daily)
    assert read["verdict"]["finding"] == "no_edge"
    assert read["portfolio"]["approvals"] == report.portfolio.approvals  # type: ignore[union-attr]
    assert read["folds"][1]["symbols"] == ["W0/USDT", "W1/USDT"]


def test_a_policy_that_never_trades_is_well_presented() -> None:
    """Flat as the judged policy: chose not to trade, no p-value, all zeros, still valid JSON."""
    found = assess([outcome(Flat(), 0)], KERNEL, SETTINGS)
    assert found.verdict.finding is Finding.CHOSE_NOT_TO_TRADE
    assert found.chance.p_value is None
    assert found.policy.day_mean.low == found.policy.day_mean.high == 0.0
    assert found.sample == ()
    json.dumps(to_json(found), allow_nan=False)


def test_folds_must_hold_the_same_policies() -> None:
    """A fold without its seed, or no fold at all, is a defect and not a smaller report."""
    whole = outcome(MeanReversion(), 0, coins=1)
    short = FoldOutcome(whole.fold, whole.policy, (), whole.baselines, whole.chance, whole.portfolio)
    with pytest.raises(InvariantError, match="differ"):
        assess([whole, short], KERNEL, SETTINGS)
    with pytest.raises(InvariantError, match="no fold"):
        assess([], KERNEL, SETTINGS)


def test_the_same_results_give_the_same_report(report: ShadowReport) -> None:
    """Draws are seeded: intervals do not change from run to run."""
    again = assess([outcome(Momentum(), 0), outcome(Momentum(), 1, coins=2)], KERNEL, SETTINGS, run_id=7)
    assert again.policy.day_mean == report.policy.day_mean
    assert np.array_equal(again.equity.low, report.equity.low)


def test_the_verdict_hears_every_rival() -> None:
    """A policy that earns is not proven while one baseline earned more; beating it takes that doubt away."""
    base = outcome(Momentum(), 0)
    earning = replace(base, policy=replace(base.policy, pnl=np.full_like(base.policy.pnl, 10.0)))

    def reason(rival: float) -> str:
        rivals = tuple(replace(row, pnl=np.full_like(row.pnl, rival)) for row in earning.baselines)
        return assess([replace(earning, baselines=rivals)], KERNEL, SETTINGS, run_id=1).verdict.reason

    assert "not shown to beat buy_and_hold, momentum, mean_reversion" in reason(20.0)
    assert "not shown to beat" not in reason(0.0)


def test_chance_is_compared_over_all_folds_together() -> None:
    """Two folds, ten copies: four earn more than the policy over both, none in the first alone; p = (1 + 4) / 11."""
    first, second = outcome(Momentum(), 0), outcome(Momentum(), 1)
    total = float(first.policy.daily.sum() + second.policy.daily.sum())
    low = min(float(first.policy.daily.sum()), total) - 100.0
    days = first.chance.pnl.shape[1]
    early = np.zeros((10, days))
    early[:, 0] = low
    late = np.zeros((10, second.chance.pnl.shape[1]))
    late[:, 0] = total - low + np.where(np.arange(10) < 4, 1.0, -1.0)
    folds = [
        replace(first, chance=replace(first.chance, pnl=early)),
        replace(second, chance=replace(second.chance, pnl=late)),
    ]
    assert assess(folds, KERNEL, SETTINGS, run_id=1).chance.p_value == pytest.approx(5 / 11)
