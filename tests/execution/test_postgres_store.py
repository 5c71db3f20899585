"""The store in Postgres keeps the contract of all stores, and what only a server can break."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import Engine, text

from huracan.config import load_settings
from huracan.errors import DatabaseError, FencedError, InvariantError
from huracan.execution.model import Draft, IntentKind, IntentStatus, Lease, Record, SlotRow, Status, Transfer, Trigger
from huracan.execution.postgres_store import PostgresStore
from huracan.execution.replay import differences
from huracan.execution.store import Store
from huracan.memory import TradeRows, open_run
from huracan.memory.schema import TRADE_TABLES
from tests.execution.contract import OpenStore, StoreContract
from tests.execution.samples import (
    CANDLE_MS,
    NOW_MS,
    SYMBOL,
    D,
    Desk,
    awaited,
    bracket,
    buy,
    closed_trades,
    fact,
    fill,
    intent,
    market_sell,
    reserve,
)

pytestmark = pytest.mark.postgres

VENUE_ID = "31000000000"
BYTES_PER_1000_TRADES_MAX = 5_000_000


@pytest.fixture
def emptied(database: Engine) -> Engine:
    """The module's database without a row of trading."""
    with database.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(TRADE_TABLES)}, trade_memory, runs RESTART IDENTITY CASCADE"))
    return database


@pytest.fixture
def opened(emptied: Engine) -> Iterator[OpenStore]:
    """Stores of one database, closed at the end."""
    run_id = open_run(emptied, "trade", load_settings(None, {}, {}), "none", "test")
    made: list[PostgresStore] = []

    def make() -> PostgresStore:
        made.append(PostgresStore(emptied, "main", run_id))
        return made[-1]

    yield make
    for store in made:
        asyncio.run(store.close())


