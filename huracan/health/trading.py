"""Is a version still what it was when it was judged? Its trades on paper or live, held against its shadow's."""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from huracan.errors import EvidenceError, InvariantError
from huracan.health.calibration import Calibration
from huracan.health.charts import BothWays, CountChart, Cusum, Ewma, Found, RateWatch
from huracan.health.days import Days
from huracan.health.waiting import Waiting
from huracan.memory import TradeRows

__all__ = ["Charts", "Claim", "Reading", "Watch", "charts_of", "claim_of", "watch"]

DAY_MS: Final = 86_400_000
TRADES_MIN: Final = 100
"""Trades in shadow below which nothing is claimed with any precision."""
DAYS_MIN: Final = 10
SHIFT: Final = 0.25
"""Change of the mean result that the charts are made for, in deviations of one trade."""
DRIFT_SPARE: Final = 1.6
"""The drift's limits are set for so many times the days: it looks either way, at a mean that sixty days know badly, and
was seen to alarm 1.4 times as often as their bootstrap says (1.1 to 1.7; 176 versions of a year each)."""
SLIPPAGE_SHIFT: Final = 0.5
RATE_DROP: Final = 0.10
VOLUME_SHIFT: Final = 1.0
"""Change of a day's volume, in deviations of a day."""
CALIBRATION_SHIFT: Final = 0.25
CHARTS: Final = 8
"""They share the false alarms: each is set to raise one in eight of them."""

Name = Literal[
    "result",
    "drift",
    "win_rate",
    "calibration",
    "slippage",
    "trades_per_day",
    "volume_per_day",
    "stopped_trading",
]
Floats = npt.NDArray[np.float64]

