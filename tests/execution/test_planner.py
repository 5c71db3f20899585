"""The planner: equal to the kernel over an order-level venue, and safe where the kernel's world has no such case."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from huracan.trading import ExitReason
from tests.execution.planned import run_planner
from tests.parity.cases import candle_case, wild_case
from tests.parity.differential import Case, KernelRun, run_kernel
from tests.parity.histories import CONFIGURATIONS, history_names

WILD_SEEDS = range(40)


def differences(case: Case, kernel: KernelRun, planned: KernelRun) -> list[str]:
    """Return one line for the first difference of each kind."""
    found = []
    pairs = zip(kernel.trades, planned.trades, strict=False)
    first = next((i for i, (mine, theirs) in enumerate(pairs) if mine != theirs), None)
    if first is not None:
        found.append(f"{case.name}: trade {first}\n  {kernel.trades[first]}\n  {planned.trades[first]}")
    if len(kernel.trades) != len(planned.trades):
        found.append(f"{case.name}: {len(kernel.trades)} kernel trades, {len(planned.trades)} planned")
    if (kernel.quote, kernel.base) != (planned.quote, planned.base):
        found.append(f"{case.name}: {kernel.quote} {kernel.base}, planned {planned.quote} {planned.base}")
    if kernel.closes != planned.closes or kernel.states.tobytes() != planned.states.tobytes():
        found.append(f"{case.name}: states differ")
    return found


def compare(cases: Iterable[Case], restarts: bool = False) -> tuple[Counter[str], list[str]]:
    """Run both over the cases; return how often each path was taken, and every difference."""
    counts: Counter[str] = Counter()
    found: list[str] = []
    for case in cases:
        endless = replace(case, sold_at_end=False)
        planned, ways = run_planner(endless, restarts)
        found += differences(endless, run_kernel(endless), planned)
        counts += ways
        counts["trades"] += len(planned.trades)
    return counts, found


def test_planner_equals_kernel_on_wild_bars_and_every_path_is_taken() -> None:
    """Random markets, configurations and decisions: same trades, balances and states, no rule untried."""
    counts, found = compare(wild_case(seed) for seed in WILD_SEEDS)
    assert not found, "\n".join(found)
    reasons = [reason.name.lower() for reason in ExitReason if 0 < reason < ExitReason.END_OF_DATA]
    assert min(counts[name] for name in reasons) >= 5, counts
    refusals = ("refused WOULD_MATCH", "refused LIMIT_CROSSES", "refused STOP_CROSSES")
    assert min(counts[name] for name in (*refusals, "fill UPPER_LEG", "fill STOP_LEG", "fill POST_ONLY")) >= 3, counts
    assert counts["trades"] > 500


@pytest.mark.parametrize("history", history_names())
def test_planner_equals_kernel_on_candles(history: str) -> None:
    """Taker and maker over three days."""
    counts, found = compare(candle_case(history, name) for name in ("taker-15-coin", "maker-5-coin", "maker-1-quote"))
    assert not found, "\n".join(found)
    assert counts["trades"] > 50
    assert "maker-5-coin" in CONFIGURATIONS


def test_planner_survives_bytes_after_every_close() -> None:
    """A position saved and loaded between any two closes trades on as if nothing had happened."""
    counts, found = compare((wild_case(seed) for seed in range(100, 108)), restarts=True)
    assert not found, "\n".join(found)
    assert counts["trades"] > 100
