"""Candles with a planted edge: what they promise is in them."""

import json
import math

import numpy as np
import pytest

from huracan.config import DataSettings, QualitySettings
from huracan.errors import DataError
from huracan.market import (
    LONG_FLAT,
    Ar1Problem,
    MarketShape,
    SyntheticSpec,
    ar1_optimum,
    load_candles,
    mean_reverting_market,
    mean_reverting_price,
    open_folder,
    predictor_market,
    read_truths,
    regime_market,
    write_synthetic,
)
from huracan.market.planted import hidden_regime_grid, regime_optimum, solve_grid

SHAPE = MarketShape("REV/USDT", price=100.0, price_decimals=4)


def threshold_gain(signal, change, threshold, cost):
    """Return the mean gain per bar of long-or-flat by threshold: signal[t] decides what change[t] earns."""
    position, gain = 0, 0.0
    for seen, earned in zip(signal.tolist(), change.tolist(), strict=True):
        wanted = 1 if seen >= threshold else 0 if seen <= -threshold else position
        gain += wanted * earned - cost * abs(wanted - position)
        position = wanted
    return gain / len(signal)


def test_predictor_market_pays_its_exact_optimum():
    """Trading the candles' own closes by the exact threshold earns the exact optimum, at a fee of cost ppm."""
    problem = Ar1Problem(0.98, 1.0, 10.0)
    best = ar1_optimum(problem, LONG_FLAT)
    gains = []
    for seed in range(4):
        market = predictor_market(problem, 100_000, seed, noise_sd=5.0)
        units = np.diff(market.candles.close) / 1e-6
        gains.append(threshold_gain(market.signal[:-1], units, best.threshold, problem.cost))
    assert np.mean(gains) == pytest.approx(best.value, abs=4 * np.std(gains) / 2 + 0.02)


def test_predictor_market_is_frictionless_and_unforeseeable_but_for_the_signal():
    """Opens repeat closes; the next change has slope 1 on the signal, and the signal is AR(1) with its rho."""
    market = predictor_market(Ar1Problem(0.98, 1.0, 10.0), 100_000, 3)
    candles, signal = market.candles, market.signal
    assert np.array_equal(candles.open[1:], candles.close[:-1])
    units = np.diff(candles.close) / 1e-6
    slope, offset = np.polyfit(signal[:-1], units, 1)
    assert slope == pytest.approx(1.0, abs=0.08)
    assert offset == pytest.approx(0.0, abs=0.4)
    residual = units - signal[:-1]
    assert residual.std() == pytest.approx(30.0, rel=0.02)
    assert abs(np.corrcoef(residual[1:], residual[:-1])[0, 1]) < 0.015
    assert np.corrcoef(signal[1:], signal[:-1])[0, 1] == pytest.approx(0.98, abs=0.003)
    quiet = predictor_market(Ar1Problem(0.98, 1.0, 10.0), 20_000, 4, noise_sd=0.5)
    residual = np.diff(quiet.candles.close) / 1e-6 - quiet.signal[:-1]
    innovation = quiet.signal[1:] - 0.98 * quiet.signal[:-1]
    assert residual.std() == pytest.approx(0.5, rel=0.03)
    assert abs(np.corrcoef(residual, innovation)[0, 1]) < 0.03, "a return must not know the next signal"


def test_a_predictor_market_that_wanders_off_is_refused():
    """A unit so large that the price leaves the linear range is refused with the remedy."""
    with pytest.raises(DataError, match="take a smaller unit_ppm"):
        predictor_market(Ar1Problem(0.98, 1.0, 10.0), 50_000, 1, unit_ppm=100.0)


def test_mean_reverting_market_is_what_it_says():
    """The deviation has its standard deviation and half-life; without an anchor the log price is the deviation."""
    market = mean_reverting_market(SHAPE, 200_000, 1, 60.0, 80.0)
    log_price = 1e4 * np.log(market.candles.close / SHAPE.price)
    assert np.abs(log_price - market.signal).max() < 0.011
    assert market.signal.std() == pytest.approx(80.0, rel=0.05)
    lag = np.corrcoef(market.signal[60:], market.signal[:-60])[0, 1]
    assert lag == pytest.approx(0.5, abs=0.04)


def test_mean_reverting_market_pays_its_exact_optimum():
    """Deciding every 15 bars by the exact threshold earns the stated optimum, with and without a wandering anchor."""
    rho = 2.0 ** (-15 / 60)
    problem = mean_reverting_price(rho, 80.0, 11.0)
    best = ar1_optimum(problem, LONG_FLAT)
    for anchor in (0.0, 40.0):
        gains = []
        for seed in range(6):
            market = mean_reverting_market(SHAPE, 150_000, seed, 60.0, 80.0, anchor)
            seen = market.signal[14::15]
            moves = 1e4 * np.diff(np.log(market.candles.close[14::15]))
            gains.append(threshold_gain(-seen[:-1], moves, best.threshold / (1.0 - rho), 11.0))
        error = np.std(gains, ddof=1) / math.sqrt(len(gains))
        assert np.mean(gains) == pytest.approx(best.value, abs=4.0 * error)
        assert error < 0.05 * best.value


