"""The raw features of one decision row straight from their definitions, in numpy over the whole history up to it.

Independent of the machines: no state, no rolling, windows cut from arrays. One segment without missing bars.
"""

import math

import numpy as np
from numpy.typing import NDArray

from huracan.features import WindowTable
from huracan.features.edge import edge_squared
from huracan.market import Candles

Array = NDArray[np.float64]


def daily_edge(open_: Array, high: Array, low: Array, close: Array) -> float:
    """Return the signed EDGE spread estimate of one run of bars, e.g. one UTC day of one-minute bars.

    Args:
        open_: float64[n] prices, all positive, in the order of time; `high`, `low`, `close` likewise.
        high: float64[n].
        low: float64[n].
        close: float64[n].

    Returns:
        sign(s^2) * sqrt(|s^2|), a fraction of the price (0.01 is 1 %). To average several days keep the sign:
        mean of `s * abs(s)`, then floor. NaN with fewer than three bars or when no price changed.
    """
    squared = edge_squared(open_, high, low, close)
    return math.copysign(math.sqrt(abs(squared)), squared) if math.isfinite(squared) else math.nan


def ewma(x: Array, span: int) -> float:
    """Return the mean with weights (1 - l)^age, normalised."""
    weight = (1 - 2 / (span + 1)) ** np.arange(len(x))[::-1]
    return float((weight * x).sum() / weight.sum())


def ewma_path(x: Array, span: int) -> Array:
    """Return `ewma` of every prefix."""
    return np.array([ewma(x[: i + 1], span) for i in range(len(x))])


def ema(x: Array, span: int) -> float:
    """Return the exponential average that starts at the first value."""
    value = x[0]
    for new in x[1:]:
        value += 2 / (span + 1) * (new - value)
    return float(value)


def whole_bars(c: Candles, length: int, until: int) -> Array:
    """Return log open, high, low, close of the complete epoch-aligned bars of `length` base bars, [n, 4]."""
    number = c.timestamp[:until] // c.bar_ms
    out = []
    for group in np.unique(number // length):
        at = np.flatnonzero(number // length == group)
        if len(at) == length:
            out.append([c.open[at[0]], c.high[at].max(), c.low[at].min(), c.close[at[-1]]])
    return np.log(np.array(out).reshape(-1, 4))


def adx(bars: Array, n: int) -> float:
    """Return Wilder's ADX (0-1) of [n, 4] bars; mean of the DX until n of them are known."""
    _, high, low, close = bars.T
    up, down = np.diff(high), -np.diff(low)
    plus, minus = np.where((up > down) & (up > 0), up, 0), np.where((down > up) & (down > 0), down, 0)
    tr = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])

    def wilder(x: Array) -> Array:
        smooth = [x[:n].sum()]
        for new in x[n:]:
            smooth.append(smooth[-1] - smooth[-1] / n + new)
        return np.array(smooth)

    true_range = np.maximum(wilder(tr), 1e-300)
    p, m = wilder(plus) / true_range, wilder(minus) / true_range
    dx = np.abs(p - m) / np.maximum(p + m, 1e-300)
    value = dx[:n].mean()
    for new in dx[n:]:
        value = (value * (n - 1) + new) / n
    return float(value)


def variance_ratio(log_close: Array, n: int, q: int) -> float:
    """Return Lo-MacKinlay's unbiased overlapping variance ratio over the last n one-bar returns."""
    x = log_close[-n - 1 :]
    mu = (x[-1] - x[0]) / n
    one = ((np.diff(x) - mu) ** 2).sum() / (n - 1)
    many = ((x[q:] - x[:-q] - q * mu) ** 2).sum() / (q * (n - q + 1) * (1 - q / n))
    return float(many / one)


def kyle(r: Array, q: Array) -> float:
    """Return the regression slope of r on q."""
    return float(np.cov(r, q, bias=True)[0, 1] / q.var()) if q.any() else 0.0


def vpin(volume: Array, taker: Array, w: WindowTable) -> float:
    """Return the mean absolute imbalance of the last full volume buckets, poured unit by share."""
    size, filled, net, buckets = 0.0, 0.0, 0.0, []
    for i in range(len(volume)):
        if volume[i] <= 0:
            continue
        share, left = 2 * taker[i] / volume[i] - 1, volume[i]
        while left > 1e-9:
            if filled == 0.0:
                size = ewma(volume[: i + 1], w.slow) * w.vpin_bars / w.vpin_buckets
            part = min(left, size - filled)
            filled, net, left = filled + part, net + part * share, left - part
            if filled >= size:
                buckets.append(abs(net) / size)
                filled, net = 0.0, 0.0
    return float(np.mean(buckets[-w.vpin_buckets :]))


