"""Which trading rules a search may choose: decision interval, hold, stop and target that hold together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from huracan.config import SearchSettings, TradingSettings
from huracan.trading.settings import BRACKET_SIGMAS_MIN, KernelSettings, resolve_settings

__all__ = ["RULES_SEARCHED", "RuleSpace", "rule_space", "with_rules"]

RULES_SEARCHED: Final = ("decision_interval_bars", "hold_bars", "stop_sigmas", "target_sigmas")
"""Settings of `trading` that a search may choose; everything else about an order or a cost is the operator's."""

_INTERVAL_FACTOR: Final = 4
_DECISIONS_PER_HOLD_MIN: Final = 4
_MARGIN: Final = 1.0 + 1e-9
"""Keeps an end of a range on the right side of a bound when a product rounds."""


@dataclass(frozen=True, slots=True)
class RuleSpace:
    """Ranges and choices; every combination of them passes `resolve_settings`, and the configured one is among them.

    Attributes:
        given: the configured rules, resolved.
        decision_interval_bars: choices of k, increasing; one: not searched.
        hold_bars: choices of the time limit, increasing; one: not searched.
        stop_sigmas: (low, high); equal: not searched.
        target_sigmas: likewise.
    """

    given: KernelSettings
    decision_interval_bars: tuple[int, ...]
    hold_bars: tuple[int, ...]
    stop_sigmas: tuple[float, float]
    target_sigmas: tuple[float, float]

    @property
    def grid_bars(self) -> int:
        """Return the interval whose decisions hold those of every choice of k."""
        return math.gcd(*self.decision_interval_bars)

    @property
    def nearest(self) -> KernelSettings:
        """Return the rules with the nearest stop and target: what they can trade, all can."""
        return replace(
            self.given,
            hold_bars=self.hold_bars[0],
            stop_sigmas=self.stop_sigmas[0],
            target_sigmas=self.target_sigmas[0],
        )

    def held_below(self, bars: int) -> "RuleSpace":
        """Return the space without holds of `bars` or more; the configured hold stays."""
        kept = tuple(hold for hold in self.hold_bars if hold < bars or hold == self.given.hold_bars)
        return replace(self, hold_bars=kept)


def rule_space(trading: TradingSettings, search: SearchSettings, timeframe: str) -> RuleSpace:
    """Return what a search may choose beside what is configured; without a search nothing but that.

    Holds at which the configured stop or target would be nearer than two bars' sigma are left out, and the low ends of
    the two ranges are raised to where the nearest bracket of every hold keeps that distance and the cap stays below the
    target. A configured value outside its range widens it.

    Args:
        trading: the configured rules.
        search: ranges and choices.
        timeframe: base timeframe of the candles.

    Raises:
        ConfigError: the configured rules do not hold together.
    """
    given = resolve_settings(trading, timeframe)
    interval, hold = given.decision_interval_bars, given.hold_bars
    stop, target = given.stop_sigmas, given.target_sigmas
    if search.num_samples == 0 or not search.trading_rules:
        return RuleSpace(given, (interval,), (hold,), (stop, stop), (target, target))
    if not given.stops_enabled:  # neither stop, target nor time limit exists
        return RuleSpace(given, _intervals(search, interval, hold), (hold,), (stop, stop), (target, target))
    holds = search.hold_bars
    if holds is None:
        holds = (hold // 3, 2 * hold)  # with 720 the measured choices: 240, 720, 1440
    least = min(stop, target)
    holds = tuple(sorted({hold, *(bars for bars in holds if least * math.sqrt(bars) >= BRACKET_SIGMAS_MIN)}))
    nearest = _MARGIN * BRACKET_SIGMAS_MIN / math.sqrt(holds[0])
    beyond_cap = _MARGIN * trading.cap_bps / trading.distance_min_bps
    return RuleSpace(
        given,
        _intervals(search, interval, holds[0]),
        holds,
        _range(search.stop_sigmas, nearest, stop),
        _range(search.target_sigmas, max(nearest, beyond_cap), target),
    )


def with_rules(trading: TradingSettings, rules: Mapping[str, float | int] | KernelSettings) -> TradingSettings:
    """Return `trading` with searched rules put in: by name, or all of them as resolved."""
    if isinstance(rules, KernelSettings):
        rules = {name: getattr(rules, name) for name in RULES_SEARCHED}
    return TradingSettings.model_validate(trading.model_dump() | dict(rules))


def _intervals(search: SearchSettings, given: int, shortest_hold: int) -> tuple[int, ...]:
    choices = search.decision_interval_bars
    if choices is None:
        slower = _INTERVAL_FACTOR * given
        choices = (slower,) if slower * _DECISIONS_PER_HOLD_MIN <= shortest_hold else ()
    return tuple(sorted({given, *choices}))


def _range(asked: tuple[float, float], least: float, given: float) -> tuple[float, float]:
    low, high = max(asked[0], least), max(asked[1], least)
    return min(low, given), max(high, given)
