"""Model performance: one row per key, replaced when measured again."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event, text

from huracan.config import Settings
from huracan.errors import DatabaseError, InvariantError
from huracan.memory import (
    Performance,
    Registry,
    TradeRows,
    open_run,
    read_performance,
    read_version_days,
    record_performance,
    record_shadow_days_of_versions,
    record_traded_days_of_versions,
    write_trades,
)
from jobs.analyse import NEWEST_RUN
from jobs.retrain_steps import TRADED_RUNS
from tests.memory.samples import sample_trades

pytestmark = pytest.mark.postgres
ROW = Performance(
    policy="v1",
    account="coin",
    symbol="BTC/USDT",
    fold=0,
    mode="shadow",
    days=30,
    trades=12,
    wins=7,
    net=1 / 3,
    fees=-2.5,
    mean_net_bps=0.1,
    sharpe=1.25,
    sharpe_low=-0.5,
    sharpe_high=3.0,
    sortino=2.0,
    max_drawdown_frac=0.01,
    exposure_frac=0.4,
)


def test_measuring_again_replaces_the_row(database: Engine) -> None:
    """The key is run, policy, account, symbol, fold and mode; "all coins" and "all folds" are keys like any other."""
    run_id = open_run(database, "shadow", Settings(), "f", "0.1.0")
    whole = replace(ROW, symbol=None, fold=None)
    record_performance(database, run_id, ROW, whole)
    record_performance(database, run_id, replace(whole, net=9.0), replace(ROW, fold=1))
    assert read_performance(database, run_id) == (ROW, replace(ROW, fold=1), replace(whole, net=9.0))


def test_a_policy_that_never_traded_has_no_ratios(database: Engine) -> None:
    """What cannot be computed is none, not zero."""
    run_id = open_run(database, "shadow", Settings(), "f", "0.1.0")
    nothing = replace(ROW, trades=0, wins=0, net=0.0, fees=0.0, mean_net_bps=None, sharpe=None, sortino=None)
    record_performance(database, run_id, nothing)
    assert read_performance(database, run_id) == (nothing,)


def test_rows_are_written_together_or_not_at_all(database: Engine) -> None:
    """More wins than trades is refused, and takes the rows beside it along."""
    run_id = open_run(database, "shadow", Settings(), "f", "0.1.0")
    with pytest.raises(DatabaseError):
        record_performance(database, run_id, ROW, replace(ROW, fold=1, wins=13))
    assert read_performance(database, run_id) == ()


def closed(
    policy: str, mode: str, account: str, exits: list[str], net: list[float], reason: str = "policy_exit"
) -> TradeRows:
    """Return one block of trades that closed at these times (UTC) with these results."""
    rows = sample_trades(len(net), 7, policy=policy, account=account)
    exit_time = np.array([int(datetime.fromisoformat(f"{at}+00:00").timestamp()) * 1_000 for at in exits])
    earned = np.array(net)
    return replace(
        rows,
        mode=np.full(len(net), mode),
        exit_reason=np.full(len(net), reason),
        entry_time=exit_time - 60_000,
        exit_time=exit_time,
        entry_price=np.full(len(net), 100.0),
        quantity=np.full(len(net), 10.0),
        price_part=earned + 1.0,
        spread_part=np.zeros(len(net)),
        slippage_part=np.zeros(len(net)),
        fee=np.full(len(net), -1.0),
        net=earned,
    )


def test_a_version_has_a_row_for_every_day_it_was_judged_on(database: Engine) -> None:
    """By day of the exit, days without one too; what the end of the data sold is money of that day, no trade."""
    run_id = open_run(database, "train", Settings(), "f", "0.1.0")
    Registry(database).register(run_id, "by-day", "*", "x", "a" * 64, {}, "me")
    days = [date(2025, 1, day) for day in (1, 2, 3)]
    exits = ["2025-01-01T00:00:00", "2025-01-01T23:59:00", "2025-01-03T12:00:00"]
    write_trades(database, run_id, closed("ensemble", "shadow", "coin", exits, [5.0, -2.0, 7.0]))
    last = closed("ensemble", "shadow", "coin", ["2025-01-04T00:00:00"], [9.0], "end_of_data")
    write_trades(database, run_id, replace(last, symbol=np.array(["ETH/USDT"])))
    write_trades(database, run_id, closed("seed-1", "shadow", "coin", exits, [1.0, 1.0, 1.0]))  # another's
    for _ in range(2):
        assert record_shadow_days_of_versions(database, run_id, "ensemble", "coin", days) == 3
    found = read_version_days(database, "by-day")
    assert [(row.day.day, row.trades, row.wins, row.net, row.fees) for row in found] == [
        (1, 2, 1, 3.0, 2.0), (2, 0, 0, 0.0, 0.0), (3, 1, 1, 16.0, 2.0)
    ]  # fmt: skip
    assert [row.mean_net_bps for row in found] == [pytest.approx(15.0), None, pytest.approx(70.0)]
    assert read_performance(database, run_id) == ()  # rows by day are their own
    with pytest.raises(InvariantError, match="2 trades closed in shadow on none of its 2 days"):
        record_shadow_days_of_versions(database, run_id, "ensemble", "coin", days[:2])
    assert read_version_days(database, "by-day") == found


def test_traded_versions_have_their_days_by_account(database: Engine) -> None:
    """Paper and live rows of registered versions; a second time nothing changes, a new trade changes its day alone."""
    run_id = open_run(database, "trade", Settings(), "f", "0.1.0")
    Registry(database).register(run_id, "served", "*", "x", "b" * 64, {}, "me")
    write_trades(database, run_id, closed("served", "paper", "desk", ["2025-01-01T10:00:00"], [4.0]))
    write_trades(database, run_id, closed("served", "live", "desk", ["2025-01-02T10:00:00"], [-4.0]))
    write_trades(database, run_id, closed("a script", "paper", "desk", ["2025-01-02T10:00:00"], [1.0]))
    assert record_traded_days_of_versions(database) == 2
    assert record_traded_days_of_versions(database) == 0
    found = [(row.mode, row.day.day, row.account, row.net) for row in read_version_days(database, "served")]
    assert found == [("paper", 1, "desk", 4.0), ("live", 2, "desk", -4.0)]
    two = closed("served", "paper", "desk", ["2025-01-01T10:00:00", "2025-01-01T11:00:00"], [4.0, 2.0])
    write_trades(database, run_id, two)
    assert record_traded_days_of_versions(database) == 1
    assert read_version_days(database, "served")[0].trades == 2


def test_whatever_changed_of_a_day_is_brought_up_to_date_and_a_day_without_trades_goes(database: Engine) -> None:
    """The same count and money with other wins, fees or sizes; and a trade whose place another day's took."""
    run_id = open_run(database, "trade", Settings(), "f", "0.1.0")
    Registry(database).register(run_id, "mended", "*", "x", "c" * 64, {}, "me")
    day = ["2025-01-01T10:00:00", "2025-01-01T11:00:00"]
    rows = closed("mended", "paper", "desk", day, [4.0, -2.0])
    write_trades(database, run_id, rows)
    assert record_traded_days_of_versions(database) == 1
    before = read_version_days(database, "mended")[0]
    assert (before.wins, before.net) == (1, 2.0)
    changes = (
        {"net": np.array([1.0, 1.0]), "price_part": rows.price_part + np.array([-3.0, 3.0])},
        {"fee": rows.fee - 1.0, "price_part": rows.price_part + 1.0},
        {"quantity": rows.quantity * 2.0},
    )
    for change in changes:
        write_trades(database, run_id, replace(rows, **change))
        assert record_traded_days_of_versions(database) == 1
        assert record_traded_days_of_versions(database) == 0
        (after,) = read_version_days(database, "mended")
        assert after != before
        before = after
    write_trades(database, run_id, closed("mended", "paper", "desk", ["2025-01-05T10:00:00"], [3.0]))
    assert record_traded_days_of_versions(database) == 2
    assert [(row.day.day, row.net) for row in read_version_days(database, "mended")] == [(5, 3.0)]
    assert record_traded_days_of_versions(database) == 0


