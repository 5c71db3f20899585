"""The planner: equal to the kernel over an order-level venue, and safe where the kernel's world has no such case."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from huracan.errors import ConfigError
from huracan.execution.commands import Cancel, Leg, Place, Role, Stage
from huracan.execution.planner import Planner
from huracan.trading import ExitReason
from huracan.venue.orders import RejectCode, Side, VenueStatus
from tests.execution.made import ENTRY, SELLS, close_at, planner_of, trade_of
from tests.execution.planned import run_planner
from tests.parity.cases import candle_case, wild_case
from tests.parity.differential import Case, KernelRun, run_kernel
from tests.parity.histories import CONFIGURATIONS, history_names

WILD_SEEDS = range(40)


def differences(case: Case, kernel: KernelRun, planned: KernelRun) -> list[str]:
    """Return one line for the first difference of each kind."""
    found = []
    pairs = zip(kernel.trades, planned.trades, strict=False)
    first = next((i for i, (mine, theirs) in enumerate(pairs) if mine != theirs), None)
    if first is not None:
        found.append(f"{case.name}: trade {first}\n  {kernel.trades[first]}\n  {planned.trades[first]}")
    if len(kernel.trades) != len(planned.trades):
        found.append(f"{case.name}: {len(kernel.trades)} kernel trades, {len(planned.trades)} planned")
    if (kernel.quote, kernel.base) != (planned.quote, planned.base):
        found.append(f"{case.name}: {kernel.quote} {kernel.base}, planned {planned.quote} {planned.base}")
    if kernel.closes != planned.closes or kernel.states.tobytes() != planned.states.tobytes():
        found.append(f"{case.name}: states differ")
    return found


def compare(cases: Iterable[Case], restarts: bool = False) -> tuple[Counter[str], list[str]]:
    """Run both over the cases; return how often each path was taken, and every difference."""
    counts: Counter[str] = Counter()
    found: list[str] = []
    for case in cases:
        endless = replace(case, sold_at_end=False)
        planned, ways = run_planner(endless, restarts)
        found += differences(endless, run_kernel(endless), planned)
        counts += ways
        counts["trades"] += len(planned.trades)
    return counts, found


def test_planner_equals_kernel_on_wild_bars_and_every_path_is_taken() -> None:
    """Random markets, configurations and decisions: same trades, balances and states, no rule untried."""
    counts, found = compare(wild_case(seed) for seed in WILD_SEEDS)
    assert not found, "\n".join(found)
    reasons = [reason.name.lower() for reason in ExitReason if 0 < reason < ExitReason.END_OF_DATA]
    assert min(counts[name] for name in reasons) >= 5, counts
    refusals = ("refused WOULD_MATCH", "refused LIMIT_CROSSES", "refused STOP_CROSSES")
    assert min(counts[name] for name in (*refusals, "fill UPPER_LEG", "fill STOP_LEG", "fill POST_ONLY")) >= 3, counts
    assert counts["trades"] > 500


@pytest.mark.parametrize("history", history_names())
def test_planner_equals_kernel_on_candles(history: str) -> None:
    """Taker and maker over three days."""
    counts, found = compare(candle_case(history, name) for name in ("taker-15-coin", "maker-5-coin", "maker-1-quote"))
    assert not found, "\n".join(found)
    assert counts["trades"] > 50
    assert "maker-5-coin" in CONFIGURATIONS


def test_planner_survives_bytes_after_every_close() -> None:
    """A position saved and loaded between any two closes trades on as if nothing had happened."""
    counts, found = compare((wild_case(seed) for seed in range(100, 108)), restarts=True)
    assert not found, "\n".join(found)
    assert counts["trades"] > 100


def bought(planner: Planner) -> Planner:
    """Return the planner after a decision at 100.00 whose order filled ten coins, its bracket resting."""
    planner.on_close(close_at(10_000))
    assert planner.decide(2, ENTRY, SELLS)
    (order,) = planner.plan()
    assert isinstance(order, Place)
    planner.on_fill(order.key, Leg.SINGLE, trade_of(Side.BUY, 1_000))
    planner.on_end(order.key, VenueStatus.FILLED)
    (pair,) = planner.plan()
    planner.on_open(pair.key)
    assert planner.protected
    return planner


def test_without_a_confirmed_stop_the_planner_watches_itself() -> None:
    """The pair's fate is unknown and the low is at the stop: the market exit waits for the venue's word, then goes."""
    planner = bought(planner_of())
    assert planner.sale is not None
    planner.sale = replace(planner.sale, stage=Stage.SENT)
    planner.on_close(close_at(9_950, number=2, low=9_940))
    assert planner.plan() == ()
    planner.on_never_arrived(planner.sale.key)
    assert planner.plan() == ()  # not before everything that is due at this close is decided
    planner.arm()
    (exit_order,) = planner.plan()
    assert isinstance(exit_order, Place)
    assert exit_order.role is Role.EXIT
    assert ExitReason(int(planner.position.slot.reason)) is ExitReason.STOP_LOSS


def test_a_fill_after_its_trade_was_closed_is_sold_at_once() -> None:
    """Money wins over labels: it is booked, and goes to market as a risk exit."""
    planner = bought(planner_of())
    key = next(iter(planner.retired))
    assert planner.sale is not None
    pair = planner.sale.key
    planner.on_fill(pair, Leg.BELOW, trade_of(Side.SELL, 1_000, trade_id="2"))
    planner.on_end(pair, VenueStatus.FILLED)
    planner.on_close(close_at(9_930, number=2))
    assert len(planner.take_trades()) == 1
    assert planner.idle
    planner.on_fill(key, Leg.SINGLE, trade_of(Side.BUY, 50, trade_id="3"))
    (sale,) = planner.plan()
    assert isinstance(sale, Place)
    assert sale.role is Role.EXIT
    assert ExitReason(int(planner.position.slot.reason)) is ExitReason.RISK_EXIT


def test_dust_is_reported_and_not_chased() -> None:
    """What is worth less than the least order is set aside; the trade is closed and the market free."""
    planner = bought(planner_of())
    planner.on_close(close_at(10_000, number=2))
    planner.decide(4, "", "")
    (cancel,) = planner.plan()
    planner.on_end(cancel.key, VenueStatus.CANCELED)
    (sale,) = planner.plan()
    planner.on_fill(sale.key, Leg.SINGLE, trade_of(Side.SELL, 998, trade_id="2"))
    planner.on_end(sale.key, VenueStatus.EXPIRED)
    (rest,) = planner.plan()
    planner.on_refused(rest.key, RejectCode.FILTER)
    planner.on_close(close_at(10_000, number=3))
    assert [trade.dust_out for trade in planner.take_trades()] == [2_000_000]
    assert planner.idle
    assert planner.plan() == ()
    assert planner.position.parked == 2_000_000


def test_a_refused_market_exit_is_not_hammered() -> None:
    """Three times a bar, then again at the next close."""
    planner = bought(planner_of())
    planner.on_close(close_at(10_000, number=2))
    planner.force(ExitReason.RISK_EXIT)
    (cancel,) = planner.plan()
    planner.on_end(cancel.key, VenueStatus.CANCELED)
    for bar in (3, 4):
        sent = 0
        while commands := planner.plan():
            sent += 1
            planner.on_refused(commands[0].key, RejectCode.MARKET_CLOSED)
        assert 1 <= sent <= 3
        planner.on_close(close_at(10_000, number=bar))


def test_a_muted_planner_takes_everything_off_and_sends_nothing() -> None:
    """A halt."""
    planner = bought(planner_of())
    planner.muted = True
    (command,) = planner.plan()
    assert isinstance(command, Cancel)
    planner.on_end(command.key, VenueStatus.CANCELED)
    assert planner.plan() == ()
    planner.muted = False
    (pair,) = planner.plan()
    assert isinstance(pair, Place)
    assert pair.role is Role.BRACKET


def test_a_position_without_a_stop_is_not_traded() -> None:
    """Live, the stop lies at the venue or there is no position."""
    with pytest.raises(ConfigError, match="stops_enabled"):
        planner_of(stops_enabled=False)
