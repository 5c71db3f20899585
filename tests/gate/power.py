"""Size and power of the whole gate: how often it promotes what has no skill, and what has it.

Each replicate is a market of its own, the gate is the one that promotes, and intervals are exact (Clopper & Pearson).
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from huracan.config import GateSettings
from huracan.shadow.gate import CRITERIA, judge_gate
from tests.gate.worlds import World, evidence_of

SETTINGS = GateSettings(resamples=500)
WEIGHED = CRITERIA[:-1]
"""Criteria that the evidence decides; the last one is about the thresholds themselves, here as shipped."""
LEVEL = 0.95

NULLS = {
    "best of 50 without skill": World(365, 50),
    "best of 50, rules and market lose": World(365, 50, exposure=0.0, drift=-0.3, rule_cost=0.3),
    "one alone, rules and market lose": World(365, 1, exposure=0.0, drift=-0.3, rule_cost=0.3),
    "best of 10 over 60 days, rules and market lose": World(60, 10, exposure=0.0, drift=-0.3, rule_cost=0.3),
    "best of 50 that pay costs": World(365, 50, cost=0.05),
    "best of 50 in a rising market": World(365, 50, drift=0.15),
    "one as good as LightGBM": World(365, 1, edge=0.3, tree_edge=0.3, rule_cost=0.3),
    "one as good as holding": World(365, 1, edge=0.03, drift=0.15, exposure=0.8, hold_size=1.0, rule_cost=0.3),
}
"""Markets in which nothing deserves promotion; where rules and market lose, only doing nothing has to be beaten."""

EDGES = {
    "one of 50 has 0.40 a day, 365 days": World(365, 50, edge=0.40),
    "one of 50 has 0.27 a day, 730 days": World(730, 50, edge=0.27),
    "one of 50 has 0.64 a day, 180 days": World(180, 50, edge=0.64),
    "one of 50 has 1.10 a day, 90 days": World(90, 50, edge=1.10),
    "one of 10 has 0.35 a day, 365 days": World(365, 10, edge=0.35),
    "all of 50 have 0.22 a day, 365 days": World(365, 50, edge=0.22, skilled=50),
    "half of 50 have 0.25 a day, 365 days": World(365, 50, edge=0.25, skilled=25),
    "one alone has 0.27 a day, 365 days": World(365, 1, edge=0.27),
    "one of 10 has 0.45 a day, LightGBM 0.15, 365 days": World(365, 10, edge=0.45, tree_edge=0.15),
}
"""Markets in which the best deserves promotion, at the edge at which the gate finds it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened, with its exact two-sided interval."""

    happened: int
    of: int

    @property
    def share(self) -> float:
        """Return the observed share."""
        return self.happened / self.of

    @property
    def low(self) -> float:
        """Return the lower end."""
        tail = (1.0 - LEVEL) / 2.0
        return float(beta.ppf(tail, self.happened, self.of - self.happened + 1)) if self.happened else 0.0

    @property
    def high(self) -> float:
        """Return the upper end."""
        tail = (1.0 - LEVEL) / 2.0
        return (
            float(beta.ppf(1.0 - tail, self.happened + 1, self.of - self.happened)) if self.happened < self.of else 1.0
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate said of a world's replicates: promoted, and each criterion met."""

    world: World
    promoted: Rate
    met: tuple[tuple[str, Rate], ...]


def replicate(world: World, first: int, count: int, settings: GateSettings = SETTINGS) -> np.ndarray:
    """Return bool[count, criteria + 1]: each criterion, and all of them; replicate i is seeded by (world, i)."""
    rows = []
    for number in range(first, first + count):
        report = judge_gate(evidence_of(world, np.random.default_rng([world.days, world.candidates, number])), settings)
        rows.append([*(row.passed for row in report.criteria[: len(WEIGHED)]), report.passed])
    return np.array(rows)


def measure(world: World, replicates: int, processes: int = 1, settings: GateSettings = SETTINGS) -> Outcome:
    """Return the rates of a world over so many replicates."""
    if processes == 1:
        rows = replicate(world, 0, replicates, settings)
    else:
        size = -(-replicates // (8 * processes))
        starts = range(0, replicates, size)
        with ProcessPoolExecutor(processes) as pool:
            parts = [pool.submit(replicate, world, at, min(size, replicates - at), settings) for at in starts]
            rows = np.concatenate([part.result() for part in parts])
    happened = rows.sum(axis=0)
    rates = [Rate(int(count), replicates) for count in happened]
    return Outcome(world, rates[-1], tuple(zip(WEIGHED, rates[:-1], strict=True)))


def table(title: str, outcomes: Sequence[tuple[str, Outcome]]) -> str:
    """Return the outcomes as a Markdown table."""
    lines = [
        f"| {title} | promoted | 95 % interval | " + " | ".join(WEIGHED) + " |",
        "|---|---|---|" + "---|" * len(WEIGHED),
    ]
    for name, found in outcomes:
        rate = found.promoted
        met = " | ".join(f"{one.share:.1%}" for _, one in found.met)
        lines.append(f"| {name} | {rate.share:.2%} | {rate.low:.2%} to {rate.high:.2%} | {met} |")
    return "\n".join(lines) + "\n"