def own_features(c: Candles, last: int, w: WindowTable) -> dict[int, float]:
    """Return the coin's own raw features at the close of bar `last`, by index; 25 and 26 left out."""
    t = last + 1
    lc = np.log(c.close[:t])
    r = np.diff(lc)
    spans = ("vol_fast", "vol_mid", "vol_long", "sigma", "slow")
    s = {name: max(math.sqrt(ewma(r**2, getattr(w, name))), 1e-6) for name in spans}
    sigma = s["sigma"]
    mid, slow = whole_bars(c, w.middle_clock, t), whole_bars(c, w.slow_clock, t)
    f = {i: float(np.clip((lc[-1] - lc[-1 - n]) / (sigma * n**0.5), -5, 5)) for i, n in enumerate(w.returns)}
    _, hi, lo, cl = mid[-1]
    f[6] = (2 * cl - hi - lo) / (hi - lo) if hi > lo else 0.0
    bodies = [(b[3] - b[0]) / (b[1] - b[2]) if b[1] > b[2] else 0.0 for b in mid[-w.body :]]
    f[7] = float(np.mean(bodies))
    f[8] = f[11] = math.log(s["vol_mid"] / s["slow"])
    f[9] = math.log(s["vol_fast"] / s["vol_long"])
    part = mid[-w.range_vol :]
    gk = 0.5 * (part[:, 1] - part[:, 2]) ** 2 - (2 * math.log(2) - 1) * (part[:, 3] - part[:, 0]) ** 2
    cc = np.diff(mid[-w.range_vol - 1 :, 3]) ** 2
    f[10] = float(np.clip(math.log(max(gk.mean(), 1e-99) / cc.mean()), -5, 5)) if cc.any() else 0.0
    x = r[-w.jump :]
    rv = (x**2).sum()
    bpv = math.pi / 2 * w.jump / (w.jump - 1) * (np.abs(x[1:]) * np.abs(x[:-1])).sum()
    f[12] = max(0.0, 1 - bpv / rv) if rv > 0 else 0.0
    f[13] = ((x[x > 0] ** 2).sum() - (x[x < 0] ** 2).sum()) / rv if rv > 0 else 0.0
    levels = 0.5 * np.log(np.maximum(ewma_path(r**2, w.vol_mid), 1e-12))
    f[14] = float(levels[-w.vol_of_vol :].std(ddof=1))
    f[15] = (slow[-1, 1] - slow[-1, 2]) / (s["slow"] * w.slow_clock**0.5)
    for i, n in ((16, w.er_short), (17, w.er_long)):
        path = np.abs(r[-n:]).sum()
        f[i] = (lc[-1] - lc[-1 - n]) / path if path > 0 else 0.0
    for i, q in ((18, w.vr_lags[0]), (19, w.vr_lags[1])):
        f[i] = variance_ratio(lc, w.variance_ratio, q) - 1
    f[20] = (ema(mid[:, 3], w.ema_fast) - ema(mid[:, 3], w.ema_slow)) / (sigma * (w.middle_clock * w.ema_slow) ** 0.5)
    difference = ema(slow[:, 3], w.slow_ema_fast) - ema(slow[:, 3], w.slow_ema_slow)
    f[21] = difference / (sigma * (w.slow_clock * w.slow_ema_slow) ** 0.5)
    quote = c.quote_volume if c.quote_volume is not None else c.volume * (c.high + c.low + c.close) / 3
    day = slice(t - w.level, t)
    vwap = quote[day].sum() / c.volume[day].sum()
    f[22] = float(np.clip((lc[-1] - math.log(vwap)) / (sigma * w.level**0.5), -5, 5))
    top, bottom = math.log(c.high[day].max()), math.log(c.low[day].min())
    f[23] = 2 * (lc[-1] - bottom) / (top - bottom) - 1
    f[24] = 2 * adx(slow, w.adx) - 1
    f[27] = _cusum(r, w.sigma)
    q = quote[1:t]
    f[28] = math.log(np.clip(q[-w.volume :].mean() / ewma(q, w.slow), 1e-4, 1e4))
    f[29] = 0.0
    if c.trades is not None:
        f[29] = math.log(np.clip(c.trades[t - w.volume : t].mean() / ewma(c.trades[:t], w.slow), 1e-4, 1e4))
    with np.errstate(divide="ignore", invalid="ignore"):
        illiquid = np.abs(r) / q
    traded, recent = q > 0, np.arange(len(q)) >= len(q) - w.liquidity
    f[30] = 0.0
    if (traded & recent).any():
        ratio = illiquid[traded & recent].mean() / ewma(illiquid[traded], w.slow)
        f[30] = math.log(np.clip(ratio, 1e-4, 1e4))
    f[31] = _edge(c, t, w)
    f.update({32: 0.0, 33: 0.0, 34: 0.0, 35: 0.0, 37: 0.0, 38: 0.0, 39: 0.0, 40: 0.0, 41: 0.0})
    if c.taker_buy_volume is not None:
        for i, n in enumerate(w.flow):
            volume = c.volume[t - n : t].sum()
            f[33 + i] = (2 * c.taker_buy_volume[t - n : t].sum() - volume) / volume if volume > 0 else 0.0
        f[41] = vpin(c.volume[:t], c.taker_buy_volume[:t], w)
    f[36] = _kyle_feature(r, q, sigma, w)
    close_ms = int(c.timestamp[last]) + c.bar_ms
    week = ((close_ms / 3_600_000) + 72) % 168
    f[50], f[51] = math.sin(2 * math.pi * week / 168), math.cos(2 * math.pi * week / 168)
    return f


