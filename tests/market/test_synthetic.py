"""Markets without an edge, and wild bars."""

import numpy as np
import pytest

from huracan.config import QualitySettings
from huracan.market import MarketShape, gate, martingale, quality_report, wild_bars

SEEDS = range(60)


@pytest.mark.parametrize("kind", ["iid", "garch", "heavy"])
def test_a_martingale_earns_nothing_and_moves_as_asked(kind):
    """Over 40 seeds the mean price change is zero within 4 standard errors, and a bar moves by sigma."""
    ends, moves = [], []
    for seed in range(40):
        candles = martingale(MarketShape("NUL/USDT"), 5_000, seed, 10.0, kind)
        ends.append(candles.close[-1] / candles.open[0] - 1.0)
        moves.append(np.diff(np.log(candles.close)).std())
    assert abs(np.mean(ends)) < 4.0 * np.std(ends) / np.sqrt(len(ends))
    assert np.mean(moves) == pytest.approx(10e-4, rel=0.1)


def test_kinds_differ_in_the_way_they_are_named():
    """Heavy tails show in kurtosis, GARCH in the autocorrelation of squares, iid in neither."""
    tails, clusters = {}, {}
    for kind in ("iid", "garch", "heavy"):
        move = np.diff(np.log(martingale(MarketShape("NUL/USDT", prints_per_bar=1), 60_000, 11, 10.0, kind).close))
        square = move**2 - np.mean(move**2)
        tails[kind] = np.mean(move**4) / np.mean(move**2) ** 2
        clusters[kind] = np.mean(square[1:] * square[:-1]) / np.mean(square**2)
    assert tails["iid"] == pytest.approx(3.0, abs=0.2)
    assert tails["heavy"] > 6.0
    assert clusters["garch"] > 0.1
    assert abs(clusters["iid"]) < 0.02


def test_same_seed_same_candles_and_another_seed_others():
    """Both generators are functions of their seed."""
    shape = MarketShape("NUL/USDT", silent_frac=0.1)
    assert martingale(shape, 500, 1).fingerprint() == martingale(shape, 500, 1).fingerprint()
    assert martingale(shape, 500, 1).fingerprint() != martingale(shape, 500, 2).fingerprint()
    assert wild_bars(1).fingerprint() == wild_bars(1).fingerprint()
    assert len({wild_bars(seed, 300).fingerprint() for seed in SEEDS}) == len(SEEDS)


def test_wild_bars_keep_the_rules_of_candles_and_the_zero_volume_rule():
    """Every seed gives sound candles whose silent bars are flat at the close of the row above."""
    for seed in SEEDS:
        candles = wild_bars(seed)
        report = quality_report(candles.symbol, "1m", candles.rows(), 10**14)
        assert report.faults == ()
        assert report.zero_volume_unflat == 0, f"seed {seed}"
        silent = np.flatnonzero(candles.volume[1:] == 0) + 1
        assert np.array_equal(candles.open[silent], candles.close[silent - 1]), f"seed {seed}"


def test_wild_bars_show_what_they_promise():
    """The seeds bring opening gaps, great jumps, silent bars, missing runs short and long, coarse and fine ticks."""
    gaps, jumps, silent, longest, ticks, refused = [], [], [], [], [], 0
    for seed in SEEDS:
        candles = wild_bars(seed)
        sigma = np.median(np.abs(np.diff(np.log(candles.close)))) + 1e-12
        gaps.append(np.max(np.abs(np.log(candles.open[1:] / candles.close[:-1]))) / sigma)
        jumps.append(np.max(np.abs(np.log(candles.close / candles.open))) / sigma)
        silent.append(np.mean(candles.volume == 0))
        report = quality_report(candles.symbol, "1m", candles.rows(), 10**14)
        longest.append(report.gap_longest_bars)
        steps = np.diff(np.unique(candles.close))
        ticks.append(steps.min() / candles.close.mean() * 1e4)
        refused += not gate(report, QualitySettings()).accepted
    assert np.mean(np.array(gaps) > 10.0) > 0.8
    assert np.mean(np.array(jumps) > 15.0) > 0.5
    assert min(silent) < 0.02 < 0.15 < max(silent)
    assert min(longest) < 4
    assert max(longest) >= 20
    assert min(ticks) < 0.3 < 2.0 < max(ticks)
    assert refused > 0


def test_wild_bars_stay_tradable():
    """A stake of 1,000 is many steps, and prices keep within a factor of four."""
    for seed in SEEDS:
        candles = wild_bars(seed)
        assert candles.high.max() / candles.low.min() < 4.0, f"seed {seed}"
        decimals = next(d for d in range(13) if np.array_equal(candles.volume, np.rint(candles.volume * 10**d) / 10**d))
        assert 10.0**-decimals * candles.close.max() < 10.0, f"seed {seed}: a step is worth more than 1 % of the stake"
