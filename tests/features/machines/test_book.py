"""The order book of one bar, worked out by hand."""

import numpy as np
import pytest

from huracan.features.machines.book import book_close, book_emit, book_init, book_sample, order_flow


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


def test_only_the_windows_before_the_close_count() -> None:
    """Flow before its window and imbalance before its own are left out; the book across a close is remembered."""
    s, bar = book_init(flow_ms=20_000.0, imbalance_ms=5_000.0), np.zeros(4)
    book_sample(s, 40_000.0, 99.0, 6.0, 101.0, 2.0)
    book_sample(s, 30_000.0, 99.0, 1.0, 101.0, 2.0)  # -5, too early
    book_sample(s, 10_000.0, 99.0, 3.0, 101.0, 1.0)  # +2 and +1; imbalance 1/2, too early for its window
    book_close(s, bar)
    assert bar == pytest.approx([2 / 100, 3.0 / 2.5, 0.5, 0.5])  # mean depth of 4, 1.5 and 2
    book_sample(s, 4_000.0, 99.0, 4.0, 101.0, 1.0)  # +1 from the last book of the bar before
    book_sample(s, 1_000.0, 99.0, 1.0, 101.0, 1.0)  # -3
    book_close(s, bar)
    assert bar == pytest.approx([2 / 100, -2.0 / 1.75, 0.3, 0.0])
