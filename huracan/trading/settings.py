"""The kernel's settings resolved for one base timeframe: every number the three laws read, none left open."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from huracan.config import RiskSettings, TradingSettings
from huracan.errors import ConfigError
from huracan.market.timeframes import timeframe_ms

__all__ = ["BRACKET_SIGMAS_MIN", "RULES", "KernelSettings", "Limits", "Rules", "View", "resolve_settings"]

BRACKET_SIGMAS_MIN = 2.0
"""Least distance of stop and target in standard deviations of a bar; nearer, one bar decides both."""

# Base timeframe -> (decision interval k, hold), bars. 1m is measured; the others keep its decision every 15 minutes
# and half a day while bars are that fine, and lengthen the hold with the bar beyond.
_DEFAULTS = {
    "1m": (15, 720),
    "3m": (5, 240),
    "5m": (3, 144),
    "15m": (1, 48),
    "30m": (1, 32),
    "1h": (1, 24),
    "2h": (1, 18),
    "4h": (1, 16),
    "6h": (1, 14),
    "8h": (1, 12),
    "12h": (1, 11),
    "1d": (1, 10),
}


class Rules(NamedTuple):
    """What trader and accounting law read, as numba takes it; distances are fractions, times bars."""

    interval: int
    hold: int
    sqrt_hold: float
    stop_sigmas: float
    target_sigmas: float
    distance_min: float
    stops: bool
    cap_bps: int
    maker_entry: bool
    maker_exit: bool
    life: int
    tries: int
    fallback: bool
    exit_life: int
    reward_clip: float


RULES = np.dtype([(name, "f8" if kind is float else "i8") for name, kind in Rules.__annotations__.items()])
"""`Rules` as a record, as compiled code takes it; flags are 0 and 1."""


class View(NamedTuple):
    """What the trader knows at a close beside the bar: sigma of a base bar, sizes in steps and ticks x steps."""

    sigma: float
    qcap: int
    stake: int
    min_notional: int


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """The rules of one run: `TradingSettings` with every default filled in for `timeframe`.

    Attributes:
        timeframe: base timeframe of the bars, e.g. "1m".
        base_ms: length of a bar, ms.
        decision_interval_bars: k; a decision falls due when (bar_no + 1) % k == 0.
        hold_bars: time limit of a position, bars from its first fill.
        stake_quote: 1x size in quote currency, exact.
        stop_sigmas, target_sigmas: ks and kt, in units of max(sigma * sqrt(hold), distance_min).
        distance_min: floor of sigma * sqrt(hold), a fraction (60 bp = 0.006).
        stops_enabled: False takes away stop, target and time limit.
        cap_bps: worst entry price above the decision's close, basis points.
        maker_entry, maker_exit: True joins the book, False takes from it.
        maker_life_bars, maker_tries: life of one attempt, number of attempts.
        maker_fallback_taker: True takes after the last attempt, False gives up.
        maker_exit_life_bars: bars before a maker exit becomes a market order.
        share_num, share_den: share of the volume traded through a resting order that fills it.
        fee_maker_ppm, fee_taker_ppm: fees by liquidity side, parts per million.
        fee_in_quote: True charges buys in quote currency, False in the coin received.
        spread_floor: least modelled spread, a fraction.
        impact_y: Y of the square-root impact law.
        stop_slip_range_frac: kappa, slippage of a stop as a share of the bar's range.
        min_notional: least order value, quote currency, exact.
        reward_clip: bound of the scaled reward.
    """

    timeframe: str
    base_ms: int
    decision_interval_bars: int
    hold_bars: int
    stake_quote: Decimal
    stop_sigmas: float
    target_sigmas: float
    distance_min: float
    stops_enabled: bool
    cap_bps: int
    maker_entry: bool
    maker_exit: bool
    maker_life_bars: int
    maker_tries: int
    maker_fallback_taker: bool
    maker_exit_life_bars: int
    share_num: int
    share_den: int
    fee_maker_ppm: int
    fee_taker_ppm: int
    fee_in_quote: bool
    spread_floor: float
    impact_y: float
    stop_slip_range_frac: float
    min_notional: Decimal
    reward_clip: float

    @property
    def capital_quote(self) -> float:
        """Return the capital of the log reward: 1.5 stakes, quote currency."""
        return 1.5 * float(self.stake_quote)

    @property
    def rules(self) -> Rules:
        """Return the part that trader and accounting law read."""
        return Rules(
            interval=self.decision_interval_bars,
            hold=self.hold_bars,
            sqrt_hold=math.sqrt(self.hold_bars),
            stop_sigmas=self.stop_sigmas,
            target_sigmas=self.target_sigmas,
            distance_min=self.distance_min,
            stops=self.stops_enabled,
            cap_bps=self.cap_bps,
            maker_entry=self.maker_entry,
            maker_exit=self.maker_exit,
            life=self.maker_life_bars,
            tries=self.maker_tries,
            fallback=self.maker_fallback_taker,
            exit_life=self.maker_exit_life_bars,
            reward_clip=self.reward_clip,
        )


class Limits(NamedTuple):
    """The account's limits that state entries 72-75 are measured against; money in quote currency."""

    wallet: float
    heat_frac: float
    drawdown_frac: float
    daily_loss: float
    exposure_frac: float

    @classmethod
    def of(cls, risk: RiskSettings, account_to_quote_rate: float = 1.0) -> "Limits":
        """Return `risk` in quote currency, at `account_to_quote_rate` quote units per account unit."""
        return cls(
            wallet=risk.dry_run_wallet * account_to_quote_rate,
            heat_frac=risk.heat_max_frac,
            drawdown_frac=risk.drawdown_max_frac,
            daily_loss=risk.daily_loss_max * account_to_quote_rate,
            exposure_frac=risk.gross_exposure_max_frac,
        )


