"""Groups of a version's trades - patterns, coins, regimes, all - and which are no longer what shadow claims.

Trades that are open at the same time share their market's luck, so the unit is a spell: all trades of a group that
were entered within a day of its first, once all of them are closed; what is entered while they are waited for is left
out, so that a spell's outcome is known before the next begins. Shadow and the account are cut into spells alike. A
group is "degraded" when its spells earn less than the lower bound that shadow's own spells leave, "recovered" when it
lost in shadow and its spells now earn more than the upper one; both by bets that may be looked at after every trade.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from huracan.features import MARKET_SIZE
from huracan.health.evalues import called, delay_of, wealth_of
from huracan.health.laws import student
from huracan.memory import TradeRows
from huracan.memory.trades import regime_name
from huracan.patterns.clusters import Clusters

__all__ = ["Group", "GroupClaim", "GroupHealth", "Grouped", "group_claims", "group_health", "spells_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Kind = Literal["version", "pattern", "coin", "regime"]
Change = Literal["degraded", "recovered"]

DAY_MS: Final = 86_400_000
SPELLS_MIN: Final = 20
"""Spells in shadow below which a group claims nothing."""
BOUND_SDS: Final = 2.5
MISS: Final = 0.01
"""Chance that a group's true mean lies beyond the bound that it is held to, on either side."""
RATE: Final = 0.05
"""Of the groups that are called, at most so many are called for nothing, on average."""
SHIFT: Final = 1.0
"""Change that delays are stated for, in deviations of a spell."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some trades of a version.

    Attributes:
        kind: what they have in common.
        name: which pattern (its number), coin or regime; "" for the whole version.
    """

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class GroupClaim:
    """What shadow claims of a group, per spell.

    Attributes:
        group: which one.
        stage: good: it earned beyond doubt; bad: it lost beyond doubt; else unclear.
        trades, spells: in shadow.
        mean, low, high: R of a spell, cut at `bound`, with the bounds of its mean.
        bound: 2.5 deviations of a spell and its mean.
        hold_ms: longest time that the version held a trade.
        outcomes: float64[S], of the spells.
        delays: spells until a change of one deviation is noticed, by change.
    """

    group: Group
    stage: Literal["good", "bad", "unclear"]
    trades: int
    spells: int
    mean: float
    low: float
    high: float
    bound: float
    hold_ms: int
    outcomes: Floats
    delays: Mapping[Change, float]


@dataclass(frozen=True, slots=True)
class GroupHealth:
    """One question about one group, and its answer so far.

    Attributes:
        group: which one.
        change: what is asked.
        stage: what shadow claims of it.
        called: it is so, at most one in twenty for nothing among all that are called.
        e_value: wealth of the bet against the claim; at least 20 times the number of questions calls it by itself.
        since_ms: first entry of the spell from which on the evidence counts most; None when it is not called.
        observed: mean R of a spell since, or of all spells when it is not called; NaN before the first.
        claimed: bound that it is held to.
        trades, spells: looked at.
        delay: spells until a change of one deviation is noticed, on average.
        questions: asked of this version.
    """

    group: Group
    change: Change
    stage: Literal["good", "bad", "unclear"]
    called: bool
    e_value: float
    since_ms: int | None
    observed: float
    claimed: float
    trades: int
    spells: int
    delay: float
    questions: int


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """Trades that can be held against a claim, by entry, with what groups them.

    Attributes:
        result: float64[N], R.
        entry_ms, exit_ms: int64[N], ms UTC.
        symbol: str[N].
        regime: int64[N].
        pattern: int64[N], number of the pattern; 0 where there is no library or the state is of another layout.
    """

    result: Floats
    entry_ms: Ints
    exit_ms: Ints
    symbol: npt.NDArray[np.str_]
    regime: Ints
    pattern: Ints

    @classmethod
    def of(cls, trades: TradeRows, clusters: Clusters | None = None, layout: int = 0) -> "Grouped":
        """Return a version's trades; those without an initial risk or an end of their own are left out.

        Args:
            trades: closed.
            clusters: of the version's pattern library in shadow.
            layout: of its states.
        """
        own = ~np.isin(trades.exit_reason, ("end_of_data", "kill_switch")) & (trades.risk_frac > 0.0)
        order = np.flatnonzero(own)[np.argsort(trades.entry_time[own], kind="stable")]
        rows = trades.rows(order.tolist())
        pattern = np.zeros(len(rows), np.int64)
        same = rows.layout == layout
        if clusters is not None and same.any():
            pattern[same] = clusters.of(np.ascontiguousarray(rows.entry_state[same, :MARKET_SIZE])) + 1
        result = rows.net / (rows.entry_price * rows.quantity * rows.risk_frac)
        return cls(result, rows.entry_time, rows.exit_time, rows.symbol, rows.regime, pattern)

    def groups(self) -> Iterator[tuple[Group, npt.NDArray[np.bool_]]]:
        """Give each group with its trades, in an order of its own."""
        yield Group("version", ""), np.ones(len(self.result), np.bool_)
        for number in np.unique(self.pattern[self.pattern > 0]).tolist():
            yield Group("pattern", str(number)), self.pattern == number
        for symbol in np.unique(self.symbol).tolist():
            yield Group("coin", symbol), self.symbol == symbol
        for regime in np.unique(self.regime[self.regime >= 0]).tolist():
            yield Group("regime", regime_name(regime)), self.regime == regime

    def of_group(self, group: Group) -> npt.NDArray[np.bool_]:
        """Return the trades of a group."""
        return next((mine for one, mine in self.groups() if one == group), np.zeros(len(self.result), np.bool_))


