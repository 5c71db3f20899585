"""The exchange in candle mode is the kernel: every trade, fee and balance, unit for unit."""

from collections import Counter
from collections.abc import Iterable

import pytest

from tests.paper.kernel_trader import trade_on_exchange
from tests.parity.cases import candle_case, wild_case
from tests.parity.differential import Case, run_kernel
from tests.parity.histories import CONFIGURATIONS, all_history_names, history_names

WILD_SEEDS = range(25)
MORE_WILD_SEEDS = range(25, 300)
PATHS = (
    "partial maker fill",
    "partial upper leg",
    "FOK expired",
    "re-peg",
    "refused WOULD_MATCH",
    "refused LIMIT_CROSSES",
    "refused STOP_CROSSES",
    "stop_loss",
    "take_profit",
    "time_limit",
    "policy_exit",
)


def compare(cases: Iterable[Case]) -> tuple[Counter[str], list[str]]:
    """Trade each case in the kernel and on the exchange; return the paths taken, and every difference."""
    counts: Counter[str] = Counter()
    found: list[str] = []
    for case in cases:
        kernel, mine = run_kernel(case), trade_on_exchange(case)
        for i, (theirs, ours) in enumerate(zip(kernel.trades, mine.trades, strict=False)):
            if theirs != ours:
                found.append(f"{case.name}: trade {i}\n  kernel   {theirs}\n  exchange {ours}")
                break
        if len(kernel.trades) != len(mine.trades):
            found.append(f"{case.name}: {len(kernel.trades)} kernel trades, {len(mine.trades)} on the exchange")
        if (kernel.quote, kernel.base) != (mine.quote, mine.base):
            found.append(f"{case.name}: balances {kernel.quote} {kernel.base}, exchange {mine.quote} {mine.base}")
        counts += mine.counts
        counts["trades"] += len(mine.trades)
    return counts, found


def test_the_exchange_fills_as_the_kernel_on_wild_bars() -> None:
    """Gaps, jumps, quiet and missing bars, random costs and configurations: no difference, and every path taken."""
    counts, found = compare(wild_case(seed) for seed in WILD_SEEDS)
    assert not found, "\n".join(found)
    assert min(counts[name] for name in PATHS) > 0, counts
    assert counts["trades"] > 500


@pytest.mark.parametrize("history", history_names())
def test_the_exchange_fills_as_the_kernel_on_three_days_of_candles(history: str) -> None:
    """Taker and maker, fees in coin and in quote."""
    names = ("taker-15-coin", "maker-5-coin", "maker-1-quote")
    counts, found = compare(candle_case(history, name) for name in names)
    assert not found, "\n".join(found)
    assert counts["trades"] > 60


@pytest.mark.slow
def test_the_exchange_fills_as_the_kernel_on_many_wild_markets() -> None:
    """The wild comparison at length."""
    counts, found = compare(wild_case(seed) for seed in MORE_WILD_SEEDS)
    assert not found, "\n".join(found)
    assert counts["trades"] > 5_000


@pytest.mark.slow
@pytest.mark.parametrize("history", all_history_names())
def test_the_exchange_fills_as_the_kernel_on_every_history(history: str) -> None:
    """Every coin of the folder, all five configurations."""
    _, found = compare(candle_case(history, name) for name in CONFIGURATIONS)
    assert not found, "\n".join(found)
