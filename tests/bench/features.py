"""Features: 20 coins of 160 k minute bars in one go, one close of 20 coins in stream, and pandas where it can."""

import time

import numpy as np
import pandas as pd

from huracan.config import FeatureSettings
from huracan.features import MARKET_SIZE, Bar, FeatureFit, FeatureStream, compute_raw
from huracan.market import Candles
from tests.bench.harness import Measurement, repeat
from tests.bench.markets import LEADER, martingales

COINS, BARS, INTERVAL, STREAM_CLOSES = 20, 160_000, 15, 500


def measure() -> list[Measurement]:
    """Measure batch, stream and the pandas comparison on the same candles."""
    candles = martingales(COINS, BARS)
    settings = FeatureSettings()
    compute_raw({LEADER: candles[LEADER]}, settings, INTERVAL, LEADER)  # compiled before it is timed

    def batch() -> float:
        begun = time.perf_counter()
        compute_raw(candles, settings, INTERVAL, LEADER)
        return time.perf_counter() - begun

    value, spread, repeats = repeat(batch, 3)
    theirs, ours, expressed = _against_pandas(candles)
    ratio = (theirs / expressed) / (ours / MARKET_SIZE)
    note = (
        f"20 coins x 160 k bars x {MARKET_SIZE}; one coin: pandas {theirs:.3f} s for the {expressed} features it can "
        f"express, ours {ours:.3f} s for all {MARKET_SIZE}; the ratio is of times per feature"
    )
    return [
        Measurement("features_batch", value, "s", repeats, spread, 1, {"pandas": ratio}, note),
        _stream(candles, settings),
    ]


def _against_pandas(candles: dict[str, Candles]) -> tuple[float, float, int]:
    """Return (pandas seconds, our seconds, features pandas can express) of one coin; we compute all 52."""
    one = candles[LEADER]

    def ours() -> float:
        begun = time.perf_counter()
        compute_raw({LEADER: one}, FeatureSettings(), INTERVAL, LEADER)
        return time.perf_counter() - begun

    frame = pd.DataFrame({name: getattr(one, name) for name in ("open", "high", "low", "close", "volume")})

    def theirs() -> float:
        begun = time.perf_counter()
        _with_pandas(frame)
        return time.perf_counter() - begun

    expressed = len(_with_pandas(frame.head(100)).columns)
    return repeat(theirs, 3)[0], repeat(ours, 3)[0], expressed


def _with_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the features of the minute clock that rolling and exponentially weighted pandas windows express."""
    close, high, low, volume = (np.log(frame[name]) for name in ("close", "high", "low", "volume"))
    gain = close.diff()
    sigma = {span: (gain**2).ewm(span=span, adjust=False).mean() ** 0.5 for span in (15, 60, 240, 1_440, 10_080)}
    out = {f"r_{n}": close.diff(n) / (sigma[1_440] * n**0.5) for n in (1, 5, 15, 60, 240, 1_440)}
    out["vol_level"] = np.log(sigma[60] / sigma[10_080])
    out["vol_ratio"] = np.log(sigma[15] / sigma[240])
    square, cross = gain**2, gain.abs() * gain.abs().shift()
    realised = square.rolling(240).sum()
    out["jump_share"] = 1 - np.pi / 2 * cross.rolling(240).sum() / realised
    out["semivariance"] = (square.where(gain > 0, 0.0) - square.where(gain < 0, 0.0)).rolling(240).sum() / realised
    out["vol_of_vol"] = np.log(sigma[60]).rolling(1_440).std()
    for n in (60, 240):
        out[f"efficiency_{n}"] = close.diff(n) / gain.abs().rolling(n).sum()
    for q in (4, 16):
        out[f"variance_ratio_{q}"] = close.diff(q).rolling(1_440).var() / (q * gain.rolling(1_440).var()) - 1
    slow, fast = close.ewm(span=240, adjust=False).mean(), close.ewm(span=60, adjust=False).mean()
    out["ema"] = (fast - slow) / sigma[1_440]
    value = frame["close"] * frame["volume"]
    out["vwap"] = np.log(frame["close"] * frame["volume"].rolling(1_440).sum() / value.rolling(1_440).sum())
    lowest, highest = low.rolling(1_440).min(), high.rolling(1_440).max()
    out["donchian"] = 2 * (close - lowest) / (highest - lowest) - 1
    impact = gain.abs() / value
    out["amihud"] = np.log(impact.rolling(240).mean() / impact.rolling(10_080).mean())
    out["dollar_volume"] = np.log(value.rolling(60).mean())
    out["volume"] = volume.rolling(60).mean()
    out["corr"] = gain.rolling(1_440).corr(gain.shift())
    return pd.DataFrame(out)


def _stream(candles: dict[str, Candles], settings: FeatureSettings) -> Measurement:
    """Measure one close of all coins, warm-up excluded."""
    split = BARS - STREAM_CLOSES
    past = {name: _cut(market, 0, split) for name, market in candles.items()}
    raw = compute_raw(past, settings, INTERVAL, LEADER)
    fit = FeatureFit.fit(raw, int(past[LEADER].timestamp[0]), int(past[LEADER].timestamp[-1]), seed=1)
    stream = FeatureStream(fit)
    stream.warm_up(past)
    times = []
    for index in range(split, BARS):
        bars = {
            name: Bar(*(float(getattr(m, column)[index]) for column in ("open", "high", "low", "close", "volume")))
            for name, m in candles.items()
        }
        close_ms = int(candles[LEADER].timestamp[index]) + 60_000
        begun = time.perf_counter()
        stream.push(bars, close_ms)
        times.append(1e3 * (time.perf_counter() - begun))
    middle = float(np.median(times))
    spread = float(np.quantile(times, 0.99) - np.quantile(times, 0.01)) / middle
    return Measurement(
        "features_stream", middle, "ms/close", STREAM_CLOSES, spread, 1, {}, "20 coins, median of closes"
    )


def _cut(candles: Candles, first: int, stop: int) -> Candles:
    return candles.between(int(candles.timestamp[first]), int(candles.timestamp[stop - 1]) + 1)
