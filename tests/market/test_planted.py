"""The exact optimum: published digits, closed forms, dynamic programming and exact chains must agree."""

import math

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.market import (
    LONG_FLAT,
    LONG_SHORT,
    Ar1Problem,
    Grid,
    ar1_grid,
    ar1_optimum,
    continuous_optimum,
    hidden_regime_grid,
    mean_reverting_price,
    policy_value,
    regime_optimum,
    solve_grid,
    threshold_value,
)

# rho, cost, value by DP on 801 points, its threshold, continuous threshold and value, E|p|, value of sign(p)
TABLE = [
    (0.98, 2.0, 3.8620, 0.898, 1.460, 3.8438, 4.0095, 3.754),
    (0.98, 10.0, 3.5532, 1.960, 2.525, 3.5342, 4.0095, 2.7341),
    (0.98, 50.0, 2.7188, 3.920, 4.467, 2.7007, 4.0095, -2.37),
    (0.90, 0.5, 1.7163, 0.373, 0.951, 1.6797, 1.8305, 1.687),
    (0.90, 2.0, 1.5019, 0.932, 1.537, 1.4623, 1.8305, 1.256),
    (0.50, 0.5, 0.6557, 0.432, 1.194, 0.5400, 0.9213, 0.588),
]
MAIN = Ar1Problem(0.98, 1.0, 10.0)


@pytest.mark.parametrize("row", TABLE)
def test_published_digits(row):
    """Closed form, free value, sign rule, DP value and DP threshold agree with the published table to its digits."""
    rho, cost, dp_value, dp_threshold, q, value, free, sign = row
    problem = Ar1Problem(rho, 1.0, cost)
    continuous = continuous_optimum(problem)
    assert continuous.threshold == pytest.approx(q, abs=6e-4)
    assert continuous.value == pytest.approx(value, abs=6e-5)
    assert problem.free_value == pytest.approx(free, abs=6e-5)
    assert threshold_value(problem, 0.0) == pytest.approx(sign, abs=5e-3)
    grid = ar1_grid(problem)
    solved = solve_grid(grid, LONG_SHORT, cost, span=1e-7)
    assert solved.value == pytest.approx(dp_value, abs=6e-5)
    assert grid.points[solved.choice[:, 0].argmax()] == pytest.approx(dp_threshold, abs=6e-4)


@pytest.mark.parametrize(("rho", "cost"), [(row[0], row[1]) for row in TABLE])
def test_exact_optimum_lies_just_below_the_grid(rho, cost):
    """The grid's cells add variance, so its value is above the exact one, by less than 0.04 percent."""
    problem = Ar1Problem(rho, 1.0, cost)
    exact = ar1_optimum(problem).value
    assert exact < solve_grid(ar1_grid(problem), LONG_SHORT, cost, span=1e-7).value < exact * 1.0004


def test_grid_converges_to_the_exact_optimum():
    """Doubling the grid divides its error by about four: both methods have the same limit."""
    exact = ar1_optimum(MAIN).value
    errors = [
        solve_grid(ar1_grid(MAIN, points), LONG_SHORT, 10.0, span=1e-8).value - exact for points in (201, 401, 801)
    ]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.05)


def test_threshold_rules_have_their_published_values():
    """Rules with other thresholds earn what the table says (its grid is good to 0.3 percent)."""
    for threshold, value in ((0.0, 2.736), (1.0, 3.465), (1.96, 3.553), (3.0, 3.486), (4.0, 3.335), (6.0, 2.835)):
        assert threshold_value(MAIN, threshold) == pytest.approx(value, rel=3e-3)


def test_sign_rule_has_its_closed_form():
    """Following sign(p) earns E|p| - 2 c acos(rho) / pi."""
    for rho, cost in ((0.98, 10.0), (0.9, 2.0), (0.5, 0.5), (0.0, 0.3)):
        problem = Ar1Problem(rho, 1.0, cost)
        assert threshold_value(problem, 0.0) == pytest.approx(
            problem.free_value - 2 * cost * math.acos(rho) / math.pi, abs=1e-9
        )


