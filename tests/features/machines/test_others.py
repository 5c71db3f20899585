"""Book, flow, liquidity, cross-section and primitives on small examples worked out by hand."""

import math

import numpy as np
import pytest

from huracan.features import windows_for
from huracan.features.machines.book import book_close, book_emit, book_init, book_sample, order_flow
from huracan.features.machines.cross import breadth_of, cross_emit, cross_init, cross_update, rank_of
from huracan.features.machines.flow import flow_emit, flow_init, flow_update, taker_imbalance
from huracan.features.machines.liquidity import bulk_signed, kyle_lambda
from huracan.features.machines.primitives import comp_add, comp_value, deque_front, deque_push, deque_size
from huracan.features.machines.volatility import SIGMA, vol_init, vol_of, vol_update
from tests.features.markets import SMALL

W = windows_for("1m", SMALL.windows)


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        ((10.0, 7.0, 10.1, 4.0), 2.0),  # same prices: the bid grew by 2
        ((10.0, 5.0, 10.1, 1.0), 3.0),  # the ask shrank by 3
        ((10.05, 6.0, 10.1, 4.0), 6.0),  # a better bid: its whole size
        ((9.9, 6.0, 10.1, 4.0), -5.0),  # the bid was taken: minus its old size
        ((10.0, 5.0, 10.2, 9.0), 4.0),  # the ask was taken: its old size
        ((10.0, 5.0, 10.05, 9.0), -9.0),  # a better ask: minus its whole size
    ],
)
def test_order_flow_of_one_event(after: tuple[float, float, float, float], wanted: float) -> None:
    """From bid 10 x 5, ask 10.1 x 4, each change has the flow of Cont, Kukanov and Stoikov."""
    assert order_flow(*after, 10.0, 5.0, 10.1, 4.0) == wanted


def test_book_bar_by_hand() -> None:
    """Two samples give spread, flow per depth, imbalance of the last 30 s and microprice; the next bar starts anew."""
    s, bar, out = book_init(), np.zeros(4), np.zeros(52)
    book_sample(s, 50_000.0, 99.0, 6.0, 101.0, 2.0)
    book_sample(s, 10_000.0, 99.0, 9.0, 101.0, 3.0)
    book_close(s, bar)
    assert bar == pytest.approx([2 / 100, (3.0 - 1.0) / 5.0, 0.5, 0.5])
    book_emit(bar, 0.004, out)
    assert out[[32, 38, 39, 40]] == pytest.approx([5.0, 0.4, 0.5, 0.5])
    micro = 101 * 9 / 12 + 99 * 3 / 12
    assert out[40] == pytest.approx((micro - 100) / 1.0)
    book_close(s, bar)
    assert np.isnan(bar).all()
    book_emit(bar, 0.004, out)
    assert not out.any()


def test_taker_imbalance_by_hand() -> None:
    """Bars of volume 10 and 30 with 10 and 15 bought: 1 over the last two is (25 - 15) / 40."""
    s, out = flow_init(W), np.zeros(52)
    for _ in range(8):
        flow_update(s, 10.0, 5.0, 10.0)
    flow_update(s, 30.0, 5.0, 15.0)
    assert taker_imbalance(s, 1) == 0.0
    assert taker_imbalance(s, 2) == pytest.approx(10 / 40)
    flow_update(s, 0.0, 0.0, 0.0)
    assert taker_imbalance(s, 1) == 0.0
    flow_emit(s, out)
    keep = (1 - 2 / (W.slow + 1)) ** np.arange(10)
    assert out[29] == pytest.approx(math.log((8 * 5.0 / 9) / (5.0 * keep[1:].sum() / keep.sum())), rel=1e-9)
    flow_update(s, 10.0, math.nan, math.nan)
    flow_emit(s, out)
    assert not out[[29, 33, 34, 35, 41]].any()


def test_volume_buckets_see_one_sided_trade() -> None:
    """All buys fill buckets of imbalance 1; a bar of 100 buckets at once is bounded work; balanced trade is 0."""
    out = np.zeros(52)
    for share, wanted in ((1.0, 1.0), (0.0, 1.0), (0.5, 0.0), (0.75, 0.5)):
        s = flow_init(W)
        for _ in range(60):
            flow_update(s, 10.0, 5.0, 10.0 * share)
        flow_emit(s, out)
        assert out[41] == pytest.approx(wanted, abs=1e-9)
    flow_update(s, 1e6, 5.0, 1e6)
    flow_emit(s, out)
    assert out[41] == pytest.approx(1.0, abs=1e-2)


def test_bulk_classification_and_kyle() -> None:
    """A move of one sigma buys 68.3 % of the volume net; r = 3 q + 1 has slope 3 whatever its mean."""
    assert bulk_signed(100.0, 0.01, 0.01) == pytest.approx(68.26894921370859, rel=1e-12)
    assert bulk_signed(100.0, -0.01, 0.01) == -bulk_signed(100.0, 0.01, 0.01)
    assert bulk_signed(100.0, 0.0, 0.01) == 0.0
    q = np.array([1.0, -2.0, 4.0, 0.5])
    r = 3 * q + 1
    assert kyle_lambda(4.0, r.sum(), q.sum(), (r * q).sum(), (q * q).sum()) == pytest.approx(3.0, rel=1e-12)
    assert kyle_lambda(4.0, 1.0, 8.0, 2.0, 16.0) == 0.0


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


def test_ranks_and_breadth_by_hand() -> None:
    """Ties stand in the middle, absent coins do not count, and a lone coin has rank 0."""
    values = np.array([0.3, -0.1, math.nan, 0.3, 0.0])
    assert [rank_of(values, n) for n in range(5)] == pytest.approx([2 / 3, -1.0, 0.0, 2 / 3, -1 / 3])
    assert breadth_of(values) == pytest.approx((2 - 1) / 4)
    assert rank_of(np.array([math.nan, 5.0]), 1) == 0.0
    assert breadth_of(np.array([math.nan])) == 0.0


def test_sigma_of_a_constant_move_is_that_move_from_the_first_bar() -> None:
    """Bias correction: equal squared returns give their root at every age."""
    s = vol_init(W)
    for _ in range(5):
        vol_update(s, 0.002)
        vol_update(s, -0.002)
        assert vol_of(s, SIGMA) == pytest.approx(0.002, rel=1e-12)


def test_compensated_sum_forgets_what_left_the_window() -> None:
    """1e8 in and out again leaves a sum of tenths that a plain float sum gets wrong."""
    s, plain = np.zeros(2), 0.0
    for x in (0.1, 1e8, 0.1, -1e8, 0.1):
        comp_add(s, 0, x)
        plain += x
    assert comp_value(s, 0) == pytest.approx(0.3, abs=1e-15)
    assert abs(plain - 0.3) > 1e-9


def test_deque_front_is_the_window_maximum() -> None:
    """On random values, ties among them, the front equals the maximum of the last n at every bar."""
    rng, n = np.random.default_rng(7), 13
    x = rng.integers(0, 20, 500).astype(float)
    d = np.zeros(deque_size(n))
    d[2] = (len(d) - 3) // 2 - 1
    for t, value in enumerate(x):
        deque_push(d, n, float(t), value)
        assert deque_front(d) == x[max(0, t - n + 1) : t + 1].max()
