"""Ticks and steps found in the data, and exact parsing."""

from decimal import Decimal

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.market import Candles
from huracan.trading import Instrument, infer_instrument
from huracan.trading.instruments import parse_prices, parse_volumes
from tests.trading.markets import candles_of, settings_of


def market(tick: str, step: str, seed: int = 1, rows: int = 500) -> tuple[Candles, np.ndarray, np.ndarray]:
    """Return candles on a grid, with the ticks and steps they were made of; prices are the nearest doubles."""
    rng = np.random.default_rng(seed)
    ticks = 20_000 + np.cumsum(rng.integers(-30, 31, rows))
    ohlc = np.column_stack([ticks, ticks + rng.integers(1, 40, rows), ticks - rng.integers(1, 40, rows), ticks])
    steps = rng.integers(1, 10**6, rows)
    prices = np.array([[float(Decimal(int(n)) * Decimal(tick)) for n in row] for row in ohlc])
    volume = np.array([float(Decimal(int(n)) * Decimal(step)) for n in steps])
    return candles_of(prices, volume), ohlc, steps


def instrument(tick: str = "0.01", step: str = "0.01") -> Instrument:
    """Return a plain instrument."""
    return Instrument("X/USDT", Decimal(tick), Decimal(step), Decimal(5), 1_000, 1_000, False)


@pytest.mark.parametrize(("tick", "step"), [("0.1", "0.001"), ("0.0000001", "1"), ("0.05", "0.25"), ("2", "0.00001")])
def test_tick_and_step_are_the_greatest_common_divisors(tick: str, step: str) -> None:
    """Whatever the decimals; and parsing gives back the integers the prices were made of."""
    candles, ohlc, steps = market(tick, step)
    found = infer_instrument(candles, settings_of())
    assert (found.tick, found.step) == (Decimal(tick), Decimal(step))
    assert np.array_equal(parse_prices(candles.high, found), ohlc[:, 1])
    assert np.array_equal(parse_volumes(candles.volume, found), steps)


def test_sums_of_volumes_still_show_their_step() -> None:
    """A day of 1,440 added minutes is off by rounding errors and stays on the grid."""
    rng = np.random.default_rng(2)
    volume = np.array([rng.integers(1, 10**6, 1_440).astype(float).__mul__(0.1).sum() for _ in range(50)])
    candles = candles_of(np.full((50, 4), 1.5), volume)
    assert infer_instrument(candles, settings_of()).step == Decimal("0.1")


def test_prices_off_every_grid_are_refused() -> None:
    """A random double has no tick worth the name."""
    prices = np.repeat(np.random.default_rng(3).uniform(1, 2, (100, 1)), 4, axis=1)
    with pytest.raises(DataError, match="share no tick"):
        infer_instrument(candles_of(prices, np.ones(100)), settings_of())


def test_volumes_off_every_grid_are_refused() -> None:
    """The same for quantities."""
    volume = np.random.default_rng(3).uniform(1, 2, 100)
    with pytest.raises(DataError, match="share no step"):
        infer_instrument(candles_of(np.full((100, 4), 2.0), volume), settings_of())


def test_a_given_tick_that_does_not_fit_the_data_is_refused() -> None:
    """The message names the value and the row."""
    with pytest.raises(DataError, match=r"price 1\.005 in row 1 is no multiple of the tick 0\.01"):
        parse_prices(np.array([1.0, 1.005]), instrument())


def test_a_perpetual_pays_fees_in_quote() -> None:
    """Whatever the settings say about spot."""
    candles, _, _ = market("0.1", "0.001")
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    perpetual = Candles("BTC/USDT:USDT", "1m", candles.timestamp, *columns)
    assert infer_instrument(perpetual, settings_of()).fee_in_quote
    assert not infer_instrument(candles, settings_of()).fee_in_quote
    assert infer_instrument(candles, settings_of(fee_asset="quote")).fee_in_quote


def test_the_exact_constants_of_an_instrument() -> None:
    """Steps in 1e-8 coin, a tick x step as a fraction of 1e-8 quote, orders in ticks x steps."""
    fine = instrument("0.0000000001", "0.1")
    assert fine.step_units == 10_000_000
    assert fine.quote_ratio.as_integer_ratio() == (1, 1_000)
    assert fine.min_notional_ticks_steps == 5 * 10**11
    assert instrument("0.03", "0.01").min_notional_ticks_steps == 16_667
    assert instrument("0.03", "0.01").stake_ticks_steps(Decimal(1_000)) == 3_333_333


@pytest.mark.parametrize(("tick", "step"), [("0", "1"), ("1", "0"), ("1", "0.000000001")])
def test_an_impossible_grid_is_refused(tick: str, step: str) -> None:
    """Ticks and steps are positive, a step at least 1e-8."""
    with pytest.raises(DataError, match="multiple of 1e-8"):
        instrument(tick, step)


def test_the_fingerprint_sees_every_field() -> None:
    """A changed fee is another instrument."""
    assert instrument().fingerprint() == instrument().fingerprint()
    assert instrument().fingerprint() != instrument(step="0.1").fingerprint()