def test_regime_market_drifts_with_its_regime():
    """The mean return is plus or minus the edge by regime, which lasts 1/switch bars on average."""
    market = regime_market(SHAPE, 200_000, 2, 2.0, 10.0, 0.01)
    moves = 1e4 * np.diff(np.log(market.candles.close))
    assert set(market.signal) == {-1.0, 1.0}
    for regime in (-1.0, 1.0):
        assert moves[market.signal[:-1] == regime].mean() == pytest.approx(2.0 * regime, abs=0.15)
    assert np.mean(np.diff(market.signal) != 0) == pytest.approx(0.01, rel=0.1)


class TestFolder:
    SPEC = SyntheticSpec(bars=4_000, planted=2, null=3)

    def test_same_seed_same_bytes(self, tmp_path):
        """A folder is a function of spec and seed, byte for byte; another seed gives other candles."""
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            write_synthetic(tmp_path / name, self.SPEC, seed)
        files = sorted(path.name for path in (tmp_path / "a").iterdir())
        assert len(files) == 6
        for name in files:
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
            assert (tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes()

    def test_the_folder_passes_the_gate_and_has_a_leader(self, tmp_path):
        """Every synthetic coin passes the default gate; the leader is there, and is a martingale."""
        truths = write_synthetic(tmp_path, self.SPEC, 1)
        found = load_candles(tmp_path, DataSettings(), QualitySettings(), 10**14)
        assert found.symbols == tuple(truth.symbol for truth in truths)
        assert found.leader == "BTC/USDT"
        assert all(verdict.reasons == () for verdict in found.verdicts)
        assert all(found.candles[symbol].trades is not None for symbol in found.symbols)

    def test_the_truth_is_written_beside_and_read_back(self, tmp_path):
        """markets.json holds what the call returned; other folders have no truth; a damaged file is an error."""
        truths = write_synthetic(tmp_path / "syn", self.SPEC, 1)
        assert read_truths(tmp_path / "syn") == truths
        assert read_truths(tmp_path) == ()
        (tmp_path / "syn" / "markets.json").write_text(json.dumps({"markets": [{"symbol": "X"}]}))
        with pytest.raises(DataError, match="not a list of planted markets"):
            read_truths(tmp_path / "syn")

    def test_planted_coins_have_an_optimum_and_the_others_none(self, tmp_path):
        """The planted coins' stated optimum is the exact one of their own parameters; null coins state zero."""
        for truth in write_synthetic(tmp_path, self.SPEC, 1):
            if not truth.symbol.startswith("REV"):
                assert truth.kind.startswith("martingale_")
                assert (truth.long_flat_bps_per_day, truth.threshold_bps) == (0.0, None)
                continue
            rho = 2.0 ** (-15 / 60)
            best = ar1_optimum(mean_reverting_price(rho, 80.0, 11.0), LONG_FLAT)
            assert truth.long_flat_bps_per_day == pytest.approx(96 * best.value)
            assert truth.threshold_bps == pytest.approx(best.threshold / (1 - rho))
            assert truth.long_short_bps_per_day == pytest.approx(2 * truth.long_flat_bps_per_day)

    @pytest.mark.parametrize("timeframe", ["1m", "5m", "1h", "1d"])
    def test_volatility_is_as_stated_in_every_timeframe(self, tmp_path, timeframe):
        """In each timeframe a bar of each coin moves as its truth says."""
        truths = write_synthetic(tmp_path, SyntheticSpec(timeframe=timeframe, bars=3_000, planted=2, null=2), 4)
        folder = open_folder(tmp_path)
        assert folder.timeframe == timeframe
        for truth in truths:
            moves = 1e4 * np.diff(np.log(folder.read(truth.symbol).close))
            assert moves.std() == pytest.approx(truth.sigma_bar_bps, rel=0.15), truth.symbol

    def test_a_hidden_regime_is_written_with_what_candles_can_earn(self, tmp_path):
        """The optimum lies below that of an observed regime; trading the belief from the closes alone earns it."""
        (truth,) = write_synthetic(tmp_path, SyntheticSpec(bars=600_000, planted=0, regime=1, null=0), 3)
        sigma, length, cost = truth.sigma_bar_bps, 1_440.0, truth.cost_bps
        edge = 1.9 * sigma / length**0.5
        assert truth.kind == "hidden_regime"
        assert 0 < truth.long_flat_bps_per_day < 1_440 * regime_optimum(edge, 1 / length, cost, LONG_FLAT)
        moves = 1e4 * np.diff(np.log(open_folder(tmp_path).read("REG1/USDT").close))
        grid = hidden_regime_grid(edge, sigma, 1 / length, points=801, nodes=21)
        choice = solve_grid(grid, LONG_FLAT, cost, 1e-5).choice
        belief, held, gain = 0.5, 0, 0.0
        for move in moves.tolist():
            wanted = int(choice[np.searchsorted(grid.points, belief).clip(0, 800), held])
            gain += wanted * move - cost * abs(wanted - held)
            held = wanted
            odds = belief / (1 - belief) * np.exp(2 * edge * move / sigma**2)
            after = odds / (1 + odds)
            belief = after * (1 - 1 / length) + (1 - after) / length
        days = len(moves) / 1_440
        assert gain / days == pytest.approx(truth.long_flat_bps_per_day, abs=4 * 10 * 1_440**0.5 / days**0.5)
        assert gain / days > 0.5 * truth.long_flat_bps_per_day
