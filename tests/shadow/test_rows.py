"""Shadow results as rows of the database: whole, repeatable, with their signs."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.baselines import BASELINES, Momentum
from huracan.config import Settings
from huracan.memory import open_run, read_performance, read_trades, record_performance, write_trades
from huracan.shadow.assess import assess
from huracan.shadow.rows import daily_rows, performance_rows, trade_rows
from huracan.shadow.run import RandomResult, shadow_block
from huracan.shadow.splits import DAY_MS
from tests.shadow.test_assess import KERNEL, SETTINGS, TAPES, outcome
from tests.shadow.worlds import LIMITS, window_of


def test_rows_carry_every_trade_with_its_identity() -> None:
    """Symbols, reasons and parts of a result; costs are not gains, the parts add up."""
    result = shadow_block(Momentum(), TAPES, window_of(TAPES, 1, 2), KERNEL, LIMITS, name="m", fold=2)
    rows = trade_rows(result, "coin", layout=77)
    assert set(rows.layout) == {77}
    assert np.array_equal(rows.risk_frac, result.trades.risk_frac)
    assert len(rows) == len(result.trades) > 50
    assert set(rows.symbol) == {"W0/USDT", "W1/USDT", "W2/USDT"}
    assert set(rows.exit_reason) <= {"take_profit", "stop_loss", "time_limit", "policy_exit", "end_of_data"}
    assert (rows.fold == 2).all()
    assert rows.price_part + rows.spread_part + rows.slippage_part + rows.fee == pytest.approx(rows.net, abs=1e-9)


@pytest.mark.postgres
def test_writing_a_block_again_changes_nothing(database: Engine) -> None:
    """A repeated task leaves the table as it was, bit for bit."""
    run_id = open_run(database, "shadow", Settings(), "0" * 64, "test")
    result = shadow_block(Momentum(), TAPES, window_of(TAPES, 1, 2), KERNEL, LIMITS, name="m", fold=0)
    assert write_trades(database, run_id, trade_rows(result, "coin")) == len(result.trades)
    assert write_trades(database, run_id, trade_rows(result, "coin")) == 0
    stored = read_trades(database, run_id)
    assert len(stored) == len(result.trades)
    assert stored.net.sum() == pytest.approx(result.trades.net.sum(), abs=1e-9)
    first = result.trades.where(result.trades.coin == 0)
    assert np.array_equal(read_trades(database, run_id, symbol="W0/USDT").entry_state, first.entry_state)


@pytest.mark.postgres
def test_performance_of_a_report_is_stored_once(database: Engine) -> None:
    """Policy, seed, baselines, folds, coins and portfolio: one row each, however often it is recorded."""
    run_id = open_run(database, "shadow", Settings(), "0" * 64, "test")
    report = assess([outcome(Momentum(), 0, coins=2)], KERNEL, SETTINGS, run_id=run_id)
    for _ in range(2):
        record_performance(database, run_id, *performance_rows(report))
    rows = read_performance(database, run_id)
    assert len(rows) == 1 + 1 + 4 + 1 + 2 + 1
    whole = next(row for row in rows if row.policy == "ensemble" and row.account == "coin" and row.symbol is None)
    assert sum(row.net for row in rows if row.policy == "ensemble" and row.symbol) == pytest.approx(whole.net)


def test_trades_are_counted_alike_in_every_row() -> None:
    """Those sold because the data ended are in no row's trades; their money is in all of them."""
    report = assess([outcome(Momentum(), 0), outcome(Momentum(), 1, coins=2)], KERNEL, SETTINGS, run_id=7)
    own = [row for row in performance_rows(report) if row.policy == report.policy.name and row.account == "coin"]
    (whole,) = (row for row in own if row.symbol is None and row.fold is None)
    coins, folds = [row for row in own if row.symbol], [row for row in own if row.fold is not None]
    assert report.policy.trades.end_of_data_trades > 0
    assert whole.trades == report.policy.trades.trades
    for parts in (coins, folds):
        assert (sum(row.trades for row in parts), sum(row.wins for row in parts)) == (whole.trades, whole.wins)
        assert sum(row.net for row in parts) == pytest.approx(whole.net)
        assert sum(row.fees for row in parts) == pytest.approx(whole.fees)


def test_every_day_of_everything_traded_is_kept_for_the_gate() -> None:
    """Policy, seed and baselines by coin, copies over all coins, and by coin where a block has one."""
    whole = [outcome(Momentum(), 0), outcome(Momentum(), 1, coins=2)]
    first = whole[0].policy
    alone = RandomResult(np.full((2, 2), 7.0), np.ones(2, np.int64))
    whole[1] = replace(whole[1], chance_blocks=((("W0/USDT",), alone), (("W0/USDT", "W1/USDT"), alone)))
    rows = daily_rows(whole)
    assert len({(row.kind, row.name, row.symbol, row.fold) for row in rows}) == len(rows)
    policy = [row for row in rows if row.kind == "policy"]
    assert [(row.symbol, row.fold) for row in policy] == [
        *((symbol, 0) for symbol in first.symbols),
        *((symbol, 1) for symbol in first.symbols[:2]),
    ]
    assert sum(sum(row.net) for row in policy) == pytest.approx(sum(part.policy.pnl.sum() for part in whole))
    assert {row.first_day for row in policy if row.fold == 0} == {int(first.day_ms[0]) // DAY_MS}
    assert {row.name for row in rows if row.kind == "baseline"} == {row.name for row in BASELINES}
    copies = [row for row in rows if row.kind == "random" and row.symbol == "*" and row.fold == 0]
    assert [row.net for row in copies] == [tuple(net) for net in whole[0].chance.pnl]
    assert [row.net for row in rows if row.kind == "random" and row.symbol == "W0/USDT"] == [(7.0, 7.0)] * 2
    assert not [row for row in rows if row.kind == "random" and row.symbol == "W1/USDT"]