def _cusum(r: Array, span: int) -> float:
    up = down = 0.0
    for i in range(1, len(r)):
        z = r[i] / max(math.sqrt(ewma(r[:i] ** 2, span)), 1e-6)
        up, down = min(max(0.0, up + z - 0.5), 25.0), min(max(0.0, down - z - 0.5), 25.0)
    return min(max((up - down) / 5, -5.0), 5.0)


def _edge(c: Candles, t: int, w: WindowTable) -> float:
    """Return ln(1 + bp) of EDGE over the bars of the last whole slow bars, each with the bar before it."""
    number = c.timestamp[:t] // c.bar_ms
    end = int(np.flatnonzero((number + 1) % w.slow_clock == 0)[-1]) + 1
    start = max(end - w.edge * w.slow_clock - 1, 0)
    s = daily_edge(c.open[start:end], c.high[start:end], c.low[start:end], c.close[start:end])
    return math.log1p(1e4 * s) if s > 0 else 0.0


def _kyle_feature(r: Array, quote: Array, sigma: float, w: WindowTable) -> float:
    n = w.liquidity
    signed = []
    for i in range(len(r) - n, len(r)):
        before = max(math.sqrt(ewma(r[:i] ** 2, w.vol_mid)), 1e-6)
        signed.append(quote[i] * math.erf(r[i] / (before * math.sqrt(2))))
    slope = kyle(r[-n:], np.array(signed))
    return float(np.clip(slope * quote[-n:].mean() / sigma, -20, 20))


def cross_features(coins: dict[str, Candles], symbol: str, leader: str, last: int, w: WindowTable) -> dict[int, float]:
    """Return features 42-49 of one coin at the close of bar `last`, all coins having the same bars."""
    lc = {s: np.log(c.close[: last + 1]) for s, c in coins.items()}
    r = {s: np.diff(x) for s, x in lc.items()}
    sigma = {s: math.sqrt(ewma(x**2, w.sigma)) for s, x in r.items()}
    own, lead = r[symbol], r[leader]
    short, long = w.leader_returns

    def over(s: str, n: int) -> float:
        return float(lc[s][-1] - lc[s][-1 - n])

    f = {42 + i: over(leader, n) / (sigma[leader] * n**0.5) for i, n in enumerate((short, long))}
    f[44] = ewma(own * lead, w.beta) / ewma(lead**2, w.beta)
    f[45] = (over(symbol, long) - f[44] * over(leader, long)) / (sigma[symbol] * long**0.5)
    f[46] = ewma(own * lead, w.corr) / math.sqrt(ewma(own**2, w.corr) * ewma(lead**2, w.corr))
    for i, n in enumerate(w.ranks):
        others = [over(s, n) for s in coins if s != symbol]
        f[47 + i] = float(np.mean([np.sign(over(symbol, n) - x) for x in others]))
    f[49] = float(np.mean([np.sign(over(s, w.ranks[0])) for s in coins]))
    return {i: float(np.clip(x, -5, 5)) if i in (42, 43, 45) else x for i, x in f.items()}
