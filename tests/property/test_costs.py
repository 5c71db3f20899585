"""What a change of costs or of units does to the same decisions on the same bars."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from huracan.market.bars import MarketShape
from huracan.market.synthetic import martingale
from huracan.trading import Action, ExitReason, KernelSettings, Tape, build_cost_table, infer_instrument
from tests.parity.convert import make_tape
from tests.parity.histories import ewma_sigma, quantise, settings_for
from tests.parity.wild import DAY_MS, IntegerMarket
from tests.property.harness import Dice, Played, play, same_trades, start_lanes, trade
from tests.property.markets import free_settings, martingale_market, wild_tape

INTEGERS = ("entry_bar", "exit_bar", "reason", "quantity_in", "quantity_out", "value_in", "value_out", "high", "low")


def run(tape: Tape, settings: KernelSettings, seed: int) -> Played:
    """Play one lane over the tape."""
    return play(start_lanes([tape], settings), Dice(np.array([seed])))


@pytest.mark.parametrize("seed", range(6))
def test_a_higher_quote_fee_changes_nothing_but_the_money(seed: int) -> None:
    """Same bars, prices and quantities; equity never higher, and strictly lower from the first fee on."""
    low_tape, low = wild_tape(seed, fee_in_quote=True, fee_maker_ppm=100, fee_taker_ppm=200)
    high_tape, high = wild_tape(seed, fee_in_quote=True, fee_maker_ppm=1_000, fee_taker_ppm=2_000)
    cheap, dear = run(low_tape, low, seed), run(high_tape, high, seed)
    same_trades(cheap.trades, dear.trades, but=("fee_quote", "fee", "net", "entry_state"))
    assert len(cheap.trades) > 5
    difference = np.array(cheap.equity) - np.array(dear.equity)
    assert difference.min() >= 0.0
    begun = np.flatnonzero(difference[:, 0] > 0)[0]
    assert difference[begun:].min() > 0.0


@pytest.mark.parametrize("seed", range(6))
def test_a_higher_fee_in_the_coin_ends_with_less(seed: int) -> None:
    """Fees paid in coin leave less to sell: the account ends lower."""
    low_tape, low = wild_tape(seed, fee_in_quote=False, maker_entry=False, maker_exit=False, fee_taker_ppm=200)
    high_tape, high = wild_tape(seed, fee_in_quote=False, maker_entry=False, maker_exit=False, fee_taker_ppm=2_000)
    cheap, dear = run(low_tape, low, seed), run(high_tape, high, seed)
    assert len(cheap.trades) > 5
    assert dear.equity[-1][0] < cheap.equity[-1][0]


def test_two_more_ticks_of_spread_cost_exactly_one_tick_a_step_at_each_taker_fill() -> None:
    """Same trades; every entry and taker exit one tick per step worse, a resting target unchanged."""
    settings = replace(free_settings(60, False, 0.1, (1.0, 1.5, 30)), fee_taker_ppm=1_000, fee_in_quote=True)
    runs = []
    for spread in (6, 8):
        markets = [martingale_market((i,), 60, False, 800, spread=spread, depth=60_000) for i in range(24)]
        tapes = [make_tape(market, settings) for market in markets]
        runs.append(trade(start_lanes(tapes, settings), Dice(np.arange(24))))
    narrow, wide = runs
    for name in ("tape", "entry_bar", "exit_bar", "reason", "quantity_in", "quantity_out"):
        assert np.array_equal(getattr(narrow, name), getattr(wide, name)), name
    assert np.array_equal(wide.value_in - narrow.value_in, narrow.quantity_in)
    worse = narrow.value_out - wide.value_out
    taken = narrow.reason != ExitReason.TAKE_PROFIT
    assert np.array_equal(worse[taken], narrow.quantity_out[taken])
    assert (worse[~taken] >= 0).all()  # none where all of it rested, a tick a step on what went to market
    assert (worse[~taken] <= narrow.quantity_out[~taken]).all()
    rested = ~taken & (narrow.value_out == narrow.target * narrow.quantity_out) & (worse == 0)
    assert taken.sum() > 300
    assert rested.sum() > 30


def market_in_units(price_factor: int, volume_factor: int) -> tuple[IntegerMarket, KernelSettings]:
    """Return one history with its prices, or its volumes, multiplied; the stake follows."""
    base = settings_for("maker-5-coin")
    stake = base.stake_quote * price_factor * volume_factor
    settings = replace(base, stake_quote=stake, min_notional=base.min_notional * price_factor * volume_factor)
    shape = MarketShape("SCALE/USDT", price=70.0, price_decimals=2, volume_decimals=1, notional_per_bar=20_000.0)
    plain = martingale(shape, 4 * 1440, seed=5, kind="heavy")
    scaled = {name: getattr(plain, name) * price_factor for name in ("open", "high", "low", "close")}
    candles = replace(plain, **scaled, volume=plain.volume * volume_factor)
    instrument = infer_instrument(candles, settings)
    costs = build_cost_table(candles, instrument, settings)
    columns = [quantise(getattr(candles, side), instrument.tick) for side in ("open", "high", "low", "close")]
    bars = [candles.timestamp // settings.base_ms, *columns, quantise(candles.volume, instrument.step)]
    return (
        IntegerMarket(
            symbol=candles.symbol,
            tick=instrument.tick,
            step=instrument.step,
            min_notional=instrument.min_notional,
            base_ms=settings.base_ms,
            bars=np.column_stack(bars),
            sigma=ewma_sigma(plain.close),
            ready=np.ones(len(candles), np.bool_),
            day=(candles.timestamp - costs.day_ms[0]) // DAY_MS,
            day_ms=costs.day_ms,
            spread=costs.spread,
            qcap=costs.qcap,
            impact=costs.impact,
        ),
        settings,
    )


@pytest.mark.parametrize(("price_factor", "volume_factor"), [(100, 1), (1, 100)])
def test_units_do_not_matter(price_factor: int, volume_factor: int) -> None:
    """Tick, price and stake times c, or step, volume and stake times d: the same integers all the way."""
    (plain, plain_settings), (scaled, settings) = market_in_units(1, 1), market_in_units(price_factor, volume_factor)
    assert scaled.tick == plain.tick * price_factor
    assert scaled.step == plain.step * volume_factor
    assert np.array_equal(plain.bars, scaled.bars)
    assert np.array_equal(plain.spread, scaled.spread)
    assert np.array_equal(plain.qcap, scaled.qcap)
    one = run(make_tape(plain, plain_settings), plain_settings, 3).trades
    other = run(make_tape(scaled, settings), settings, 3).trades
    assert len(one) > 20
    for name in INTEGERS:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.allclose(other.net, one.net * price_factor * volume_factor, rtol=1e-6, atol=1e-6)


def test_the_largest_entry_is_three_times_the_smallest() -> None:
    """Multipliers 0.5, 1 and 1.5 of the stake, where neither day cap nor grid cuts."""
    settings = free_settings(60, False, 0.1, (1.0, 1.5, 30))
    market = martingale_market((1,), 60, False, 40)
    tape = make_tape(market, settings)
    bought = []
    for action in (Action.ENTER_LONG_SMALL, Action.ENTER_LONG_NORMAL, Action.ENTER_LONG_LARGE):
        lanes = start_lanes([tape], settings)
        lanes.step(np.array([int(action)]))
        leave = Dice(np.zeros(1, np.int64), enter=0.0, leave=1.0)
        bought.append(int(play(lanes, leave).trades.requested[0]))
    close = int(market.bars[tape.rows[1], 4])
    stake = int(Decimal(1_000) / (market.tick * market.step))
    assert bought == [stake * multiple // (2 * close) for multiple in (1, 2, 3)]
