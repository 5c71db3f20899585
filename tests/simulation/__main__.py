"""Runs seeds: `python -m tests.simulation --seeds 1000 --steps 200 --start 0`; exits 1 when one finds something."""

import argparse
import sys
import time
from collections import Counter

from tests.simulation.coverage import missing
from tests.simulation.fleet import failing_seeds, quiet, remember, run_all
from tests.simulation.run import run_seed

COVERING = 500
"""From so many seeds on, everything that can happen must have been met."""


def main(arguments: list[str] | None = None) -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--thorough", action="store_true", help="full invariants after every step")
    parser.add_argument("--coverage", action="store_true", help="print what was met")
    parser.add_argument("--trace", action="store_true", help="print every request, reply and step of the first seed")
    parser.add_argument("--keep", action="store_true", help="keep failing seeds in failing_seeds.txt")
    chosen = parser.parse_args(arguments)
    if chosen.trace:
        quiet()
        run_seed(chosen.start, chosen.steps, show=print)
        return 0
    began_s = time.perf_counter()
    seeds = (
        [*failing_seeds(), *range(chosen.start, chosen.start + chosen.seeds)] if chosen.seeds > 1 else [chosen.start]
    )
    found = run_all(list(dict.fromkeys(seeds)), chosen.steps, min(chosen.workers, len(seeds)), chosen.thorough)
    met: Counter[str] = sum((one.met for one in found), Counter())
    failed = [one for one in found if one.violations]
    for one in failed:
        for violation in one.violations[:3]:
            print(f"seed {one.seed} step {one.steps}: {violation.name} {violation.detail[:600]}")
        print(f"  replay: python -m tests.simulation --seeds 1 --start {one.seed} --steps {chosen.steps}")
        if chosen.keep:
            remember(one.seed, one.violations[0].name)
    if chosen.coverage:
        for name, count in sorted(met.items()):
            print(f"{count:8d} {name}")
    absent = missing(met)
    if len(seeds) >= COVERING:
        for name in absent:
            print(f"never met: {name}")
    took_s = time.perf_counter() - began_s
    print(
        f"{len(found)} seeds x {chosen.steps} steps, {len(failed)} failed, "
        f"{sum(one.requests for one in found)} requests, {sum(one.orders for one in found)} orders, "
        f"{sum(one.trades for one in found)} trades in {took_s:.1f} s"
    )
    if len(found) == 1:
        print(f"digest {found[0].digest}")
    return 1 if failed or (absent and len(seeds) >= COVERING) else 0


if __name__ == "__main__":
    sys.exit(main())
