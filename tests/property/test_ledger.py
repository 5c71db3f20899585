"""What must be true of every trade and every account, on wild markets under random settings and decisions."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from huracan.trading import ExitReason, KernelSettings, Tape
from huracan.trading.slot import ENTRY_RESTING, ENTRY_SENT
from tests.property.harness import Dice, Played, play, start_lanes
from tests.property.markets import wild_tape

SEEDS = range(20)
UNITS = 100_000_000
"""1e-8 of a coin or of the quote currency per whole one."""


@lru_cache
def run(seed: int) -> tuple[Tape, KernelSettings, Played]:
    """Play one wild market bar by bar, some decisions illegal."""
    tape, settings = wild_tape(seed)
    lanes = start_lanes([tape], settings, every_bar=True)
    return tape, settings, play(lanes, Dice(np.array([seed]), leave=0.06, illegal=0.05))


def runs() -> Iterator[tuple[Tape, KernelSettings, Played]]:
    """Return all runs; the first use makes them."""
    return (run(seed) for seed in SEEDS)


def test_nothing_is_sold_that_is_not_held() -> None:
    """Long only: coins never negative, at no close; every trade sells no more than it had."""
    trades = 0
    for tape, _, played in runs():
        base = np.array(played.slots)["coins"]
        assert base.min() >= 0
        got = played.trades
        had = got.dust_in + got.quantity_in * tape.instrument.step_units - got.fee_base
        assert (got.quantity_out * tape.instrument.step_units <= had).all()
        trades += len(got)
    assert trades > 450


def test_coins_are_conserved_to_the_last_unit() -> None:
    """Steps in = steps out + fee in coin + change of dust, exactly; each trade starts with the dust of the last."""
    with_dust = 0
    for tape, _, played in runs():
        got, units = played.trades, tape.instrument.step_units
        assert np.array_equal(
            got.quantity_in * units, got.quantity_out * units + got.fee_base + got.dust_out - got.dust_in
        )
        assert (got.dust_out < units).all()
        assert np.array_equal(got.dust_in[1:], got.dust_out[:-1])
        assert played.slots[-1]["coins"][0] == (got.dust_out[-1] if len(got) else 0)
        with_dust += int((got.dust_out > 0).sum())
    assert with_dust > 100


def test_cash_and_fees_are_the_sums_over_the_trades() -> None:
    """After the sale at the end: cash = sum of out - in, exactly; fees in quote likewise."""
    for _, _, played in runs():
        got, slot = played.trades, played.slots[-1][0]
        assert slot["cash"] == int((got.value_out - got.value_in).sum())
        assert slot["fee"] == int(got.fee_quote.sum())


def test_the_four_parts_of_a_result_add_up() -> None:
    """Net follows from the ledger's integers; price + spread + slippage + fee = net to 1e-9."""
    for tape, settings, played in runs():
        got, grid = played.trades, float(tape.instrument.tick_step_quote)
        sold = got.value_out / got.quantity_out
        dust = (got.dust_out - got.dust_in) / tape.instrument.step_units
        net = (got.value_out - got.value_in + dust * sold) * grid - got.fee_quote / UNITS
        scale = float(settings.stake_quote)
        assert np.allclose(got.net, net, rtol=0, atol=1e-9 * scale)
        parts = got.price_part + got.spread_part + got.slippage_part + got.fee
        assert np.allclose(parts, got.net, rtol=0, atol=1e-9)
        assert max(got.spread_part.max(initial=0), got.slippage_part.max(initial=0), got.fee.max(initial=0)) <= 0


def test_the_stop_comes_first() -> None:
    """No print at or below the stop while a position lived through a bar; every stop has one in its exit bar."""
    stops = survivors = 0
    for tape, _, played in runs():
        got = played.trades
        for i in range(len(got)):
            lived = slice(got.entry_bar[i], got.exit_bar[i])
            assert (tape.bars[lived, 3] > got.stop[i]).all(), f"trade {i} outlived its stop"
            survivors += got.exit_bar[i] - got.entry_bar[i]
            if got.reason[i] == ExitReason.STOP_LOSS:
                assert tape.bars[got.exit_bar[i], 3] <= got.stop[i]
                stops += 1
    assert stops > 100
    assert survivors > 1_500


def test_a_bar_gives_a_maker_no_more_than_its_share() -> None:
    """A resting buy gets at most its share of the through-volume, but for a rest below the lot; nothing at v = 0."""
    fills = 0
    for tape, settings, played in runs():
        if not settings.maker_entry:
            continue
        slots, bars = np.array(played.slots)[:, 0], np.array(played.bars)[:, 0]
        for before, after, bar in zip(slots, slots[1:], bars[2:], strict=False):
            resting = before["mode"] in (ENTRY_SENT, ENTRY_RESTING)
            quantity = after["quantity_in"] - before["quantity_in"]
            if not resting or quantity <= 0:
                continue
            _, _, high, low, _, volume = tape.bars[bar].tolist()
            through = min(before["limit"], high) - low
            assert volume > 0
            assert before["limit"] - low >= 1
            beyond = volume if high == low else volume * through // (high - low)
            cap = beyond * settings.share_num // settings.share_den
            assert quantity <= max(cap, min(before["want"], cap + before["lot"] - 1))
            assert quantity >= before["lot"]
            fills += 1
    assert fills > 100


def test_a_fill_or_kill_never_pays_above_its_cap() -> None:
    """The dearest step of a taker entry, from its two neighbouring prices, is at most the cap of its decision."""
    checked = 0
    for _, settings, played in runs():
        got = played.trades
        dearest = -(-got.value_in // got.quantity_in)
        assert (dearest <= got.ref + got.ref * settings.cap_bps // 10_000).all()
        checked += len(got)
    assert checked > 450


def test_a_bar_without_volume_fills_takers_only() -> None:
    """On bars with v = 0 a purchase pays at least the ask, a sale gets at most the bid, and no stop sells."""
    quiet = 0
    for tape, _, played in runs():
        got, spread = played.trades, tape.costs.spread[tape.day]
        at = got.exit_bar[(tape.bars[got.exit_bar, 5] == 0)]
        sold = got.value_out[tape.bars[got.exit_bar, 5] == 0]
        whole = got.quantity_out[tape.bars[got.exit_bar, 5] == 0]
        reason = got.reason[tape.bars[got.exit_bar, 5] == 0]
        one_fill = (reason != ExitReason.TAKE_PROFIT) & (reason != ExitReason.POLICY_EXIT)
        bid = tape.bars[at, 1] - spread[at] // 2
        assert (sold[one_fill] <= whole[one_fill] * bid[one_fill]).all()
        assert not (reason == ExitReason.STOP_LOSS).any()
        begun = tape.bars[got.entry_bar, 5] == 0
        ask = tape.bars[got.entry_bar, 1] - spread[got.entry_bar] // 2 + spread[got.entry_bar]
        assert (got.value_in[begun] >= got.quantity_in[begun] * ask[begun]).all()
        quiet += len(at) + int(begun.sum())
    assert quiet > 20
