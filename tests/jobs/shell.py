"""A person's shell for the guides' commands: what one line exports, the next one has."""

import subprocess
from pathlib import Path

__all__ = ["CHECKOUT", "run_line"]

CHECKOUT = Path(__file__).parents[2]


def run_line(
    line: str, environment: dict[str, str], check: bool = True, timeout_s: float = 900.0
) -> tuple[str, dict[str, str]]:
    """Run one line in the checkout; return what it prints and the environment that it leaves.

    Args:
        line: of bash.
        environment: of the shell.
        check: fail the test when the line fails.
        timeout_s: how long it may take.
    """
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{line}\necho '<<<env'\nenv -0"],
        cwd=CHECKOUT, env=environment, capture_output=True, timeout=timeout_s,
    )  # fmt: skip
    out, _, after = done.stdout.decode(errors="replace").partition("<<<env\n")
    if check:
        assert done.returncode == 0, f"{line}\n{out[-2_000:]}\n{done.stderr.decode(errors='replace')[-2_000:]}"
    if not after:
        return out, environment
    pairs = (item.partition("=") for item in after.split("\0") if item)
    return out, {name: value for name, _, value in pairs}
