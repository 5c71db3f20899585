"""A closed trade beside the candles it was made on, in ticks: what every rule about causes reads."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huracan.analysis.paths import MarketPath
from huracan.analysis.quality import Quality, quality_of
from huracan.memory import TradeRows
from huracan.trading import KernelSettings

Floats = NDArray[np.float64]

__all__ = ["Case", "Figure", "Finding", "Similar", "Tested", "cases_of", "ranked", "says", "touch_probability"]


@dataclass(frozen=True, slots=True)
class Similar:
    """What became of the past trades most like the entry, as they were known then; results in R.

    Attributes:
        count: neighbours.
        wins: those with a net result above 0.
        mean: their mean result.
        low, high: two-sided 90 % bounds of the mean, with their variance shrunk towards that of all trades.
        base: mean result of all trades known then.
    """

    count: int
    wins: int
    mean: float
    low: float
    high: float
    base: float

    @property
    def losing(self) -> bool:
        """Return whether they lose, and more than trades at large, by their upper bound."""
        return self.high < min(0.0, self.base)

    @property
    def winning(self) -> bool:
        """Return whether they win, and more than trades at large, by their lower bound."""
        return self.low > max(0.0, self.base)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One closed trade; prices and distances in ticks.

    Attributes:
        path: its market.
        first, last: bars of the first and the last fill.
        entry, leave: averages paid and received.
        gross: move had every fill met its reference price, per coin.
        cost: spread, slippage and fees, per coin, positive.
        risk: distance from the decision's close to the stop; 0 when unknown.
        target: distance to the target, from the rules; 0 without stops.
        hold_bars: longest hold of the rules.
        reason: why it ended.
        similar: past trades like it, None when they were not or could not be asked.
    """

    path: MarketPath
    first: int
    last: int
    entry: float
    leave: float
    gross: float
    cost: float
    risk: float
    target: float
    hold_bars: int
    reason: str
    similar: Similar | None = None
    quality: Quality = field(init=False)

    def __post_init__(self) -> None:
        judged = quality_of(self.path, self.first, self.last, self.entry, self.leave, self.risk, self.hold_bars)
        object.__setattr__(self, "quality", judged)

    @property
    def net(self) -> float:
        """Return the result per coin."""
        return self.gross - self.cost

    @property
    def decided(self) -> int:
        """Return the last bar that was closed before the first fill."""
        return max(0, self.first - 1)

    @property
    def sigma(self) -> float:
        """Return the standard deviation of a bar's log return as known before the entry; NaN: unknown."""
        return float(self.path.sigma[self.decided])

    @property
    def best(self) -> float:
        """Return the best excursion while held, >= 0."""
        return max(0.0, self.quality.high - self.entry)

    @property
    def rested(self) -> bool:
        """Return whether the entry was filled below the ask of its bar's open: a resting order."""
        spread = int(self.path.spread[self.first])
        return self.entry < self.path.open[self.first] + spread - spread // 2 - 0.25

    def moves(self) -> tuple[Floats, Floats]:
        """Return (float64[n] moves, float64[n] in sigmas) of each bar held, from fill to fill.

        A move is measured in the standard deviation known at the close before its bar; NaN where that is unknown.
        """
        bars = np.arange(self.first, self.last + 1)
        after = self.path.close[bars].astype(np.float64)
        before = np.concatenate([[self.entry], after[:-1]])
        after[-1] = self.leave
        return after - before, np.log(after / before) / self.path.sigma[np.maximum(bars - 1, 0)]

    def log_to_sigmas(self, move: float, bars: float) -> float:
        """Return a log move over some bars in standard deviations known before the entry."""
        return move / (self.sigma * math.sqrt(bars))


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a rule looked at, and the threshold it was held against; None: none."""

    name: str
    value: float
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Tested:
    """What a rule says of one trade.

    Attributes:
        found: it explains the result.
        warned: its part on data known at the entry held; None for a rule that only hindsight can apply.
        strength: how much of the result it explains, 0 to 1; 0 when not found.
        figures: what it looked at.
    """

    found: bool
    warned: bool | None
    strength: float
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that explains a trade's result, with its evidence."""

    name: str
    strength: float
    figures: tuple[Figure, ...]

    def to_json(self) -> list[Any]:
        """Return [name, strength, {figure: [value, threshold] or value}], three digits each."""
        values = {
            figure.name: _short(figure.value)
            if figure.threshold is None
            else [_short(figure.value), _short(figure.threshold)]
            for figure in self.figures
        }
        return [self.name, _short(self.strength), values]


def says(found: bool, warned: bool | None, strength: float, *figures: Figure) -> Tested:
    """Return a rule's word, its strength cut to [0, 1]."""
    return Tested(bool(found), warned, min(1.0, max(0.0, strength)) if found else 0.0, figures)


def ranked(said: Mapping[str, Tested | None]) -> tuple[Finding, ...]:
    """Return the rules that explain a trade, strongest first; empty: unexplained."""
    found = [Finding(str(name), t.strength, t.figures) for name, t in said.items() if t is not None and t.found]
    return tuple(sorted(found, key=lambda finding: -finding.strength))


def _short(value: float) -> float:
    short = float(f"{value:.3g}")
    return int(short) if short.is_integer() else short


def touch_probability(distance: float, sigma: float, bars: float) -> float:
    """Return 2 Phi(-d / (sigma sqrt(n))): how likely a driftless price touches a log distance within n bars."""
    return math.erfc(abs(distance) / (sigma * math.sqrt(2.0 * bars)))


def cases_of(
    trades: TradeRows,
    paths: Mapping[str, MarketPath],
    kernel: KernelSettings,
    similar: Sequence[Similar | None] | None = None,
) -> list[Case | None]:
    """Return every trade beside its candles; None for one whose bars are not in the candles.

    Args:
        trades: closed.
        paths: by symbol.
        kernel: the rules they were traded by.
        similar: past trades like each of them.
    """
    found: list[Case | None] = [None] * len(trades)
    reach = kernel.target_sigmas / kernel.stop_sigmas if kernel.stops_enabled else 0.0
    for symbol in np.unique(trades.symbol).tolist():
        path = paths.get(symbol)
        if path is None:
            continue
        rows = np.flatnonzero(trades.symbol == symbol)
        firsts, lasts = path.place(trades.entry_time[rows]), path.place(trades.exit_time[rows])
        for row, first, last in zip(rows.tolist(), firsts.tolist(), lasts.tolist(), strict=True):
            if first < 0 or last < 0:
                continue
            coin = path.tick * float(trades.quantity[row])
            entry = float(trades.entry_price[row]) / path.tick
            costs = trades.spread_part[row] + trades.slippage_part[row] + trades.fee[row]
            risk = float(trades.risk_frac[row]) * entry
            found[row] = Case(
                path=path,
                first=first,
                last=last,
                entry=entry,
                leave=float(trades.exit_price[row]) / path.tick,
                gross=float(trades.price_part[row]) / coin,
                cost=-float(costs) / coin,
                risk=risk,
                target=risk * reach,
                hold_bars=kernel.hold_bars,
                reason=str(trades.exit_reason[row]),
                similar=None if similar is None else similar[row],
            )
    return found
