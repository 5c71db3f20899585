"""Cuts of given trades: every cut is complete, hours and patterns have their names, unknown risk is left out of R."""

from dataclasses import fields, replace

import numpy as np
import pytest

from huracan.insights.tables import Cutter
from huracan.memory.remembered import Remembered

DAY_MS = 86_400_000


def remembered(count: int, seed: int = 1) -> Remembered:
    """Return trades of one run, with random results of two coins over thirty days."""
    rng = np.random.default_rng(seed)
    entry = 20_000 * DAY_MS + np.sort(rng.integers(0, 30 * 1_440, count)) * 60_000
    net = rng.normal(0, 2, count)
    return Remembered(
        trade_id=np.arange(count), run_id=np.full(count, 7), mode=np.full(count, "paper"), policy=np.full(count, "v1"),
        account=np.full(count, "anna"), symbol=rng.choice(["A/USDT", "B/USDT"], count),
        exit_reason=np.where(net > 0, "take_profit", "stop_loss"), regime=rng.integers(-1, 6, count), entry_ms=entry,
        exit_ms=entry + 600_000, value=np.full(count, 200.0), risk=np.full(count, 2.0), net=net,
        fee=np.full(count, -0.2), slippage=np.full(count, -0.1), price_part=net + 0.3,
        pattern=rng.integers(0, 3, count), analysed=np.zeros(count, bool), finding=np.full(count, ""),
        foreseen=np.zeros(count, bool), captured_frac=np.full(count, np.nan), missed_bps=np.full(count, np.nan),
        move_bps=np.full(count, np.nan),
    )  # fmt: skip


def test_every_cut_is_complete_and_named() -> None:
    """Each trade is in one slice of each question; hours are parts of the day, in their order."""
    trades = remembered(300)
    for section in Cutter(trades).sections():
        assert sum(one.trades for one in section.slices) == 300
        assert sum(one.wins for one in section.slices) == int((trades.net > 0).sum())
        names = [one.name for one in section.slices]
        if section.by == "hour":
            assert names == ["00-04 UTC", "04-08 UTC", "08-12 UTC", "12-16 UTC", "16-20 UTC", "20-24 UTC"]
        if section.by == "pattern":
            assert set(names) == {"P1", "P2", "none"}
        if section.by == "regime":
            assert "unknown" in names


def test_patterns_of_several_owners_say_whose_they_are() -> None:
    """P1 of one run is not P1 of another."""
    trades = remembered(300)
    two = replace(trades, run_id=np.where(np.arange(300) < 150, 7, 8))
    (section,) = (one for one in Cutter(two).sections() if one.by == "pattern")
    assert {one.name for one in section.slices} >= {"run 7 v1 anna P1", "run 8 v1 anna P1"}


def test_without_patterns_there_is_no_such_section() -> None:
    """Nothing is cut by what is not known."""
    trades = replace(remembered(100), pattern=np.zeros(100, np.int64))
    assert "pattern" not in [section.by for section in Cutter(trades).sections()]


def test_trades_without_a_risk_count_but_have_no_result_in_r() -> None:
    """They are in counts and money, not in means of R."""
    trades = remembered(100)
    risk = trades.risk.copy()
    risk[:40] = 0.0
    total = Cutter(replace(trades, risk=risk)).total()
    assert (total.trades, total.net) == (100, pytest.approx(trades.net.sum()))
    assert total.result is not None
    assert total.result.trades == 60
    assert total.result.mean == pytest.approx((trades.net[40:] / 2).mean())
    nothing = Cutter(replace(trades, risk=np.zeros(100)))
    assert nothing.total().result is None
    assert nothing.setups() == ()


def test_a_setup_is_not_decided_by_its_exit() -> None:
    """Trades that the data or the kill switch cut off, all of them lost and in no pattern: no rival of the pattern."""
    trades = remembered(300)
    cut = np.arange(300) % 5 == 0
    reason = np.where(cut, np.where(np.arange(300) % 2, "end_of_data", "kill_switch"), trades.exit_reason)
    lost = replace(trades, exit_reason=reason, pattern=np.where(cut, 0, 1), net=np.where(cut, -9.0, np.abs(trades.net)))
    cutter = Cutter(lost)
    setups = cutter.setups()
    (pattern,) = (setup for setup in setups if setup.by == "pattern")
    assert (pattern.slice.name, pattern.slice.trades, pattern.stage, pattern.p_value) == ("P1", 240, "unclear", 1.0)
    assert sum(setup.slice.trades for setup in setups if setup.by == "coin") == 240
    assert all(setup.slice.wins == setup.slice.trades for setup in setups)
    assert cutter.total().trades == 300
    only = Cutter(replace(trades, exit_reason=np.full(300, "end_of_data")))
    assert (only.setups(), only.total().trades) == ((), 300)


def test_costs_are_shown_against_what_was_won_before_them() -> None:
    """30 bp... of the value bought; as a share only where something was won."""
    trades = remembered(100)
    total = Cutter(trades).total()
    assert total.cost_bps == pytest.approx(1e4 * 0.3 / 200)
    assert total.gross_bps - total.cost_bps == pytest.approx(1e4 * trades.net.sum() / trades.value.sum())
    lost = Cutter(replace(trades, price_part=np.full(100, -1.0))).total()
    assert lost.cost_share is None


def test_every_column_is_used_as_it_came() -> None:
    """Cutting changes nothing in the trades."""
    trades = remembered(50)
    before = {column.name: getattr(trades, column.name).copy() for column in fields(Remembered)}
    cutter = Cutter(trades)
    cutter.setups(), cutter.sections(), cutter.after_exits(), cutter.findings(True)
    assert all(
        np.array_equal(before[name], getattr(trades, name), equal_nan=before[name].dtype.kind == "f") for name in before
    )
