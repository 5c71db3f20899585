"""The stream gives the batch's bytes, through restarts, gaps, late listings and every optional input."""

import numpy as np
import pytest

from huracan.errors import ArtefactError, DataError
from huracan.features import Bar, FeatureFit, FeatureStream, RawFeatures, apply_fit, compute_raw
from huracan.market import Candles
from tests.features.markets import LEADER, SMALL, SOURCES, START_MS, K, books, pick, real_universe, universe


def bar_at(c: Candles, i: int, book: np.ndarray | None) -> Bar:
    """Return one candle as the stream takes it."""

    def optional(x: np.ndarray | None) -> float | None:
        return None if x is None else float(x[i])

    return Bar(
        *(float(x[i]) for x in (c.open, c.high, c.low, c.close, c.volume)),
        optional(c.quote_volume),
        optional(c.trades),
        optional(c.taker_buy_volume),
        None if book is None or np.isnan(book[i, 0]) else tuple(float(x) for x in book[i]),
    )


def replay(
    stream: FeatureStream, candles: dict[str, Candles], closes: range, restart_at: set[int], book: dict[str, np.ndarray]
) -> dict[str, dict[str, list]]:
    """Push close after close, throwing the stream away and restoring it from bytes where asked."""
    index = {s: {int(t): i for i, t in enumerate(c.timestamp)} for s, c in candles.items()}
    seen: dict[str, dict[str, list]] = {
        s: {"sigma": [], "ready": [], "segment": [], "state": [], "time": []} for s in candles
    }
    for close in closes:
        if close in restart_at:
            saved = stream.snapshot()
            stream = FeatureStream(stream.fit)
            stream.restore(saved)
        bars = {
            s: bar_at(candles[s], at[close - 60_000], book.get(s)) for s, at in index.items() if close - 60_000 in at
        }
        if not bars:
            continue
        for s, row in stream.push(bars, close).items():
            seen[s]["sigma"].append(row.sigma)
            seen[s]["ready"].append(row.ready)
            seen[s]["segment"].append(row.segment)
            if row.state is not None:
                seen[s]["state"].append(row.state)
                seen[s]["time"].append(close)
    return seen


def assert_same(raw: dict[str, RawFeatures], fit: FeatureFit, seen: dict[str, dict[str, list]], after_ms: int) -> int:
    """Compare all bytes after a time; return the number of state rows compared."""
    rows = 0
    for s, r in raw.items():
        late = r.timestamp + 60_000 > after_ms
        assert np.array(seen[s]["sigma"]).tobytes() == r.sigma[late].tobytes()
        assert seen[s]["ready"] == r.ready[late].tolist()
        assert seen[s]["segment"] == r.segment[late].tolist()
        due = r.row_close_ms > after_ms
        assert seen[s]["time"] == r.row_close_ms[due].tolist()
        states = np.array(seen[s]["state"], dtype=np.float32).reshape(-1, 52)
        assert states.tobytes() == apply_fit(fit, r)[due].tobytes()
        rows += len(states)
    return rows


@pytest.mark.parametrize("leader", [LEADER, None])
def test_stream_is_batch_bitwise_through_restarts(leader: str | None) -> None:
    """All features, sigma, ready and segment are the batch's bytes with four restarts, two inside gaps."""
    candles = universe()
    book = books(candles)
    raw = compute_raw(candles, SMALL, K, leader, book)
    fit = FeatureFit.fit(raw, START_MS, START_MS + 500 * 60_000, seed=2)
    closes = range(START_MS + 60_000, START_MS + 901 * 60_000, 60_000)
    restarts = {START_MS + n * 60_000 for n in (102, 299, 520, 777)}
    seen = replay(FeatureStream(fit), candles, closes, restarts, book)
    rows = assert_same(raw, fit, seen, 0)
    print(f"{rows} state rows compared")
    assert rows > 600
    live = np.concatenate([np.array(x["state"]) for x in seen.values()])
    idle = {42, 43, 44, 45, 46} if leader is None else set()
    assert {i for i in range(52) if np.ptp(live[:, i]) == 0.0} == idle, "a feature that never moves proves nothing"


