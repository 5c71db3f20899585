"""`huracan plan`: figures for the size asked for, the user's own prices and unit costs, and one line on nonsense."""

import json
from pathlib import Path
from typing import Any

import pytest

from huracan.cli import cli
from huracan.commands import plan
from huracan.plan.units import dump_units
from huracan.terminal import run
from tests.plan.costs import costs
from tests.plan.test_prices import ROW, written

ISSUE = ["plan", "--coins", "1000", "--trials", "100", "--folds", "12"]
SMALL = ["plan", "--coins", "20", "--trials", "4", "--folds", "3", "--days", "111"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without unit costs of its own."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Run with `--json` and return what is printed."""
    assert run(cli, [*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_thousand_coins_are_planned_from_the_packaged_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """Every phase, memory, database, machines of three clouds, and where all figures come from."""
    assert run(cli, ISSUE) == 0
    text = capsys.readouterr().out
    phases = ["features", "search", "training", "shadow", "gate and analysis", "core-hours"]
    parts = ["object store", "a training worker", "database", "serving", "unit costs", "measured on"]
    for words in (*phases, *parts, "aws", "gcp", "azure", "spot", "prices change", "--prices"):
        assert words in text


def test_the_plan_says_what_to_write_into_the_clusters_file(capsys: pytest.CaptureFixture[str]) -> None:
    """For each cloud the cheapest cluster's machines by the keys of its file, and the prices' date and regions."""
    found = shown(capsys, *ISSUE)
    assert run(cli, ISSUE) == 0
    lines = capsys.readouterr().out.splitlines()
    for cloud, key in plan._TYPE_KEYS.items():
        one = next(row for row in found["layouts"] if row["provider"] == cloud and row["nodes"])
        (line,) = [line for line in lines if line.startswith(f"cluster/ray-up/{cloud}.yaml: ")]
        wanted = f"{key} of head {one['head']}, of steady {one['driver']}, of cpu {one['worker']} with CPU "
        assert wanted + f"{one['workers_a_node']}, max_workers of cpu {one['nodes']}" in line
        text = (plan.CHECKOUT / "cluster" / "ray-up" / f"{cloud}.yaml").read_text(encoding="utf-8")
        assert f" {key}: " in text
    (said,) = [line for line in lines if line.startswith("prices change")]
    assert found["prices_date"] in said
    assert "aws us-east-1, gcp us-central1, azure eastus" in said


def test_the_json_holds_the_same_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """The cheapest that fits stands first, and the sum of the phases is the run."""
    found = shown(capsys, *SMALL)
    prices = [one["on_demand"] for one in found["layouts"]]
    assert prices == sorted(prices)
    assert prices[0] > 0
    assert found["workload"]["trials"] == 4
    assert found["estimate"]["phases"][0]["name"] == "features"
    assert found["estimate"]["memory"]["head"] > 0
    assert 0 < found["efficiency_shadow"] <= 1
    assert found["prices_date"].startswith("20")


def test_ones_own_prices_and_unit_costs_are_taken(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--prices` and `--units` name files; unit costs under HURACAN_HOME go before the packaged ones."""
    own = written(tmp_path, machines=[ROW | {"vcpus": 64, "memory_gib": 512}])
    found = shown(capsys, *SMALL, "--prices", str(own))
    assert {one["provider"] for one in found["layouts"]} == {"own"}
    assert found["currency"] == "EUR"
    home.mkdir()
    mine = home / plan.UNITS_NAME
    mine.write_text(dump_units(costs().costs), encoding="utf-8")
    at_home = shown(capsys, *SMALL)
    assert at_home["units_source"] == str(mine)
    other = tmp_path / "other.yaml"
    other.write_text(dump_units(costs(load_bar=1e-3).costs), encoding="utf-8")
    dear = shown(capsys, *SMALL, "--units", str(other))
    assert dear["units_source"] == str(other)
    assert dear["estimate"]["phases"][0]["driver_s"] > 10 * at_home["estimate"]["phases"][0]["driver_s"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["plan"], "how many coins"),
        (["plan", "--coins", "0"], "--coins 0"),
        (["plan", "--coins", "many"], "--coins"),
        (["plan", "--coins", "10", "--days", "3"], "warm after"),
        (["plan", "--coins", "10", "--folds", "0"], "folds"),
        (["plan", "--coins", "10", "--trials", "-1"], "num_samples"),
        (["plan", "--coins", "10", "--workers", "0"], "--workers 0"),
        (["plan", "--coins", "10", "--timeframe", "7m"], "7m"),
        (["plan", "--coins", "10", "--trades-per-day", "nan"], "--trades-per-day"),
        (["plan", "--coins", "10", "--prices", "/nowhere.yaml"], "--prices"),
        (["plan", "--coins", "10", "--units", "/nowhere.yaml"], "cannot be read"),
    ],
)
def test_nonsense_ends_with_one_line(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what to do."""
    assert run(cli, words) == 2
    said = capsys.readouterr()
    assert expected in said.err
    assert not said.out


def test_without_a_checkout_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An installed package carries no measurements: exit code 2 and where to run instead."""
    monkeypatch.setattr(plan, "CHECKOUT", tmp_path)
    assert run(cli, ["plan", "--measure"]) == 2
    assert "from a checkout" in capsys.readouterr().err


def test_where_nothing_fits_the_plan_says_what_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A small machine of one's own: no layout, the need in figures, exit code 0: the plan itself was made."""
    own = written(tmp_path, machines=[ROW | {"memory_gib": 2}])
    assert run(cli, [*SMALL, "--prices", str(own)]) == 0
    assert "own: no machine fits: driver and object store need" in capsys.readouterr().out
