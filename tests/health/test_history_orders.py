"""Orders and fills are read by their numbers: in pieces as at once, and what may still change is read again."""

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.health.history_orders import AGAIN, FillHistory, OrderHistory
from huracan.health.reading import read_only

pytestmark = pytest.mark.postgres

START_MS = 20_000 * 86_400_000
HOUR_MS = 3_600_000


@pytest.fixture
def numbers(database: Engine) -> dict[str, int]:
    """Two accounts of a fresh database, and their markets."""
    found = {}
    with database.begin() as connection:
        connection.execute(text("TRUNCATE accounts, decisions, markets, intents, orders, fills CASCADE"))
        for name in ("main", "other"):
            insert = text("INSERT INTO accounts (name) VALUES (:name) RETURNING account_no")
            found[name] = int(connection.execute(insert, {"name": name}).scalar_one())
            insert = text("INSERT INTO markets (account_no, symbol) VALUES (:a, 'BTC/USDT') RETURNING market_no")
            found[f"{name} market"] = int(connection.execute(insert, {"a": found[name]}).scalar_one())
    return found


def trade(engine: Engine, numbers: dict[str, int], first: int, count: int, status: str = "FILLED") -> None:
    """Write entries an hour apart of both accounts: a resting order after 50 ms and a taking one filled after 100."""
    filled = 1 if status == "FILLED" else 0
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for name in ("main", "other"):
            given = {"a": numbers[name], "m": numbers[f"{name} market"], "first": first, "last": first + count - 1}
            given |= {"start": START_MS, "status": status, "filled": filled, "shift": 0 if name == "main" else 10**6}
            hours = """FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n,
                to_timestamp(:start / 1000.0 + 3600 * n) AS at"""
            for statement in (
                f"""INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                actions, confidences) SELECT at, at, at + interval '1 second', :a, '{{BTC/USDT}}', '{{v}}', '{{0}}',
                '{{2}}', '{{0.5}}' {hours}""",
                f"""INSERT INTO intents (candle_at, created_at, intent_id, confidence, kind, status, side, market_no,
                action, regime, quantity, reason, policy, code, state) SELECT at, at, :shift + n, 0.5, 'ENTER', 'DONE',
                'BUY', :m, 2, 0, 1, '', 'v', '', '' {hours}""",
                f"""INSERT INTO orders (created_at, sent_at, updated_at, intent_id, child, kind, status, seq, quantity,
                price, filled, cost, venue_filled, reason) SELECT at, at + interval '1.05 seconds', at, :shift + n, 0,
                'POST_ONLY', CAST(:status AS order_status), 1, 1, 100, :filled, 100 * :filled, :filled, '' {hours}""",
                f"""INSERT INTO orders (created_at, sent_at, updated_at, intent_id, child, kind, status, seq, quantity,
                price, filled, cost, venue_filled, reason) SELECT at, at + interval '3 seconds', at, :shift + n, 1,
                'FOK', 'FILLED', 1, 1, 100, 1, 100, 1, '' {hours}""",
                """INSERT INTO fills (at, booked_at, order_no, side, market_no, maker, trade_id, quantity, price,
                commission, commission_asset) SELECT sent_at, sent_at + interval '0.1 seconds', order_no, 'BUY', :m,
                false, order_no, 1, 100, 0, 'BNB' FROM orders JOIN intents USING (intent_id)
                WHERE market_no = :m AND child = 1 AND intent_id BETWEEN :shift + :first AND :shift + :last""",
            ):
                connection.execute(text(statement), given)


def step(engine: Engine, part: OrderHistory | FillHistory, number: int) -> int:
    """Read on until all is read; returns in how many steps."""
    for count in range(1, 100):
        with read_only(engine) as cursor:
            if part.step(cursor, number):
                return count
    raise AssertionError("it never ends")


def figures(orders: OrderHistory, fills: FillHistory) -> list[list[float]]:
    """Return all that charts are given."""
    return [part.tolist() for one in (orders.filled(), orders.sent(), fills.taken()) for part in one]


def test_read_in_pieces_it_is_what_it_is_at_once(database: Engine, numbers: dict[str, int]) -> None:
    """Ten numbers a step over two accounts; the other one's orders are passed over."""
    trade(database, numbers, 0, 100)
    pieces, once = (OrderHistory(10), FillHistory(10)), (OrderHistory(), FillHistory())
    assert step(database, pieces[0], numbers["main"]) >= 40
    assert step(database, pieces[1], numbers["main"]) >= 20
    assert [step(database, one, numbers["main"]) for one in once] == [1, 1]
    assert figures(*pieces) == figures(*once)
    shares, _ = once[0].filled()
    assert shares.tolist() == [1.0] * 100
    values, hours_ms = once[0].sent()
    np.testing.assert_allclose(values, 50.0, atol=1e-3)
    assert hours_ms.tolist() == [START_MS + hour * HOUR_MS for hour in range(100)]
    np.testing.assert_allclose(once[1].taken()[0], 100.0, atol=1e-3)


def test_an_order_that_ends_later_is_seen_to_have_ended(database: Engine, numbers: dict[str, int]) -> None:
    """It was at work when it was read first; two days after it nothing is read again."""
    trade(database, numbers, 0, 60)
    trade(database, numbers, 60, 1, status="ACCEPTED")
    orders = OrderHistory()
    step(database, orders, numbers["main"])
    assert len(orders.filled()[0]) == 60
    with database.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE orders SET status = 'EXPIRED' WHERE status = 'ACCEPTED'"))
    step(database, orders, numbers["main"])
    assert orders.filled()[0].tolist() == [1.0] * 60 + [0.0]
    trade(database, numbers, 61, 100)
    step(database, orders, numbers["main"])
    whole = OrderHistory()
    step(database, whole, numbers["main"])
    assert [part.tolist() for part in orders.filled()] == [part.tolist() for part in whole.filled()]


def test_fills_that_are_seen_late_are_not_missed(database: Engine, numbers: dict[str, int]) -> None:
    """Numbers are taken before rows can be seen: the newest thousand are looked at again."""
    trade(database, numbers, 0, 20)
    with database.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text(
                """CREATE TABLE late AS SELECT f.* FROM fills f JOIN markets USING (market_no)
                WHERE account_no = :a ORDER BY fill_no OFFSET 5 LIMIT 3"""
            ),
            {"a": numbers["main"]},
        )
        connection.execute(text("DELETE FROM fills WHERE fill_no IN (SELECT fill_no FROM late)"))
    fills, whole = FillHistory(), FillHistory()
    step(database, fills, numbers["main"])
    assert len(fills.taken()[0]) == 17
    with database.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("INSERT INTO fills OVERRIDING SYSTEM VALUE SELECT * FROM late"))
        connection.execute(text("DROP TABLE late"))
    for part in (fills, whole):
        step(database, part, numbers["main"])
    assert AGAIN > 40
    assert [part.tolist() for part in fills.taken()] == [part.tolist() for part in whole.taken()]
    assert len(fills.taken()[0]) == 20