def test_paper_and_live_trades_are_found_by_their_index(database: Engine) -> None:
    """Among thousands of shadow trades: days by version, a cycle's runs, the newest run; no plan reads them all."""
    run_id = open_run(database, "trade", Settings(), "f", "0.1.0")
    for seed in range(8):
        write_trades(database, run_id, sample_trades(1_000, seed, f"S{seed}/USDT"))
    write_trades(database, run_id, closed("a script", "paper", "desk", ["2025-01-02T10:00:00"], [1.0]))
    asked: list[tuple[str, Any]] = []

    def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with database.begin() as connection:
        connection.execute(text("ANALYZE trade_memory"))
    event.listen(database, "before_cursor_execute", keep)
    try:
        record_traded_days_of_versions(database)
        with database.connect() as connection:
            connection.execute(text(TRADED_RUNS), {"end_s": 2_000_000_000})
            connection.execute(text(NEWEST_RUN), {"mode": "paper", "account": None})
            connection.execute(text(NEWEST_RUN), {"mode": "live", "account": "desk"})
    finally:
        event.remove(database, "before_cursor_execute", keep)
    asked = [(statement, parameters) for statement, parameters in asked if "trade_memory" in statement]
    assert len(asked) == 5
    with database.connect() as connection:
        cursor = connection.connection.cursor()
        for statement, parameters in asked:
            cursor.execute(f"EXPLAIN {statement}", parameters)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "trade_memory_traded" in plan, plan
            assert "Seq Scan on trade_memory" not in plan, plan
