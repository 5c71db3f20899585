"""Versions beside the account: written down close by close, lost and doubled by nothing, a burden to nobody."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.config import Settings
from huracan.errors import DatabaseError
from huracan.memory import open_run, read_trades
from huracan.patterns import recall
from huracan.signals.beside import BesideAccount
from huracan.trader.beside import BesideRows, Besides, StoredBeside
from tests.signals.test_beside import LAYOUT, LOOSE, TRADING, WINDOW, WORLD, version_of

SETTINGS = Settings(trading=TRADING, risk=LOOSE)
SPAN = WINDOW.start_ms, WINDOW.start_ms + 900 * 60_000
INSTRUMENTS = {tape.symbol: tape.instrument for tape in WORLD.tapes}


def _alone() -> BesideAccount:
    """Return an account that went through the whole span by itself."""
    account = BesideAccount(version_of("one"), INSTRUMENTS, TRADING, LOOSE, "anna")
    for close, closes in WORLD.closes(*SPAN):
        account.on_close(close, closes)
    return account


@pytest.mark.parametrize("seed", [1, 2])
def test_restarts_and_repeated_closes_lose_and_double_nothing(database: Engine, seed: int) -> None:
    """Stopped at random closes and told the last ones again, the database has the trades of an unbroken run."""
    print("seed", seed)
    account = f"anna{seed}"
    run_id = open_run(database, "paper", SETTINGS, "", "test")
    rng = np.random.default_rng(seed)
    span = list(WORLD.closes(*SPAN))
    stops = sorted(int(n) for n in rng.choice(np.arange(20, len(span) - 20), 3, replace=False))

    async def run() -> bytes:
        at = 0
        for stop in [*stops, len(span)]:
            ledger = StoredBeside(database, account, run_id)
            besides = Besides(SETTINGS, INSTRUMENTS, account, ledger, lambda: (version_of("one"),))
            for close, closes in span[max(0, at - 3) : stop]:
                await besides.on_close(close, closes)
            at = stop
            await besides.close()
        return besides.accounts["one"].to_bytes()

    last = asyncio.run(run())
    whole = BesideAccount(version_of("one"), INSTRUMENTS, TRADING, LOOSE, account)
    parts = [whole.on_close(close, closes).trades for close, closes in span]
    assert last == whole.to_bytes()
    found = read_trades(database, run_id)
    wanted = [int(exit_ms) for part in parts if part is not None for exit_ms in part.exit_time]
    assert sorted(found.exit_time.tolist()) == sorted(wanted)
    assert len(wanted) > 30
    assert set(found.mode.tolist()) == {"shadow"}
    assert set(found.account.tolist()) == {account}
    later = open_run(database, "train", SETTINGS, "", "test")
    known = recall(database, later, LAYOUT, 60_000, policy="one", account=account)
    assert (len(known.outcomes), known.left_out) == (len(wanted), 0)


def test_versions_come_and_go_with_the_registry(database: Engine) -> None:
    """A version that enters the stage begins flat at that close; one that leaves it stops trading."""
    run_id = open_run(database, "paper", SETTINGS, "", "test")
    wanted = [version_of("one")]

    async def run() -> tuple[list[set[str]], int]:
        besides = Besides(SETTINGS, INSTRUMENTS, "bea", StoredBeside(database, "bea", run_id), lambda: tuple(wanted))
        seen = []
        for n, (close, closes) in enumerate(WORLD.closes(*SPAN)):
            if n == 200:
                wanted.append(version_of("two"))
            if n == 400:
                wanted.pop(0)
            await besides.on_close(close, closes)
            seen.append(set(besides.accounts))
        await besides.close()
        return seen, besides.accounts["two"].close_ms

    seen, last_ms = asyncio.run(run())
    assert (seen[0], seen[199], seen[200], seen[400]) == ({"one"}, {"one"}, {"one", "two"}, {"two"})
    with database.connect() as connection:
        rows = dict(
            connection.execute(
                text(
                    "SELECT version, (extract(epoch FROM close_at) * 1000)::bigint FROM beside_accounts "
                    "JOIN accounts USING (account_no) WHERE name = 'bea'"
                )
            ).all()
        )
    assert rows["two"] == last_ms > rows["one"]


class _Away:
    """A ledger whose database is away for some closes."""

    def __init__(self, away: range) -> None:
        self._away, self._turn = away, -1
        self.rows: list[BesideRows] = []

    async def load(self, version: str) -> bytes | None:
        return None

    async def keep(self, rows: Sequence[BesideRows]) -> None:
        self._turn += 1
        if self._turn in self._away:
            raise DatabaseError("gone")
        self.rows += rows

    async def close(self) -> None:
        """Hold nothing."""


def test_trades_wait_while_the_database_is_away() -> None:
    """Everything closed in between is written with the first transaction that succeeds, once."""
    ledger = _Away(range(100, 700))

    async def run() -> None:
        besides = Besides(SETTINGS, INSTRUMENTS, "anna", ledger, lambda: (version_of("one"),))
        for close, closes in WORLD.closes(*SPAN):
            await besides.on_close(close, closes)

    asyncio.run(run())
    numbers = [int(n) for row in ledger.rows if row.trades is not None for n in row.trades.seq]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 30
    assert ledger.rows[-1].state == _alone().to_bytes()


def test_a_damaged_account_is_refused_and_the_others_go_on() -> None:
    """Bytes that are no account leave their version out; trading beside it does not stop."""

    class _Damaged(_Away):
        async def load(self, version: str) -> bytes | None:
            return b"damaged" if version == "one" else None

    async def run() -> set[str]:
        shadows = (version_of("one"), version_of("two"))
        besides = Besides(SETTINGS, INSTRUMENTS, "anna", _Damaged(range(0)), lambda: shadows)
        for close, closes in WORLD.closes(SPAN[0], SPAN[0] + 100 * 60_000):
            await besides.on_close(close, closes)
        return set(besides.accounts)

    assert asyncio.run(run()) == {"two"}
