"""Model performance: one row per key, replaced when measured again."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.errors import DatabaseError
from huracan.memory import Performance, open_run, read_performance, record_performance

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
