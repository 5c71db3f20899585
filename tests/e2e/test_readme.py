"""Every command of the README runs as written, in a fresh copy of the checkout."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.M | re.S)
REAL_CANDLES = "../shared/data/candles/1m"
BY_HAND = ("make demo", "make test")
"""Commands with tests of their own: tests/e2e/test_demo.py and the suite itself."""


def commands() -> list[str]:
    """Return the README's command lines in order, without the two commands."""
    lines = [line for block in BLOCK.findall((CHECKOUT / "README.md").read_text()) for line in block.splitlines()]
    return [line for line in lines if not line.startswith(BY_HAND)]


def test_the_readme_leads_with_the_two_commands() -> None:
    """The first block is the two commands and nothing else."""
    assert BLOCK.findall((CHECKOUT / "README.md").read_text())[0].splitlines() == list(BY_HAND)


def test_every_page_the_readme_names_is_there() -> None:
    """No link of the README leads nowhere."""
    targets = re.findall(r"\]\(([^)#]+)\)", (CHECKOUT / "README.md").read_text())
    assert targets
    assert [target for target in targets if not (CHECKOUT / target).exists()] == []


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.postgres
@pytest.mark.timeout(1_500)
def test_every_command_of_the_readme_runs_as_written(tmp_path: Path) -> None:
    """The commands run one after another in one shell of a fresh clone, each with exit code 0."""
    clone = tmp_path / "huracan"
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(clone)], check=True)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HURACAN", "VIRTUAL", "RAY"))
    }
    script = "set -ex\n" + "\n".join(commands()) + "\nhuracan db stop\n"
    done = subprocess.run(
        ["bash", "-c", script], cwd=clone, env=environment, capture_output=True, text=True, timeout=1_400
    )
    shutil.rmtree(clone / ".venv", ignore_errors=True)
    assert done.returncode == 0, done.stderr[-3_000:]
