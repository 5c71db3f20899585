"""From shadow results to the report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from huracan.baselines import Flat, Momentum
from huracan.config import PpoSettings, Settings, TradingSettings
from huracan.env.dataset import Dataset, DatasetSummary, Refusal
from huracan.learn.campaign import Campaign, Version
from huracan.learn.search import Trial
from huracan.learn.train import CurvePoint, TrainResult
from huracan.learn.validation import ValidationScore
from huracan.report import ReportData, render_html
from huracan.report.build import EXCERPT_CANDLES_MAX, RunFacts, build_report
from huracan.report.model import LeftOut
from huracan.shadow import ShadowReport, assess
from huracan.shadow.splits import Dropout
from tests.shadow.test_assess import KERNEL, SETTINGS, TAPES, outcome

FACTS = RunFacts(3, "c" * 64, "candidate", False, {"train": 2.0, "shadow": 1.0}, 321.0, "wild bars")
POINT = CurvePoint(8_192, 1.0, 0.25, float("nan"), 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1e-3)
SCORE = ValidationScore(objective=8.0, daily_mean_quote=10.0, daily_error_quote=2.0, days=5, trades=7)


def dataset_of(settings: Settings) -> Dataset:
    """Return the shadow tests' wild markets as a dataset with one symbol that the kernel refused."""
    symbols = tuple(tape.symbol for tape in TAPES)
    refused = (Refusal("BAD/USDT", "kernel", "step too coarse"),)
    summary = DatasetSummary("folder", "1m", symbols, None, 1, 0, 1, refused, (), "d" * 64)
    return Dataset(settings, KERNEL, {}, tuple(TAPES), summary)


def campaign() -> Campaign:
    """Return two seeds of one version and one finished trial."""
    results = tuple(TrainResult(seed, 8_192, 1.0, (POINT,), Path("x"), "e" * 64) for seed in (1, 2))
    trial = Trial("t1", "done", {"ppo.lr": 1e-3}, SCORE, 4_096, 1.0, stopped_early=False)
    rules = TradingSettings(decision_interval_bars=60, hold_bars=240, stop_sigmas=0.8, target_sigmas=2.0)
    versions = (Version(0, "*", ("W0/USDT",), Path("x"), "f" * 64, results),)
    return Campaign(PpoSettings(lr=2e-4), rules, (trial,), versions)


@pytest.fixture(scope="module")
def shadow() -> ShadowReport:
    """Momentum over two folds of wild bars."""
    return assess([outcome(Momentum(), 0), outcome(Momentum(), 1)], KERNEL, SETTINGS, run_id=3)


def build(shadow: ShadowReport, rate: float = 1.0) -> ReportData:
    """Return the report with `rate` quote units per account unit."""
    settings = Settings(trading=TradingSettings(account_to_quote_rate=rate))
    return build_report(FACTS, settings, dataset_of(settings), campaign(), shadow)


def test_the_figures_agree_with_each_other(shadow: ShadowReport) -> None:
    """Exits sum to the trades, the identity to the net, the curve ends at the net, folds and coins sum to it."""
    report = build(shadow)
    assert report.trades == sum(row.trades for row in report.exits) > 0
    costs = report.costs
    assert costs.price + costs.spread + costs.slippage + costs.fee == pytest.approx(costs.net, abs=1e-6)
    assert report.equity.mid[-1] == pytest.approx(report.policy_row.net)
    dust = sum(float(tape.instrument.step) * float(tape.instrument.tick) * tape.bars[:, 4].max() for tape in TAPES)
    assert abs(costs.net - report.policy_row.net) <= 2 * dust  # a rest below one step stays in the account, per fold
    for rows in (report.fold_rows, report.coin_rows):
        assert sum(row.net for row in rows) == pytest.approx(report.policy_row.net)
    assert all(len(line) == report.test_days for line in report.baselines.values())
    assert report.baselines["random"][-1] == pytest.approx(report.baseline_rows[-1].net)
    assert report.env_steps == 2 * 8_192


