"""How the laws are compiled: cached, no fast-math, no exceptions inside.

`error_model="numpy"` takes the division checks out of the machine code: every divisor is positive by the checks at
load, and with them the compiler proves that arrays need no reference counting. Results are those of Python.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

__all__ = ["hot_law", "law"]

P = ParamSpec("P")
R = TypeVar("R")


def law(function: Callable[P, R]) -> Callable[P, R]:
    """Return `function` compiled as one rule of the kernel."""
    compiled: Callable[P, R] = njit(cache=True, error_model="numpy")(function)
    return compiled


def hot_law(function: Callable[P, R]) -> Callable[P, R]:
    """Return `function` compiled as a rule that every bar or step asks, inlined into its callers."""
    compiled: Callable[P, R] = njit(cache=True, error_model="numpy", forceinline=True)(function)
    return compiled
