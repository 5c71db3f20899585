"""Entries traded again are what was traded: the kernel's own fills, to the integer."""

from dataclasses import replace

import numpy as np

from huracan.analysis.replay import Entries, entries_of, replay
from huracan.trading import ExitReason
from tests.analysis.worlds import shadow_world
from tests.shadow.worlds import LIMITS, rules


def test_own_rules_give_the_own_trades() -> None:
    """Every trade that its stop, target or time limit ended comes out with the same values paid and received."""
    trades, tapes, kernel, _ = shadow_world(coins=3, days=5)
    done = replay(entries_of(trades, tapes, kernel.base_ms), tapes, kernel, LIMITS)
    ruled = np.isin(trades.exit_reason, ("stop_loss", "take_profit", "time_limit"))
    stored = np.column_stack([trades.tick_steps_in, trades.tick_steps_out])
    assert ruled.sum() > 300
    # coins left over from earlier trades are sold with the next one: a step now and then
    near = np.abs(done.value[ruled] - stored[ruled]) <= stored[ruled] / trades.steps_in[ruled][:, None] * 2
    assert near.all()
    assert (done.value[ruled, 0] == stored[ruled, 0]).all()
    names = np.array([reason.name.lower() for reason in ExitReason])
    assert (names[done.reason[ruled]] == trades.exit_reason[ruled]).all()
    net_bps = 1e4 * trades.net / (trades.entry_price * trades.quantity)
    assert np.abs(done.net_bps[ruled] - net_bps[ruled]).max() < 1.0
    held = (trades.exit_time - trades.entry_time) / kernel.base_ms
    assert (done.held_bars[ruled] == held[ruled]).all()


def test_other_rules_give_other_exits() -> None:
    """A hold of half the length never lasts longer; without stops only the time limit ends."""
    trades, tapes, kernel, _ = shadow_world(days=3)
    entries = entries_of(trades, tapes, kernel.base_ms)
    short = replay(entries, tapes, replace(kernel, hold_bars=30), LIMITS)
    assert np.nanmax(short.held_bars) <= 31
    wide = replay(entries, tapes, replace(kernel, stop_sigmas=50.0, target_sigmas=50.0), LIMITS)
    assert set(wide.reason.tolist()) <= {ExitReason.TIME_LIMIT, ExitReason.NONE}


def test_resting_entries_are_found_and_traded() -> None:
    """With maker orders most entries fill again; one that does not has no result."""
    kernel = rules(entry="maker", exit="maker")
    trades, tapes, kernel, _ = shadow_world(days=4, kernel=kernel)
    done = replay(entries_of(trades, tapes, kernel.base_ms), tapes, kernel, LIMITS)
    assert np.isfinite(done.net_bps).mean() > 0.9


def test_what_cannot_be_traded_has_no_result() -> None:
    """No candles of the coin, no bar, candles that end before the exit, no entries at all."""
    trades, tapes, kernel, _ = shadow_world(days=2)
    done = replay(entries_of(trades, tapes[:1], kernel.base_ms), tapes[:1], kernel, LIMITS)
    known = trades.symbol == tapes[0].symbol
    assert np.isnan(done.net_bps[~known]).all()
    assert np.isfinite(done.net_bps[known]).all()
    moved = replace(trades, entry_time=trades.entry_time + 365 * 86_400_000)
    assert (entries_of(moved, tapes, kernel.base_ms).tape == -1).all()
    cut = [tape.between(0, int(tape.rows[-1]) + 2) for tape in tapes]
    late = Entries(np.zeros(1, np.int64), cut[0].rows[-2:-1], np.ones(1, np.int64))
    assert np.isnan(replay(late, cut, kernel, LIMITS).net_bps).all()
    none = np.zeros(0, np.int64)
    assert len(replay(Entries(none, none, none), tapes, kernel, LIMITS).net_bps) == 0
