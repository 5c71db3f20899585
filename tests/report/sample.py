"""A small report by hand, for the tests of its pages and pictures."""

from dataclasses import replace

from huracan.report.model import (
    Band,
    Candle,
    CostSplit,
    Curve,
    Estimate,
    Excerpt,
    ExitRow,
    FoldRow,
    LeftOut,
    PaperTrading,
    PhaseRow,
    PortfolioView,
    QualityRow,
    ReportData,
    ResultRow,
    TradeMark,
    TrialRow,
)
from huracan.shadow import Criterion, GateReport
from huracan.shadow.gate import Inference
from tests.analysis.sample import sample_analysis

DAY = 86_400_000
START = 1_750_000_000_000 // DAY * DAY


def sample_gate() -> GateReport:
    """Return a refusal with one row that could not be computed."""
    rows = (
        Criterion("days", "test days at least, and MinTRL at the observed ratio", 6.0, 60.0, False, "54 more days"),
        Criterion("dsr", "deflated Sharpe ratio at least", None, 0.95, False, "constant at 0 <over> 6 days"),
        Criterion("trades", "closed trades at least", 400.0, 100.0, True, "400 closed trades"),
    )
    return GateReport(
        version="run-1-all",
        scope="*",
        run_id=1,
        sha256="a" * 64,
        passed=False,
        criteria=rows,
        days=6,
        folds=2,
        trades=400,
        seeds=3,
        tried=17,
        tried_independent=5.5,
        sharpe_day=-0.25,
        hurdle_day=0.125,
        backtest_days=None,
        track_record_days=None,
        track_record_hurdle_days=None,
        inference=Inference(0.01, 0.75, None, 0.02, 0.98, 0.97),
        net_day=-2.08,
    )


def sample_report() -> ReportData:
    """Return a report of two folds, two coins and three days each."""
    policy = ResultRow("ensemble", 4, -12.5, Estimate(-2.08, -5.5, 1.25), None, None, 20.0, 0.5)
    flat = ResultRow("flat", 0, 0.0, Estimate(0.0, 0.0, 0.0), Estimate(-2.08, -5.5, 1.25), None, 0.0, None)
    gone = (LeftOut("BBB/USDT", "covers 20% of the training window, half is needed"),)
    days = [START + index * DAY for index in range(6)]
    return ReportData(
        run_id="run-1",
        created_ms=START,
        huracan_version="0.1.0",
        settings_hash="a" * 64,
        data_source="synthetic <candles>",
        data_fingerprint="b" * 64,
        timeframe="1m",
        symbols=("AAA/USDT", "BBB/USDT"),
        stage="candidate",
        proven=False,
        standing="candidate: UNPROVEN",
        verdict="No edge found",
        verdict_reason="The 95 % interval of net PnL per day reaches below zero: [-5.50, +1.25].",
        env_steps=1_200_000,
        seeds=(1, 2),
        folds=2,
        trades=4,
        test_days=6,
        confidence_level=0.95,
        random_p_value=0.42,
        equity=Band(days, [-1, -3, -2, -6, -9, -12.5], [-5, -8, -9, -14, -20, -30], [2, 3, 6, 4, 5, 7.5]),
        baselines={"flat": [0.0] * 6, "buy & hold": [5, 2, -4, -9, -1, 3]},
        fold_rows=(
            FoldRow(0, START - 30 * DAY, START - DAY, START, START + 3 * DAY, 1, gone, 2, -2.0, Estimate(-0.67, -3, 2)),
            FoldRow(1, START - 27 * DAY, START + 2 * DAY, START + 3 * DAY, START + 6 * DAY, 2, (), 2, -10.5, Estimate(-3.5, -6, 1)),  # noqa: E501
        ),
        policy_row=policy,
        seed_rows=(policy, replace(policy, name="seed 2")),
        baseline_rows=(flat,),
        coin_rows=(replace(policy, name="AAA/USDT"), replace(policy, name="BBB/USDT")),
        portfolio=PortfolioView(3, -11.0, Estimate(-1.8, -5, 1), {"HEAT_LIMIT": 2}, 0),
        paper=PaperTrading(
            account="demo-1",
            versions=(("run-7-all", "candidate: UNPROVEN"),),
            symbols=("A/USDT", "B/USDT"),
            start_ms=1_750_000_000_000,
            end_ms=1_750_021_600_000,
            closes=360,
            decisions=48,
            halted="",
        denials=1,
            trades=5,
            open_trades=1,
            net=-3.25,
            fees=9.5,
            parity_trades=5,
            parity_denials=1,
            parity_differences=0,
            parity_lines=("5 trades on both sides, 0 differences",),
            up_s=20.0,
            trade_s=31.0,
        ),
        analysis=sample_analysis(),
        gates=(sample_gate(),),
        exits=(ExitRow("stop_loss", 2, -110.0), ExitRow("take_profit", 2, 140.0)),
        actions={"DO_NOTHING": 100, "ENTER_LONG_NORMAL": 4, "HOLD": 60, "EXIT": 0},
        costs=CostSplit(0.5, -3.0, -2.0, -8.0, -12.5),
        curves=(Curve(0, 1, [0, 8192], [-0.1, 0.2]), Curve(1, 1, [0, 8192], [-0.2, 0.1])),
        trials=(TrialRow("t1", "done", 50_000, 0.25, {"lr": 3e-4}), TrialRow("t2", "stopped", 10_000, None, {"lr": 1e-3})),  # noqa: E501
        chosen={"lr": 3e-4},
        excerpts=(
            Excerpt(
                "AAA/USDT",
                [Candle(START + index * 60_000, 10 + index, 11 + index, 9 + index, 10.5 + index) for index in range(30)],  # noqa: E501
                [TradeMark(START + 60_000, 11.0, START + 600_000, 20.0, 8.9, "take_profit")],
            ),
        ),
        quality=(QualityRow("AAA/USDT", 1000, 1.0, START, START + DAY, ""), QualityRow("CCC/USDT", 10, 0.1, START, START + DAY, "coverage 10 %")),  # noqa: E501
        phases=(PhaseRow("train", 60.0), PhaseRow("shadow", 5.0)),
        peak_memory_mb=900.0,
        notes=("CCC/USDT was refused",),
    )  # fmt: skip
