"""The rules a search may choose: the contract's choices, and no combination that the kernel would refuse."""

from itertools import product

import pytest

from huracan.config import SearchSettings, TradingSettings
from huracan.errors import ConfigError
from huracan.market.timeframes import TIMEFRAMES
from huracan.trading import KernelSettings, RuleSpace, resolve_settings, rule_space, with_rules


def corners(space: RuleSpace, trading: TradingSettings, timeframe: str) -> list[KernelSettings]:
    """Return the resolved rules of every choice and both ends of every range, combined."""
    names = ("decision_interval_bars", "hold_bars", "stop_sigmas", "target_sigmas")
    values = product(*(getattr(space, name) for name in names))
    return [resolve_settings(with_rules(trading, dict(zip(names, each, strict=True))), timeframe) for each in values]


def test_minute_candles_have_the_contracts_choices() -> None:
    """Decisions every 15 or 60 bars, hold 240, 720 or 1440, stop 0.75 to 2, target 1 to 3."""
    space = rule_space(TradingSettings(), SearchSettings(), "1m")
    assert space.decision_interval_bars == (15, 60)
    assert space.hold_bars == (240, 720, 1_440)
    assert (space.stop_sigmas, space.target_sigmas) == ((0.75, 2.0), (1.0, 3.0))
    assert space.grid_bars == 15
    assert (space.nearest.hold_bars, space.nearest.stop_sigmas, space.nearest.target_sigmas) == (240, 0.75, 1.0)


def test_days_keep_their_decision_and_no_hold_under_the_bracket() -> None:
    """Ten days or twenty: three would put the default stop under two sigmas of a day; a decision stays a bar's."""
    space = rule_space(TradingSettings(), SearchSettings(), "1d")
    assert (space.decision_interval_bars, space.hold_bars) == ((1,), (10, 20))


@pytest.mark.parametrize("timeframe", list(TIMEFRAMES))
@pytest.mark.parametrize(
    ("trading", "search"),
    [
        ({}, {}),
        ({"stop_sigmas": 0.3, "target_sigmas": 0.6, "hold_bars": 45}, {}),
        ({}, {"hold_bars": (4, 5, 9_000), "stop_sigmas": (0.01, 0.02), "target_sigmas": (0.001, 9.0)}),
        ({"cap_bps": 85}, {"target_sigmas": (0.2, 1.0), "decision_interval_bars": (7, 21)}),
        ({"stops_enabled": False, "hold_bars": 2}, {}),
    ],
    ids=str,
)
def test_every_combination_is_one_the_kernel_takes(
    timeframe: str, trading: dict[str, object], search: dict[str, object]
) -> None:
    """No end of a range and no choice is refused, whatever was asked for; the configured rules are among them."""
    rules = TradingSettings(**trading)
    space = rule_space(rules, SearchSettings(**search), timeframe)
    for kernel in corners(space, rules, timeframe):
        assert kernel.decision_interval_bars % space.grid_bars == 0
        if kernel.stops_enabled:
            assert min(kernel.stop_sigmas, kernel.target_sigmas) * kernel.rules.sqrt_hold >= 2
            assert kernel.cap_bps < kernel.target_sigmas * kernel.distance_min * 10_000
    given = resolve_settings(rules, timeframe)
    assert given.hold_bars in space.hold_bars
    assert given.decision_interval_bars in space.decision_interval_bars
    assert space.stop_sigmas[0] <= given.stop_sigmas <= space.stop_sigmas[1]
    assert space.target_sigmas[0] <= given.target_sigmas <= space.target_sigmas[1]


@pytest.mark.parametrize("search", [{"num_samples": 0}, {"trading_rules": False}], ids=str)
def test_without_a_search_the_configured_rules_are_the_only_ones(search: dict[str, object]) -> None:
    """Nothing is searched: the space is a point, and purge and grid are those of the configuration."""
    space = rule_space(TradingSettings(), SearchSettings(**search), "1m")
    assert (space.decision_interval_bars, space.hold_bars) == ((15,), (720,))
    assert (space.stop_sigmas, space.target_sigmas) == ((1.0, 1.0), (1.5, 1.5))
    assert space.nearest == space.given


def test_without_stops_only_the_decision_interval_is_searched() -> None:
    """A hold, stop or target that does not exist would be a dimension without effect."""
    space = rule_space(TradingSettings(stops_enabled=False), SearchSettings(), "1m")
    assert (space.hold_bars, space.stop_sigmas, space.target_sigmas) == ((720,), (1.0, 1.0), (1.5, 1.5))
    assert space.decision_interval_bars == (15, 60)


def test_holds_that_a_purge_does_not_cover_are_left_out() -> None:
    """Only shorter holds than the purge stay, and the configured one."""
    space = rule_space(TradingSettings(), SearchSettings(), "1m")
    assert space.held_below(1_442).hold_bars == (240, 720, 1_440)
    assert space.held_below(722).hold_bars == (240, 720)
    assert space.held_below(100).hold_bars == (720,)


def test_configured_rules_that_do_not_hold_together_are_refused() -> None:
    """A search does not hide a configuration that could not trade."""
    with pytest.raises(ConfigError, match="at least 2 are needed"):
        rule_space(TradingSettings(hold_bars=3), SearchSettings(), "1m")


def test_resolved_rules_go_back_into_the_section() -> None:
    """What was resolved for the timeframe is written out; everything else stays."""
    trading = TradingSettings(cap_bps=20, stop_sigmas=0.9)
    full = with_rules(trading, resolve_settings(trading, "1m"))
    assert full == TradingSettings(
        cap_bps=20, stop_sigmas=0.9, target_sigmas=1.5, hold_bars=720, decision_interval_bars=15
    )
