"""Confidence that no longer tells winners from losers is found; fewer wins altogether are not its business."""

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.health.calibration import Calibration
from huracan.health.charts import Cusum
from huracan.health.days import Days


def drawn(rng: np.random.Generator, count: int, slope: float, level: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return (confidence, won), where log odds rise by `slope` a tenth of confidence around 0.6."""
    confidence = np.clip(rng.normal(0.6, 0.1, count), 0.0, 1.0)
    chance = 1.0 / (1.0 + np.exp(-(level + slope * (confidence - 0.6) / 0.1)))
    return confidence, rng.random(count) < chance


def test_the_fit_is_the_one_that_was_planted() -> None:
    """A logistic slope of .8 a deviation; scores sum to nothing on what was fitted."""
    confidence, won = drawn(np.random.default_rng(101), 20_000, 0.8)
    fitted = Calibration.of(confidence, won)
    assert fitted.slope == pytest.approx(0.8, abs=0.06)
    assert fitted.level == pytest.approx(0.2, abs=0.06)
    assert fitted.tells
    assert fitted.scores(confidence, won).mean() == pytest.approx(0.0, abs=1e-5)
    assert fitted.chance(np.array([0.6]))[0] == pytest.approx(0.55, abs=0.02)
    assert not Calibration.of(*drawn(np.random.default_rng(102), 700, 0.0)).tells


def test_confidence_that_tells_nothing_any_more_is_found_and_bad_luck_is_not() -> None:
    """Seven hundred trades of shadow; afterwards no slope, against ten points fewer wins with the same slope."""
    rng = np.random.default_rng(103)
    found: dict[str, list[bool]] = {"flat": [], "worse": []}
    for _ in range(5):
        confidence, won = drawn(rng, 700, 0.8)
        fitted = Calibration.of(confidence, won)
        scores = fitted.scores(confidence, won)
        chart = Cusum.of(scores, -1.0, 0.25, 20_000.0).on_days(Days.of(scores, np.arange(700) // 12), 1_825.0)
        for name, slope, level in (("flat", 0.0, 0.2), ("worse", 0.8, -0.2)):
            later = fitted.scores(*drawn(rng, 600, slope, level))
            found[name].append(chart.run(later).alarm)
    assert sum(found["flat"]) >= 4
    assert sum(found["worse"]) <= 1


def test_what_does_not_vary_is_fitted_to_nothing() -> None:
    """One confidence for all, or nothing but wins."""
    for confidence, won in ((np.full(9, 0.5), np.arange(9) > 4), (np.linspace(0.0, 1.0, 9), np.ones(9, np.bool_))):
        with pytest.raises(InvariantError, match="do not vary"):
            Calibration.of(confidence, won)
