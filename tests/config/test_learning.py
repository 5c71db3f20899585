"""The sections of learning: their defaults fit each other and the design's figures."""

import pytest
from pydantic import ValidationError

from huracan.config import (
    DataSettings,
    EnvSettings,
    PpoSettings,
    SearchSettings,
    ShadowSettings,
    TradingSettings,
    WalkForwardSettings,
)


def test_the_defaults_are_the_contracts() -> None:
    """Stake, bracket, cap, fees, kappa and reward clip of the contract of a bar; three folds and seeds."""
    trading = TradingSettings()
    assert (trading.stake_amount, trading.stop_sigmas, trading.target_sigmas) == (1_000.0, 1.0, 1.5)
    assert (trading.cap_bps, trading.distance_min_bps, trading.volume_share) == (30, 60.0, (1, 10))
    assert (trading.fee_maker_ppm, trading.fee_taker_ppm, trading.fee_asset) == (1_000, 1_000, "received")
    assert (trading.stop_slip_range_frac, trading.reward_clip) == (0.1, 20.0)
    assert (WalkForwardSettings().folds, len(ShadowSettings().seeds), PpoSettings().env_steps) == (3, 3, 300_000)
    assert SearchSettings().grace_env_steps < SearchSettings().env_steps


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (TradingSettings, {"entry": "market"}),
        (TradingSettings, {"stake_amount": 0}),
        (EnvSettings, {"episode_bars": (0, 5)}),
        (PpoSettings, {"gamma": 1.5}),
        (SearchSettings, {"reduction_factor": 1}),
        (SearchSettings, {"stop_sigmas": (2.0, 1.0)}),
        (SearchSettings, {"target_sigmas": (0.0, 1.0)}),
        (SearchSettings, {"hold_bars": (0,)}),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(section: type, values: dict[str, object]) -> None:
    """One impossible value of each kind."""
    with pytest.raises(ValidationError):
        section(**values)


def test_one_minute_is_traded_unless_told_otherwise() -> None:
    """The timeframe of the data is that of the trading."""
    assert DataSettings().traded_timeframe == "1m"
    assert DataSettings(timeframe="5m").traded_timeframe == "5m"
