"""Many seeds in worker processes, the ones that once failed first."""

import gc
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import structlog

from tests.simulation.run import Found, run_seed

__all__ = ["FAILING", "failing_seeds", "quiet", "remember", "run_all"]

FAILING = Path(__file__).with_name("failing_seeds.txt")


def failing_seeds() -> tuple[int, ...]:
    """Return the seeds that once failed."""
    lines = FAILING.read_text(encoding="utf-8").splitlines()
    return tuple(int(line.split("#")[0]) for line in lines if line.split("#")[0].strip())


def remember(seed: int, why: str) -> None:
    """Keep a failing seed."""
    if seed not in failing_seeds():
        with FAILING.open("a", encoding="utf-8") as file:
            file.write(f"{seed}  # {why}\n")


def run_one(arguments: tuple[int, int, bool]) -> Found:
    """Run a seed in a worker."""
    seed, steps, thorough = arguments
    return run_seed(seed, steps, thorough)


def quiet() -> None:
    """Write no log lines, thousands of faults would, and look for garbage less often."""
    warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # of processes killed before they began
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(50),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    gc.freeze()  # what was imported lives as long as the process
    gc.set_threshold(20_000, 20, 50)


def run_all(seeds: list[int], steps: int, workers: int, thorough: bool = False) -> list[Found]:
    """Run seeds in worker processes, in order."""
    jobs = [(seed, steps, thorough) for seed in seeds]
    if workers == 1:
        quiet()
        return [run_one(job) for job in jobs]
    with ProcessPoolExecutor(workers, get_context("spawn"), quiet) as pool:
        return list(pool.map(run_one, jobs, chunksize=4))
