"""Closed trades cut by what one asks for, each cut with its intervals; and which cuts differ by more than chance."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from huracan.analysis.days import DayBlocks
from huracan.insights.evidence import judge, wilson
from huracan.insights.library import NO_OUTCOME
from huracan.insights.model import AfterExit, FindingRow, Section, Setup, Slice
from huracan.memory.remembered import Remembered
from huracan.memory.trades import regime_name
from huracan.shadow import DAY_MS

__all__ = ["HOURS", "LEVEL", "Cutter"]

LEVEL: Final = 0.9
RESAMPLES: Final = 500
SEED: Final = 1
HOURS: Final = 4
"""Length of a part of the day."""
SETUPS: Final = ("coin", "regime", "pattern", "hour")
"""What is known at the entry; the other questions are about what came of it."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Strings = NDArray[np.str_]


class Cutter:
    """Closed trades that are cut, all by one set of drawn days.

    Args:
        trades: at least one.
    """

    def __init__(self, trades: Remembered) -> None:
        self.trades = trades
        self._risky = trades.risk > 0
        self._ended = ~np.isin(trades.exit_reason, NO_OUTCOME)
        self._result = np.divide(trades.net, trades.risk, out=np.full(len(trades), np.nan), where=self._risky)
        values = np.where(self._risky, self._result, 0.0)
        self._blocks = DayBlocks(trades.entry_ms, values, resamples=RESAMPLES, level=LEVEL, seed=SEED)
        hour = trades.entry_ms % DAY_MS // 3_600_000 // HOURS * HOURS
        self._names: dict[str, Strings] = {
            "mode": trades.mode,
            "version": trades.policy,
            "coin": trades.symbol,
            "regime": np.array([regime_name(number) for number in trades.regime.tolist()]),
            "pattern": _pattern_names(trades),
            "exit reason": trades.exit_reason,
            "hour": np.array([f"{first:02d}-{first + HOURS:02d} UTC" for first in hour.tolist()]),
        }

    def total(self) -> Slice:
        """Return all trades as one slice."""
        return self._slice("all", np.ones(len(self.trades), np.bool_))

    def sections(self) -> tuple[Section, ...]:
        """Return the trades cut by each question; patterns only when there are any."""
        return tuple(
            Section(by, tuple(self._slice(name, names == name) for name in _order(by, names)))
            for by, names in self._names.items()
            if by != "pattern" or (names != "").any()
        )

    def setups(self) -> tuple[Setup, ...]:
        """Return every setup, all compared together; of trades with a known risk and an outcome of their own."""
        cuts = [(by, name) for by in SETUPS for name in _order(by, self._names[by]) if name]
        mine = [self._names[by] == name for by, name in cuts]
        kept = self._risky & self._ended
        said = judge(
            self._result[kept], self.trades.entry_ms[kept] // DAY_MS, [one[kept] for one in mine if one[kept].any()]
        )
        known = [cut for cut, one in zip(cuts, mine, strict=True) if one[kept].any()]
        rows = [
            Setup(by, self._slice(name, (self._names[by] == name) & self._ended), one.stage, one.p_value, one.q_value)
            for (by, name), one in zip(known, said, strict=True)
        ]
        return tuple(sorted(rows, key=lambda row: row.p_value))

    def findings(self, won: bool) -> tuple[FindingRow, ...]:
        """Return the strongest factor of each analysed win, or cause of each loss, the most frequent first."""
        trades = self.trades
        mine = trades.analysed & ((trades.net > 0) == won)
        rows = []
        for name in np.unique(trades.finding[mine]).tolist():
            own = mine & (trades.finding == name)
            count, foreseen = int(own.sum()), int((own & trades.foreseen).sum())
            rows.append(FindingRow(name or "unexplained", count, float(trades.net[own].sum()), foreseen))
        return tuple(sorted(rows, key=lambda row: (-row.trades, row.name)))

    def after_exits(self) -> tuple[AfterExit, ...]:
        """Return where the price went after exits, by reason; of trades that were followed."""
        trades = self.trades
        followed = np.isfinite(trades.move_bps)
        rows = []
        for reason in _order("exit reason", trades.exit_reason[followed]):
            own = followed & (trades.exit_reason == reason)
            missed = own & np.isfinite(trades.missed_bps)
            rows.append(
                AfterExit(
                    reason,
                    int(own.sum()),
                    self._blocks.mean(trades.missed_bps[missed], trades.entry_ms[missed]),
                    self._blocks.mean(trades.move_bps[own], trades.entry_ms[own]),
                )
            )
        return tuple(rows)

    def _slice(self, name: str, mine: Bools) -> Slice:
        trades, known = self.trades, mine & self._risky
        wins, count = int((trades.net[mine] > 0).sum()), int(mine.sum())
        low, high = wilson(wins, count, LEVEL)
        value, gross = float(trades.value[mine].sum()), float(trades.price_part[mine].sum())
        fees, slippage = float(trades.fee[mine].sum()), float(trades.slippage[mine].sum())
        return Slice(
            name=name or "none",
            trades=count,
            wins=wins,
            win_low=low,
            win_high=high,
            result=self._blocks.mean(self._result[known], trades.entry_ms[known]),
            net=float(trades.net[mine].sum()),
            fees=fees,
            slippage=slippage,
            gross_bps=1e4 * gross / value,
            cost_bps=-1e4 * (fees + slippage) / value,
            cost_share=-(fees + slippage) / gross if gross > 0 else None,
        )


def _pattern_names(trades: Remembered) -> Strings:
    """Return each trade's pattern; with its owner where the trades have several."""
    owners = list(zip(trades.run_id.tolist(), trades.policy.tolist(), trades.account.tolist(), strict=True))
    several = len(set(owners)) > 1
    name: Callable[[int, tuple[int, str, str]], str] = lambda number, owner: (  # noqa: E731 - two words for one thing
        "" if not number else f"run {owner[0]} {owner[1]} {owner[2]} P{number}" if several else f"P{number}"
    )
    return np.array(
        [name(number, owner) for number, owner in zip(trades.pattern.tolist(), owners, strict=True)], np.str_
    )


def _order(by: str, names: Strings) -> Sequence[str]:
    """Return the names, the most frequent first; hours in their order."""
    found, count = np.unique(names, return_counts=True)
    if by == "hour":
        return list(map(str, found.tolist()))
    return [str(found[place]) for place in np.argsort(-count, kind="stable").tolist()]
