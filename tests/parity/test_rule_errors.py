"""A comparison that sees nothing proves nothing: each small rule error in the reference must show as a difference."""

from functools import lru_cache

import pytest

from tests.parity.cases import wild_case
from tests.parity.differential import Case, KernelRun, differences, run_case, run_kernel
from tests.parity.rule_errors import RuleError

SEEDS = range(40)


@lru_cache
def truth(seed: int) -> tuple[Case, KernelRun]:
    """Return a wild case and the kernel's run of it, made once for all rule errors."""
    case = wild_case(seed)
    return case, run_kernel(case)


def first_difference(error: RuleError) -> str | None:
    """Return the first line by which the comparison betrays the error, None if it hides on every seed."""
    for seed in SEEDS:
        case, kernel = truth(seed)
        try:
            found = differences(case, kernel, run_case(case, frozenset({error})))
        except AssertionError:
            continue  # the reference broke one of its own invariants first; the comparison must see it elsewhere
        if found:
            return found[0]
    return None


@pytest.mark.parametrize("error", RuleError, ids=lambda error: error.name)
def test_a_rule_error_is_seen(error: RuleError) -> None:
    """One rule broken on the reference's side makes it differ from the kernel."""
    assert first_difference(error) is not None, f"nothing noticed that this no longer holds: {error.value}"
