"""Seeds of the simulation: the real engine over the real ccxt code, in virtual time, under a swarm of faults.

`python -m tests.simulation --seeds 1000` runs more of them; `--seeds 1 --start N --trace` tells one from end to end.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.coverage import IMPOSSIBLE, REQUIRED, missing
from tests.simulation.fleet import failing_seeds, run_all
from tests.simulation.run import Found

STEPS = 200
ROOT = Path(__file__).parents[2]


def told(found: list[Found]) -> list[str]:
    """Return one line for each violation, with the command that shows it again."""
    return [
        f"{violation.name} {violation.detail}; python -m tests.simulation --seeds 1 --start {one.seed} --steps {STEPS}"
        for one in found
        for violation in one.violations
    ]


def test_seeds_that_once_failed_and_a_fresh_handful_keep_every_invariant() -> None:
    """I1 to I13 hold after every step of each seed, and without faults everything converges."""
    found = run_all(list(dict.fromkeys([*failing_seeds(), *range(60)])), STEPS, workers=2)
    assert told(found) == []
    assert sum(one.orders for one in found) > 10 * len(found)
    assert sum(one.trades for one in found) > 5 * len(found)


def test_full_invariants_hold_after_every_step() -> None:
    """The product's own invariants, asked of the whole history after every step, agree with the incremental ones."""
    found = run_all(list(range(1_000, 1_004)), STEPS, workers=2, thorough=True)
    assert told(found) == []


def test_one_seed_is_one_trace_in_two_processes() -> None:
    """Two interpreters with different hash seeds send, receive and store the same, byte for byte."""

    def digest(hash_seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seeds", "1", "--start", "3", "--steps", str(STEPS)],
            cwd=ROOT, env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()[-1]

    first = digest("1")
    assert first.startswith("digest ")
    assert digest("2") == first


def test_every_fault_is_met_or_said_to_be_impossible() -> None:
    """F1 to F24 are each among what all seeds must meet, or there is a reason why they cannot strike."""
    covered = {name.split()[0] for name in (*REQUIRED, *IMPOSSIBLE)}
    assert {f"F{number}" for number in range(1, 25)} <= covered


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_a_thousand_seeds_meet_every_fault_and_keep_every_invariant() -> None:
    """1,000 seeds x 200 steps: no violation, and every fault, status and transition has been met."""
    found = run_all(list(range(1_000)), STEPS, workers=2)
    assert told(found) == []
    assert missing(sum((one.met for one in found), Counter())) == ()