def test_long_flat_is_half_of_long_short():
    """Long or flat has the same threshold and half the value (published 1.7766 on the grid)."""
    both, flat = ar1_optimum(MAIN), ar1_optimum(MAIN, LONG_FLAT)
    assert flat.value == pytest.approx(both.value / 2.0, rel=1e-12)
    assert flat.threshold == pytest.approx(both.threshold, abs=1e-6)
    assert solve_grid(ar1_grid(MAIN), LONG_FLAT, 10.0, span=1e-7).value == pytest.approx(1.7766, abs=6e-5)


@pytest.mark.parametrize(
    ("cost", "value", "enter"), [(2.0, 1.4824, 29.0), (5.0, 1.3842, 44.0), (7.5, 1.3192, 52.0), (10.0, 1.2625, 58.5)]
)
def test_mean_reverting_price(cost, value, enter):
    """Price deviations of 100 bp with rho 0.98 have the published optimum and entry level."""
    problem = mean_reverting_price(0.98, 100.0, cost)
    assert solve_grid(ar1_grid(problem), LONG_SHORT, cost, span=1e-8).value == pytest.approx(value, abs=6e-5)
    assert ar1_optimum(problem).threshold / 0.02 == pytest.approx(enter, abs=1.6)
    if cost == 10.0:
        assert threshold_value(problem, 0.0) == pytest.approx(0.3204, abs=6e-5)


def test_simulation_earns_the_exact_value():
    """Two million simulated bars of the best rule earn the exact optimum within three standard errors."""
    rng = np.random.default_rng(5)
    best = ar1_optimum(MAIN)
    lanes, bars = 2_000, 1_000
    p = MAIN.sd * rng.standard_normal(lanes)
    position, earned = np.sign(p), np.zeros(lanes)
    for _ in range(100):
        p = 0.98 * p + rng.standard_normal(lanes)
        position = np.where(np.abs(p) >= best.threshold, np.sign(p), position)
    for _ in range(bars):
        p = 0.98 * p + rng.standard_normal(lanes)
        wanted = np.where(np.abs(p) >= best.threshold, np.sign(p), position)
        earned += wanted * p - 10.0 * np.abs(wanted - position)
        position = wanted
    mean, error = earned.mean() / bars, earned.std() / bars / math.sqrt(lanes)
    assert abs(mean - best.value) < 3.0 * error
    assert error < 0.005 * best.value


class TestPolicyValue:
    GRID = ar1_grid(MAIN, 201)

    def probabilities(self, choice):
        """Return the one-hot policy of chosen indices."""
        return np.eye(2)[choice]

    def test_the_optimal_policy_earns_the_optimum(self):
        """The chain of the DP's own policy earns the DP's value."""
        solved = solve_grid(self.GRID, LONG_FLAT, 10.0)
        assert policy_value(self.GRID, LONG_FLAT, 10.0, self.probabilities(solved.choice)) == pytest.approx(
            solved.value, rel=1e-5
        )

    def test_other_policies_earn_less(self):
        """Wrong thresholds, dithering and the opposite rule earn less, in this order of badness."""
        solved = solve_grid(self.GRID, LONG_FLAT, 10.0)
        best = self.probabilities(solved.choice)
        sign = self.probabilities(np.repeat((self.GRID.points > 0).astype(int)[:, None], 2, axis=1))
        values = [
            policy_value(self.GRID, LONG_FLAT, 10.0, policy)
            for policy in (best, 0.95 * best + 0.05 * sign, sign, best[:, :, ::-1])
        ]
        assert values == sorted(values, reverse=True)
        assert values[3] < 0.0
        assert values[2] == pytest.approx(threshold_value(MAIN, 0.0, LONG_FLAT), rel=0.02)

    def test_never_trading_earns_nothing_and_always_long_the_drift(self):
        """Staying flat earns 0; entering once and staying earns the mean of the predictor, which is 0."""
        flat = np.zeros((201, 2, 2))
        flat[:, :, 0] = 1.0
        assert policy_value(self.GRID, LONG_FLAT, 10.0, flat) == pytest.approx(0.0, abs=1e-9)
        assert policy_value(self.GRID, LONG_FLAT, 10.0, flat[:, :, ::-1]) == pytest.approx(0.0, abs=1e-5)

    def test_where_it_starts_matters_only_to_those_who_never_leave(self):
        """Keeping whatever is held depends on the start; the optimal policy does not."""
        drift = Grid(self.GRID.points, self.GRID.points + 1.0, self.GRID.transition)
        keep = np.broadcast_to(np.eye(2), (201, 2, 2))
        assert policy_value(drift, LONG_FLAT, 10.0, keep, start=0) == pytest.approx(0.0, abs=1e-6)
        assert policy_value(drift, LONG_FLAT, 10.0, keep, start=1) == pytest.approx(1.0, abs=1e-5)
        best = self.probabilities(solve_grid(drift, LONG_FLAT, 10.0).choice)
        first, second = (policy_value(drift, LONG_FLAT, 10.0, best, start=start) for start in (0, 1))
        assert first == pytest.approx(second, rel=1e-6)