def _execute(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


class TestPostgresStore(StoreContract):
    """Everything the contract says."""

    async def expire(self, store: Store, lease: Lease) -> None:
        """Set the lease's end to now."""
        assert isinstance(store, PostgresStore)
        _execute(self.engine, "UPDATE leases SET expires_at = clock_timestamp()")

    @pytest.fixture(autouse=True)
    def _keep_engine(self, emptied: Engine) -> None:
        self.engine = emptied


@awaited
async def test_a_lost_connection_is_an_error_and_then_made_anew(emptied: Engine, opened: OpenStore) -> None:
    """The server drops us: one line now, and the next call works, with what was written before (F14)."""
    store = opened()
    desk = await Desk.open(store)
    await store.put_intent(parent := intent())
    draft = buy(parent)
    await desk.submit(draft)
    _execute(
        emptied, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )  # fmt: skip
    with pytest.raises(DatabaseError) as caught:
        await desk.book(fill(draft, "1", "3"))
    assert "\n" not in str(caught.value)
    assert await store.unseen((fill(draft, "1", "3"),)) == (fill(draft, "1", "3"),)
    booked = await desk.book(fill(draft, "1", "3"))
    assert booked.orders[0].status is Status.FILLED
    assert differences(await store.log()) == ()


@awaited
async def test_a_slow_database_is_an_error_in_time(emptied: Engine) -> None:
    """A locked table ends the call within the timeout; nothing is written, and later calls work (F14)."""
    store = PostgresStore(emptied, "main", timeout_s=0.5)
    desk = await Desk.open(store)
    await store.put_intent(parent := intent())
    draft = buy(parent)
    loop = asyncio.get_running_loop()
    with emptied.connect() as blocker:
        blocker.execute(text("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"))
        begin_s = loop.time()
        with pytest.raises(DatabaseError):
            await store.begin_order(desk.lease, [draft], reserve(draft))
        assert loop.time() - begin_s < 5
        blocker.rollback()
    await asyncio.sleep(0.2)
    assert (await store.load()).orders == {}
    await desk.submit(draft)
    await store.close()


@awaited
async def test_a_call_whose_caller_left_does_not_begin(emptied: Engine, opened: OpenStore) -> None:
    """A write that waits behind a slow one is dropped with its caller; one that has begun goes to its end."""
    store = opened()
    desk = await Desk.open(store)
    await store.put_intent(parent := intent())
    draft = buy(parent)
    with emptied.connect() as blocker:
        blocker.execute(text("LOCK TABLE cursors IN ACCESS EXCLUSIVE MODE"))
        begun = asyncio.create_task(desk.book(cursors={SYMBOL: "5"}))
        await asyncio.sleep(0.3)
        waiting = asyncio.create_task(store.begin_order(desk.lease, [draft], reserve(draft)))
        await asyncio.sleep(0.1)
        for task in (begun, waiting):
            task.cancel()
        await asyncio.gather(begun, waiting, return_exceptions=True)
        blocker.rollback()
    snapshot = await store.load()
    assert snapshot.cursors == {SYMBOL: "5"}
    assert snapshot.orders == {}


@awaited
async def test_a_lease_of_another_store_is_not_written_with(opened: OpenStore) -> None:
    """What is not over is kept in memory by the store that acquired: another one must not write by the same lease."""
    desk = await Desk.open(opened())
    with pytest.raises(FencedError, match="not acquired here"):
        await opened().record(desk.lease, Record(cursors={SYMBOL: "1"}))


@awaited
async def test_trades_need_a_run(emptied: Engine) -> None:
    """The trade memory belongs to runs; without one the whole record is refused."""
    store = PostgresStore(emptied, "main")
    desk = await Desk.open(store)
    with pytest.raises(InvariantError, match="outside of any run"):
        await desk.book(trades=closed_trades("main", 1), cursors={SYMBOL: "1"})
    assert (await store.load()).cursors == {}
    await store.close()


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE orders SET filled = 2.5, cost = 250, status = 'PARTIALLY_FILLED'", "never go back"),
        ("UPDATE orders SET filled = 4, cost = 400", "its fills sum to"),
        ("UPDATE orders SET cost = 301", "its fills sum to"),
        ("UPDATE orders SET reason = 'x', venue_filled = -1", "never go back"),
        ("UPDATE orders SET seq = seq + 1", "events up to"),
        ("UPDATE orders SET status = 'CANCELED'", "orders_figures"),
        ("UPDATE orders SET quantity = 4", "never changes"),
        ("UPDATE orders SET sent_at = now()", "never go back"),
        ("DELETE FROM orders", "refused"),
        ("UPDATE fills SET price = 1", "never change"),
        ("DELETE FROM fills", "never change"),
        ("DELETE FROM order_events", "never change"),
        ("UPDATE ledger SET amount = amount + 1", "never change"),
        ("DELETE FROM ledger", "never change"),
        ("UPDATE balances SET free = free + 1", "balances_zero"),
        ("UPDATE balances SET locked = -1, free = free + 1 + locked", "balances_locked"),
        (
            """INSERT INTO fills (market_no, order_no, trade_id, side, quantity, price, commission, commission_asset,
            maker, at) SELECT market_no, order_no, '3', side, 1, 1, 0, 'BTC', false, at FROM fills LIMIT 1""",
            "a fill without an event",
        ),
        (
            """INSERT INTO fills (market_no, trade_id, side, quantity, price, commission, commission_asset, maker, at)
            SELECT market_no, trade_id, side, 1, 1, 0, 'BTC', false, at FROM fills LIMIT 1""",
            "fills_key",
        ),
        (
            """INSERT INTO ledger (account_no, asset, amount, source, target, at, reason)
            VALUES (1, 'USDT', 'NaN', 'FREE', 'EXTERNAL', now(), 'x')""",
            "ledger_amount",
        ),
        (
            """INSERT INTO intents SELECT candle_at, created_at, intent_id + 1, confidence, kind, status, side,
            market_no, action, regime, quantity, reason, policy, code, state FROM intents""",
            "intents_key",
        ),
    ],
)
def test_the_database_holds_the_sums_itself(emptied: Engine, opened: OpenStore, statement: str, refusal: str) -> None:
    """I1, I3, I5 and I10 as constraints and triggers: whoever writes, with whatever code (pair assertions)."""

    async def prepare() -> None:
        desk = await Desk.open(opened())
        await desk.bought(intent())

    asyncio.run(prepare())
    with pytest.raises(Exception, match=refusal), emptied.begin() as connection:
        connection.execute(text(statement))


def test_an_old_epoch_writes_nothing(emptied: Engine, opened: OpenStore) -> None:
    """`check_epoch` is what fences: the same transaction that would write asks it."""

    async def prepare() -> None:
        await Desk.open(opened())

    asyncio.run(prepare())
    for epoch, released, refused in ((1, False, False), (2, False, True), (0, False, True), (1, True, True)):
        _execute(emptied, "UPDATE leases SET released = :released", released=released)
        with emptied.connect() as connection:
            cursor = connection.connection.cursor()
            if refused:
                with pytest.raises(psycopg2.Error) as caught:
                    cursor.execute("SELECT check_epoch(1::smallint, %s)", (epoch,))
                assert caught.value.pgcode == "HU001"
            else:
                cursor.execute("SELECT check_epoch(1::smallint, %s)", (epoch,))


WORKER = """
import asyncio, sys
from huracan.errors import FencedError
from huracan.execution.model import Lease, Record
from huracan.execution.postgres_store import PostgresStore
from huracan.memory import connect

async def main():
    store = PostgresStore(connect(sys.argv[1]), "main")
    lease = await store.acquire("child", 1.0)
    print("acquired", lease.epoch if isinstance(lease, Lease) else None, flush=True)
    sys.stdin.readline()
    try:
        await store.record(lease, Record(cursors={"BTC/USDT": "666"}))
        print("written", flush=True)
    except FencedError:
        print("fenced", flush=True)
    await store.close()

asyncio.run(main())
"""