def resolve_settings(trading: TradingSettings, timeframe: str) -> KernelSettings:
    """Fill in what depends on the base timeframe and refuse settings the rules cannot hold together.

    Defaults of (decision interval, hold) in bars: 1m 15, 720; 3m 5, 240; 5m 3, 144; 15m 1, 48; 30m 1, 32; 1h 1, 24;
    2h 1, 18; 4h 1, 16; 6h 1, 14; 8h 1, 12; 12h 1, 11; 1d 1, 10.

    Args:
        trading: the section of the configuration.
        timeframe: base timeframe of the candles, e.g. "1m".

    Raises:
        DataError: the timeframe is unknown.
        ConfigError: the cap reaches the target, or a bracket is tighter than two bars' sigma.
    """
    base_ms = timeframe_ms(timeframe)
    interval, hold = _DEFAULTS[timeframe]
    interval = trading.decision_interval_bars or interval
    hold = trading.hold_bars or hold
    if trading.stops_enabled:
        _check_bracket(trading, hold)
    return KernelSettings(
        timeframe=timeframe,
        base_ms=base_ms,
        decision_interval_bars=interval,
        hold_bars=hold,
        stake_quote=Decimal(str(trading.stake_amount)) * Decimal(str(trading.account_to_quote_rate)),
        stop_sigmas=trading.stop_sigmas,
        target_sigmas=trading.target_sigmas,
        distance_min=trading.distance_min_bps / 10_000,
        stops_enabled=trading.stops_enabled,
        cap_bps=trading.cap_bps,
        maker_entry=trading.entry == "maker",
        maker_exit=trading.exit == "maker",
        maker_life_bars=trading.maker_life_bars,
        maker_tries=trading.maker_tries,
        maker_fallback_taker=trading.maker_fallback == "taker",
        maker_exit_life_bars=trading.maker_exit_life_bars,
        share_num=trading.volume_share[0],
        share_den=trading.volume_share[1],
        fee_maker_ppm=trading.fee_maker_ppm,
        fee_taker_ppm=trading.fee_taker_ppm,
        fee_in_quote=trading.fee_asset == "quote",
        spread_floor=trading.spread_floor_bps / 10_000,
        impact_y=trading.impact_y,
        stop_slip_range_frac=trading.stop_slip_range_frac,
        min_notional=Decimal(str(trading.min_notional)),
        reward_clip=trading.reward_clip,
    )


def _check_bracket(trading: TradingSettings, hold: int) -> None:
    """Hold the two conditions under which a bar's order of events does not decide the result."""
    target_bps = trading.target_sigmas * trading.distance_min_bps
    if trading.cap_bps >= target_bps:
        raise ConfigError(
            f"trading.cap_bps {trading.cap_bps} reaches the nearest target, {target_bps:g} bp away "
            "(target_sigmas * distance_min_bps); lower cap_bps or raise one of the two"
        )
    sigmas = min(trading.stop_sigmas, trading.target_sigmas) * math.sqrt(hold)
    if sigmas < BRACKET_SIGMAS_MIN:
        raise ConfigError(
            f"trading.stop_sigmas {trading.stop_sigmas:g} and target_sigmas {trading.target_sigmas:g} put a bracket at "
            f"{sigmas:.2f} bar sigmas with hold_bars {hold}; at least {BRACKET_SIGMAS_MIN:g} are needed, or one bar "
            "decides both"
        )
