"""The sections of live trading: the design's limits by default, impossible ones refused."""

import pytest
from pydantic import ValidationError

from huracan.config import ExecutionSettings, PaperSettings, RiskSettings


def test_the_default_limits_are_the_designs() -> None:
    """Notional 5,000, daily loss 500, heat 15 % of equity; the exchange on loopback."""
    risk = RiskSettings()
    assert (risk.symbol_notional_max, risk.daily_loss_max, risk.heat_max_frac) == (5_000.0, 500.0, 0.15)
    assert risk.daily_profit_target is None
    assert PaperSettings().host == "127.0.0.1"


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (RiskSettings, {"daily_loss_max": 0}),
        (RiskSettings, {"heat_max_frac": 1.5}),
        (RiskSettings, {"breaker_triggers": ("moon",)}),
        (ExecutionSettings, {"unknown": 1}),
        (PaperSettings, {"port": 70_000}),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(section: type, values: dict[str, object]) -> None:
    """One impossible value of each kind."""
    with pytest.raises(ValidationError):
        section(**values)
