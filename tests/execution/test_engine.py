"""The engine: real ccxt code and the paper exchange in lock-step trade as the kernel does, whatever goes wrong."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.execution.lockstep import run_engine
from tests.execution.test_planner import differences
from tests.parity.cases import candle_case, wild_case
from tests.parity.differential import Case, run_kernel
from tests.parity.histories import history_names

WILD_SEEDS = range(12)
MORE_WILD_SEEDS = range(12, 200)
DAY_ROWS = 1_440


def compare(cases: Iterable[Case]) -> tuple[Counter[str], list[str]]:
    """Trade each case in the kernel and by the engine; return the exit reasons, and every difference."""
    counts: Counter[str] = Counter()
    found: list[str] = []
    for case in cases:
        endless = replace(case, sold_at_end=False)
        run, reasons = run_engine(endless)
        found += differences(endless, run_kernel(endless), run)
        counts += reasons
        counts["trades"] += len(run.trades)
    return counts, found


def test_engine_equals_kernel_on_wild_bars() -> None:
    """Gaps, jumps, quiet and missing bars, random costs and rules: the same trades, balances, dust and states."""
    counts, found = compare(wild_case(seed, 400) for seed in WILD_SEEDS)
    assert not found, "\n".join(found)
    for reason in ("stop_loss", "take_profit", "time_limit", "policy_exit", "risk_exit", "kill_switch"):
        assert counts[reason] > 0, counts


@pytest.mark.parametrize("history", history_names())
def test_engine_equals_kernel_on_a_day_of_candles(history: str) -> None:
    """A taker every 15 minutes and a maker every 5."""
    cases = [candle_case(history, name) for name in ("taker-15-coin", "maker-5-coin")]
    counts, found = compare(replace(case, stop=case.start + DAY_ROWS) for case in cases)
    assert not found, "\n".join(found)
    assert counts["trades"] > 5


@pytest.mark.slow
def test_engine_equals_kernel_on_many_wild_markets() -> None:
    """The wild comparison at length."""
    counts, found = compare(wild_case(seed, 400) for seed in MORE_WILD_SEEDS)
    assert not found, "\n".join(found)
    assert counts["trades"] > 2_000
