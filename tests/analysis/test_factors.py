"""Each factor of a win has a planted case that it must find, and controls in which it must not."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.analysis.cases import Case, Similar, ranked
from huracan.analysis.factors import FACTORS, LUCK, Factor, ask_factors
from tests.analysis.worlds import case, flat_path, ramp, with_closes

WINNING = Similar(count=20, wins=15, mean=0.4, low=0.2, high=0.6, base=-0.1)
LOSING = Similar(count=20, wins=3, mean=-0.4, low=-0.6, high=-0.2, base=-0.1)
RISE = ramp((200, 10_000), (260, 10_170))
JUMP = ramp((230, 10_000), (231, 10_120))
DIP = ramp((185, 10_080), (200, 10_000), (260, 10_100))
USED = ramp((200, 10_000), (220, 9_930), (260, 10_100))
BEYOND = ramp((200, 10_000), (260, 10_170), (300, 10_400))
THERE = ramp((200, 10_000), (260, 10_170), (300, 10_100))


def _trending(closes: np.ndarray, until: int) -> Case:
    trend = np.where(np.arange(400) < until, 0.8, -0.2)
    return case(replace(with_closes(flat_path(), closes), trend=trend), leave=10_170.0)


def _rise(**given: object) -> Case:
    return case(with_closes(flat_path(), RISE), **({"leave": 10_170.0} | given))


PLANTED = {
    Factor.TREND_CARRIED: _trending(RISE, 400),
    Factor.GOOD_ENTRY: case(with_closes(flat_path(), DIP), leave=10_100.0),
    Factor.TARGET_PLACED: case(with_closes(flat_path(), THERE), leave=10_166.0, reason="take_profit"),
    Factor.STOP_PLACED: case(with_closes(flat_path(), USED), leave=10_100.0),
    Factor.SIMILAR_WINNING: _rise(similar=WINNING),
    Factor.SHOCK_IN_FAVOUR: case(with_closes(flat_path(), JUMP), last=240, leave=10_120.0),
    Factor.AGAINST_EXPERIENCE: _rise(similar=LOSING),
}
CONTROLS = {
    Factor.TREND_CARRIED: _trending(RISE, 220),
    Factor.GOOD_ENTRY: case(with_closes(flat_path(), ramp((185, 9_900), (200, 10_000), (260, 10_100))), leave=10_100.0),
    Factor.TARGET_PLACED: case(with_closes(flat_path(), BEYOND), leave=10_166.0, reason="take_profit"),
    Factor.STOP_PLACED: _rise(),
    Factor.SIMILAR_WINNING: _rise(similar=LOSING),
    Factor.SHOCK_IN_FAVOUR: _rise(),
    Factor.AGAINST_EXPERIENCE: _rise(similar=WINNING),
}


def test_every_factor_is_planted_and_controlled() -> None:
    """No rule without both; luck is among the factors."""
    assert set(PLANTED) == set(CONTROLS) == set(Factor) == set(FACTORS)
    assert set(LUCK) < set(Factor)


@pytest.mark.parametrize("factor", PLANTED, ids=str)
def test_a_planted_factor_is_found(factor: Factor) -> None:
    """It is there, with its figures."""
    said = ask_factors(PLANTED[factor])
    assert str(factor) in {finding.name for finding in ranked(said)}
    found = said[factor]
    assert found is not None
    assert found.strength > 0.0
    assert found.figures


@pytest.mark.parametrize("factor", CONTROLS, ids=str)
def test_a_control_does_not_have_it(factor: Factor) -> None:
    """A win without what makes the factor."""
    said = ask_factors(CONTROLS[factor])[factor]
    assert said is not None
    assert not said.found


@pytest.mark.parametrize("factor", PLANTED, ids=str)
def test_a_loss_has_no_factor(factor: Factor) -> None:
    """The same candles with costs that eat the gain."""
    said = ask_factors(replace(PLANTED[factor], cost=500.0))[factor]
    assert said is not None
    assert not said.found


def test_a_rule_without_its_data_says_nothing() -> None:
    """Unknown regimes, no neighbours, candles that end at the exit: not tested."""
    cold = replace(with_closes(flat_path(), RISE), trend=np.full(400, np.nan), sigma=np.full(400, np.nan))
    said = ask_factors(case(cold, leave=10_170.0))
    unknown = {Factor.TREND_CARRIED, Factor.SHOCK_IN_FAVOUR, Factor.SIMILAR_WINNING, Factor.AGAINST_EXPERIENCE}
    assert {name for name, value in said.items() if value is None} == unknown
    short = with_closes(flat_path(bars=261), THERE[:261])
    assert ask_factors(case(short, leave=10_166.0, reason="take_profit"))[Factor.TARGET_PLACED] is None
