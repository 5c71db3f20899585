"""Nobody earns on a martingale: with every cost but the stop's slippage off, the mean result is not above zero."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.trading import ExitReason, KernelSettings, Trades
from tests.parity.convert import make_tape
from tests.property.harness import Dice, start_lanes, trade
from tests.property.markets import clustered_z, free_settings, martingale_market

BRACKETS = {"wide": (1.0, 1.5, 30), "tight": (0.6, 0.6, 15), "lopsided": (2.0, 0.6, 60)}
NEAR_STOP = (0.68, 3.0, 9)
"""A stop two bars' deviations away and a target out of reach: most of what happens is the stop."""
BP = 10.0
"""Basis points of the 1x stake per unit of quote currency (stake 1,000)."""


def trades_on(
    settings: KernelSettings, ticks_per_bar: int, jumps: bool, markets: int, length: int, prints: int = 60
) -> Trades:
    """Trade random decisions on independent martingales of one kind."""
    tapes = [
        make_tape(martingale_market((ticks_per_bar, jumps, i), ticks_per_bar, jumps, length, prints), settings)
        for i in range(markets)
    ]
    return trade(start_lanes(tapes, settings), Dice(np.arange(markets)))


def mean_bp(trades: Trades) -> tuple[float, float]:
    """Return mean net result and its standard error by market, basis points of a stake."""
    return clustered_z(trades.net * BP, trades.tape)


@pytest.mark.parametrize("jumps", [False, True], ids=["smooth", "jumps"])
@pytest.mark.parametrize("ticks_per_bar", [10, 60, 600])
@pytest.mark.parametrize("style", ["taker", "maker"])
def test_no_rule_earns_on_a_martingale(style: str, ticks_per_bar: int, jumps: bool) -> None:
    """A tight bracket, taker or maker, coarse or fine ticks: mean <= 0 + 3 s.e.; a maker is always below zero."""
    settings = free_settings(ticks_per_bar, style == "maker", 0.1, BRACKETS["tight"])
    trades = trades_on(settings, ticks_per_bar, jumps, markets=100, length=600)
    mean, error = mean_bp(trades)
    assert len(trades) > 3_000
    assert mean <= 3.0 * error, f"{mean:+.3f} ± {error:.3f} bp over {len(trades)} trades"
    if style == "maker":
        assert mean < 0.0, f"{mean:+.3f} ± {error:.3f} bp"


def test_kappa_takes_from_stops_inside_a_bar_and_from_nothing_else() -> None:
    """The same trades with and without slippage: stops sell lower or at the low, all else is equal."""
    free, slipped = (
        trades_on(free_settings(10, False, kappa, NEAR_STOP), 10, False, markets=50, length=400) for kappa in (0.0, 0.1)
    )
    assert np.array_equal(free.exit_bar, slipped.exit_bar)
    lost = (free.value_out - slipped.value_out) / free.quantity_out
    stopped = free.reason == ExitReason.STOP_LOSS
    assert (lost[~stopped] == 0).all()
    assert (lost[stopped] >= 0).all()
    assert lost[stopped].mean() > 0.5  # ticks


@pytest.mark.parametrize("bracket", BRACKETS)
def test_costs_are_all_that_is_lost(bracket: str) -> None:
    """With 20 bp of quote fees a round trip, result plus fees is that of the same trades without fees, to rounding."""
    free = free_settings(60, False, 0.1, BRACKETS[bracket])
    paid = replace(free, fee_maker_ppm=1_000, fee_taker_ppm=1_000, fee_in_quote=True)
    without = trades_on(free, 60, False, markets=20, length=600)
    charged = trades_on(paid, 60, False, markets=20, length=600)
    assert len(without) == len(charged) > 200
    assert np.allclose(charged.net - charged.fee, without.net, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("bracket", BRACKETS)
@pytest.mark.parametrize("jumps", [False, True], ids=["smooth", "jumps"])
@pytest.mark.parametrize("ticks_per_bar", [10, 60, 600])
@pytest.mark.parametrize("style", ["taker", "maker"])
def test_no_rule_earns_on_a_martingale_at_length(style: str, ticks_per_bar: int, jumps: bool, bracket: str) -> None:
    """The same over all brackets and five times the trades."""
    settings = free_settings(ticks_per_bar, style == "maker", 0.1, BRACKETS[bracket])
    trades = trades_on(settings, ticks_per_bar, jumps, markets=200, length=1_500)
    mean, error = mean_bp(trades)
    assert mean <= 3.0 * error, f"{mean:+.3f} ± {error:.3f} bp over {len(trades)} trades"


@pytest.mark.slow
def test_the_stop_slippage_is_what_keeps_a_coarse_martingale_from_paying() -> None:
    """Ten prints a bar overshoot a stop: filled without slippage it pays significantly, with kappa 0.1 it does not."""
    means = {}
    for kappa in (0.0, 0.1):
        settings = free_settings(10, False, kappa, NEAR_STOP)
        means[kappa] = mean_bp(trades_on(settings, 10, False, markets=300, length=6_000, prints=10))
    free, slipped = means[0.0], means[0.1]
    assert free[0] > 3.0 * free[1], f"{free[0]:+.4f} ± {free[1]:.4f} bp without slippage"
    assert slipped[0] <= 3.0 * slipped[1], f"{slipped[0]:+.4f} ± {slipped[1]:.4f} bp with slippage"
