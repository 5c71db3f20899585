"""Hand-made pieces for the unit tests of execution."""

from decimal import Decimal

from huracan.execution.commands import Close
from huracan.execution.grid import Grid
from huracan.execution.planner import Planner
from huracan.execution.positions import Position
from huracan.trading.settings import View
from huracan.trading.venue_law import Bar, Terms
from huracan.venue.orders import OrderKind, Side, VenueOrder, VenueStatus, VenueTrade
from tests.trading.markets import settings_of

GRID = Grid("AAA/USDT", "AAA", "USDT", Decimal("0.01"), Decimal("0.01"), 1_000_000)
BASE_MS = 60_000
TERMS = Terms(2, 0.0, 1_000, 1_000, False, 1_000_000, 10_000, 1, 1, 10, 0.1)
VIEW = View(sigma=0.0, qcap=10_000, stake=10_000_000, min_notional=50_000)
ENTRY, SELLS = "e" * 16, "5" * 16


def planner_of(**changes: object) -> Planner:
    """Return an idle planner; stop 60 bp below, target 120 bp above a decision."""
    return Planner(Position(GRID, BASE_MS), settings_of(**changes).rules)


def close_at(price: int, number: int = 1, low: int | None = None) -> Close:
    """Return a closed bar of one price in ticks."""
    return Close(Bar(number, price, price, low or price, price, 100), TERMS, VIEW)


def trade_of(
    side: Side,
    steps: int,
    price: int = 10_000,
    number: int = 2,
    trade_id: str = "1",
    fee: str = "0",
    asset: str = "AAA",
    venue_id: str = "7",
) -> VenueTrade:
    """Return a venue trade of whole ticks and steps."""
    return VenueTrade(
        trade_id=trade_id,
        venue_id=venue_id,
        symbol=GRID.symbol,
        side=side,
        quantity=GRID.quantity(steps),
        price=GRID.price(price),
        commission=Decimal(fee),
        commission_asset=asset,
        maker=False,
        time_ms=number * BASE_MS,
    )


def order_of(cid: str, status: VenueStatus, filled: int = 0, venue_id: str = "7") -> VenueOrder:
    """Return a buy of 10.00 coins as the venue states it."""
    return VenueOrder(
        cid=cid,
        venue_id=venue_id,
        symbol=GRID.symbol,
        side=Side.BUY,
        kind=OrderKind.POST_ONLY,
        status=status,
        quantity=GRID.quantity(1_000),
        price=GRID.price(9_999),
        stop_price=None,
        filled=GRID.quantity(filled),
        cost=GRID.quantity(filled) * GRID.price(9_999),
        list_id=None,
        time_ms=BASE_MS,
        update_ms=BASE_MS,
    )
