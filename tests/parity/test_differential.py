"""The kernel is the Decimal venue plus the message-driven actor: every trade, balance and state, on every bar."""

from collections import Counter
from collections.abc import Iterable

import pytest

from huracan.trading import ExitReason
from tests.parity.cases import candle_case, wild_case
from tests.parity.differential import Case, differences, run_case, run_kernel
from tests.parity.histories import CONFIGURATIONS, all_history_names, history_names

WILD_SEEDS = range(50)
MORE_WILD_SEEDS = range(50, 1_050)

REASONS = tuple(reason.name.lower() for reason in ExitReason if reason is not ExitReason.NONE)
PATHS = (
    "entry refused by trader",
    "denied",
    "illegal",
    "FOK expired",
    "entry voided",
    "re-peg",
    "fallback",
    "gave up",
    "partial maker fill",
    "partial upper leg",
    "refused WOULD_MATCH",
    "refused LIMIT_CROSSES",
    "refused STOP_CROSSES",
)
"""Ways through the rules that a comparison must have taken, or it has compared too little."""


def compare(cases: Iterable[Case]) -> tuple[Counter[str], list[str]]:
    """Run both sides over the cases; return how often each path was taken, and every difference."""
    counts: Counter[str] = Counter()
    found: list[str] = []
    for case in cases:
        reference = run_case(case)
        found += differences(case, run_kernel(case), reference)
        counts += reference.counts
        counts["trades"] += len(reference.trades)
        counts["states"] += len(reference.states)
    return counts, found


def test_kernel_equals_reference_on_wild_bars_and_every_path_is_taken() -> None:
    """Random markets, configurations and decisions: no difference, and no rule left untried."""
    counts, found = compare(wild_case(seed) for seed in WILD_SEEDS)
    assert not found, "\n".join(found)
    assert min(counts[name] for name in REASONS) >= 10, counts
    assert min(counts[name] for name in PATHS) >= 5, counts
    assert counts["trades"] > 1_000


@pytest.mark.parametrize("history", history_names())
def test_kernel_equals_reference_on_three_days_of_candles(history: str) -> None:
    """Five configurations over the same days: taker, maker, every 1, 5 and 15 minutes, both fee assets."""
    counts, found = compare(candle_case(history, name) for name in CONFIGURATIONS)
    assert not found, "\n".join(found)
    assert counts["trades"] > 150
    assert min(counts[name] for name in ("partial maker fill", "fill UPPER_LEG", "fill STOP_LEG")) > 0, counts


@pytest.mark.slow
def test_kernel_equals_reference_on_a_thousand_wild_markets() -> None:
    """The wild comparison at length."""
    counts, found = compare(wild_case(seed) for seed in MORE_WILD_SEEDS)
    assert not found, "\n".join(found)
    assert counts["trades"] > 20_000


@pytest.mark.slow
@pytest.mark.parametrize("history", all_history_names())
def test_kernel_equals_reference_on_every_history(history: str) -> None:
    """All coins of the folder, five configurations each."""
    counts, found = compare(candle_case(history, name) for name in CONFIGURATIONS)
    assert not found, "\n".join(found)
    assert counts["trades"] > 100
