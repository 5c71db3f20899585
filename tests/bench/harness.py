"""Runs one measurement several times, compares it with its target and writes the table and the JSON."""

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

TARGETS = Path(__file__).with_name("targets.yaml")
PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure: the median of `repeats` runs, its spread (max - min) / median, and ratios in our favour.

    A ratio is ours / peer for rates and peer / ours for times: above 1 we are faster. A peer that did not run is None.
    """

    name: str
    value: float
    unit: str
    repeats: int
    spread: float
    threads: int
    ratios: Mapping[str, float | None] = field(default_factory=dict)
    note: str = ""


def repeat(measure: Callable[[], float], repeats: int = 5) -> tuple[float, float, int]:
    """Call `measure` `repeats` times; return (median, (max - min) / median, repeats)."""
    values = [measure() for _ in range(repeats)]
    middle = statistics.median(values)
    return middle, (max(values) - min(values)) / middle, repeats


def run_peer(python: Path, script: str, arguments: tuple[str, ...] = (), timeout_s: int = 300) -> float | None:
    """Run one peer's script in its own interpreter; return the number it printed last, or None if it failed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            [str(python), str(PEERS / script), *arguments],
            env=environment, capture_output=True, text=True, timeout=timeout_s, check=True,
        )  # fmt: skip
        return float(done.stdout.split()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A measurement beside its target."""

    measurement: Measurement
    target: str
    met: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A room whose measurement raised."""

    room: str
    error: str


def judge(measurement: Measurement) -> Verdict:
    """Compare with targets.yaml; a missing peer is a miss, a figure without target is not met."""
    rule = yaml.safe_load(TARGETS.read_text())[measurement.name]
    parts, met = [], True
    if "value" in rule:
        at_most = rule.get("at_most", False)
        parts.append(f"{'<=' if at_most else '>='} {rule['value']:,} {rule['unit']}")
        met &= measurement.value <= rule["value"] if at_most else measurement.value >= rule["value"]
    for peer, floor in rule.get("ratios", {}).items():
        parts.append(f">= {floor:g}x {peer}")
        ratio = measurement.ratios.get(peer)
        met &= ratio is not None and ratio >= floor
    return Verdict(measurement, ", ".join(parts), bool(met))


def publish(measurements: list[Measurement], out: Path, failures: Sequence[Failure] = ()) -> bool:
    """Print the table, write the JSON; return whether every target was met. A failed room is a row without a value."""
    verdicts = [judge(measurement) for measurement in measurements]
    table = Table(title="huracan bench (median of repeats)")
    for column in ("figure", "value", "unit", "ratios", "target", "met", "spread", "repeats"):
        table.add_column(column, justify="right" if column in {"value", "spread", "repeats"} else "left")
    for verdict in verdicts:
        m = verdict.measurement
        ratios = ", ".join(f"{peer} {'did not run' if x is None else f'{x:.2f}x'}" for peer, x in m.ratios.items())
        table.add_row(
            m.name, f"{m.value:,.3g}" if m.value < 100 else f"{m.value:,.0f}", m.unit, ratios, verdict.target,
            "yes" if verdict.met else "NO", f"{100 * m.spread:.0f} %", str(m.repeats),
        )  # fmt: skip
    for failure in failures:
        table.add_row(failure.room, "-", "", "failed", failure.error[:60], "NO", "-", "-")
    Console(width=180).print(table)
    rows = [{**asdict(v.measurement), "target": v.target, "met": v.met} for v in verdicts]
    rows += [{"name": failure.room, "value": None, "met": False, "note": failure.error} for failure in failures]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return not failures and all(verdict.met for verdict in verdicts)