def test_stream_goes_on_after_a_warm_up() -> None:
    """A stream warmed up by the batch path on a prefix continues with the batch's bytes."""
    candles = universe()
    raw = compute_raw(candles, SMALL, K, LEADER)
    fit = FeatureFit.fit(raw, START_MS, START_MS + 500 * 60_000, seed=2)
    cut = START_MS + 640 * 60_000
    stream = FeatureStream(fit)
    warm = stream.warm_up({s: c.between(0, cut) for s, c in candles.items()})
    assert stream.next_close_ms == cut + 60_000
    assert all(warm[s].values.tobytes() == raw[s].values[raw[s].row_close_ms <= cut].tobytes() for s in raw)
    seen = replay(stream, candles, range(cut + 60_000, START_MS + 901 * 60_000, 60_000), set(), {})
    assert assert_same(raw, fit, seen, cut) > 100


@pytest.mark.parametrize("source", SOURCES[1:])
def test_stream_is_batch_bitwise_on_real_candles(source: str) -> None:
    """On real candles with the one-minute windows, three restarts on the way leave every byte as it is."""
    candles = real_universe(6.0)
    raw = compute_raw(candles, SMALL.model_copy(update={"windows": None}), 15, "BTC/USDT:USDT")
    first = min(int(c.timestamp[0]) for c in candles.values())
    cut = first + 5 * 86_400_000
    fit = FeatureFit.fit(raw, first, cut, seed=4)
    stream = FeatureStream(fit)
    stream.warm_up({s: c.between(0, cut) for s, c in candles.items()})
    closes = range(cut + 60_000, cut + 1_000 * 60_000, 60_000)
    seen = replay(stream, candles, closes, {cut + n * 60_000 for n in (7, 333, 800)}, {})
    inside = {s: c.between(0, closes[-1]) for s, c in candles.items()}
    raw = compute_raw(inside, SMALL.model_copy(update={"windows": None}), 15, "BTC/USDT:USDT")
    assert assert_same(raw, fit, seen, cut) > 200


def small_fit() -> tuple[dict[str, Candles], FeatureFit]:
    """Return the synthetic universe and a fit on its first 500 minutes."""
    candles = universe()
    return candles, FeatureFit.fit(compute_raw(candles, SMALL, K, LEADER), START_MS, START_MS + 500 * 60_000, seed=2)


def test_skipped_closes_count_as_missing_bars() -> None:
    """A feed that was away for a while gives what the batch gives for the same gap."""
    candles, fit = small_fit()
    gone = {}
    for s, c in candles.items():
        early = c.between(0, START_MS + 400 * 60_000)
        away = (early.timestamp >= START_MS + 300 * 60_000) & (early.timestamp < START_MS + 330 * 60_000)
        gone[s] = pick(early, ~away)
    raw = compute_raw(gone, SMALL, K, LEADER)
    seen = replay(FeatureStream(fit), gone, range(START_MS + 60_000, START_MS + 401 * 60_000, 60_000), set(), {})
    assert assert_same(raw, fit, seen, 0) > 100


def test_snapshot_of_another_fit_or_damaged_is_refused() -> None:
    """A snapshot restores only under its own fit and only whole."""
    candles, fit = small_fit()
    other = FeatureFit.fit(compute_raw(candles, SMALL, K, LEADER), START_MS, START_MS + 480 * 60_000, seed=2)
    saved = FeatureStream(fit).snapshot()
    with pytest.raises(ArtefactError, match="another fit"):
        FeatureStream(other).restore(saved)
    damaged = bytearray(saved)
    damaged[-9] ^= 1
    for bad in (bytes(damaged), saved[:-8], b"nonsense"):
        with pytest.raises(ArtefactError, match="damaged"):
            FeatureStream(fit).restore(bad)


def test_a_bar_that_cannot_be_is_refused_and_changes_nothing() -> None:
    """Unknown symbols, impossible prices, off-grid and repeated closes are refused; the stream stays as it was."""
    _, fit = small_fit()
    stream = FeatureStream(fit)
    good = Bar(10.0, 11.0, 9.0, 10.5, 3.0)
    close = START_MS + 60_000
    stream.push({LEADER: good}, close)
    saved = stream.snapshot()
    bad = {
        "universe": ({"XXX/USDT": good}, close + 60_000),
        "grid": ({LEADER: good}, close + 60_001),
        "last close": ({LEADER: good}, close),
        "cannot be": ({LEADER: Bar(10.0, float("nan"), 9.0, 10.5, 3.0)}, close + 60_000),
        "price or volume": ({LEADER: Bar(10.0, 10.1, 9.0, 10.5, 3.0)}, close + 60_000),
        "volume that": ({LEADER: Bar(10.0, 11.0, 9.0, 10.5, -3.0)}, close + 60_000),
    }
    for word, (bars, at) in bad.items():
        with pytest.raises(DataError, match=word):
            stream.push(bars, at)
    assert stream.snapshot() == saved
