"""Leader, ranks and breadth, worked out by hand."""

import math

import numpy as np
import pytest

from huracan.features import windows_for
from huracan.features.machines.cross import breadth_of, cross_emit, cross_init, cross_ready, cross_update, rank_of
from tests.features.markets import SMALL

W = windows_for("1m", SMALL.windows)


def test_beta_and_residual_of_a_coin_that_follows_twice_over() -> None:
    """R = 2 r_leader: beta 2, correlation 1, residual 0; the leader itself has beta exactly 1."""
    rng = np.random.default_rng(6)
    follower, leader, out = cross_init(W), cross_init(W), np.zeros(52)
    for r in rng.normal(0, 0.001, 100):
        cross_update(follower, 2 * r, r)
        cross_update(leader, r, r)
    cross_emit(follower, 0.02, 0.01, 0.004, 0.01, 0.002, 0.005, out)
    assert out[42:47] == pytest.approx([2.0, 2.0, 2.0, 0.0, 1.0], abs=1e-12)
    cross_emit(leader, 0.01, 0.01, 0.004, 0.01, 0.002, 0.005, out)
    assert (out[44], out[45]) == (1.0, 0.0)


def test_two_meetings_by_hand() -> None:
    """Leader +1 %, -1 %, coin +3 %, 0: equal squares weigh the leader out, the younger weighs more in the coin."""
    s, out = cross_init(W), np.zeros(52)
    cross_update(s, 0.03, 0.01)
    assert not cross_ready(s)
    cross_update(s, 0.0, -0.01)
    cross_emit(s, 0.05, 0.01, 0.0, 0.02, 0.01, 0.01, out)
    old_beta, old_corr = 49 / 100, 39 / 80  # weight of the older of two, spans 50 and 40
    beta = 3 * old_beta
    assert out[44] == pytest.approx(beta, rel=1e-12)
    assert out[45] == pytest.approx((0.05 - beta * 0.02) / 0.01, rel=1e-12)
    assert out[46] == pytest.approx(3 * old_corr / math.sqrt(9 * old_corr), rel=1e-12)
    for _ in range(W.leader_returns[1] - 2):
        cross_update(s, 0.0, 0.0)
    assert cross_ready(s)


def test_ranks_and_breadth_by_hand() -> None:
    """Ties stand in the middle, absent coins do not count, and a lone coin has rank 0."""
    values = np.array([0.3, -0.1, math.nan, 0.3, 0.0])
    assert [rank_of(values, n) for n in range(5)] == pytest.approx([2 / 3, -1.0, 0.0, 2 / 3, -1 / 3])
    assert breadth_of(values) == pytest.approx((2 - 1) / 4)
    assert rank_of(np.array([math.nan, 5.0]), 1) == 0.0
    assert breadth_of(np.array([math.nan])) == 0.0
