"""Warnings that tell: planted ones are found, and chance is called telling no more often than stated."""

import numpy as np
import pytest

from huracan.analysis.telling import FALSE_RATE, telling

RULES = 6


def _world(seed: int, *, days: int, of_the_day: bool, loss: float, up: float) -> frozenset[int]:
    """Return what tells where six warnings and the results know nothing of each other, each of its day or trade."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, days, 400))
    count, where = (days, day) if of_the_day else (400, np.arange(400))
    lost = (rng.random(count) < loss)[where]
    warned = [(rng.random(count) < up)[where].astype(float) for _ in range(RULES)]
    return telling({rule: (warned[rule], lost if rule < RULES - 2 else ~lost) for rule in range(RULES)}, day)


@pytest.mark.parametrize("loss", [0.5, 0.85])
@pytest.mark.parametrize("up", [0.1, 0.5])
@pytest.mark.parametrize(("days", "of_the_day"), [(30, True), (80, True), (30, False), (80, False)])
def test_chance_is_called_telling_no_more_often_than_stated(
    days: int, of_the_day: bool, up: float, loss: float
) -> None:
    """In 600 worlds any of six rules is called telling in no more than one in twenty.

    Warnings and results that a whole day shares are the case that a test of single trades gets wrong, and rare warnings
    where wins are rare the one that an error over days gets wrong.
    """
    worlds = 600
    claimed = sum(bool(_world(seed, days=days, of_the_day=of_the_day, loss=loss, up=up)) for seed in range(worlds))
    print(f"{days} days, of the day {of_the_day}, up {up}, loss {loss}: {claimed} of {worlds}")
    assert claimed <= FALSE_RATE * worlds


def test_a_warning_that_is_up_before_most_losses_tells() -> None:
    """Up before 50 % of the losses and 20 % of the wins on 40 days: found in nine of ten worlds, and nothing else."""
    found, others = 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        day, lost = np.sort(rng.integers(0, 40, 300)), rng.random(300) < 0.5
        planted = (rng.random(300) < np.where(lost, 0.5, 0.2)).astype(float)
        told = telling({"planted": (planted, lost), "chance": ((rng.random(300) < 0.3).astype(float), lost)}, day)
        found, others = found + ("planted" in told), others + ("chance" in told)
    print(f"seeds 0 to 99: {found} found, {others} others")
    assert found >= 90
    assert others <= 10


def test_the_other_way_round_it_does_not_tell() -> None:
    """A warning that is up before the wins warns of nothing."""
    lost = np.arange(200) % 2 == 0
    warned = (~lost).astype(float)
    assert telling({"wrong": (warned, lost), "right": (1.0 - warned, lost)}, np.arange(200)) == {"right"}


def test_few_days_tell_nothing_however_clear_the_shares() -> None:
    """Nine days of losses, or of wins, are too few; ten are enough."""
    lost = np.arange(400) % 2 == 0
    warned = lost.astype(float)
    for days, told in ((9, frozenset[str]()), (10, {"rule"})):
        assert telling({"rule": (warned, lost)}, np.arange(400) // 2 % days) == told


def test_what_was_never_asked_takes_no_share_of_the_error() -> None:
    """A rule with hindsight only, and no rule at all."""
    nothing, lost = np.full(100, np.nan), np.arange(100) % 2 == 0
    assert telling({"hindsight": (nothing, lost)}, np.arange(100)) == frozenset()
    assert telling({}, np.arange(0)) == frozenset()
