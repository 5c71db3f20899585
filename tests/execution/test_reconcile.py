"""Reconciliation's figures: every difference has a name, a size and a remedy."""

from dataclasses import replace
from decimal import Decimal

from huracan.execution.model import Balances
from huracan.execution.reconcile import balance_differences, filter_differences, opening_transfers
from huracan.venue.orders import Balance, MarketFilters
from tests.paper.world import instrument

FILTERS = MarketFilters(
    symbol="AAA/USDT",
    market_id="AAAUSDT",
    base="AAA",
    quote="USDT",
    status="TRADING",
    tick=Decimal("0.01"),
    step=Decimal("0.001"),
    price_min=None,
    price_max=None,
    quantity_min=None,
    quantity_max=None,
    market_quantity_max=None,
    notional_min=Decimal(5),
    order_types=(),
    oco_allowed=True,
)


def test_balances_are_compared_by_asset_and_in_both_directions() -> None:
    """More, less, unknown to the venue; what neither of us trades does not count."""
    ours = {"USDT": Balances(Decimal(10), Decimal(5)), "AAA": Balances(Decimal(1))}
    theirs = {"USDT": Balance(Decimal(15), Decimal(0)), "XYZ": Balance(Decimal(3), Decimal(0))}
    (row,) = balance_differences(ours, theirs, ["USDT", "AAA"])
    assert (row.what, row.ours, row.theirs) == ("AAA", 1, 0)
    assert "-1 unexplained" in row.words
    (transfer,) = opening_transfers([row], "accepted", 5)
    assert (transfer.asset, transfer.amount) == ("AAA", -1)


def test_a_market_that_became_another_is_refused() -> None:
    """Another tick or step, a larger least order, no order lists."""
    assert filter_differences(instrument(), FILTERS) == ()
    for changed in (
        replace(FILTERS, tick=Decimal("0.1")),
        replace(FILTERS, step=Decimal("0.01")),
        replace(FILTERS, notional_min=Decimal(10)),
        replace(FILTERS, oco_allowed=False),
    ):
        assert len(filter_differences(instrument(), changed)) == 1
