"""A version beside the account is compared with it day by day, on the days that both have traded."""

import numpy as np
import pytest

from huracan.memory import TradeRows
from huracan.trader.compare import Span, compare
from tests.memory.samples import sample_trades

DAY_MS = 86_400_000
FIRST = 20_000 * DAY_MS


def _trades(results: list[tuple[float, float]]) -> TradeRows:
    """Return trades of (days since the first midnight, net)."""
    rows = sample_trades(len(results), seed=1)
    exits = np.array([FIRST + int(day * DAY_MS) for day, _ in results], np.int64)
    nets = np.array([net for _, net in results], np.float64)
    values = {name: getattr(rows, name) for name in rows.__dataclass_fields__}
    return TradeRows(**(values | {"exit_time": exits, "net": nets}))


def test_differences_are_of_whole_days_and_sums_of_the_whole_span() -> None:
    """By hand: begun at noon, three whole days of which two have trades; what came before counts for nobody."""
    span = Span("v", FIRST - DAY_MS // 2, FIRST + 3 * DAY_MS + DAY_MS // 4)
    beside = _trades([(-0.2, 5.0), (0.5, 10.0), (0.9, 2.0), (2.1, -3.0), (3.1, 7.0)])
    own = _trades([(-0.9, 100.0), (-0.1, 1.0), (0.1, 4.0), (1.5, 6.0), (3.2, -2.0), (4.0, 100.0)])
    found = compare(span, beside, own)
    assert (found.days, found.trades, found.own_trades) == (3, 5, 4)
    assert (found.net, found.own_net) == (21.0, 9.0)
    assert found.ahead_per_day == pytest.approx((8.0 - 6.0 - 3.0) / 3)
    assert (found.ahead_low, found.ahead_high) == (None, None)


def test_a_version_that_is_better_every_day_is_ahead_for_certain() -> None:
    """Two units ahead on each of thirty days: the interval is that, and does not hold zero."""
    days = range(30)
    beside, own = _trades([(d + 0.5, 3.0) for d in days]), _trades([(d + 0.2, 1.0) for d in days])
    found = compare(Span("v", FIRST, FIRST + 30 * DAY_MS), beside, own)
    assert found.ahead_per_day == pytest.approx(2.0)
    assert found.ahead_low is not None
    assert found.ahead_low > 1.9


def test_on_its_first_day_there_is_nothing_to_compare() -> None:
    """Without a whole day no difference is told."""
    found = compare(Span("v", FIRST + 1, FIRST + DAY_MS - 1), _trades([(0.5, 1.0)]), _trades([]))
    assert (found.days, found.ahead_per_day, found.own_trades) == (0, None, 0)
