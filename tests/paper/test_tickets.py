"""Tickets: what a request must say, and what it must not."""

from decimal import Decimal
from typing import Any

import pytest

from huracan.paper.errors import Refusal
from huracan.paper.params import Params
from huracan.paper.state import OrderType, Side, Tif
from huracan.paper.tickets import average_price, read_oco, read_ticket
from tests.paper.world import FLAT, World, market, oco_params

HERE = World([market([FLAT] * 8)], position_max={"AAA": Decimal(3)})
CORE = HERE.exchange._core
LIMIT = {"symbol": "AAAUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "99.5"}


def refusal(params: dict[str, Any], reader: Any = read_ticket) -> tuple[int, str]:
    """Return (code, message) with which a ticket is refused."""
    with pytest.raises(Refusal) as caught:
        reader(CORE, Params({name: value for name, value in params.items() if value is not None}))
    return caught.value.code, caught.value.message


def test_a_limit_order() -> None:
    """Whole ticks and steps."""
    ticket = read_ticket(CORE, Params({**LIMIT, "newClientOrderId": "a-1"}))
    assert (ticket.side, ticket.type, ticket.tif) == (Side.BUY, OrderType.LIMIT, Tif.GTC)
    assert (ticket.quantity, ticket.limit, ticket.stop, ticket.cid, ticket.reply) == (1_000, 9_950, 0, "a-1", "FULL")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"symbol": None}, -1102, "symbol"),
        ({"symbol": "XXX"}, -1121, "Invalid symbol."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "ICEBERG"}, -1116, "Invalid orderType."),
        ({"type": "TAKE_PROFIT_LIMIT"}, -2010, "Take profit limit orders are not supported for this symbol."),
        ({"timeInForce": None}, -1102, "timeInForce"),
        ({"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
        ({"price": None}, -1102, "price"),
        ({"price": "-1"}, -1100, "price"),
        ({"price": "nan"}, -1100, "price"),
        ({"price": "99.505"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "99.5000000001"}, -1111, "Parameter 'price' has too much precision."),
        ({"price": "600"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": None}, -1102, "quantity"),
        ({"quantity": "0"}, -1130, "quantity"),
        ({"quantity": "0.0005"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.05"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "3.5"}, -1013, "Filter failure: MAX_POSITION"),
        ({"stopPrice": "90"}, -1106, "stopPrice"),
        ({"quoteOrderQty": "90"}, -1106, "quoteOrderQty"),
        ({"newClientOrderId": "a b"}, -1100, "newClientOrderId"),
        ({"newOrderRespType": "LONG"}, -1130, "newOrderRespType"),
        ({"selfTradePreventionMode": "MAYBE"}, -1130, "selfTradePreventionMode"),
        ({"type": "LIMIT_MAKER"}, -1106, "timeInForce"),
        ({"type": "MARKET", "timeInForce": None}, -1106, "price"),
        ({"type": "STOP_LOSS", "timeInForce": None, "price": None}, -1102, "stopPrice"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quantity": None}, -1102, "quoteOrderQty"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quantity": "0.01"}, -1013, "Filter failure: NOTIONAL"),
    ],
)
def test_what_an_order_must_and_must_not_say(changes: dict[str, Any], code: int, words: str) -> None:
    """Codes of BN:errors.md."""
    found, message = refusal({**LIMIT, **changes})
    assert found == code
    assert words in message


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"side": "BUY"}, -2010),
        ({"aboveType": "STOP_LOSS"}, -1197),
        ({"belowType": "LIMIT_MAKER"}, -1166),
        ({"aboveType": "MARKET"}, -1158),
        ({"belowStopPrice": None}, -1102),
        ({"abovePrice": None}, -1102),
        ({"belowPrice": "98"}, None),
        ({"aboveClientOrderId": "x", "belowClientOrderId": "x"}, -2010),
        ({"belowStopPrice": "101"}, -2010),
        ({"quantity": "0.0001"}, -1013),
    ],
)
def test_what_a_list_must_and_must_not_say(changes: dict[str, Any], code: int | None) -> None:
    """SELL, LIMIT_MAKER above, a stop below; the limit of a stop-limit leg alone is superfluous on a STOP_LOSS."""
    wanted = {**oco_params("1", "101", "99"), **changes}
    found, _ = refusal(wanted, read_oco)
    assert found == (-1106 if code is None else code)


def test_a_list_reads_both_legs() -> None:
    """The stop may be a stop-limit."""
    ids = {"aboveClientOrderId": "u", "belowClientOrderId": "d", "listClientOrderId": "l"}
    limit = {"belowType": "STOP_LOSS_LIMIT", "belowPrice": "98", "belowTimeInForce": "GTC"}
    ticket = read_oco(CORE, Params({**oco_params("1", "101", "99"), **ids, **limit}))
    assert (ticket.list_cid, ticket.above.cid, ticket.below.cid) == ("l", "u", "d")
    assert (ticket.above.limit, ticket.below.stop, ticket.below.limit) == (10_100, 9_900, 9_800)


def test_the_average_is_weighted_by_volume() -> None:
    """Of the closed bars alone; without volume it is the last close."""
    quiet = (10_000, 10_000, 10_000, 10_000, 0)
    heavy = (20_000, 20_000, 20_000, 20_000, 3_000)
    light = (10_000, 10_000, 10_000, 10_000, 1_000)
    start = {"start_ms": HERE.settings.start_ms + 60_000}
    assert average_price(World([market([light, heavy, FLAT])], **start).exchange._core, "AAAUSDT") == 175
    assert average_price(World([market([quiet, quiet, FLAT])], **start).exchange._core, "AAAUSDT") == 100
