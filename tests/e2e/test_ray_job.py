"""The page on Ray jobs, run as written: a cluster with a token, a job submitted, stopped and resumed."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from huracan.learn.campaign import read_campaign
from huracan.learn.cycle import STEPS
from huracan.memory import connect, find_cycle, list_runs
from tests.jobs.shell import CHECKOUT, run_line

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_500)]

BLOCKS = re.findall(r"^```bash\n(.*?)^```", (CHECKOUT / "docs" / "jobs.md").read_text(), re.M | re.S)
SHORT = (
    "--set search.num_samples=0 --set ppo.env_steps=262144 --set walk_forward.folds=1 --set shadow.seeds=[1] "
    "--set ppo.train_batch_size=2048"
)
"""Appended to the page's training commands: long enough to be stopped on a busy machine, short enough for a test."""
STOP_AFTER_S = 420.0
"""A home without compiled code on a busy machine takes minutes to its first checkpoint."""
SCOPE, DAY = "REV1/USDT", date(2025, 1, 28)
CYCLE = f"--scope {SCOPE} --day {DAY} --set retrain.download=false --set retrain.stale_max_days=100000"
"""Appended to the page's cycle: one coin of the made-up candles, the day on which they end."""


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Page:
    """The page's commands on ports, a home and candles of the test's own, in one shell's environment."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.port, self.dashboard = free_port(), free_port()
        self.swaps = {
            "$PWD/.huracan": str(self.home),
            "build/candles": str(folder / "candles"),
            "$PWD/" + str(folder): str(folder),
            "6379": str(self.port),
            "8265": str(self.dashboard),
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HURACAN", "RAY"))}
        self.environment = kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def lines(self, block: int) -> list[str]:
        """Return a block's commands with the page's places and ports swapped."""
        found = []
        for line in BLOCKS[block].splitlines():
            for old, new in self.swaps.items():
                line = line.replace(old, new)
            found.append(f"{line} {SHORT}" if "jobs.train" in line else line)
        return found

    def run(self, line: str, check: bool = True) -> str:
        """Run one command; its exports stay for the next ones."""
        out, self.environment = run_line(line, self.environment, check, timeout_s=600.0)
        return out


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A cluster started by the page's own commands, in a process group that ends with the test."""
    page = Page(tmp_path)
    *before, start = page.lines(0)
    page.home.mkdir()
    for line in before:
        page.run(line)
    agent = f"--dashboard-agent-listen-port={free_port()}"  # its default is one port for every cluster of a machine
    head = subprocess.Popen(
        ["bash", "-c", f"exec {start} --block --temp-dir /tmp/hr{os.getpid()} {agent}"],
        cwd=CHECKOUT, env=page.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await_dashboard(page, head)
        yield page
    finally:
        head.terminate()
        head.wait(timeout=60)
        page.run("huracan db stop", check=False)


def await_dashboard(page: Page, head: "subprocess.Popen[bytes]") -> None:
    """Wait until the dashboard answers; without the token it must refuse."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert head.poll() is None, "the cluster did not start"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{page.dashboard}/api/jobs/", timeout=2)
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return
            time.sleep(0.5)
        except OSError:
            time.sleep(0.5)
            continue
        pytest.fail("the dashboard answers without the token")
    pytest.fail("the dashboard did not come up")


def test_a_job_is_submitted_stopped_and_resumed(page: Page) -> None:
    """The first job is stopped in training; the second finishes the same run from the checkpoint."""
    lines = page.lines(1)
    stop = next(i for i, line in enumerate(lines) if line.startswith("ray job stop"))
    for line in lines[: stop - 1]:
        page.run(line)
    deadline = time.monotonic() + STOP_AFTER_S
    while not list(page.home.glob("runs/*/fold-0/all/seed-1/checkpoint.safetensors")):
        assert time.monotonic() < deadline, page.run(lines[stop - 1], check=False)
        assert "failed" not in page.run("ray job status first"), page.run(lines[stop - 1], check=False)
        time.sleep(0.3)
    while "seed 1" not in page.run(lines[stop - 1]):
        assert time.monotonic() < deadline, "no progress in the job's log"
    page.run(lines[stop])
    engine = connect(page.environment["HURACAN__DATABASE__URL"])
    (stopped,) = list_runs(engine, "train")
    assert stopped.status == "interrupted"
    resumed = page.run(lines[stop + 1])
    assert "Traceback" not in resumed
    (done,) = list_runs(engine, "train")
    assert (done.run_id, done.status) == (stopped.run_id, "done")
    engine.dispose()
    (version,) = read_campaign(page.home / "runs" / str(done.run_id)).versions
    assert version.seeds[0].env_steps >= 262_144
    steps = [int(found.replace(",", "")) for found in re.findall(r"seed 1: ([\d,]+) of", resumed)]
    assert steps, resumed
    assert min(steps) > 4_096, "the second job began anew"
    assert f"run-{done.run_id}-all" in page.run(lines[stop + 2])


def test_the_daily_cycle_is_a_job_too(page: Page) -> None:
    """Stopped in its training and submitted again, the day ends with the report; a third time it is done already."""
    lines = page.lines(1)
    for line in lines[: next(i for i, line in enumerate(lines) if line.startswith("ray job submit"))]:
        page.run(line)
    (submit,) = (line for block in range(2, len(BLOCKS)) for line in page.lines(block) if "jobs.retrain" in line)
    submit = submit.replace("/data/candles", str(page.home.parent / "candles")) + f" {CYCLE} {SHORT}"
    page.run(submit.replace("ray job submit", "ray job submit --submission-id morning --no-wait"))
    deadline = time.monotonic() + STOP_AFTER_S
    while not list(page.home.glob("**/seed-1/checkpoint.safetensors")):
        assert time.monotonic() < deadline, page.run("ray job logs morning", check=False)
        assert "failed" not in page.run("ray job status morning"), page.run("ray job logs morning", check=False)
        time.sleep(0.3)
    page.run("ray job stop morning")
    engine = connect(page.environment["HURACAN__DATABASE__URL"])
    stopped = find_cycle(engine, SCOPE, DAY)
    assert stopped is not None
    assert [step.step for step in stopped.steps][-1] == "train"
    out = page.run(submit)
    assert "Traceback" not in out
    done = find_cycle(engine, SCOPE, DAY)
    assert done is not None
    assert (done.cycle_id, done.run_id) == (stopped.cycle_id, stopped.run_id)
    assert tuple(step.step for step in done.steps) == STEPS
    assert all(step.outcome is not None for step in done.steps)
    assert {step.step: step.starts for step in done.steps}["train"] == 2
    (version,) = done.outcome("train")["versions"]
    assert version in page.run("huracan models ls")
    assert list(page.home.glob(f"cycles/{done.cycle_id}/report.html"))
    page.run(submit)
    assert find_cycle(engine, SCOPE, DAY) == done
    engine.dispose()
