"""The account's view: what was kept comes back, it only goes forward, and both memories mean the same."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from huracan.execution.postgres_store import PostgresStore
from huracan.risk.live import DayBook
from huracan.trader.views import AccountState, AccountViews, MemoryViews
from tests.execution.samples import awaited

STATE = AccountState(
    1_790_000_000_123, 1_750_000_020_000, 1_790_000_000_000, "paper",
    DayBook(20_254, 100_000.5, 99_999.25, breached=True, reached=False), Decimal("100001.12345678"),
    {"equity": "1.5", "limits": []},
)  # fmt: skip


@awaited
async def _contract(views: AccountViews | MemoryViews) -> None:
    assert await views.load() is None
    await views.keep(STATE)
    assert await views.load() == STATE
    later = replace(STATE, at_ms=STATE.at_ms + 5, market_ms=STATE.market_ms + 60_000, peak=Decimal(2), report={})
    await views.keep(later)
    await views.keep(STATE)  # of a trader that was paused
    assert await views.load() == later
    again = replace(later, reconciled_ms=later.at_ms)
    await views.keep(again)
    assert await views.load() == again
    await views.close()


def test_in_memory() -> None:
    """See the contract."""
    _contract(MemoryViews())


@pytest.mark.postgres
def test_in_postgres(database: Engine) -> None:
    """See the contract; and the holder of the lease, until it lets go."""

    @awaited
    async def prepare() -> None:
        store = PostgresStore(database, "main")
        views = AccountViews(database, "main")
        assert await views.holder() is None
        lease = await store.acquire("anna@home:7", 30.0)
        held = await views.holder()
        assert held is not None
        assert held.name == "anna@home:7"
        assert 25.0 < held.for_s <= 30.0
        await store.release(lease)  # type: ignore[arg-type]
        assert await views.holder() is None
        await views.close()
        await store.close()

    prepare()
    make: Callable[[], AccountViews] = lambda: AccountViews(database, "main")  # noqa: E731
    _contract(make())


@pytest.mark.postgres
def test_an_account_that_nobody_knows_has_no_view(database: Engine) -> None:
    """Neither read nor written."""

    @awaited
    async def ask() -> None:
        views = AccountViews(database, "nobody")
        await views.keep(STATE)
        assert await views.load() is None
        await views.close()

    ask()
