"""The endpoint's rows in Postgres: keys that stand for one answer for ever, and what the account has."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.clock import WallClock
from huracan.config import Settings
from huracan.errors import DatabaseError
from huracan.execution.ids import intent_id
from huracan.execution.model import Intent, IntentKind, IntentStatus
from huracan.memory import Registry, append_trades, lazy_engine, open_run
from huracan.signals.backend import Kept
from huracan.venue.orders import Side
from serve.ledger import PostgresLedger
from tests.memory.samples import sample_trades

pytestmark = pytest.mark.postgres

CANDLE_MS = 1_750_000_020_000
BODY, OTHER = "ab" * 32, "cd" * 32


def intent(symbol: str = "BTC/USDT", candle_ms: int = CANDLE_MS) -> Intent:
    """Return an entry as the endpoint writes it."""
    return Intent(
        intent_id=intent_id("main", symbol, candle_ms, IntentKind.ENTER),
        account="main",
        symbol=symbol,
        candle_ms=candle_ms,
        kind=IntentKind.ENTER,
        side=Side.BUY,
        created_ms=candle_ms + 60_000,
        action=2,
        policy="v1",
        confidence=0.25,
        regime=4,
        state=bytes(range(256)) + bytes(64),
    )


@pytest.fixture
def ledger(database: Engine) -> PostgresLedger:
    """The account `main`, as a replica sees it."""
    return PostgresLedger(database, "main", WallClock(), 5.0)


def key(number: int) -> str:
    """Return a key as the endpoint names it."""
    return f"{number:064x}"


def test_a_key_stands_for_its_first_answer(ledger: PostgresLedger) -> None:
    """With its intents, bit for bit; whoever comes second is given the first's."""
    first, second = Kept(BODY, '{"a": 1}', (intent(), intent("ETH/USDT"))), Kept(OTHER, '{"a": 2}', ())

    async def run() -> None:
        assert await ledger.kept(key(1)) is None
        assert await ledger.keep(key(1), first) == first
        assert await ledger.keep(key(1), second) == first
        assert await ledger.kept(key(1)) == first

    asyncio.run(run())


def test_of_many_at_once_one_wins(database: Engine) -> None:
    """Replicas on connections of their own."""

    async def run() -> None:
        ledgers = [PostgresLedger(database, "main", WallClock(), 5.0) for _ in range(6)]
        found = await asyncio.gather(
            *(one.keep(key(2), Kept(BODY, f'{{"n": {number}}}', ())) for number, one in enumerate(ledgers))
        )
        assert len(set(found)) == 1
        for one in ledgers:
            await one.close()

    asyncio.run(run())


def test_keys_go_after_a_day(ledger: PostgresLedger, database: Engine) -> None:
    """With the next one that comes; younger ones stay."""

    async def run() -> None:
        await ledger.keep(key(3), Kept(BODY, "{}", ()))
        with database.begin() as connection:
            connection.execute(text("UPDATE request_keys SET at = at - interval '25 hours' WHERE answer = '{}'"))
        await ledger.keep(key(4), Kept(BODY, '{"n": 4}', ()))
        assert await ledger.kept(key(3)) is None
        assert await ledger.kept(key(4)) is not None

    asyncio.run(run())


def test_intents_are_written_open_and_once(ledger: PostgresLedger, database: Engine) -> None:
    """What is decided of one stays so when it is written again."""

    async def run() -> None:
        await ledger.put_intents((intent(), intent("ETH/USDT")))
        with database.begin() as connection:
            connection.execute(text("UPDATE intents SET status = 'DENIED', code = 'HEAT' WHERE confidence = 0.25"))
        await ledger.put_intents((intent(), replace(intent("ADA/USDT"), confidence=0.5)))

    asyncio.run(run())
    with database.connect() as connection:
        rows = connection.execute(
            text("SELECT symbol, status, code, octet_length(state) FROM intents JOIN markets USING (market_no)")
        ).all()
    assert sorted(map(tuple, rows)) == [
        ("ADA/USDT", IntentStatus.OPEN, "", 320),
        ("BTC/USDT", IntentStatus.DENIED, "HEAT", 320),
        ("ETH/USDT", IntentStatus.DENIED, "HEAT", 320),
    ]


def test_a_halt_is_a_line_of_the_history(ledger: PostgresLedger) -> None:
    """With its author, as `trade status` shows it."""
    asyncio.run(ledger.halt("http:desk", "looks odd"))
    found = asyncio.run(ledger.status())
    assert (found.state, found.state_author, found.state_reason) == ("HALTED", "http:desk", "looks odd")
    assert (found.account, found.holder, found.unknown_orders) == ("main", None, 0)
    assert asyncio.run(ledger.positions()).positions == ()
    assert asyncio.run(ledger.orders()).orders == ()


def test_trades_come_newest_first_and_say_when_there_are_more(ledger: PostgresLedger, database: Engine) -> None:
    """Of this account, paper or live; shadow's are another matter."""
    run_id = open_run(database, "trade-paper", Settings(), "ab" * 32, __version__)
    paper = replace(sample_trades(6, 1, account="main"), mode=np.full(6, "paper"))
    connection = database.raw_connection()
    try:
        with connection.cursor() as cursor:
            append_trades(cursor, run_id, paper)
            append_trades(cursor, run_id, sample_trades(3, 2, account="main"))
        connection.commit()
    finally:
        connection.close()

    async def run() -> None:
        found = await ledger.trades(0, 4)
        assert found.more
        assert [row.exit_ms for row in found.trades] == sorted(map(int, paper.exit_time), reverse=True)[:4]
        assert {row.mode for row in found.trades} == {"paper"}
        rest = await ledger.trades(int(sorted(paper.exit_time)[-2]), 100)
        assert not rest.more
        assert sum(row.net for row in (await ledger.trades(0, 100)).trades) == pytest.approx(float(paper.net.sum()))

    asyncio.run(run())


def test_the_registry_is_told_with_what_was_proven(ledger: PostgresLedger, database: Engine) -> None:
    """Newest first; which of them decide is the replica's to say."""
    run_id = open_run(database, "train", Settings(), "ab" * 32, __version__)
    for name in ("v1", "v2"):
        Registry(database).register(run_id, name, "*", "folder", "ab" * 32, {}, "tests")
    found = asyncio.run(ledger.models())
    assert [(row.version, row.standing, row.served) for row in found.models] == [
        ("v2", "candidate: UNPROVEN", False),
        ("v1", "candidate: UNPROVEN", False),
    ]
    assert found.models[0].created_time.endswith("Z")


def test_a_database_that_is_away_is_an_error_in_one_line() -> None:
    """Also from the very beginning: a replica starts without it."""
    engine = lazy_engine("postgresql://huracan:secret@127.0.0.1:1/huracan", 1)
    ledger = PostgresLedger(engine, "main", WallClock(), 2.0)
    for question in (ledger.ping, ledger.status, ledger.models):
        with pytest.raises(DatabaseError, match="unreachable") as caught:
            asyncio.run(question())
        assert "secret" not in str(caught.value)