def test_observed_regime():
    """J = max(0, m - 2 c p): 0.09 for m 0.1, p 0.01, c 0.5; dynamic programming on the two states agrees."""
    assert regime_optimum(0.1, 0.01, 0.5) == pytest.approx(0.09)
    assert regime_optimum(0.1, 0.01, 6.0) == 0.0
    for edge, switch, cost in ((0.1, 0.01, 0.5), (0.2, 0.05, 1.0), (0.1, 0.2, 0.2)):
        states = np.array([-1.0, 1.0])
        chain = np.array([[1 - switch, switch], [switch, 1 - switch]])
        solved = solve_grid(Grid(states, edge * states, chain), (-1.0, 0.0, 1.0), cost)
        assert solved.value == pytest.approx(regime_optimum(edge, switch, cost), abs=1e-9)
        flat = solve_grid(Grid(states, edge * states, chain), LONG_FLAT, cost)
        assert flat.value == pytest.approx(regime_optimum(edge, switch, cost, LONG_FLAT), abs=1e-9)


@pytest.mark.parametrize(
    ("edge", "switch", "cost", "value", "flip", "observed"),
    [
        (0.1, 0.01, 0.5, 0.02346, 0.681, 0.09),
        (0.2, 0.01, 1.0, 0.08947, 0.752, 0.18),
        (0.1, 0.005, 1.0, 0.03368, 0.725, 0.09),
    ],
)
def test_hidden_regime(edge, switch, cost, value, flip, observed):
    """Belief DP gives the published optimum and flip belief; not seeing the regime costs the rest."""
    grid = hidden_regime_grid(edge, 1.0, switch)
    solved = solve_grid(grid, LONG_SHORT, cost, span=1e-7)
    assert solved.value == pytest.approx(value, abs=6e-6)
    assert grid.points[solved.choice[:, 0].argmax()] == pytest.approx(flip, abs=1e-3)
    assert regime_optimum(edge, switch, cost) == pytest.approx(observed)


def test_independent_predictor():
    """With rho 0 (a leader's last return) the closed form needs no grid and agrees with it; so does a free market."""
    problem = Ar1Problem(0.0, 1.0, 0.5)
    assert ar1_optimum(problem).value == pytest.approx(solve_grid(ar1_grid(problem), LONG_SHORT, 0.5).value, rel=1e-4)
    assert ar1_optimum(Ar1Problem(0.9, 1.0, 0.0)).value == pytest.approx(1.8305, abs=6e-5)
    assert continuous_optimum(Ar1Problem(0.9, 1.0, 0.0)).value == pytest.approx(1.8305, abs=6e-5)


def test_a_hopeless_cost_leaves_nothing():
    """A cost far above anything the predictor can earn leaves a value near zero, never a negative one."""
    assert 0.0 <= ar1_optimum(Ar1Problem(0.5, 1.0, 100.0)).value < 1e-6


def test_a_periodic_chain_is_an_error_and_not_an_endless_loop():
    """Value iteration that cannot converge says so."""
    flip = Grid(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([[0.0, 1.0], [1.0, 0.0]]))
    with pytest.raises(InvariantError, match="has not converged"):
        solve_grid(flip, (0.0, 1.0), 0.0)