_MEANS: Final[dict[str, str]] = {
    "result": "the result of a trade has fallen below what shadow claims",
    "drift": "the result of a trade drifts away from what shadow claims",
    "win_rate": "fewer trades win than shadow claims",
    "trades_per_day": "it trades more or less often than in shadow",
    "volume_per_day": "it buys for more or for less money a day than in shadow",
    "stopped_trading": "no trade has ended for longer than its waits in shadow make plausible",
    "calibration": "confidence tells winners from losers worse than in shadow",
    "slippage": "fills slip more than the cost model says",
}


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What shadow trading claims of a version.

    Attributes:
        results: float64[N], net result of each trade as a fraction of the value bought, in the order of exits.
        slippage_bps: float64[N], slippage paid, basis points of the value bought.
        confidence: float64[N], of each entry.
        exits: int64[N], ms UTC.
        counts: int64[D], trades that ended on each UTC day, from the first exit to the last.
        volumes: float64[D], what these trades had bought, quote currency.
    """

    results: Floats
    slippage_bps: Floats
    confidence: Floats
    exits: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    volumes: Floats

    @property
    def days(self) -> npt.NDArray[np.int64]:
        """Return int64[N], UTC day of each exit, since the epoch."""
        return self.exits // DAY_MS

    @property
    def win_rate(self) -> float:
        """Return the share of trades that won."""
        return float((self.results > 0.0).mean())

    @property
    def per_day(self) -> float:
        """Return trades a day."""
        return len(self.results) / len(self.counts)


@dataclass(frozen=True, slots=True)
class Reading:
    """One chart's word.

    Attributes:
        name: of the chart.
        alarm: it says that something has changed.
        means: what that would mean.
        observed, claimed: mean of what it watches, since the change when there is an alarm, and in shadow.
        unit: of both.
        since_ms: when the change seems to have begun; None without an alarm.
        at_ms: when it was noticed; None without an alarm.
        false_every_days: days between two false alarms of this chart, on average.
        shift: change that it is made for, in `shift_unit`.
        shift_unit: deviations of one trade, or of the rate.
        delay: observations until such a change is noticed, on average.
        per: what is observed: trades, days or hours.
        observations: so far.
    """

    name: Name
    alarm: bool
    means: str
    observed: float
    claimed: float
    unit: str
    since_ms: int | None
    at_ms: int | None
    false_every_days: float
    shift: float
    shift_unit: str
    delay: float
    per: Literal["trades", "days", "hours"]
    observations: int


@dataclass(frozen=True, slots=True)
class Watch:
    """All charts of one version.

    Attributes:
        trades: looked at.
        days: UTC days from the first of them to now.
        readings: one a chart.
    """

    trades: int
    days: int
    readings: tuple[Reading, ...]

    @property
    def alarms(self) -> tuple[Reading, ...]:
        """Return what has changed."""
        return tuple(reading for reading in self.readings if reading.alarm)


def claim_of(trades: TradeRows) -> Claim:
    """Return what closed trades in shadow claim.

    Raises:
        EvidenceError: fewer than 100 trades or 10 days, or results that do not vary.
    """
    order = np.argsort(trades.exit_time, kind="stable")
    days = trades.exit_time[order] // DAY_MS
    span = int(days[-1] - days[0]) + 1 if len(days) else 0
    if len(order) < TRADES_MIN or span < DAYS_MIN:
        raise EvidenceError(
            f"{len(order)} trades on {span} days in shadow claim nothing that could be watched; {TRADES_MIN} trades "
            f"and {DAYS_MIN} days are needed: judge the version on a longer history"
        )
    results, slippage = _results(trades)[order], _slippage(trades)[order]
    if not np.isfinite(results).all() or not np.isfinite(slippage).all() or results.std() <= 0.0:
        raise EvidenceError("the results in shadow are not finite, or do not vary; judge the version again")
    since = (days - days[0]).astype(np.int64)
    volumes = np.bincount(since, _values(trades)[order], minlength=span).astype(np.float64)
    confidence, exits = trades.confidence[order], trades.exit_time[order]
    return Claim(results, slippage, confidence, exits, np.bincount(since, minlength=span), volumes)


@dataclass(frozen=True, slots=True, eq=False)
class Charts:
    """The charts of one claim.

    Attributes:
        claim: what they are set on.
        false_every_days: days between two false alarms of each.
        result: of the mean result, falling.
        drift: of the mean result, either way.
        win_rate: None where everything wins, or hardly anything does.
        slippage: rising; None where the claim has none.
        fitted: chance to win by confidence; None where confidence told nothing.
        calibration: of its scores, falling; None with it.
        waiting: of waits between ends of trades.
        counts: of trades a day.
        volumes: of money a day, either way; None where every day has the same.
    """

    claim: Claim
    false_every_days: float
    result: Cusum
    drift: Ewma
    win_rate: RateWatch | None
    slippage: Cusum | None
    fitted: Calibration | None
    calibration: Cusum | None
    waiting: Waiting
    counts: CountChart
    volumes: BothWays | None


def charts_of(claim: Claim, false_alarm_days: float = 365.0) -> Charts:
    """Return the charts of a claim.

    Args:
        claim: of the version's shadow.
        false_alarm_days: days between two false alarms of all charts together, on average.
    """
    days_each = CHARTS * false_alarm_days
    every, rate, slips = max(days_each * claim.per_day, 10.0), claim.win_rate, claim.slippage_bps
    results, won = Days.of(claim.results, claim.days), Days.of((claim.results > 0.0).astype(np.float64), claim.days)
    win_rate = slippage = volumes = None
    if RATE_DROP < rate < 1.0:
        win_rate = RateWatch.of(rate, rate - RATE_DROP, every).on_days(won, days_each)
    if slips.std() > 0.0:
        slippage = Cusum.of(slips, 1.0, SLIPPAGE_SHIFT, every)
        slippage = slippage.on_days(Days.of(slips, claim.days), days_each)
    fitted, calibration = _calibration(claim, every, days_each)
    if claim.volumes.std() > 0.0:
        volumes = BothWays.on_days(Days.of(claim.volumes, np.arange(len(claim.volumes))), VOLUME_SHIFT, days_each)
    return Charts(
        claim=claim,
        false_every_days=days_each,
        result=Cusum.of(claim.results, -1.0, SHIFT, every).on_days(results, days_each),
        drift=replace(
            Ewma.of(claim.results, SHIFT, every).on_days(results, DRIFT_SPARE * days_each),
            false_every=days_each * results.per_day,
        ),
        win_rate=win_rate,
        slippage=slippage,
        fitted=fitted,
        calibration=calibration,
        waiting=Waiting.of(claim.exits, days_each),
        counts=CountChart.of(claim.counts, days_each),
        volumes=volumes,
    )


def _calibration(claim: Claim, every: float, days_each: float) -> tuple[Calibration | None, Cusum | None]:
    """Return fit and chart; nothing where confidence did not tell winners from losers in shadow either."""
    won = claim.results > 0.0
    try:
        fitted = Calibration.of(claim.confidence, won)
        if not fitted.tells:
            return None, None
        scores = fitted.scores(claim.confidence, won)
        chart = Cusum.of(scores, -1.0, CALIBRATION_SHIFT, every)
        return fitted, chart.on_days(Days.of(scores, claim.days), days_each)
    except InvariantError:  # confidence does not vary
        return None, None


def watch(charts: Charts, trades: TradeRows, now_ms: int, begun_ms: int) -> Watch:
    """Hold closed trades against the claim.

    Args:
        charts: of the version's claim.
        trades: closed on paper or live, by this version.
        now_ms: market time, ms UTC; days end with it.
        begun_ms: when the version began to trade.
    """
    claim = charts.claim
    order = np.argsort(trades.exit_time, kind="stable")
    exits, results, slippage = trades.exit_time[order], _results(trades)[order], _slippage(trades)[order]
    first, last = begun_ms // DAY_MS, now_ms // DAY_MS
    whole = max(0, int(last - first))  # the day that has begun is not over
    days = (exits // DAY_MS - first).clip(0).astype(np.int64)
    counts = np.bincount(days, minlength=whole + 1)[:whole]
    volumes = np.bincount(days, _values(trades)[order], minlength=whole + 1)[:whole].astype(np.float64)
    per_day, bp = claim.per_day, 1e4
    readings = [
        _of_trades("result", charts.result.run(results), bp * results, bp * claim.results, "bp", exits, per_day),
        _of_trades("drift", charts.drift.run(results), bp * results, bp * claim.results, "bp", exits, per_day),
    ]
    if charts.win_rate is not None:
        won, wins = (results > 0.0).astype(np.float64), (claim.results > 0.0).astype(np.float64)
        readings.append(_of_trades("win_rate", charts.win_rate.run(won > 0.0), won, wins, "share", exits, per_day))
    if charts.fitted is not None and charts.calibration is not None:
        scores = charts.fitted.scores(trades.confidence[order], results > 0.0)
        then = charts.fitted.scores(claim.confidence, claim.results > 0.0)
        found = charts.calibration.run(scores)
        readings.append(_of_trades("calibration", found, scores, then, "score", exits, per_day))
    if charts.slippage is not None:
        found = charts.slippage.run(slippage)
        readings.append(_of_trades("slippage", found, slippage, claim.slippage_bps, "bp", exits, per_day))
    every, day = charts.false_every_days, int(first)
    readings.append(_of_days("trades_per_day", charts.counts.run(counts), counts, claim.counts, day, every))
    if charts.volumes is not None:
        readings.append(_of_days("volume_per_day", charts.volumes.run(volumes), volumes, claim.volumes, day, every))
    readings.append(_waited(charts.waiting, exits, now_ms, begun_ms))
    return Watch(len(results), whole, tuple(readings))


def _of_trades(
    name: Name, found: Found, observed: Floats, claimed: Floats, unit: str, exits: npt.NDArray[np.int64], per_day: float
) -> Reading:
    part = observed[found.since : found.at + 1] if found.alarm else observed
    return Reading(
        name=name,
        alarm=found.alarm,
        means=_MEANS[name],
        observed=float(part.mean()) if len(part) else float("nan"),
        claimed=float(claimed.mean()),
        unit=unit,
        since_ms=int(exits[found.since]) if found.alarm else None,
        at_ms=int(exits[found.at]) if found.alarm else None,
        false_every_days=found.false_every / per_day,
        shift=found.shift,
        shift_unit="share" if name == "win_rate" else "deviations",
        delay=found.delay,
        per="trades",
        observations=len(observed),
    )


def _of_days(
    name: Name, found: Found, observed: npt.NDArray[Any], claimed: npt.NDArray[Any], first: int, false_every: float
) -> Reading:
    counted = name == "trades_per_day"
    part = observed[found.since : found.at + 1] if found.alarm else observed
    return Reading(
        name=name,
        alarm=found.alarm,
        means=_MEANS[name],
        observed=float(part.mean()) if len(part) else float("nan"),
        claimed=float(claimed.mean()),
        unit="trades a day" if counted else "bought a day",
        since_ms=(first + found.since) * DAY_MS if found.alarm else None,
        at_ms=(first + found.at + 1) * DAY_MS if found.alarm else None,
        false_every_days=false_every,
        shift=found.shift,
        shift_unit="no trade at all" if counted else "deviations of a day",
        delay=found.delay,
        per="days",
        observations=len(observed),
    )


def _waited(waiting: Waiting, exits: npt.NDArray[np.int64], now_ms: int, begun_ms: int) -> Reading:
    last = max(int(exits[-1]), begun_ms) if len(exits) else begun_ms
    alarm, hour = waiting.over(last, now_ms), 3_600_000.0
    return Reading(
        name="stopped_trading",
        alarm=alarm,
        means=_MEANS["stopped_trading"],
        observed=(now_ms - last) / hour,
        claimed=waiting.usual_ms / hour,
        unit="hours",
        since_ms=last if alarm else None,
        at_ms=last + waiting.limit_ms if alarm else None,
        false_every_days=waiting.false_every_days,
        shift=0.0,
        shift_unit="no trade at all",
        delay=waiting.limit_ms / hour,
        per="hours",
        observations=len(exits),
    )


def _values(trades: TradeRows) -> Floats:
    return np.maximum(trades.entry_price * trades.quantity, np.finfo(np.float64).tiny)


def _results(trades: TradeRows) -> Floats:
    return trades.net / _values(trades)


def _slippage(trades: TradeRows) -> Floats:
    return -1e4 * trades.slippage_part / _values(trades)
