"""Peak memory of a run and its processes."""

import subprocess
import sys
import time

from jobs.usage import MemoryWatch

HUNDRED_MB = 100 * 2**20


def test_memory_of_the_block_and_of_a_child_counts() -> None:
    """A hundred megabytes here and a hundred in a child process both show in the peak."""
    with MemoryWatch() as before:
        time.sleep(0.1)
    code = f"import time; block = bytearray(b'x') * {HUNDRED_MB}; time.sleep(60)"
    with MemoryWatch() as watch:
        block = bytearray(b"x") * HUNDRED_MB
        child = subprocess.Popen([sys.executable, "-c", code])
        try:
            deadline = time.monotonic() + 30
            while watch.peak.own_mb < before.peak.own_mb + 190 and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            child.kill()
            child.wait()
    assert len(block) == HUNDRED_MB
    assert watch.peak.own_mb >= before.peak.own_mb + 190
    assert watch.peak.ray_mb == 0.0


def test_ray_services_are_counted_apart() -> None:
    """A process that looks like Ray's own service is not the run's memory."""
    code = "import time; block = bytearray(b'x') * 50_000_000; time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code, "raylet"], executable=sys.executable)
    renamed = subprocess.Popen(["raylet", "-c", code], executable=sys.executable)
    try:
        with MemoryWatch() as watch:
            deadline = time.monotonic() + 30
            while watch.peak.ray_mb < 40 and time.monotonic() < deadline:
                time.sleep(0.1)
    finally:
        for process in (child, renamed):
            process.kill()
            process.wait()
    assert watch.peak.ray_mb >= 40
    assert watch.peak.own_mb > 0
