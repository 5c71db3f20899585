"""Damaged evidence is refused before anything is weighed, in one line that says what to do."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.errors import EvidenceError
from huracan.shadow.evidence import Evidence, NamedDays, Tried, check_evidence
from tests.gate.worlds import World, evidence_of

WHOLE = evidence_of(World(120, 4, edge=0.4), np.random.default_rng(1))


def nan(values: np.ndarray) -> np.ndarray:
    """Return a copy with one day lost."""
    damaged = values.copy()
    damaged[3] = np.nan
    return damaged


def test_whole_evidence_passes() -> None:
    """Nothing is said of what is in order."""
    check_evidence(WHOLE)


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (replace(WHOLE, policy=np.zeros(0)), "has no test day; run `huracan shadow --run-id 1` first"),
        (replace(WHOLE, first_days=WHOLE.first_days // 2), "folds 0, 1, 2, 3 share 60 days"),
        (replace(WHOLE, folds=WHOLE.folds[1:]), "119 days have a fold, 120 a result"),
        (replace(WHOLE, policy=nan(WHOLE.policy)), "1 of 120 days of the policy are not finite"),
        (replace(WHOLE, seeds=(NamedDays("seed-9", nan(WHOLE.policy)),)), "days of seed-9 are not finite"),
        (replace(WHOLE, baselines=(NamedDays("flat", np.zeros(119)),)), "flat has 119 days, the policy 120"),
        (replace(WHOLE, chance=WHOLE.chance[:, 1:]), "random copy 0 has 119 days"),
        (replace(WHOLE, rivals=(NamedDays("v2", nan(WHOLE.policy)),)), "days of v2 are not finite"),
        (
            replace(WHOLE, selections=(replace(WHOLE.selections[0], net=np.full((120, 4), np.inf)),)),
            "a result is not finite; search again",
        ),
        (replace(WHOLE, tried_count=2), "3 other ratios are known, but only 2 configurations counted"),
        (replace(WHOLE, tried=(Tried("a", 0.1, 9),), tried_count=1), "1 other ratios are known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_damage_is_named(damaged: Evidence, message: str) -> None:
    """No day, overlapping folds, NaN in any series, other days, trials that nobody counted."""
    with pytest.raises(EvidenceError, match=message) as refusal:
        check_evidence(damaged)
    assert "\n" not in str(refusal.value)
