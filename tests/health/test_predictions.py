"""What a version decides: the same as before is left alone, other actions and confidences are named with their week."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.health.predictions import BINS, DecisionDays, PredictionShift, decision_shift, entry_shift
from huracan.health.trading import DAY_MS
from huracan.memory import TradeRows
from tests.health.test_trading import START_MS, trades


def entries(days: int, seed: int, sure: float = 0.0, large: float = 0.2) -> TradeRows:
    """Return trades with an action and a confidence."""
    rows, rng = trades(days, seed), np.random.default_rng(seed)
    action = rng.choice([1, 2, 3], len(rows), p=[0.3, 0.7 - large, large])
    return replace(rows, action=action, confidence=np.clip(rng.normal(0.6 + sure, 0.1, len(rows)), 0.0, 1.0))


def test_entries_that_are_others_than_in_shadow_are_named() -> None:
    """More of the large ones, or more confidence; the same ones are not, in ten times six weeks."""
    shadow = entries(60, 1)

    def look(rows: TradeRows, days: int = 42) -> PredictionShift | None:
        return entry_shift(shadow, rows, START_MS, START_MS + days * DAY_MS)

    assert sum(look(entries(42, 10 + seed), 7 * week) is not None for seed in range(10) for week in range(1, 7)) <= 5
    larger, surer = look(entries(42, 2, large=0.6)), look(entries(42, 2, sure=0.15))
    assert larger is not None
    assert surer is not None
    assert (larger.part, surer.part) == ("actions", "confidence")
    assert surer.observed - surer.claimed == pytest.approx(0.15, abs=0.03)
    assert larger.since_ms == surer.since_ms == START_MS
    assert look(entries(3, 2, sure=0.3)) is None
    assert entry_shift(entries(3, 1), surer_rows := entries(42, 2, sure=0.3), START_MS, START_MS + 42 * DAY_MS) is None
    assert len(surer_rows)


def days(rng: np.random.Generator, count: int, change_at: int, share: float) -> DecisionDays:
    """Return decisions of days: an entry in ten, which from a day on are a share."""
    actions, confidence = np.zeros((count, 6), np.int64), np.zeros((count, BINS), np.int64)
    for day in range(count):
        chance = np.clip(rng.normal(0.1 if day < change_at else share, 0.01), 0.0, 1.0)
        actions[day, [0, 2]] = rng.multinomial(2_000, [1.0 - chance, chance])
        confidence[day] = rng.multinomial(2_000, np.full(BINS, 1.0 / BINS))
    return DecisionDays(START_MS + np.arange(count) * DAY_MS, actions, confidence)


def test_decisions_that_are_others_than_in_the_first_weeks_are_named() -> None:
    """Half as many entries from the 30th day on: named by the 42nd; a day's own mood is no change."""
    rng = np.random.default_rng(71)
    assert sum(decision_shift(days(rng, 60, 99, 0.1), START_MS + 60 * DAY_MS) is not None for _ in range(20)) <= 3
    found = decision_shift(days(rng, 42, 30, 0.05), START_MS + 42 * DAY_MS)
    assert found is not None
    assert (found.part, found.since_ms) == ("actions", START_MS + 28 * DAY_MS)
    assert found.observed == pytest.approx(0.95, abs=0.02)
    assert found.claimed == pytest.approx(0.90, abs=0.02)
    assert decision_shift(days(rng, 12, 0, 0.5), START_MS + 12 * DAY_MS) is None
    assert decision_shift(days(rng, 0, 0, 0.5), START_MS) is None