def spells_of(result: Floats, entry_ms: Ints, exit_ms: Ints) -> tuple[Floats, Ints, Ints]:
    """Return (mean result of each spell, its first entry, its last exit), ms UTC; the last spell may still be open.

    Args:
        result: float64[N].
        entry_ms: int64[N], not falling.
        exit_ms: int64[N].
    """
    means, begun, ended, place = [], [], [], 0
    while place < len(entry_ms):
        stop = int(np.searchsorted(entry_ms, entry_ms[place] + DAY_MS))
        last = int(exit_ms[place:stop].max())
        means.append(float(result[place:stop].mean()))
        begun.append(int(entry_ms[place]))
        ended.append(last)
        place = max(stop, int(np.searchsorted(entry_ms, last, side="right")))
    return np.array(means, np.float64), np.array(begun, np.int64), np.array(ended, np.int64)


def group_claims(shadow: Grouped, rate: float = RATE) -> tuple[GroupClaim, ...]:
    """Return what shadow claims of every group that has at least 20 spells.

    Args:
        shadow: the version's trades in shadow.
        rate: share of calls for nothing, for the delays.
    """
    found = []
    for group, mine in shadow.groups():
        outcomes, _, _ = spells_of(shadow.result[mine], shadow.entry_ms[mine], shadow.exit_ms[mine])
        count, deviation = len(outcomes), float(outcomes.std(ddof=1)) if len(outcomes) > 1 else 0.0
        if count < SPELLS_MIN or deviation <= 1e-9:
            continue
        bound = BOUND_SDS * deviation + abs(float(outcomes.mean()))
        cut = np.clip(outcomes, -bound, bound)
        mean, away = float(cut.mean()), student(1.0 - MISS, count - 1) * float(cut.std(ddof=1)) / math.sqrt(count)
        low, high = mean - away, mean + away
        stage: Literal["good", "bad", "unclear"] = "good" if low > 0.0 else "bad" if high < 0.0 else "unclear"
        found.append((group, stage, int(mine.sum()), mean, max(low, -0.9 * bound), min(high, 0.9 * bound), bound, cut))
    hold_ms = int((shadow.exit_ms - shadow.entry_ms).max()) if len(shadow.result) else 0
    questions = len(found) + sum(one[1] == "bad" for one in found)
    claims = []
    for group, stage, trades, mean, low, high, bound, cut in found:
        shift, threshold = SHIFT * float(cut.std(ddof=1)), questions / rate
        delays: dict[Change, float] = {"degraded": delay_of(cut, low, bound, shift, threshold)}
        if stage == "bad":
            delays["recovered"] = delay_of(-cut, -high, bound, shift, threshold)
        claims.append(GroupClaim(group, stage, trades, len(cut), mean, low, high, bound, hold_ms, cut, delays))
    return tuple(claims)


def group_health(
    claims: tuple[GroupClaim, ...], trades: Grouped, now_ms: int, rate: float = RATE
) -> tuple[GroupHealth, ...]:
    """Hold the groups of an account's trades against the claims.

    Args:
        claims: of the version's shadow.
        trades: of the version since; open ones come later.
        now_ms: market time, ms UTC: a spell whose trades may still be open is not over.
        rate: share of calls for nothing among the calls.
    """
    answers = []
    for claim in claims:
        mine = trades.of_group(claim.group)
        outcomes, begun, _ = spells_of(trades.result[mine], trades.entry_ms[mine], trades.exit_ms[mine])
        over = begun + DAY_MS + claim.hold_ms <= now_ms
        outcomes, begun = outcomes[over], begun[over]
        for change in claim.delays:
            sign, held = (1.0, claim.low) if change == "degraded" else (-1.0, -claim.high)
            bet = wealth_of(sign * outcomes, held, claim.bound)
            answers.append((claim, change, bet, outcomes, begun, int(mine.sum()), sign * held))
    chosen = called(np.array([bet.wealth for _, _, bet, *_ in answers]), rate)
    return tuple(
        GroupHealth(
            group=claim.group,
            change=change,
            stage=claim.stage,
            called=bool(yes),
            e_value=bet.wealth,
            since_ms=int(begun[bet.since]) if yes else None,
            observed=float(outcomes[bet.since if yes else 0 :].mean()) if len(outcomes) else math.nan,
            claimed=held,
            trades=count,
            spells=len(outcomes),
            delay=claim.delays[change],
            questions=len(answers),
        )
        for (claim, change, bet, outcomes, begun, count, held), yes in zip(answers, chosen.tolist(), strict=True)
    )
