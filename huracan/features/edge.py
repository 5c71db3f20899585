"""The EDGE bid-ask spread estimator from open, high, low and close prices.

Source: Ardia, Guidotti, Kroencke, "Efficient estimation of bid-ask spreads from open, high, low, and close prices",
Journal of Financial Economics 161 (2024). Two moment conditions whose expectation is the squared spread are combined
with weights inverse to their variance. Estimates are signed: negative squared spreads are noise around zero and must
be kept when averaging; only the average may be floored.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["MOMENTS", "edge_from_moments", "edge_moments", "edge_squared"]

MOMENTS = 34
"""Number of window means that the estimator needs; see `edge_moments`."""


@njit(cache=True, nogil=True)
def edge_moments(
    o: float, hi: float, lo: float, c: float, hi1: float, lo1: float, c1: float, acc: NDArray[np.float64]
) -> None:
    """Add one bar's products to the 34 sums of the window.

    Args:
        o: log open; `hi`, `lo`, `c` likewise; `hi1`, `lo1`, `c1` are the previous bar's.
        hi: log high.
        lo: log low.
        c: log close, not used by its own bar (it enters as the next bar's `c1`).
        hi1: previous log high.
        lo1: previous log low.
        c1: previous log close.
        acc: float64[34], changed in place. 0-3: r1r2, r3r4, r1r5, r5r4; 4: tau; 5-9: r1, tau r2, r3, tau r4, r5;
            10-15: squares and cross products of the first four; 16-29: the same with tau; 30-33: phi 1 to 4.
    """
    m = 0.5 * (hi + lo)
    m1 = 0.5 * (hi1 + lo1)
    tau = 1.0 if (hi != lo or lo != c1) else 0.0
    r1, r2, r3, r4, r5 = m - o, o - m1, m - c1, c1 - m1, o - c1
    acc[0] += r1 * r2
    acc[1] += r3 * r4
    acc[2] += r1 * r5
    acc[3] += r5 * r4
    acc[4] += tau
    acc[5] += r1
    acc[6] += tau * r2
    acc[7] += r3
    acc[8] += tau * r4
    acc[9] += r5
    acc[10] += r1 * r1 * r2 * r2
    acc[11] += r3 * r3 * r4 * r4
    acc[12] += r1 * r1 * r5 * r5
    acc[13] += r4 * r4 * r5 * r5
    acc[14] += r1 * r2 * r3 * r4
    acc[15] += r1 * r4 * r5 * r5
    if tau > 0.0:
        acc[16] += r2 * r2
        acc[17] += r4 * r4
        acc[18] += r5 * r5
        acc[19] += r1 * r2 * r2
        acc[20] += r3 * r4 * r4
        acc[21] += r1 * r5 * r5
        acc[22] += r5 * r4 * r4
        acc[23] += r1 * r2 * r4
        acc[24] += r2 * r3 * r4
        acc[25] += r2 * r4
        acc[26] += r1 * r4 * r5
        acc[27] += r4 * r5 * r5
        acc[28] += r4 * r5
        acc[29] += r5
        acc[30] += 1.0 if o != hi else 0.0
        acc[31] += 1.0 if o != lo else 0.0
        acc[32] += 1.0 if c1 != hi1 else 0.0
        acc[33] += 1.0 if c1 != lo1 else 0.0


@njit(cache=True, nogil=True)
def edge_from_moments(acc: NDArray[np.float64], n: float) -> float:
    """Return the signed squared spread from the sums of `edge_moments` over `n` bars, NaN where it is undefined.

    Args:
        acc: float64[34] sums.
        n: number of bars added.
    """
    if n < 2.0:
        return math.nan
    m = acc / n
    pt, po, pc = m[4], m[30] + m[31], m[32] + m[33]
    if pt == 0.0 or po == 0.0 or pc == 0.0:
        return math.nan
    a, b = -4.0 / po, -4.0 / pc
    k1, k3, k5 = m[5] / pt, m[7] / pt, m[9] / pt  # what is taken off r1, r3 and r5 on bars with tau = 1
    e1 = a * (m[0] - k1 * m[6]) + b * (m[1] - k3 * m[8])
    e2 = a * (m[2] - k1 * m[29]) + b * (m[3] - k5 * m[8])
    v1 = (
        a * a * (m[10] - 2.0 * k1 * m[19] + k1 * k1 * m[16])
        + b * b * (m[11] - 2.0 * k3 * m[20] + k3 * k3 * m[17])
        + 2.0 * a * b * (m[14] - k3 * m[23] - k1 * m[24] + k1 * k3 * m[25])
        - e1 * e1
    )
    v2 = (
        a * a * (m[12] - 2.0 * k1 * m[21] + k1 * k1 * m[18])
        + b * b * (m[13] - 2.0 * k5 * m[22] + k5 * k5 * m[17])
        + 2.0 * a * b * (m[15] - k5 * m[26] - k1 * m[27] + k1 * k5 * m[28])
        - e2 * e2
    )
    v1, v2 = max(v1, 0.0), max(v2, 0.0)
    if v1 + v2 == 0.0:
        return math.nan
    return (v2 * e1 + v1 * e2) / (v1 + v2)


@njit(cache=True, nogil=True)
def edge_squared(
    open_: NDArray[np.float64], high: NDArray[np.float64], low: NDArray[np.float64], close: NDArray[np.float64]
) -> float:
    """Return the signed squared spread of consecutive bars by the definition: two passes, nothing rolled.

    Args:
        open_: float64[n] prices, all positive; likewise `high`, `low`, `close`, in the order of time.
        high: float64[n].
        low: float64[n].
        close: float64[n].

    Returns:
        s^2 as a fraction squared (1e-4 is a spread of 1 %), NaN with fewer than three bars or no price change.
    """
    n = open_.shape[0] - 1
    if n < 2:
        return math.nan
    pt, po, pc, s1, s3, s5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(1, n + 1):
        hi, lo, c1 = high[i], low[i], close[i - 1]
        m, o, c = 0.5 * (math.log(hi) + math.log(lo)), math.log(open_[i]), math.log(c1)
        if hi != lo or lo != c1:
            pt += 1.0
            po += (1.0 if open_[i] != hi else 0.0) + (1.0 if open_[i] != lo else 0.0)
            pc += (1.0 if c1 != high[i - 1] else 0.0) + (1.0 if c1 != low[i - 1] else 0.0)
        s1, s3, s5 = s1 + (m - o), s3 + (m - c), s5 + (o - c)
    if pt == 0.0 or po == 0.0 or pc == 0.0:
        return math.nan
    a, b = -4.0 * n / po, -4.0 * n / pc
    e1, e2, q1, q2 = 0.0, 0.0, 0.0, 0.0
    for i in range(1, n + 1):
        hi, lo, c1 = high[i], low[i], close[i - 1]
        m, o, c = 0.5 * (math.log(hi) + math.log(lo)), math.log(open_[i]), math.log(c1)
        m1 = 0.5 * (math.log(high[i - 1]) + math.log(low[i - 1]))
        tau = 1.0 if (hi != lo or lo != c1) else 0.0
        d1, d3, d5 = (m - o) - tau * s1 / pt, (m - c) - tau * s3 / pt, (o - c) - tau * s5 / pt
        x1 = a * d1 * (o - m1) + b * d3 * (c - m1)
        x2 = a * d1 * (o - c) + b * d5 * (c - m1)
        e1, e2, q1, q2 = e1 + x1, e2 + x2, q1 + x1 * x1, q2 + x2 * x2
    e1, e2 = e1 / n, e2 / n
    v1, v2 = max(q1 / n - e1 * e1, 0.0), max(q2 / n - e2 * e2, 0.0)
    if v1 + v2 == 0.0:
        return math.nan
    return (v2 * e1 + v1 * e2) / (v1 + v2)
