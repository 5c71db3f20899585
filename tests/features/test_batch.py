"""Raw features equal their definitions; rows, segments, readiness and availability follow the rules of the clock."""

import numpy as np
import pytest

from huracan.config import FeatureSettings
from huracan.errors import ConfigError, DataError, InvariantError
from huracan.features import LAYOUT, compute_raw, find_leader, windows_for
from huracan.market import Candles, resample
from tests.features.markets import (
    LEADER,
    SMALL,
    SOURCES,
    K,
    books,
    coin,
    real_universe,
    universe,
    without,
)
from tests.features.oracle import cross_features, own_features

W = windows_for("1m", SMALL.windows)


def whole_universe(source: str) -> dict[str, Candles]:
    """Return coins that share every bar."""
    if source == "real":
        found = real_universe(0.6)
        start = max(int(c.timestamp[0]) for c in found.values())
        return {s: c.between(start, start + 60_000 * 500) for s, c in found.items()}
    made = (coin(LEADER, 500, 21, inputs=True), coin("ADA/USDT", 500, 22, inputs=True), coin("FET/USDT", 500, 23))
    return {c.symbol: c for c in made}


def test_a_slower_interval_is_a_choice_of_rows() -> None:
    """Rows picked for every 20th bar from those of every 5th are the machines' own, gaps included; 8 is refused."""
    gaps = [(57, 63), (100, 101), (118, 122), (240, 300)]
    coins = {c.symbol: without(c, *gaps) for c in (coin(LEADER, 700, 21, inputs=True), coin("ADA/USDT", 700, 22))}
    fast, slow = (compute_raw(coins, SMALL, k, LEADER) for k in (5, 20))
    for symbol, wanted in slow.items():
        found = fast[symbol].every(20)
        assert found.context == wanted.context
        assert len(found.rows) > 25
        for name in ("rows", "values", "available", "ready", "segment", "sigma"):
            assert getattr(found, name).tobytes() == getattr(wanted, name).tobytes(), name
    assert fast[LEADER].every(5) is fast[LEADER]
    with pytest.raises(InvariantError, match="every 5 bars do not hold those every 8"):
        fast[LEADER].every(8)


