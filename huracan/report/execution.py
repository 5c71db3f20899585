"""Execution quality of a replay: what maker-first entries did, what they cost beside entries that take, and why.

Every figure is a sum over a sum, with a stationary bootstrap over the hours in which something was measured, all coins
together: fills of one hour share its market. A ratio is resampled by its influence function, to first order.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import huracan
from huracan.report.execution_model import ExecutionReport, LegReport, Mean, Part
from huracan.report.execution_rows import EntryRow, busiest_excerpt, entry_rows, fee_of
from huracan.shadow.bootstrap import Resampler
from huracan.trader.replay import Leg, ReplayData, patience_bars
from huracan.trading import KernelSettings

__all__ = ["MARKOUT_BARS", "Statistics", "measure_execution"]

MARKOUT_BARS = (1, 5, 15)
"""Bars after a fill's own at whose close its price is looked at again."""
_HOUR_MS = 3_600_000
_CLOSE = 4
_BPS = 10_000.0

Observation = tuple[int, float, float]
"""(hour, numerator, denominator)."""
Ratio = Callable[[EntryRow], tuple[float, float]]
"""Numerator and denominator of an entry."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """How intervals are made: number of resamples, confidence level, seed of the draws."""

    resamples: int
    level: float
    seed: int

    def ratio(self, observations: Iterable[Observation]) -> Mean | None:
        """Return sum over sum; None when no observation has a denominator."""
        kept = [one for one in observations if one[2] > 0.0]
        if not kept:
            return None
        value, influences = _influences(kept, sorted({hour for hour, *_ in kept}))
        return self._mean(value, influences, len(kept))

    def difference(self, one: Iterable[Observation], other: Iterable[Observation]) -> Mean | None:
        """Return one ratio minus another, both resampled on the same hours; None when one is of nothing."""
        kept, others = ([o for o in observations if o[2] > 0.0] for observations in (one, other))
        if not kept or not others:
            return None
        hours = sorted({hour for hour, *_ in (*kept, *others)})
        value, influences = _influences(kept, hours)
        other_value, other_influences = _influences(others, hours)
        return self._mean(value - other_value, influences - other_influences, len(hours))

    def _mean(self, value: float, influences: npt.NDArray[np.float64], count: int) -> Mean:
        resampler = Resampler(influences, resamples=self.resamples, level=self.level, seed=self.seed)
        found = resampler.interval(influences)
        return Mean(value, found.low, found.high, count)


def _influences(observations: Sequence[Observation], hours: Sequence[int]) -> tuple[float, npt.NDArray[np.float64]]:
    """Return a ratio of sums, and what each hour adds to it: values whose plain mean is the ratio, to first order."""
    places = {hour: place for place, hour in enumerate(hours)}
    sums = np.zeros((2, len(hours)))
    for hour, above, below in observations:
        sums[:, places[hour]] += above, below
    ratio = float(sums[0].sum() / sums[1].sum())
    return ratio, ratio + (sums[0] - ratio * sums[1]) / sums[1].mean()


def _over(entries: Iterable[EntryRow], ratio: Ratio) -> Iterator[Observation]:
    for entry in entries:
        yield (entry.close_ms // _HOUR_MS, *ratio(entry))


def _slippage_close(entry: EntryRow) -> tuple[float, float]:
    value = entry.bought() * entry.close
    return _BPS * (entry.paid - value), value


def _slippage_open(entry: EntryRow) -> tuple[float, float]:
    value = entry.bought() * entry.open
    return _BPS * (entry.paid - value), value


def _fee(entry: EntryRow) -> tuple[float, float]:
    return _BPS * entry.fee, entry.bought() * entry.close


def _entry_cost(entry: EntryRow) -> tuple[float, float]:
    value = entry.bought() * entry.close
    return _BPS * (entry.paid + entry.fee - value), value


def _missed_move(entry: EntryRow) -> tuple[float, float]:
    return _BPS * entry.missed * (entry.later - entry.close), entry.missed * entry.close


def _costs(fee_taker_ppm: int) -> dict[str, Ratio]:
    """Return the figures in which the two ways are subtracted, by their name in `Part`."""

    def shortfall(entry: EntryRow) -> tuple[float, float]:
        missed = entry.missed * entry.later * (1.0 + fee_taker_ppm * 1e-6)
        value = entry.wanted * entry.close
        return _BPS * (entry.paid + entry.fee + missed - value), value

    return {
        "slippage_close": _slippage_close,
        "slippage_open": _slippage_open,
        "fee": _fee,
        "entry_cost": _entry_cost,
        "shortfall": shortfall,
    }


def measure_execution(
    data: ReplayData, maker: Leg, taker: Leg, statistics: Statistics, source: str, decider: str
) -> ExecutionReport:
    """Measure two legs over the same candles and decisions.

    Args:
        data: what both traded on.
        maker: entries that rest first.
        taker: entries that take.
        statistics: how intervals are made.
        source: where the candles came from.
        decider: where the decisions came from.
    """
    first, second = (_Measured(data, leg, statistics) for leg in (maker, taker))
    reports = first.report(), second.report()
    differences = {
        name: statistics.difference(_over(first.entries, cost), _over(second.entries, cost))
        for name, cost in _costs(taker.kernel.fee_taker_ppm).items()
    }
    everything = np.ones(len(maker.trades), np.bool_), np.ones(len(taker.trades), np.bool_)
    differences["net_bps"] = statistics.difference(first.net(everything[0]), second.net(everything[1]))
    rules = maker.kernel
    return ExecutionReport(
        created_ms=time.time_ns() // 1_000_000,
        version=huracan.__version__,
        source=source,
        decider=decider,
        timeframe=rules.timeframe,
        start_ms=data.start_ms,
        end_ms=data.end_ms,
        symbols=tuple(market.symbol for market in data.markets),
        fee_maker_ppm=rules.fee_maker_ppm,
        fee_taker_ppm=rules.fee_taker_ppm,
        maker_life_bars=rules.maker_life_bars,
        maker_tries=rules.maker_tries,
        maker_fallback="taker" if rules.maker_fallback_taker else "give_up",
        patience_bars=patience_bars(rules),
        level=statistics.level,
        seed=statistics.seed,
        headline=_headline(reports[0].total, differences["shortfall"], statistics.level, patience_bars(rules)),
        caveats=_caveats(rules, decider),
        maker=reports[0],
        taker=reports[1],
        differences=differences,
        excerpt=busiest_excerpt(data, maker),
    )


def _headline(maker: Part, difference: Mean | None, level: float, patience: int) -> str:
    shares = (maker.maker_share, maker.taker_share, maker.missed_share)
    if difference is None or None in shares:
        return "Nothing was wanted: there is no execution to judge."
    resting, taking, missed = (0.0 if share is None else 100.0 * share.value for share in shares)
    interval = f"{100 * level:g} % interval {_less(difference.low)} to {_less(difference.high)}"
    holds = difference.low <= 0.0 <= difference.high
    return (
        f"Of what was wanted, maker-first entries bought {resting:.0f} % resting, {taking:.0f} % by taking and "
        f"{missed:.0f} % not at all. With fees, and what was missed bought {patience} bars after the decision, it cost "
        f"{_less(difference.value)} than by entries that take ({interval})"
        + (": a difference is not shown." if holds else ".")
    )


def _less(bps: float) -> str:
    return f"{abs(bps):.1f} bp {'less' if bps < 0 else 'more'}"


def _caveats(rules: KernelSettings, decider: str) -> tuple[str, ...]:
    share = f"{rules.share_num}/{rules.share_den}"
    found = [
        "A resting order counts as filled when the price trades through it by a tick, and by at most "
        f"{share} of the volume that lies beyond it: queue, depth and latency are that rule, nobody has seen them.",
        "What was missed counts in the shortfall as bought at a later close, without spread: a guess, not a trade.",
        f"Net results are those of the decisions ({decider}).",
        "Intervals speak of the hours replayed, not of other days.",
    ]
    if rules.fee_maker_ppm == rules.fee_taker_ppm:
        both = f"{rules.fee_maker_ppm / 100:g} bp"
        found.insert(1, f"Resting and taking both pay {both} in fees here: resting can save spread and impact alone.")
    return tuple(found)


class _Measured:
    """One leg's rows, and the figures of any part of them."""

    def __init__(self, data: ReplayData, leg: Leg, statistics: Statistics) -> None:
        self.entries = entry_rows(data, leg)
        self._data, self._leg, self._statistics = data, leg, statistics

    def report(self) -> LegReport:
        """Return the whole leg."""
        leg = self._leg
        symbols = [market.symbol for market in self._data.markets]
        return LegReport(
            total=self._part("all", self.entries, symbols),
            coins=tuple(
                self._part(symbol, [entry for entry in self.entries if entry.symbol == symbol], [symbol])
                for symbol in symbols
            ),
            fill_curve=self._fill_curve(),
            slippages=tuple(above / below for above, below in map(_slippage_close, self.entries) if below),
            open_at_end=leg.open_at_end,
            fills=len(leg.log.fills),
            requests=leg.requests,
            wall_s=leg.wall_s,
        )

    def _part(self, name: str, entries: Sequence[EntryRow], symbols: Sequence[str]) -> Part:
        first = [min(fill.bars_after for fill in entry.fills if fill.maker) for entry in entries if entry.bought(True)]
        rows = np.isin(self._leg.trades.symbol, symbols)
        fills = [fill for fill in self._leg.log.fills if fill.symbol in symbols]
        return Part(
            symbol=name,
            entries=len(entries),
            orders=sum(entry.posted for entry in entries),
            orders_filled=sum(entry.touched for entry in entries),
            orders_whole=sum(entry.whole for entry in entries),
            orders_refused=sum(entry.refused for entry in entries),
            fill_rate=self._share(entries, lambda entry: (entry.touched, entry.posted)),
            maker_share=self._share(entries, lambda e: (e.bought(True) * e.close, e.wanted * e.close)),
            taker_share=self._share(entries, lambda e: (e.bought(False) * e.close, e.wanted * e.close)),
            missed_share=self._share(entries, lambda e: (e.missed * e.close, e.wanted * e.close)),
            bars_to_fill=float(np.median(first)) if first else None,
            **{
                name: self._statistics.ratio(_over(entries, cost))
                for name, cost in _costs(self._leg.kernel.fee_taker_ppm).items()
            },
            markout_resting={bars: self._markout(entries, bars, maker=True) for bars in MARKOUT_BARS},
            markout_taking={bars: self._markout(entries, bars, maker=False) for bars in MARKOUT_BARS},
            missed_move=self._statistics.ratio(_over(entries, _missed_move)),
            trades=int(rows.sum()),
            net_bps=self._statistics.ratio(self.net(rows)),
            net=float(self._leg.trades.net[rows].sum()),
            fees=sum(fee_of(self._data.market(fill.symbol), fill) for fill in fills),
        )

    # ---- ratios -----------------------------------------------------------------------------------------------

    def _share(self, entries: Sequence[EntryRow], ratio: Ratio) -> Mean | None:
        """Return a share, its interval cut at 0 and 1."""
        found = self._statistics.ratio(_over(entries, ratio))
        if found is None:
            return None
        return Mean(found.value, max(found.low, 0.0), min(found.high, 1.0), found.count)

    def net(self, rows: npt.NDArray[np.bool_]) -> Iterator[Observation]:
        """Yield the net result of closed trades over what was paid, by the hour of the exit."""
        trades = self._leg.trades
        for row in np.flatnonzero(rows):
            paid = float(trades.quantity[row] * trades.entry_price[row])
            yield int(trades.exit_time[row]) // _HOUR_MS, _BPS * float(trades.net[row]), paid

    def _markout(self, entries: Sequence[EntryRow], bars: int, maker: bool) -> Mean | None:
        return self._statistics.ratio(
            (entry.close_ms // _HOUR_MS, _BPS * fill.quantity * (later - fill.price), fill.quantity * fill.price)
            for entry in entries
            for fill in entry.fills
            if fill.maker is maker and (later := self._close(entry.symbol, fill.bar + bars)) is not None
        )

    def _close(self, symbol: str, row: int) -> float | None:
        """Return a bar's close, None beyond the candles."""
        paper = self._data.market(symbol).paper
        return float(paper.bars[row, _CLOSE]) * float(paper.instrument.tick) if row < len(paper.bars) else None

    def _fill_curve(self) -> tuple[float, ...]:
        wanted = sum(entry.wanted * entry.close for entry in self.entries)
        fills = [(entry, fill) for entry in self.entries for fill in entry.fills]
        bought = np.zeros(max((fill.bars_after for _, fill in fills), default=0))
        for entry, fill in fills:
            bought[fill.bars_after - 1] += fill.quantity * entry.close
        return tuple((np.cumsum(bought) / wanted).tolist()) if wanted else ()
