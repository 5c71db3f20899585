"""How the laws are compiled."""

import numpy as np

from huracan.trading.compiled import law


@law
def quotient(numerator: float, denominator: float) -> float:
    """Return a quotient, as a law would compute it."""
    return numerator / denominator


def test_a_law_computes_what_python_computes_bit_for_bit() -> None:
    """No fast-math: the compiled rule and the plain function agree on every bit."""
    rng = np.random.default_rng(5)
    plain = quotient.py_func  # type: ignore[attr-defined]
    for numerator, denominator in rng.normal(0.0, 1e6, (1_000, 2)).tolist():
        assert quotient(numerator, denominator) == plain(numerator, denominator)


def test_a_law_raises_nothing_inside_the_loop() -> None:
    """Division by zero follows IEEE 754 instead of raising: there is no exception path in the machine code."""
    assert quotient(1.0, 0.0) == np.inf
    assert np.isnan(quotient(0.0, 0.0))