@pytest.mark.parametrize("source", SOURCES)
def test_every_raw_feature_equals_its_definition(source: str) -> None:
    """All own and cross-section features of many rows agree with a direct numpy computation to 1e-7."""
    coins = whole_universe(source)
    leader = find_leader(coins, None)
    assert leader is not None
    raw = compute_raw(coins, SMALL, K, leader)
    compared = 0
    for symbol, r in raw.items():
        ready_rows = np.flatnonzero(r.ready[r.rows])
        for m in ready_rows[:: max(len(ready_rows) // 12, 1)]:
            last = int(r.rows[m])
            wanted = own_features(coins[symbol], last, W) | cross_features(coins, symbol, leader, last, W)
            for i, value in wanted.items():
                assert r.values[m, i] == pytest.approx(value, rel=1e-7, abs=1e-7), f"{LAYOUT[i]} of {symbol} at {last}"
            compared += len(wanted)
    print(f"{compared} values compared")
    assert compared > 1_500


def test_sigma_is_the_bias_corrected_ewma_of_squared_returns() -> None:
    """Sigma of every existing bar equals its definition and has the floor of 1e-6 before the first return."""
    c = coin("ADA/USDT", 200, 3)
    r = compute_raw({c.symbol: c}, SMALL, K, None)[c.symbol]
    squares = np.diff(np.log(c.close)) ** 2
    assert r.sigma[0] == 1e-6
    for t in (1, 2, 50, 199):
        weight = (1 - 2 / (W.sigma + 1)) ** np.arange(t)[::-1]
        assert r.sigma[t] == pytest.approx(np.sqrt((weight * squares[:t]).sum() / weight.sum()), rel=1e-12)


def test_rows_fall_on_the_utc_grid_or_on_the_first_bar_after_a_missing_one() -> None:
    """A decision is due when (bar number + 1) % k == 0; a missing due bar is made up for at the next existing close."""
    c = without(coin("ADA/USDT", 300, 4), (57, 66), (100, 101), (200, 260))
    r = compute_raw({c.symbol: c}, SMALL, 7, None)[c.symbol]
    number = c.timestamp // 60_000
    wanted, owed, expected = [], False, int(number[0])
    for i, n in enumerate(number.tolist()):
        owed = owed or any((m + 1) % 7 == 0 for m in range(expected, n))
        if owed or (n + 1) % 7 == 0:
            wanted.append(i)
        owed, expected = False, n + 1
    assert r.rows.tolist() == wanted
    assert (r.row_close_ms == c.timestamp[wanted] + 60_000).all()


def test_a_longer_gap_starts_a_new_segment_with_fresh_machines() -> None:
    """Up to gap_fill_max_bars missing bars keep the segment; one more resets every machine and readiness."""
    whole = coin("ADA/USDT", 400, 5)
    for missing, segments in ((3, 1), (4, 2)):
        c = without(whole, (200, 200 + missing))
        r = compute_raw({c.symbol: c}, SMALL, K, None)[c.symbol]
        assert len(set(r.segment.tolist())) == segments
    assert r.segment.tolist() == [0] * 200 + [1] * 196
    assert r.ready.tolist() == ([False] * (W.ready - 1) + [True] * (201 - W.ready)) + (
        [False] * (W.ready - 1) + [True] * (197 - W.ready)
    )
    fresh = whole.between(int(whole.timestamp[204]), int(whole.timestamp[-1]) + 60_000)
    alone = compute_raw({c.symbol: fresh}, SMALL, K, None)[c.symbol]
    common = np.intersect1d(r.row_close_ms, alone.row_close_ms)[1:]
    rows = [np.delete(x.values[np.isin(x.row_close_ms, common)], 25, 1) for x in (r, alone)]
    assert len(rows[0]) > 30
    assert rows[0].tobytes() == rows[1].tobytes()
    assert r.sigma[200:].tobytes() == alone.sigma.tobytes()


def test_a_short_gap_is_fed_as_flat_bars_without_volume() -> None:
    """Missing bars give what the same candles with flat zero-volume bars in their place give."""
    whole = coin("ADA/USDT", 300, 6, inputs=True)
    gap = slice(150, 153)
    columns = {n: getattr(whole, n).copy() for n in ("open", "high", "low", "close", "volume")}
    extra = {n: getattr(whole, n).copy() for n in ("quote_volume", "trades", "taker_buy_volume")}
    for n in ("open", "high", "low", "close"):
        columns[n][gap] = whole.close[149]
    for x in (columns["volume"], *extra.values()):
        x[gap] = 0.0
    flat = Candles(whole.symbol, "1m", whole.timestamp, **columns, **extra)
    a = compute_raw({whole.symbol: flat}, SMALL, 4, None)[whole.symbol]
    b = compute_raw({whole.symbol: without(whole, (150, 153))}, SMALL, 4, None)[whole.symbol]
    later_a, later_b = a.row_close_ms > whole.timestamp[160], b.row_close_ms > whole.timestamp[160]
    drop = [25, 26]  # between rows, and the gap moved one row
    assert np.delete(a.values[later_a], drop, 1).tobytes() == np.delete(b.values[later_b], drop, 1).tobytes()


def test_coins_that_are_not_there_do_not_take_part_in_the_cross_section() -> None:
    """A coin listed later changes no rank, breadth or leader feature before it has the bars for them."""
    both = {c.symbol: c for c in (coin(LEADER, 300, 7), coin("ADA/USDT", 300, 8))}
    late = without(coin("NEW/USDT", 300, 9), (0, 150))
    a = compute_raw(both, SMALL, K, LEADER)["ADA/USDT"]
    b = compute_raw(both | {late.symbol: late}, SMALL, K, LEADER)["ADA/USDT"]
    before = a.row_close_ms <= late.timestamp[0] + W.ranks[0] * 60_000
    assert a.values[before].tobytes() == b.values[before].tobytes()
    assert set(np.unique(a.values[a.ready[a.rows]][:, 47])) <= {-1.0, 0.0, 1.0}
    assert (a.values[~before][:, 47] != b.values[~before][:, 47]).any()


def test_absent_inputs_are_zero_and_said_so() -> None:
    """Without trades, taker volume, book or leader their features are 0 and the availability columns false."""
    c = coin("ADA/USDT", 300, 10)
    bare = compute_raw({c.symbol: c}, SMALL, K, None)[c.symbol]
    gone = [29, 32, 33, 34, 35, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48]
    assert not bare.available.any()
    assert not bare.values[:, gone].any()
    candles = universe()
    raw = compute_raw(candles, SMALL, K, LEADER, books(candles))
    ada = raw["ADA/USDT"]
    warm = ada.ready[ada.rows]
    assert ada.available[warm][:, :2].all()
    assert 0.9 < ada.available[warm][:, 2].mean() < 1.0
    assert not raw["FET/USDT"].available[:, :3].any()
    no_book = ~ada.available[:, 2]
    assert not ada.values[no_book][:, [32, 38, 39, 40]].any()


def test_a_missing_leader_bar_beyond_the_gap_rule_leaves_its_features_at_zero() -> None:
    """While the leader is away, 42-46 are 0 and its column false; short gaps of it are bridged."""
    coins = {c.symbol: c for c in (without(coin(LEADER, 400, 11), (200, 202), (300, 340)), coin("ADA/USDT", 400, 12))}
    r = compute_raw(coins, SMALL, 1, LEADER)["ADA/USDT"]
    assert r.available[199:206, 3].all()
    away = slice(303, 341)
    assert not r.available[away, 3].any()
    assert not r.values[away, 42:47].any()


def test_a_dead_market_gives_finite_numbers() -> None:
    """Thousands of bars without a trade or a move make no feature infinite or undefined."""
    c = coin("ADA/USDT", 400, 13)
    n = len(c)
    still = np.full(n, 5.0)
    dead = Candles("DEAD/USDT", "1m", c.timestamp, still, still, still, still, np.zeros(n))
    stop = np.where(np.arange(n) < 200, c.close, c.close[199])
    frozen = {k: np.where(np.arange(n) < 200, getattr(c, k), stop) for k in ("open", "high", "low", "close")}
    halted = Candles("ADA/USDT", "1m", c.timestamp, **frozen, volume=np.where(np.arange(n) < 200, c.volume, 0.0))
    raw = compute_raw({d.symbol: d for d in (dead, halted)}, SMALL, 1, "DEAD/USDT")
    for r in raw.values():
        assert np.isfinite(r.values).all()
        assert (r.sigma >= 1e-6).all()
    silent = raw["ADA/USDT"].values[-1]
    assert not silent[[0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 16, 17, 18, 19, 22, 23]].any()


def test_daily_candles_of_real_length_warm_up_within_180_bars() -> None:
    """The shipped daily table is ready after 150 bars and everything it yields is finite."""
    minutes = coin("ADA/USDT", 400, 14)
    days = Candles(
        "ADA/USDT",
        "1d",
        86_400_000 * np.arange(19_000, 19_400),
        *(getattr(minutes, n) for n in ("open", "high", "low", "close", "volume")),
    )
    r = compute_raw({days.symbol: days}, FeatureSettings(), 1, None)[days.symbol]
    assert int(np.flatnonzero(r.ready)[0]) == 149
    assert np.isfinite(r.values).all()
    moving = np.ptp(r.values[149:], axis=0) > 0
    assert moving[[*range(29), 30, 31, 36, 50, 51]].all()


def test_other_timeframes_run_with_interpolated_windows() -> None:
    """Five-minute candles resampled from one-minute ones go through the derived table."""
    c = resample(coin("ADA/USDT", 15_000, 15), "5m")
    r = compute_raw({c.symbol: c}, FeatureSettings(), 3, None)[c.symbol]
    assert r.context.windows.timeframe == "5m"
    assert r.ready.any()
    assert np.isfinite(r.values).all()


def test_what_cannot_be_computed_is_refused_with_one_line() -> None:
    """No candles, mixed timeframes, a leader that is not loaded: an error that says so."""
    c = coin("ADA/USDT", 300, 16)
    with pytest.raises(DataError, match="found none"):
        compute_raw({}, SMALL, K, None)
    with pytest.raises(DataError, match="one timeframe"):
        compute_raw({"A/USDT": c, "B/USDT": resample(c, "5m")}, SMALL, K, None)
    with pytest.raises(ConfigError, match="leader"):
        compute_raw({c.symbol: c}, SMALL, K, LEADER)
    with pytest.raises(DataError, match=r"data\.leader_symbol"):
        find_leader({c.symbol: c}, LEADER)
    with pytest.raises(DataError, match="no bar"):
        compute_raw({c.symbol: c.between(0, 1)}, SMALL, K, None)


def test_the_leader_is_the_configured_one_else_bitcoin() -> None:
    """BTC spot leads, else the perpetual, else nobody; the configured symbol goes first."""
    assert find_leader({"BTC/USDT": 0, "BTC/USDT:USDT": 0}, None) == "BTC/USDT"
    assert find_leader({"ADA/USDT": 0, "BTC/USDT:USDT": 0}, None) == "BTC/USDT:USDT"
    assert find_leader({"ADA/USDT": 0}, None) is None
    assert find_leader({"ADA/USDT": 0, "BTC/USDT": 0}, "ADA/USDT") == "ADA/USDT"
