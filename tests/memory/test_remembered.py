"""What a question reads: every trade once, with what is known of it, and nothing made up where nothing is."""

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.memory.remembered import Asked, newest_shadow, read_remembered, trades_by_mode
from tests.insights.stored import analysed, store

pytestmark = pytest.mark.postgres


def test_trades_come_with_their_analyses_or_with_unknowns(database: Engine) -> None:
    """Values equal the table's; before an analysis findings are empty and figures NaN, afterwards they are its own."""
    run_id, trades = store(database, (0.1,), 60, 1)
    asked = Asked("shadow", run_id)
    found = read_remembered(database, asked)
    order = np.lexsort((trades.symbol, trades.entry_time))
    assert np.array_equal(found.net, trades.net[order])
    assert np.array_equal(found.entry_ms, trades.entry_time[order])
    assert np.allclose(found.risk, 2.0)
    assert np.allclose(found.net, found.price_part + found.fee + found.slippage)
    assert not found.analysed.any()
    assert set(found.finding) == {""}
    assert np.isnan(found.missed_bps).all()
    assert (found.pattern == 0).all()
    analysed(database, run_id, trades)
    later = read_remembered(database, asked)
    assert later.analysed.all()
    assert set(later.finding) == {"", "cost"}
    assert (later.foreseen == (later.finding == "cost")).all()
    assert (later.net[later.foreseen] <= 0).all()
    assert np.allclose(later.missed_bps, 40.0)
    assert np.allclose(later.move_bps, -12.0)


def test_filters_hold_and_modes_are_counted(database: Engine) -> None:
    """By coin, moment and mode; the newest shadow run is the one with such trades."""
    first, trades = store(database, (0.0,), 50, 2, policy="p")
    second, _ = store(database, (0.0,), 30, 3, policy="q")
    store(database, (0.0,), 20, 4, policy="p", mode="paper")
    assert trades_by_mode(database, Asked(policy="p")) == {"shadow": 50, "paper": 20}
    assert newest_shadow(database, Asked(policy="p")) == first
    assert newest_shadow(database, Asked(policy="q")) == second
    assert newest_shadow(database, Asked(policy="none")) is None
    coin, middle = str(trades.symbol[0]), int(np.median(trades.entry_time))
    found = read_remembered(database, Asked("shadow", first, symbol=coin, since_ms=middle))
    assert len(found) == int(((trades.symbol == coin) & (trades.entry_time >= middle)).sum())
    assert len(read_remembered(database, Asked(policy="none"))) == 0
