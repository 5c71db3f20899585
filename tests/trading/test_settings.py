"""Settings resolved per base timeframe, and what is refused."""

import math
from decimal import Decimal

import pytest

from huracan.config import RiskSettings, TradingSettings
from huracan.errors import ConfigError, DataError
from huracan.market.timeframes import TIMEFRAMES
from huracan.trading import Limits, resolve_settings


@pytest.mark.parametrize(
    ("timeframe", "interval", "hold"), [("1m", 15, 720), ("5m", 3, 144), ("1h", 1, 24), ("1d", 1, 10)]
)
def test_defaults_follow_the_base_timeframe(timeframe: str, interval: int, hold: int) -> None:
    """The contract's table of decision interval and hold."""
    kernel = resolve_settings(TradingSettings(), timeframe)
    assert (kernel.decision_interval_bars, kernel.hold_bars) == (interval, hold)
    assert kernel.rules.sqrt_hold == math.sqrt(hold)


@pytest.mark.parametrize("timeframe", list(TIMEFRAMES))
def test_every_timeframe_resolves_with_plain_settings(timeframe: str) -> None:
    """No base timeframe is left without a default that the rules accept."""
    assert resolve_settings(TradingSettings(), timeframe).base_ms == TIMEFRAMES[timeframe]


def test_given_values_win_over_defaults() -> None:
    """Interval and hold from the configuration; stake in quote by the account's rate, exact."""
    trading = TradingSettings(decision_interval_bars=7, hold_bars=99, stake_amount=0.1, account_to_quote_rate=3.0)
    kernel = resolve_settings(trading, "1m")
    assert (kernel.decision_interval_bars, kernel.hold_bars) == (7, 99)
    assert kernel.stake_quote == Decimal("0.3")
    assert kernel.capital_quote == pytest.approx(0.45)


def test_a_cap_at_the_target_is_refused() -> None:
    """An entry must not be able to pay its own target: 90 bp is refused, 89 bp is not."""
    assert resolve_settings(TradingSettings(cap_bps=89), "1m").cap_bps == 89
    with pytest.raises(ConfigError, match="cap_bps 90 reaches the nearest target"):
        resolve_settings(TradingSettings(cap_bps=90), "1m")


def test_a_bracket_within_two_bars_of_noise_is_refused_unless_stops_are_off() -> None:
    """min(ks, kt) sqrt(hold) >= 2, or the tie rule of one bar decides the result."""
    assert resolve_settings(TradingSettings(hold_bars=4), "1m").hold_bars == 4
    with pytest.raises(ConfigError, match="at least 2 are needed"):
        resolve_settings(TradingSettings(hold_bars=3), "1m")
    assert not resolve_settings(TradingSettings(hold_bars=3, stops_enabled=False), "1m").stops_enabled


def test_an_unknown_timeframe_is_refused() -> None:
    """One line that names the known ones."""
    with pytest.raises(DataError, match="'7m' is unknown"):
        resolve_settings(TradingSettings(), "7m")


def test_limits_come_in_quote_currency() -> None:
    """Money by the rate, fractions untouched."""
    limits = Limits.of(RiskSettings(), 2.0)
    assert (limits.wallet, limits.daily_loss) == (200_000.0, 1_000.0)
    assert (limits.heat_frac, limits.drawdown_frac, limits.exposure_frac) == (0.15, 0.2, 1.0)
