"""The report of a retraining cycle: every step in words, every figure in the page, what was not reached left out."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from huracan.learn.cycle import STEPS
from huracan.memory import Cycle, CycleStep
from huracan.report.cycle import cycle_report, render_cycle, write_cycle

AT = datetime(2025, 1, 21, 0, 30, tzinfo=UTC)
INTERVAL = {"estimate": 1.25, "low": -0.5, "high": 3.0, "level": 0.95}
COMPARED = {
    "line": "run-2-all minus run-1-all on 20 unseen days",
    "coins": ["ADA/USDT"],
    "comparison": {
        "days": 20,
        "new_day": INTERVAL,
        "champion_day": INTERVAL,
        "difference": INTERVAL,
        "new_trades": 12,
        "champion_trades": 1_300,
    },
}
GATE = {
    "passed": False,
    "days": 20,
    "folds": 2,
    "seeds": 3,
    "tried": 41,
    "criteria": [{"name": "dsr", "passed": False, "figure": 0.71, "threshold": 0.95, "note": "402 days <would> show"}],
}
OUTCOMES = {
    "health_before": {"line": "all pass", "checks": [{"check": "disk", "passed": True, "found": "9 MB free"}]},
    "download": {
        "line": "288 new",
        "symbols": [{"symbol": "ADA/USDT", "bars": 5_760, "new_bars": 288, "missing_bars": 0, "last": "2025-01-20"}],
    },
    "quality": {
        "line": "1 of 1",
        "symbols": [
            {"symbol": "ADA/USDT", "bars": 5_760, "coverage_frac": 0.5, "accepted": True, "reasons": ["half is gone"]}
        ],
    },
    "train": {
        "line": "6 trainings", "warm_from": 1, "reason": "run 1 is the newest that fits", "env_steps": 4_096,
        "seconds": 61.0, "trials": 0, "trials_on_candles": 7,
    },
    "shadow": {"line": "Edge not proven"},
    "compare": {"line": "beside", "versions": [COMPARED, COMPARED | {"line": "* has no champion", "comparison": None}]},
    "analyse": {
        "line": "23 explained",
        "runs": [
            {"mode": "shadow", "policy": "ensemble", "account": "coin", "trades": 1_023, "analysed": 23, "wins": 11,
             "losses": 12, "unexplained_losses": 2}
        ],
        "left_out": [{"run_id": 9, "mode": "paper", "reason": "its candles are gone"}],
    },
    "performance": {"line": "20 days"},
    "gate": {"line": "passed by 0 of 1", "versions": [{"version": "run-2-all", "report": GATE}]},
    "promote": {
        "line": "run-2-all is candidate: not passed",
        "versions": [{"line": "run-2-all is candidate: not passed"}],
    },
    "health_after": {"line": "all pass", "checks": [{"check": "ray", "passed": True, "found": "it runs"}]},
}  # fmt: skip


def cycle() -> Cycle:
    """A cycle whose report is being written."""
    done = [CycleStep(name, "done", 1, AT, AT, 1.5, OUTCOMES[name], None) for name in STEPS[:-1]]
    last = CycleStep(STEPS[-1], "running", 1, AT, None, 0.0, None, None)
    return Cycle(4, "*", date(2025, 1, 21), 2, 7, "{}", "ab" * 32, "0.1", AT, (*done, last))


def test_the_page_holds_what_every_step_did(tmp_path: Path) -> None:
    """Each outcome's figures stand in it, escaped; the JSON holds them all, and nothing is fetched."""
    report = cycle_report(cycle(), STEPS)
    assert (report.state, report.headline) == ("done", "run-2-all is candidate: not passed")
    html, values = write_cycle(report, tmp_path)
    page = html.read_text()
    for words in (
        "round 2", "288", "let through: half is gone", "Gone on from run 1", "7 on these candles", "has no champion",
        "+1.25 [-0.50, +3.00]", "12 / 1,300", "402 days &lt;would&gt; show", "41 tried", "not passed", "1,023",
        "its candles are gone", "9 MB free", "it runs",
    ):  # fmt: skip
        assert words in page, words
    assert "<script" not in page
    assert "http" not in page
    stored = json.loads(values.read_text())
    assert stored["outcomes"] == json.loads(json.dumps(OUTCOMES))
    assert [row["step"] for row in stored["steps"]] == list(STEPS)


def test_a_cycle_that_failed_says_where() -> None:
    """Its line is the headline; what was not reached has no row, and the page still renders."""
    whole = cycle()
    failed = CycleStep("quality", "failed", 3, AT, AT, 1.0, None, "the newest candle is old; download")
    report = cycle_report(replace(whole, steps=(*whole.steps[:2], failed)), STEPS)
    assert (report.state, report.headline) == ("failed", "quality failed: the newest candle is old; download")
    assert [row.line for row in report.steps] == ["all pass", "288 new", "the newest candle is old; download"]
    assert "the newest candle is old" in render_cycle(report)
    begun = cycle_report(replace(whole, steps=whole.steps[:1]), STEPS)
    assert (begun.state, begun.headline) == ("running", "1 of 12 steps done")
