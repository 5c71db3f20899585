"""Groups of trades: those that changed are called, with few called for nothing, however often one looks."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.health.groups import Group, Grouped, GroupHealth, group_claims, group_health, spells_of
from huracan.insights import find_patterns
from huracan.insights.library import Library
from huracan.memory import TradeRows
from tests.insights.worlds import LAYOUT, START_MS, planted_trades

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def world(means: tuple[float, ...], seed: int, days: int, first_day: int = 0) -> TradeRows:
    """Return fifteen trades a day, which share some of the day's luck."""
    return planted_trades(means, 15 * days, seed, days=days, day_spread=0.3, first_day=first_day)[0]


def held(shadow: Library, trades: TradeRows, live: TradeRows, days: int) -> tuple[GroupHealth, ...]:
    """Return the word on all groups some days after the shadow's sixty."""
    claims = group_claims(Grouped.of(trades, shadow.clusters, LAYOUT))
    return group_health(claims, Grouped.of(live, shadow.clusters, LAYOUT), START_MS + (61 + days) * DAY_MS)


def test_a_good_pattern_that_stopped_and_a_bad_one_that_recovered_are_called() -> None:
    """By name, from about the day on which they changed, and no coin or regime is."""
    trades = world((0.5, -0.5), 3, 60)
    shadow = find_patterns(trades, 1)
    stages = {str(one.number): one.stage for one in shadow.found.patterns}
    live = world((-0.3, 0.3), 103, 45, 60)
    found = {(one.group, one.change): one for one in held(shadow, trades, live, 45)}
    called = {(key[0].kind, stages.get(key[0].name), key[1]) for key, one in found.items() if one.called}
    assert called == {("pattern", "good", "degraded"), ("pattern", "bad", "recovered")}
    for (group, change), one in found.items():
        assert one.stage == stages.get(group.name, "unclear")
        if one.called:
            assert one.since_ms is not None
            assert one.since_ms - START_MS <= 72 * DAY_MS
            assert (one.observed < one.claimed) == (change == "degraded")
            assert one.spells <= 2.0 * one.delay
        else:
            assert one.since_ms is None


def test_of_what_is_called_hardly_anything_is_called_for_nothing() -> None:
    """Eight versions in control, looked at every five days for sixty: about fourteen questions each. Seeds 200 to 207.

    If nothing is wrong the chance that anything is ever called is at most five in a hundred a version, and the bounds
    of a hundred groups are themselves missed once.
    """
    ever = 0
    for seed in range(200, 208):
        trades = world((0.4, -0.4), seed, 60)
        shadow = find_patterns(trades, 1)
        claims = group_claims(Grouped.of(trades, shadow.clusters, LAYOUT))
        live = Grouped.of(world((0.4, -0.4), seed + 1_000, 60, 60), shadow.clusters, LAYOUT)
        ever += any(
            one.called
            for day in range(65, 122, 5)
            for one in group_health(claims, _until(live, START_MS + day * DAY_MS), START_MS + day * DAY_MS)
        )
    print(f"{ever} of 8 versions were ever called for nothing")
    assert ever <= 2


def test_trades_that_are_open_together_are_one_spell() -> None:
    """A day from the first entry on; what is entered until all of them are closed is left out."""
    entry = np.array([0, 5, 23, 24, 25, 30]) * HOUR_MS
    exits = np.array([1, 6, 25, 26, 27, 31]) * HOUR_MS
    means, begun, ended = spells_of(np.array([1.0, 2.0, 3.0, 9.0, 9.0, 5.0]), entry, exits)
    assert means.tolist() == [2.0, 5.0]
    assert begun.tolist() == [0, 30 * HOUR_MS]
    assert ended.tolist() == [25 * HOUR_MS, 31 * HOUR_MS]
    assert len(spells_of(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))[0]) == 0


def test_a_spell_counts_when_none_of_its_trades_can_be_open() -> None:
    """A day and the longest hold after its first entry; before it nothing is looked at, later trades change no word."""
    trades = world((0.5, -0.5), 5, 60)
    claims = group_claims(Grouped.of(trades))
    live = Grouped.of(world((0.5, -0.5), 6, 10, 60))
    first = int(live.entry_ms[0])
    hold_ms = claims[0].hold_ms
    before, after = (
        next(one for one in group_health(claims, live, at) if one.group == Group("version", ""))
        for at in (first + DAY_MS + hold_ms - 1, first + DAY_MS + hold_ms)
    )
    assert (before.spells, after.spells) == (0, 1)
    assert np.isnan(before.observed)


def test_what_cannot_be_compared_is_left_out() -> None:
    """Trades of another layout are in no pattern, those without a risk or an end of their own are nowhere."""
    trades = world((0.5, -0.5), 7, 60)
    shadow = find_patterns(trades, 1)
    foreign = replace(trades, layout=np.full(len(trades), 5))
    assert not Grouped.of(foreign, shadow.clusters, LAYOUT).pattern.any()
    ended = trades.exit_reason.copy().astype("U20")
    ended[:10] = "kill_switch"
    risk = trades.risk_frac.copy()
    risk[10:15] = 0.0
    assert len(Grouped.of(replace(trades, exit_reason=ended, risk_frac=risk)).result) == len(trades) - 15
    assert group_claims(Grouped.of(trades.rows(range(30)))) == ()
    assert group_claims(Grouped.of(trades.rows([]))) == ()


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_false_calls_are_as_rare_as_stated() -> None:
    """Forty versions in control, looked at every third day for ninety days. Seeds 300 to 339."""
    ever = 0
    for seed in range(300, 340):
        trades = world((0.4, -0.4), seed, 60)
        claims = group_claims(Grouped.of(trades))
        live = Grouped.of(world((0.4, -0.4), seed + 1_000, 90, 60))
        ever += any(
            one.called
            for day in range(62, 152, 3)
            for one in group_health(claims, _until(live, START_MS + day * DAY_MS), START_MS + day * DAY_MS)
        )
    print(f"{ever} of 40 versions were ever called for nothing in 90 days")
    assert ever <= 6  # 99 % of a binomial of five in a hundred


def _until(live: Grouped, now_ms: int) -> Grouped:
    mine = live.exit_ms <= now_ms
    return Grouped(
        live.result[mine], live.entry_ms[mine], live.exit_ms[mine], live.symbol[mine], live.regime[mine],
        live.pattern[mine],
    )  # fmt: skip
