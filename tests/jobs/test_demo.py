"""The whole way in one command, small: candles, search, training, shadow, serving, paper trading, report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from huracan.market import SyntheticSpec, write_synthetic

SMALL = {
    "search": {"num_samples": 1, "seeds_per_trial": 1, "env_steps": 8_192, "grace_env_steps": 8_192},
    "ppo": {"env_steps": 8_192},
    "shadow": {"seeds": [1, 2], "random_policies": 3, "bootstrap_resamples": 200},
    "walk_forward": {"folds": 2},
}


def _names(process: psutil.Process, folder: Path) -> bool:
    """Return whether a process was started with something in a folder."""
    return any(str(folder) in word for word in process.info["cmdline"] or ())


@pytest.mark.ray
@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_the_demo_leaves_a_report_and_a_candidate(tmp_path: Path) -> None:
    """One command leaves both files and a registered candidate; `report` makes the same again, `shadow` its rules."""
    write_synthetic(tmp_path / "candles", SyntheticSpec(timeframe="1h", bars=24 * 200, planted=1, null=2), seed=7)
    config = tmp_path / "small.yaml"
    config.write_text(json.dumps(SMALL))
    home = tmp_path / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HURACAN__")}
    environment |= {"HURACAN_HOME": str(home), "RAY_AUTH_TOKEN_PATH": str(home / "ray" / "token")}

    def huracan(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("huracan")), "--config", str(config), *words],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500,
        )  # fmt: skip
        assert done.returncode == code, done.stderr[-3_000:]
        return done.stdout if code == 0 else done.stderr

    try:
        shown = json.loads(huracan("demo", "--data", "candles", "--out", "out", "--json"))
        written = json.loads((tmp_path / "out" / "report.json").read_text())
        assert shown == written
        assert written["folds"] == 2
        assert written["seeds"] == [1, 2]
        assert written["env_steps"] >= 4 * 8_192
        assert {phase["name"] for phase in written["phases"]} == {
            "data and features",
            "train",
            "shadow",
            "analysis",
            "paper trading",
        }
        assert all(phase["wall_s"] > 0 for phase in written["phases"])
        assert written["peak_memory_mb"] > 100
        if written["policy_row"]["trades"]:
            assert written["analysis"]["identity_error"] == 0
            assert written["analysis"]["trades"] == written["trades"]
            assert "Why trades won and lost" in (tmp_path / "out" / "report.html").read_text()
        paper = written["paper"]
        assert paper["versions"] == [["run-1-all", "candidate: UNPROVEN"]]
        assert paper["closes"] > 300
        assert paper["decisions"] > 300
        assert paper["parity_differences"] == 0, paper["parity_lines"]
        assert paper["parity_trades"] == paper["trades"]
        assert not [one.info["cmdline"] for one in psutil.process_iter(["cmdline"]) if _names(one, home / "demo")]
        page = (tmp_path / "out" / "report.html").read_text()
        assert written["verdict"] in page
        assert "UNPROVEN" in page
        again = json.loads(huracan("report", "--run-id", written["run_id"], "--data", "candles", "--json"))
        assert {**again, "created_ms": 0} == {**written, "created_ms": 0}
        analysed = json.loads(huracan("analyse", "--run-id", written["run_id"], "--data", "candles", "--json"))
        assert [one["rows_written"] for one in analysed] == [0] * len(analysed)  # the demo wrote them
        assert [one["analysis"] for one in analysed] == ([written["analysis"]] if written["analysis"] else [])
        models = json.loads(huracan("models", "ls", "--json"))
        assert [model["stage"] for model in models] == ["candidate"]
        best = written["trials"][0]["parameters"]
        frozen = {name.removeprefix("trading."): value for name, value in best.items() if name.startswith("trading.")}
        assert set(frozen) == {"hold_bars", "stop_sigmas", "target_sigmas"}  # an hour's decision has no slower choice
        assert {name: written["chosen"][name] for name in frozen} == frozen
        kept = home / "runs" / written["run_id"] / "campaign.json"
        campaign = json.loads(kept.read_text())
        hold = campaign["trading"]["hold_bars"]
        campaign["trading"]["hold_bars"] = 8
        kept.write_text(json.dumps(campaign))
        refused = huracan("shadow", "--run-id", written["run_id"], "--data", "candles", code=2)
        assert f"hold_bars {hold} -> 8" in refused
    finally:
        huracan("db", "stop")