def test_a_fold_names_whom_it_left_out() -> None:
    """The coins that the walk-forward dropped are in the fold's row with their reasons."""
    whole, short = outcome(Momentum(), 0), outcome(Momentum(), 1, coins=2)
    short = replace(short, fold=replace(short.fold, dropped=(Dropout("W2/USDT", "too new"),)))
    rows = build(assess([whole, short], KERNEL, SETTINGS)).fold_rows
    assert [(row.symbols, row.left_out) for row in rows] == [(3, ()), (2, (LeftOut("W2/USDT", "too new"),))]


def test_phases_stand_in_the_order_they_ran(shadow: ShadowReport) -> None:
    """The database gives them by name; the report has data first, then training, then shadow trading."""
    settings, by_name = Settings(), {"data and features": 3.0, "shadow": 1.0, "train": 2.0}
    report = build_report(replace(FACTS, phases=by_name), settings, dataset_of(settings), campaign(), shadow)
    assert [(row.name, row.wall_s) for row in report.phases] == [
        ("data and features", 3.0),
        ("train", 2.0),
        ("shadow", 1.0),
    ]


def test_the_frozen_rules_are_among_what_was_chosen(shadow: ShadowReport) -> None:
    """Decision interval, hold, stop and target of the run stand beside PPO's settings, on the page too."""
    report = build(shadow)
    rules = {"decision_interval_bars": 60, "hold_bars": 240, "stop_sigmas": 0.8, "target_sigmas": 2.0}
    assert {name: report.chosen[name] for name in rules} == rules
    assert report.chosen["lr"] == 2e-4
    assert "hold_bars 240, stop_sigmas 0.8" in render_html(report)


def test_money_is_in_account_currency(shadow: ShadowReport) -> None:
    """At two quote units per account unit every amount halves, and nothing else changes."""
    one, two = build(shadow), build(shadow, rate=2.0)
    assert two.policy_row.net == pytest.approx(one.policy_row.net / 2)
    assert two.policy_row.net_per_day.low == pytest.approx(one.policy_row.net_per_day.low / 2)
    assert two.equity.high[-1] == pytest.approx(one.equity.high[-1] / 2)
    assert two.costs.fee == pytest.approx(one.costs.fee / 2)
    assert two.trials[0].objective == one.trials[0].objective / 2 == 4.0
    assert (two.trades, two.exits, two.random_p_value) == (one.trades, one.exits, one.random_p_value)


def test_excerpts_show_trades_inside_their_candles(shadow: ShadowReport) -> None:
    """Every trade of an excerpt lies within its candles in time and in price, and there are not too many candles."""
    report = build(shadow)
    assert report.excerpts
    for excerpt in report.excerpts:
        assert 0 < len(excerpt.candles) <= EXCERPT_CANDLES_MAX
        times = np.array([candle.time_ms for candle in excerpt.candles])
        assert (np.diff(times) > 0).all()
        low, high = min(c.low for c in excerpt.candles), max(c.high for c in excerpt.candles)
        for trade in excerpt.trades:
            assert times[0] <= trade.entry_ms <= trade.exit_ms
            assert 0.98 * low <= trade.entry_price <= 1.02 * high


def test_a_policy_that_never_traded_is_said_plainly() -> None:
    """The verdict says so, there is nothing to break down, and the page can still be drawn."""
    report = build(assess([outcome(Flat(), 0)], KERNEL, SETTINGS))
    assert report.verdict == "The policy chose not to trade"
    assert (report.trades, report.exits, report.excerpts, report.random_p_value) == (0, (), (), None)
    assert "chose not to trade" in render_html(report)


def test_the_page_of_a_real_result_shows_its_numbers(shadow: ShadowReport) -> None:
    """The drawn page holds the net result, the search and the facts of the run."""
    report = replace(build(shadow), notes=("BAD/USDT was left out: step too coarse",))
    page = render_html(report)
    assert f"{report.policy_row.net:+,.0f}" in page
    assert "321 MB" in page
    assert "step too coarse" in page
    assert "0.001" in page
