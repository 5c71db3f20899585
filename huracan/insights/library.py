"""The pattern library of a run: groups of entries, what became of each, and whether that is more than noise.

Groups are made from entries alone, so that their results are tested on something they were not chosen by. Only trades
known at a moment are read: what comes later changes nothing that was said before.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from huracan.analysis.days import DayBlocks
from huracan.errors import DataError, UsageError
from huracan.features import CATALOGUE, MARKET_SIZE
from huracan.insights.evidence import Judged, judge, shrunk_rate
from huracan.market.timeframes import TIMEFRAMES
from huracan.memory import Mode, TradeRows
from huracan.memory.patterns import Members, PatternSet, StoredPattern
from huracan.memory.trades import regime_name
from huracan.patterns.clusters import Clusters, embedding_bytes, embedding_of_entries
from huracan.patterns.embedding import ROWS_MIN, Embedding
from huracan.patterns.identity import EMBEDDED
from huracan.patterns.neighbours import DAY_MS
from huracan.patterns.outcomes import SETTLE_BARS

__all__ = ["NO_OUTCOME", "Library", "bar_ms", "find_patterns"]

LEVEL: Final = 0.9
RESAMPLES: Final = 500
SEED: Final = 1
TRAITS_MAX: Final = 4
TRAIT_SDS: Final = 0.5
NO_OUTCOME: Final = ("end_of_data", "kill_switch")
"""Exits that say nothing of the entry: the trade was cut off."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """What was found, as it is stored, and the groups it was found by.

    Attributes:
        found: the set, not stored yet.
        members: its trades.
        clusters: which group is a state's?
    """

    found: PatternSet
    members: Members
    clusters: Clusters


def find_patterns(
    trades: TradeRows,
    run_id: int,
    *,
    as_of_ms: int | None = None,
    base_ms: int | None = None,
    embedding: Embedding | None = None,
    seed: int = SEED,
) -> Library:
    """Return the pattern library of one policy, account and mode of a run as it was known at a moment.

    Args:
        trades: closed, of one policy, account and mode, in any order.
        run_id: of their run.
        as_of_ms: moment, ms UTC; None: when the last trade became known.
        base_ms: length of a bar; None: found from the trades' times.
        embedding: from states to points, known by that moment; None: from the trades' own entries.
        seed: of groups and intervals.

    Raises:
        UsageError: there is no trade, or they are of several policies, accounts or modes.
        DataError: too few of them can be compared, their states are of no known feature layout, or a number is none.
    """
    policy, account, mode = _whose(trades)
    base_ms = base_ms or bar_ms(trades)
    known_ms = trades.exit_time + SETTLE_BARS * base_ms
    as_of_ms = int(known_ms.max()) if as_of_ms is None else as_of_ms
    past = np.flatnonzero(known_ms <= as_of_ms)
    order = np.lexsort((trades.seq[past], trades.entry_time[past], trades.symbol[past], known_ms[past]))
    everything = trades.rows(past[order].tolist())
    layout, rows = _comparable(everything, run_id)
    known = everything.rows(rows.tolist())
    states = np.ascontiguousarray(known.entry_state[:, :MARKET_SIZE])
    day = known.entry_time // DAY_MS
    if not np.isfinite(states).all():
        raise DataError(f"run {run_id}: a state of {policy} is not finite; do not trust these rows")
    embedding = embedding_of_entries(states) if embedding is None else embedding
    clusters = Clusters.fit(states, day, embedding, seed)
    label, points = clusters.of(states), embedding.points(states)
    found = PatternSet(
        run_id=run_id,
        mode=mode,
        policy=policy,
        account=account,
        as_of_ms=as_of_ms,
        layout=layout,
        base_ms=base_ms,
        hold_ms=int((known.exit_time - known.entry_time).max()),
        trades=len(known),
        left_out=len(everything) - len(known),
        seed=seed,
        tried=tuple((one.groups, one.strength, one.smallest) for one in clusters.tried),
        patterns=_patterns(known, label, clusters, seed),
    )
    members = Members(
        symbol=known.symbol,
        fold=known.fold,
        seq=known.seq,
        known_ms=known.exit_time + SETTLE_BARS * base_ms,
        number=label + 1,
        points=points,
        embedding=embedding_bytes(embedding),
    )
    return Library(found, members, clusters)


def bar_ms(trades: TradeRows) -> int:
    """Return the longest timeframe on whose grid all entries and exits lie.

    Raises:
        DataError: there is none.
    """
    step = math.gcd(*trades.entry_time.tolist(), *trades.exit_time.tolist())
    fits = [length for length in TIMEFRAMES.values() if step % length == 0]
    if not fits:
        raise DataError(
            f"the trades' times lie on no timeframe's grid (common step {step} ms); do not trust these rows"
        )
    return max(fits)


def _whose(trades: TradeRows) -> tuple[str, str, Mode]:
    if not len(trades):
        raise UsageError("there is no closed trade to find patterns in; trade first, or name another run or mode")
    whose = set(zip(trades.policy.tolist(), trades.account.tolist(), trades.mode.tolist(), strict=True))
    if len(whose) > 1:
        raise UsageError(f"trades of {len(whose)} policies, accounts and modes at once; ask for one after the other")
    ((policy, account, mode),) = whose
    for name in ("net", "fee", "entry_price", "quantity", "risk_frac", "mfe_frac", "mae_frac"):
        if not np.isfinite(getattr(trades, name)).all():
            raise DataError(f"trades of {policy}: a {name} is not a finite number; do not trust these rows")
    return policy, account, mode


def _comparable(trades: TradeRows, run_id: int) -> tuple[int, Ints]:
    """Return the newest layout and the rows on it that have a risk and an end of their own.

    Raises:
        DataError: too few are left; the message says what is missing.
    """
    laid = np.flatnonzero(trades.layout != 0)
    layout = int(trades.layout[laid[-1]]) if len(laid) else 0
    own = ~np.isin(trades.exit_reason, NO_OUTCOME)
    same, risky = (trades.layout == layout) & (layout != 0), trades.risk_frac > 0
    rows = np.flatnonzero(own & same & risky).astype(np.int64)
    if len(rows) >= ROWS_MIN:
        return layout, rows
    gone = [
        (int((~own).sum()), "ended with their data or by the kill switch"),
        (int((own & (trades.layout == 0)).sum()), "do not say which feature layout their states have"),
        (int((own & (trades.layout != 0) & ~same).sum()), "were entered on states of another feature layout"),
        (int((own & same & ~risky).sum()), "have no initial risk"),
    ]
    why = "".join(f", {count} {words}" for count, words in gone if count)
    raise DataError(
        f"run {run_id}: {len(rows)} of {len(trades)} closed trades can be compared, need {ROWS_MIN}{why}; trade longer "
        "or on more coins, or name another run, policy or mode"
    )


def _patterns(trades: TradeRows, label: Ints, clusters: Clusters, seed: int) -> tuple[StoredPattern, ...]:
    """Return each group with its figures."""
    risk = trades.entry_price * trades.quantity * trades.risk_frac
    result, day = trades.net / risk, trades.entry_time // DAY_MS
    blocks = DayBlocks(trades.entry_time, result, resamples=RESAMPLES, level=LEVEL, seed=seed)
    groups = [label == number for number in range(len(clusters))]
    judged = judge(result, day, groups)
    embedding = clusters.embedding
    scaled = (trades.entry_state[:, EMBEDDED].astype(np.float64) - embedding.center) / embedding.scale
    scaled = np.clip(scaled, -embedding.clip, embedding.clip)
    points = clusters.centres.astype(np.float32)
    return tuple(
        _pattern(number, trades, result, mine, said, blocks, scaled, points[number])
        for number, (mine, said) in enumerate(zip(groups, judged, strict=True))
    )


def _pattern(
    number: int,
    trades: TradeRows,
    result: Floats,
    mine: NDArray[np.bool_],
    said: Judged,
    blocks: DayBlocks,
    scaled: Floats,
    centre: NDArray[np.float32],
) -> StoredPattern:
    own = trades.rows(np.flatnonzero(mine).tolist())
    mean = blocks.mean(result[mine], own.entry_time)
    assert mean is not None, "a group has trades"
    wins, base = int((own.net > 0).sum()), float((trades.net > 0).mean())
    rate, low, high = shrunk_rate(wins, len(own), base, LEVEL)
    traits = _traits(scaled, mine)
    return StoredPattern(
        number=number + 1,
        stage=said.stage,
        nature=_nature(traits, bool(mine.all())),
        trades=len(own),
        wins=wins,
        days=mean.days,
        base_rate=base,
        win_rate=rate,
        win_low=low,
        win_high=high,
        mean_r=mean.mean,
        mean_r_low=mean.low,
        mean_r_high=mean.high,
        rest_r=None if mine.all() else float(result[~mine].mean()),
        p_value=said.p_value,
        q_value=said.q_value,
        net=float(own.net.sum()),
        fees=float(own.fee.sum()),
        slippage=float((own.spread_part + own.slippage_part).sum()),
        mfe_r=float((own.mfe_frac / own.risk_frac).mean()),
        mae_r=float((own.mae_frac / own.risk_frac).mean()),
        hold_ms=int(np.median(own.exit_time - own.entry_time)),
        first_ms=int(own.entry_time.min()),
        last_ms=int(own.entry_time.max()),
        coins=tuple(_counted(own.symbol.tolist())),
        exits=tuple((name, count / len(own)) for name, count in _counted(own.exit_reason.tolist())),
        regimes=tuple(
            (name, count / len(own)) for name, count in _counted(list(map(regime_name, own.regime.tolist())))
        ),
        traits=traits,
        centroid=tuple(centre.tolist()),
    )


def _counted(values: list[str]) -> list[tuple[str, int]]:
    """Return each value with its number, most first; equally frequent ones in their order."""
    return sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))


def _traits(scaled: Floats, mine: NDArray[np.bool_]) -> tuple[tuple[str, float], ...]:
    """Return the entries by which a group stands out, most first: distance from all trades in their deviations."""
    spread = scaled.std(axis=0)
    away = np.zeros(len(EMBEDDED))
    moves = spread > 1e-9
    away[moves] = (scaled[mine][:, moves].mean(axis=0) - scaled[:, moves].mean(axis=0)) / spread[moves]
    best = np.argsort(-np.abs(away), kind="stable")[:TRAITS_MAX]
    return tuple(
        (CATALOGUE[EMBEDDED[place]].name, round(float(away[place]), 3))
        for place in best.tolist()
        if abs(away[place]) >= TRAIT_SDS
    )


def _nature(traits: tuple[tuple[str, float], ...], whole: bool) -> str:
    """Return what a group is like in words."""
    if whole:
        return "all entries: no groups among them are found again on other days"
    if not traits:
        return "nothing stands out by half a standard deviation"
    return ", ".join(f"{'high' if away > 0 else 'low'} {name} ({away:+.1f} sd)" for name, away in traits)
