"""An entry at its worst: the cap price with fees, then the stop with fees; what is not known cannot be approved."""

import math
from decimal import Decimal

import pytest

from huracan.config import TradingSettings
from huracan.shadow.worst import Ask, entry_at_worst
from huracan.trading import Instrument, resolve_settings
from huracan.trading.settings import View

KERNEL = resolve_settings(TradingSettings(hold_bars=400, decision_interval_bars=5), "1m")
INSTRUMENT = Instrument(
    symbol="A/USDT",
    tick=Decimal("0.01"),
    step=Decimal("0.001"),
    min_notional=Decimal(5),
    fee_maker_ppm=1_000,
    fee_taker_ppm=1_000,
    fee_in_quote=False,
)


def _view(sigma: float) -> View:
    return View(sigma, 10**9, INSTRUMENT.stake_ticks_steps(KERNEL.stake_quote), INSTRUMENT.min_notional_ticks_steps)


def test_notional_and_heat_by_hand() -> None:
    """1,000 quote at 100.00 with sigma 5 bp over 400 bars: stop 1 % below, cap 30 bp above, fees of 10 bp both ways."""
    asked = entry_at_worst(Ask(2, 10_000, _view(5e-4), 0.0), INSTRUMENT, KERNEL)
    assert asked.notional == pytest.approx(10 * 100.30 * 1.001)
    assert asked.heat == pytest.approx(10 * 100.30 * 1.001 - 10 * 99.0 * 0.999)
    assert (asked.symbol, asked.symbol_notional) == ("A/USDT", 0.0)


def test_what_is_held_counts_for_the_coin() -> None:
    """The value held already is handed on to the limit of the coin."""
    assert entry_at_worst(Ask(1, 10_000, _view(5e-4), 321.5), INSTRUMENT, KERNEL).symbol_notional == 321.5


def test_cold_machines_give_figures_that_every_limit_denies() -> None:
    """Without sigma there is no stop and no size: all figures are NaN."""
    asked = entry_at_worst(Ask(2, 10_000, _view(math.nan), 0.0), INSTRUMENT, KERNEL)
    assert all(math.isnan(value) for value in (asked.notional, asked.heat, asked.symbol_notional))
