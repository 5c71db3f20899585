"""`make bench`: measures everything side by side in one run, prints the table and writes the JSON.

Exit code 0 when all measurements ran, whether or not targets were met: the table and the JSON say which were. A room
that fails is a row without a figure, not met; the others are measured all the same.
"""

import argparse
import importlib
import subprocess
import sys
import traceback
import venv
from pathlib import Path

from huracan.ray_env import prepare_ray_environment
from tests.bench.harness import PEERS, Failure, Measurement, publish

ROOMS = (
    "environment",
    "features",
    "shadow",
    "ppo",
    "memory",
    "analysis",
    "patterns",
    "gate",
    "round",
    "scaling",
    "execution",
    "watch",
    "serving",
)
PACKAGED_UNITS = Path("huracan/plan/units.yaml")


def main() -> int:
    """Measure the rooms asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--only", choices=ROOMS, action="append", help="measure only this; repeatable")
    parser.add_argument("--peers", type=Path, default=Path(".venv-peers"), help="virtual environment of the peers")
    parser.add_argument(
        "--units",
        type=Path,
        nargs="?",
        const=PACKAGED_UNITS,
        help=f"measure nothing but the unit costs of `huracan plan` and write them here; default: {PACKAGED_UNITS}",
    )
    arguments = parser.parse_args()
    rooms = arguments.only or list(ROOMS)
    prepare_ray_environment()  # before a room imports Ray
    if arguments.units is not None:
        return _units(arguments.units)
    measurements: list[Measurement] = []
    failures: list[Failure] = []
    for room in rooms:
        print(f"measuring {room} ...", file=sys.stderr, flush=True)
        try:
            module = importlib.import_module(f"tests.bench.{room}")
            measurements += module.measure(_peers(arguments.peers)) if room == "environment" else module.measure()
        except Exception as error:  # the supervisor of the rooms: the failure is a row, the next room is measured
            traceback.print_exc()
            failures.append(Failure(room, " ".join(str(error).split())))
    publish(measurements, arguments.out, failures)
    return 1 if failures else 0


def _units(path: Path) -> int:
    """Measure the unit costs and the efficiencies; write the file only when all of them are there."""
    from huracan.market import atomic_file
    from huracan.plan.units import dump_units
    from tests.bench import scaling, units

    print("measuring scaling ...", file=sys.stderr, flush=True)
    efficiencies = {
        f"efficiency_{row.name.removeprefix('scaling_')}": (min(row.ratios["work-alone"], 1.0), row.note)
        for row in scaling.measure()
    }
    text = dump_units(units.measure_units(efficiencies))
    with atomic_file(path) as file:
        file.write(text.encode())
    print(f"wrote {path}", file=sys.stderr)
    return 0


def _peers(folder: Path) -> Path | None:
    """Return the peers' interpreter, installing it once; None when they cannot be installed."""
    python = folder.absolute() / "bin" / "python"
    if (folder / ".installed").exists():
        return python
    try:
        venv.create(folder, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "-r", PEERS / "requirements.txt"], check=True, timeout=600
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"peers could not be installed ({error}); their ratios count as not met", file=sys.stderr)
        return None
    (folder / ".installed").touch()
    return python


if __name__ == "__main__":
    sys.exit(main())
