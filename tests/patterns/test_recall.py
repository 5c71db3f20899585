"""What a training remembers of Postgres: the judged version's trades of earlier runs, each occasion once."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.errors import DataError
from huracan.memory import TradeRows, open_run, write_trades
from huracan.patterns import outcomes_of_rows, recall
from tests.memory.samples import sample_trades

pytestmark = pytest.mark.postgres

BASE_MS = 60_000


def block(count: int, seed: int, layout: int, **changed: object) -> TradeRows:
    """Return trades of one block on states of one layout, all of which ended by a decision."""
    rows = sample_trades(count, seed, policy="ensemble")
    return replace(rows, exit_reason=np.full(count, "policy_exit"), layout=np.full(count, layout), **changed)


def asked(engine: Engine, run_id: int, layout: int) -> tuple[int, int]:
    """Return (trades remembered, eligible ones left out)."""
    found = recall(engine, run_id, layout, BASE_MS, policy="ensemble", account="coin")
    return len(found.outcomes), found.left_out


def test_the_judged_versions_own_trades_of_earlier_runs_count(database: Engine) -> None:
    """Not a run's own, not seeds, baselines or the portfolio's, not those that data or operator ended."""
    layout = 501
    earlier, now = (open_run(database, "train", Settings(), "0" * 64, "test") for _ in range(2))
    own = block(40, 1, layout)
    others = [
        replace(block(10, 2, layout), policy=np.full(10, "seed-1")),
        replace(block(10, 3, layout), account=np.full(10, "portfolio")),
        replace(block(10, 4, layout), symbol=np.full(10, "X/USDT"), exit_reason=np.full(10, "end_of_data")),
        replace(block(10, 5, layout), symbol=np.full(10, "Y/USDT"), exit_reason=np.full(10, "kill_switch")),
    ]
    write_trades(database, earlier, own)
    for rows in others:
        write_trades(database, earlier, rows)
    write_trades(database, now, block(30, 6, layout))
    found = recall(database, now, layout, BASE_MS, policy="ensemble", account="coin")
    assert len(found.outcomes) == 40
    assert set(found.outcomes.symbol) == {"BTC/USDT"}
    expected = own.net / (own.entry_price * own.quantity) / own.risk_frac
    order = np.lexsort((own.entry_time, own.exit_time))
    assert np.array_equal(found.outcomes.result, expected[order])
    assert np.array_equal(found.outcomes.market, own.entry_state[order, :52])


def test_the_newest_run_speaks_for_a_bar_and_real_trades_before_any(database: Engine) -> None:
    """The same window traded by three runs is one memory of it; what was traded on paper replaces what shadow did."""
    layout = 502
    runs = [open_run(database, "train", Settings(), "0" * 64, "test") for _ in range(4)]
    first = block(20, 1, layout)
    for run_id, net in ((runs[0], 1.0), (runs[1], 2.0)):
        price = net - first.spread_part - first.slippage_part - first.fee
        write_trades(database, run_id, replace(first, price_part=price, net=np.full(20, net)))
    found = recall(database, runs[3], layout, BASE_MS, policy="ensemble", account="coin")
    assert len(found.outcomes) == 20
    risk = first.entry_price * first.quantity * first.risk_frac
    order = np.lexsort((first.entry_time, first.exit_time))
    assert np.allclose(found.outcomes.result, (2.0 / risk)[order])
    paper = replace(first, mode=np.full(20, "paper"), policy=np.full(20, "v9"), account=np.full(20, "anna"))
    write_trades(database, runs[2], paper)
    found = recall(database, runs[0], layout, BASE_MS, policy="ensemble", account="coin")
    assert np.allclose(found.outcomes.result, (first.net / risk)[order])


def test_trades_that_cannot_be_compared_are_left_out_and_counted(database: Engine) -> None:
    """States of another layout, and trades of a version that kept no risk, do not stop a training."""
    layout = 503
    earlier, now = (open_run(database, "train", Settings(), "0" * 64, "test") for _ in range(2))
    before = asked(database, now, layout)
    write_trades(database, earlier, block(20, 1, layout))
    write_trades(database, earlier, replace(block(7, 2, layout + 1), symbol=np.full(7, "X/USDT")))
    write_trades(database, earlier, replace(block(5, 3, layout), symbol=np.full(5, "Y/USDT"), risk_frac=np.zeros(5)))
    remembered, left_out = asked(database, now, layout)
    assert (remembered - before[0], left_out - before[1]) == (20, 12)


def test_an_empty_database_gives_an_empty_memory(database: Engine) -> None:
    """Nothing traded with this layout: no trades, and no error."""
    now = open_run(database, "train", Settings(), "0" * 64, "test")
    assert asked(database, now, 599)[0] == 0


def test_rows_of_another_layout_are_refused_when_given() -> None:
    """Whoever hands over rows himself is told."""
    with pytest.raises(DataError, match="3 of 3 trades were entered on states of another feature layout"):
        outcomes_of_rows(block(3, 1, 9), 10, BASE_MS)
