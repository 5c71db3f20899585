"""What the venue said: statuses go forward, trades count once, and a doubt keeps foreign trades waiting."""

from decimal import Decimal

from huracan.execution.commands import Place, Role
from huracan.execution.model import Trigger
from huracan.execution.working import Works, fact_of, working_of
from huracan.venue.orders import OrderKind, OrderRequest, Side, VenueStatus
from tests.execution.made import ENTRY, GRID, order_of, trade_of

CID = f"h{ENTRY}-0"
PLACE = Place(
    OrderRequest(CID, GRID.symbol, Side.BUY, OrderKind.POST_ONLY, Decimal(10), Decimal("99.99")), ENTRY, Role.ENTRY
)


def works_of(cursor: str | None = None) -> Works:
    """Return one child that was sent and not heard of."""
    works = Works(cursor)
    works.by_key[CID] = working_of(PLACE)
    return works


def test_a_terminal_status_is_never_taken_back() -> None:
    """CANCELED, then a stale NEW; what it filled may still grow."""
    leg = works_of().by_key[CID].legs[CID]
    assert leg.hear(order_of(CID, VenueStatus.CANCELED, 3))
    assert not leg.hear(order_of(CID, VenueStatus.NEW))
    assert leg.over
    assert not leg.complete
    leg.filled = GRID.quantity(3)
    assert leg.complete


def test_trades_are_sorted_and_counted_once() -> None:
    """Oldest first by number, below the cursor never, repeated never, changed ones apart."""
    works = works_of(cursor="8")
    works.by_key[CID].legs[CID].venue_id = "7"
    trades = [trade_of(Side.BUY, 5, trade_id=number) for number in ("10", "9", "8")]
    found = works.sort(trades)
    assert [fill.trade_id for _, fill, _ in found.fresh] == ["9", "10"]
    assert not works.sort(trades).fresh
    assert [fill.trade_id for fill in works.sort([trade_of(Side.BUY, 6, trade_id="9")]).changed] == ["9"]


def test_a_strangers_trade_waits_while_an_order_has_no_name_yet() -> None:
    """It may be the unknown order's; once that has its id, it is booked as what it is."""
    works = works_of()
    trade = trade_of(Side.BUY, 5, venue_id="99")
    assert not works.sort([trade]).complete
    works.by_key[CID].legs[CID].venue_id = "7"
    ((_, fill, owner),) = works.sort([trade]).fresh
    assert (fill.cid, owner) == (None, None)


def test_the_venues_words_as_facts() -> None:
    """Endings by their kind, anything alive as accepted."""
    wanted = {
        VenueStatus.NEW: Trigger.ACCEPT,
        VenueStatus.FILLED: Trigger.ACCEPT,
        VenueStatus.CANCELED: Trigger.CANCEL,
        VenueStatus.EXPIRED: Trigger.EXPIRE,
        VenueStatus.EXPIRED_IN_MATCH: Trigger.EXPIRE,
        VenueStatus.REJECTED: Trigger.REJECT,
    }
    assert {status: fact_of(order_of(CID, status), 1).trigger for status in wanted} == wanted


def test_a_trade_that_the_venue_shows_late_is_not_lost() -> None:
    """The cursor has passed it, but its order lacks it: it is booked; what lacks nothing is not booked again."""
    works = works_of(cursor="8")
    leg = works.by_key[CID].legs[CID]
    leg.hear(order_of(CID, VenueStatus.FILLED, 1_000))
    late = trade_of(Side.BUY, 1_000, trade_id="5")
    assert [fill.trade_id for _, fill, _ in works.sort([late]).fresh] == ["5"]
    leg.filled = leg.told
    works.seen.clear()
    assert not works.sort([late]).fresh
