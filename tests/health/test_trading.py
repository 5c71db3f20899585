"""A version watched: quiet as long as it does what shadow claims, and each planted change found and named."""

from dataclasses import fields, replace

import numpy as np
import pytest

from huracan.errors import EvidenceError
from huracan.health.trading import DAY_MS, Watch, charts_of, claim_of, watch
from huracan.memory import TradeRows
from tests.execution.samples import closed_trades

PER_DAY = 12
SHADOW_DAYS = 60
START_MS = 20_000 * DAY_MS


def trades(days: int, seed: int, win_rate: float = 0.55, per_day: float = PER_DAY, slip: float = 1.0) -> TradeRows:
    """Return trades of some days: wins and losses of about one percent, a Poisson number a day, slippage in costs."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(per_day, days)
    total = int(counts.sum())
    rows = closed_trades("main", total, "shadow")
    value = rows.entry_price * rows.quantity
    won = rng.random(total) < win_rate
    rows.net[:] = value * np.where(won, 0.010, -0.010) * rng.lognormal(0.0, 0.4, total)
    rows.slippage_part[:] = -value * 1e-4 * slip * rng.lognormal(0.0, 0.5, total)
    times = START_MS + np.repeat(np.arange(days), counts) * DAY_MS + np.sort(rng.integers(0, DAY_MS, total))
    exits = np.sort(times).astype(np.int64) // 60_000 * 60_000
    return replace(rows, exit_time=exits, entry_time=exits - 60_000)


def joined(first: TradeRows, second: TradeRows, after_days: int) -> TradeRows:
    """Return the trades of both, the second so many days later."""
    moved = {name: getattr(second, name) + after_days * DAY_MS for name in ("entry_time", "exit_time")}
    later = replace(second, **moved, seq=second.seq + len(first))
    columns = {one.name: np.concatenate([getattr(first, one.name), getattr(later, one.name)]) for one in fields(first)}
    return TradeRows(**columns)


CHARTS = charts_of(claim_of(trades(SHADOW_DAYS, 1)))


def look(rows: TradeRows, days: int) -> Watch:
    """Return the word at the end of some days."""
    return watch(CHARTS, rows, START_MS + days * DAY_MS, START_MS)


def test_a_version_that_does_what_it_claims_is_left_alone() -> None:
    """Thirty accounts of sixty days, five years in all: about five false alarms are allowed."""
    alarms = [one.name for seed in range(30) for one in look(trades(60, 100 + seed), 60).alarms]
    assert len(alarms) <= 11  # 99 % of a Poisson of 5
    found = look(trades(60, 100), 60)
    names = {"result", "drift", "win_rate", "slippage", "trades_per_day", "volume_per_day", "stopped_trading"}
    assert {one.name for one in found.readings} == names
    assert all(one.false_every_days >= 1_800 for one in found.readings)


@pytest.mark.parametrize(
    ("name", "change", "within_days"),
    [
        ("win_rate", {"win_rate": 0.45}, 40),
        ("result", {"win_rate": 0.40}, 30),
        ("slippage", {"slip": 2.0}, 15),
        ("trades_per_day", {"per_day": 0.0}, 3),
        ("volume_per_day", {"per_day": 6.0}, 14),
        ("stopped_trading", {"per_day": 0.0}, 2),
    ],
)
def test_each_planted_change_is_found_and_named(name: str, change: dict[str, float], within_days: int) -> None:
    """After thirty good days: within the days that its delay says, with the day it began on, and what it means."""
    rows = joined(trades(30, 2), trades(60, 3, **change), 30)
    found = look(rows, 90)
    (reading,) = [one for one in found.readings if one.name == name]
    assert reading.alarm
    assert reading.at_ms is not None
    assert reading.since_ms is not None
    began = START_MS + 30 * DAY_MS
    assert began - 8 * DAY_MS <= reading.since_ms <= reading.at_ms <= began + within_days * DAY_MS
    assert reading.delay > 0
    if name == "win_rate":
        assert reading.observed < 0.5 < reading.claimed


def test_later_trades_change_no_earlier_word() -> None:
    """An alarm stands; what comes after it does not move it."""
    bad = joined(trades(30, 2), trades(60, 3, win_rate=0.40), 30)
    more = joined(bad, trades(60, 4), 90)
    first, second = look(bad, 90), look(more, 150)
    for before, after in zip(first.readings, second.readings, strict=True):
        if before.alarm:
            assert (before.since_ms, before.at_ms) == (after.since_ms, after.at_ms)


def test_before_the_first_trade_nothing_is_wrong_yet() -> None:
    """A version that has just begun has no days; on its third day without a trade it is noticed."""
    nothing = closed_trades("main", 0)
    assert not look(nothing, 0).alarms
    assert {one.name for one in look(nothing, 5).alarms} == {"trades_per_day", "volume_per_day", "stopped_trading"}


def test_a_claim_needs_evidence() -> None:
    """Few trades, few days, results that do not vary or are none."""
    for rows in (trades(8, 5, per_day=40), trades(30, 5, per_day=1.0), closed_trades("main", 0)):
        with pytest.raises(EvidenceError, match="100 trades and 10 days are needed"):
            claim_of(rows)
    same = trades(60, 6)
    same.net[:] = 0.0
    with pytest.raises(EvidenceError, match="do not vary"):
        claim_of(same)
