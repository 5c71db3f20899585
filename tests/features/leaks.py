"""Checks that a computation of features cannot see the future; the computation is an argument, so they are testable."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from huracan.market import Candles

Computed = Mapping[str, tuple[NDArray[np.int64], NDArray[np.floating]]]
Compute = Callable[[dict[str, Candles]], Computed]
"""Candles -> by symbol: int64[M] close times and float[M, F] rows known at them."""


def before(computed: Computed, cut_ms: int) -> dict[str, bytes]:
    """Return the bytes of all rows whose bar closed by the cut."""
    return {
        symbol: close[close <= cut_ms].tobytes() + np.ascontiguousarray(rows[close <= cut_ms]).tobytes()
        for symbol, (close, rows) in computed.items()
    }


def _after(candles: Candles, cut_ms: int, change: Callable[[Candles], dict[str, NDArray[np.float64]]]) -> Candles:
    """Return the candles with the columns changed where the bar closes after the cut."""
    late = candles.timestamp + candles.bar_ms > cut_ms
    columns = {name: np.where(late, x, getattr(candles, name)) for name, x in change(candles).items()}
    return replace(candles, **columns)


def assert_prefix_invariant(compute: Compute, candles: dict[str, Candles], cut_ms: int) -> None:
    """Rows known at the cut are the same bytes when the future is not there at all."""
    whole = before(compute(candles), cut_ms)
    prefix = {s: c.between(0, cut_ms) for s, c in candles.items()}
    assert before(compute(prefix), cut_ms) == whole


def assert_garbage_future(compute: Compute, candles: dict[str, Candles], cut_ms: int, seed: int) -> None:
    """Rows known at the cut are the same bytes when the future is another market at 50 times the price."""
    rng = np.random.default_rng(seed)

    def garbage(c: Candles) -> dict[str, NDArray[np.float64]]:
        a, b, x = (c.close * 50 * np.exp(rng.normal(0, 0.2, len(c))) for _ in range(3))
        high, low = np.maximum(np.maximum(a, b), x), np.minimum(np.minimum(a, b), x)
        return {"open": a, "high": high, "low": low, "close": b, "volume": rng.lognormal(5, 2, len(c))}

    changed = {s: _after(c, cut_ms, garbage) for s, c in candles.items()}
    _assert_future_differs(compute, candles, changed, cut_ms)


def assert_shuffled_future(compute: Compute, candles: dict[str, Candles], cut_ms: int, seed: int) -> None:
    """Rows known at the cut are the same bytes when the bars of the future change places."""
    rng = np.random.default_rng(seed)

    def shuffled(c: Candles) -> dict[str, NDArray[np.float64]]:
        order = np.arange(len(c))
        late = np.flatnonzero(c.timestamp + c.bar_ms > cut_ms)
        order[late] = rng.permutation(late)
        return {name: getattr(c, name)[order] for name in ("open", "high", "low", "close", "volume")}

    changed = {s: _after(c, cut_ms, shuffled) for s, c in candles.items()}
    _assert_future_differs(compute, candles, changed, cut_ms)


def _assert_future_differs(
    compute: Compute, candles: dict[str, Candles], changed: dict[str, Candles], cut_ms: int
) -> None:
    honest, other = compute(candles), compute(changed)
    assert before(other, cut_ms) == before(honest, cut_ms)
    end = max(int(close[-1]) for close, _ in honest.values())
    assert before(other, end) != before(honest, end), "the future was not changed: the check proves nothing"