def test_two_processes_cannot_both_write(emptied: Engine, opened: OpenStore) -> None:
    """A process that paused beyond its lease finds another in its place, and its write does not happen (F17)."""
    url = emptied.url.render_as_string(hide_password=False)
    child = subprocess.Popen(
        [sys.executable, "-c", WORKER, url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "acquired 1\n"

        async def take_over() -> None:
            store = opened()
            for _ in range(100):
                found = await store.acquire("parent", 600.0)
                if isinstance(found, Lease):
                    break
                await asyncio.sleep(0.05)
            assert isinstance(found, Lease)
            assert found.epoch == 2
            await store.record(found, Record(cursors={SYMBOL: "5"}))

        asyncio.run(take_over())
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "fenced\n"
        assert child.wait(timeout=30) == 0
    finally:
        child.kill()
        child.wait(timeout=30)
    assert asyncio.run(opened().load()).cursors == {SYMBOL: "5"}


async def _live_trade(desk: Desk, number: int) -> None:
    """One whole trade: FOK entry in two fills, bracket, then its stop in two fills or, in 59 of 100, the time limit."""
    candle_ms = CANDLE_MS + 60_000 * number
    state = bytes(range(256)) + bytes(64)
    enter = intent(candle_ms=candle_ms, state=state, policy="v1", action=2, confidence=0.5, reason="")
    sells = intent(kind=IntentKind.PROTECT, candle_ms=candle_ms, reason="")
    for parent in (enter, sells):
        await desk.store.put_intent(parent)
    entry = replace(buy(enter, price="61234.56"), quantity=Decimal("0.01234"))
    await desk.submit(entry)
    await _fill_twice(desk, entry, 10 * number, "0.00617", "61201.23", "0.00000617")
    legs = bracket(sells, 0, "0.01232", "63000.01", "60000.02")
    await desk.submit(*legs)
    await desk.book(facts=tuple(fact(leg, Trigger.ACCEPT, venue_id=VENUE_ID) for leg in legs))
    await desk.book(slots=(SlotRow(SYMBOL, number, bytes(600)),))
    if number % 100 < 59:
        await desk.book(facts=tuple(fact(leg, Trigger.CANCEL_SENT) for leg in legs))
        await desk.book(facts=tuple(fact(leg, Trigger.CANCEL) for leg in legs))
        sale = market_sell(sells, 3, "0.01232")
        await desk.submit(sale)
    else:
        sale = legs[1]
        await desk.book(facts=(fact(legs[0], Trigger.EXPIRE),))
    trades = closed_trades("main", 1, first=number)
    await _fill_twice(desk, sale, 10 * number + 2, "0.00616", "61501.23", "0.37884758", trades)
    for parent in (enter, sells):
        await desk.store.update_intent(desk.lease, parent.intent_id, IntentStatus.DONE)


async def _fill_twice(
    desk: Desk, order: Draft, number: int, half: str, price: str, fee: str, trades: TradeRows | None = None
) -> None:
    trade = 4_000_000_000 + number
    await desk.book(
        *(replace(fill(order, str(trade + n), half, price), commission=Decimal(fee)) for n in (0, 1)),
        facts=(fact(order, Trigger.ACCEPT, venue_id=VENUE_ID, venue_filled=2 * Decimal(half)),),
        cursors={SYMBOL: str(trade + 1)},
        slots=(SlotRow(SYMBOL, number, bytes(600)),),
        trades=trades,
    )


@awaited
async def test_a_thousand_live_trades_take_at_most_5_mb(emptied: Engine, opened: OpenStore) -> None:
    """What 400 whole trades add to all tables of trading and to the trade memory, indexes included, times 2.5."""
    desk = await Desk.open(opened(), funds="2000")
    await desk.book(transfers=(Transfer("BTC", D(1), NOW_MS, "opening balance"),))
    tables = (*TRADE_TABLES, "trade_memory")
    sizes: list[dict[str, int]] = []
    with emptied.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for number in range(500):
            await _live_trade(desk, number)
            if number % 50 == 49:  # what the server does by itself within a minute, in days of trading
                connection.execute(text(f"VACUUM {', '.join(tables)}"))
            if number in (99, 499):
                sizes.append(
                    {
                        name: connection.execute(text(f"SELECT pg_total_relation_size('{name}')")).scalar_one()
                        for name in tables
                    }
                )
    grown = {name: 2.5 * (sizes[1][name] - sizes[0][name]) for name in tables}
    print(grown)
    assert sum(grown.values()) <= BYTES_PER_1000_TRADES_MAX, grown
    assert differences(await desk.store.log()) == ()
