"""A machine sampled: shares between nothing and all, and our processes by names that say what they are."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from huracan.health.sampling_host import HostSampler, _name, own_processes

T = 1_760_000_040_000


def test_shares_of_a_machine(tmp_path: Path) -> None:
    """Of cores, memory and disk; named by the machine."""
    found = {row.name: row for row in HostSampler(tmp_path, dict, "node-1").sample(T)}
    assert {row.subject for row in found.values()} == {"node-1"}
    for name in ("host.cpu_frac", "host.memory_frac", "host.disk_frac"):
        assert 0 <= found[name].value <= 1
    assert found["host.disk_free_mb"].value > 0
    assert found["host.load_frac"].value >= 0


def test_a_process_is_followed_by_what_it_uses(tmp_path: Path) -> None:
    """This one works for a moment: about one core of it."""
    own = psutil.Process(os.getpid())
    sampler = HostSampler(tmp_path, lambda: {"own": own}, processes_s=0.0)
    first = {row.name: row.value for row in sampler.sample(T) if row.subject == "own"}
    assert 10 < first["host.process_memory_mb"] < 100_000
    assert 0 < first["host.process_files_frac"] < 1
    assert "host.process_cpu_frac" not in first, "nobody knows yet"
    end_s = time.process_time() + 0.1
    while time.process_time() < end_s:
        pass
    second = {row.name: row.value for row in sampler.sample(T + 1) if row.subject == "own"}
    assert 0.05 < second["host.process_cpu_frac"] < 2.0


def test_processes_are_looked_for_now_and_then_and_may_have_ended(tmp_path: Path) -> None:
    """Looking at every process of a machine is the costliest of all."""
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(gone.pid)
    gone.communicate()
    asked: list[int] = []

    def find() -> dict[str, psutil.Process]:
        asked.append(1)
        return {"gone": process}

    sampler = HostSampler(tmp_path, find, processes_s=30.0)
    for second in (0, 5, 29, 30):
        assert not [row for row in sampler.sample(T + 1_000 * second) if row.subject == "gone"]
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["ray::Feed.closes"], "ray Feed"),
        (["ray::ServeReplica:signals:Signals"], "ray Signals"),
        (["ray::Execution"], "ray Execution"),
        (["ray::IDLE"], ""),
        (["/v/bin/python", "/v/bin/huracan", "trade", "start", "--paper"], "huracan trade start"),
        (["/v/bin/huracan", "paper-exchange", "--port", "0"], "huracan paper-exchange"),
        (["/v/bin/python", "x.py"], ""),
        ([], ""),
    ],
)  # fmt: skip
def test_a_process_has_a_name_that_says_what_it_is(words: list[str], name: str) -> None:
    """Nothing of its arguments: they may hold secrets, and would make a name each."""
    assert _name(words) == name


def test_our_processes_are_found_among_all(tmp_path: Path) -> None:
    """A program called huracan that waits for its input."""
    program = tmp_path / "huracan"
    program.write_text("import sys; print(1, flush=True); sys.stdin.read()")
    with subprocess.Popen(
        [sys.executable, program, "monitor", "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        found = {one.pid: name for name, one in own_processes().items()}
        assert found[process.pid].startswith("huracan monitor run")
        process.stdin.close()
