"""Measure size and power of the promotion gate: `python -m tests.gate --replicates 2000 --processes 2`."""

import argparse
import sys
import time

from tests.gate.power import EDGES, NULLS, measure, table


def main() -> int:
    """Print both tables; 1 when the gate's size exceeds 5 % or its power stays below 90 % anywhere."""
    parser = argparse.ArgumentParser(prog="python -m tests.gate", description=__doc__)
    parser.add_argument("--replicates", type=int, default=2_000)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    kept = True
    for title, worlds, allowed in (("without skill", NULLS, "size"), ("with skill", EDGES, "power")):
        rows = []
        for name, world in worlds.items():
            begun = time.perf_counter()
            found = measure(world, arguments.replicates, arguments.processes)
            rows.append((name, found))
            kept &= found.promoted.high <= 0.05 if allowed == "size" else found.promoted.low >= 0.9
            print(
                f"{name}: {found.promoted.share:.2%}, {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True
            )
        print(table(title, rows), flush=True)
    print(f"{arguments.replicates} replicates each: {'size <= 5 %, power >= 90 %' if kept else 'NOT KEPT'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
