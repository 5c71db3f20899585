"""What a trader writes down: figures by hand, limits with what is used of them, and nothing that is not known."""

import json
from decimal import Decimal
from typing import Any

import pytest

from huracan.errors import DatabaseError
from huracan.risk.live import DayBook
from huracan.trader.reporting import ViewWriter, limits_used
from huracan.trader.views import AccountState, MemoryViews
from tests.execution.scenes import scene
from tests.execution.world import virtually
from tests.paper.world import BASE_MS, START_MS
from tests.trader.booked import Booked

DAY = START_MS // 86_400_000
EQUITY = 999_998.90
"""A million, less 10 coins at 100.01, and 9.99 coins at 100.00."""


def writer_of(account: Booked, views: MemoryViews) -> ViewWriter:
    """Return what writes an account down."""
    return ViewWriter(views, "paper", account.keeper, account.limits, account.book, account.world.clock)


def used(account: Booked) -> dict[str, tuple[Any, Any]]:
    """Return (used, limit) by name."""
    return {row["name"]: (row["used"], row["limit"]) for row in limits_used(account.keeper, account.limits)}


def test_limits_are_shown_with_what_is_used_of_them() -> None:
    """Worked by hand: 9.99 coins at 100.00 with the stop at 99.40, bought by one order."""

    async def steps() -> None:
        account = await Booked.open(scene())
        assert {name: figure for name, (figure, _) in used(account).items() if figure} == {}
        await account.buy()
        account.book.close_day()
        assert used(account) == {
            "heat_frac": (pytest.approx(9.99 * 0.60 / EQUITY), 0.15),
            "gross_exposure_frac": (pytest.approx(999.0 / EQUITY), 1.0),
            "daily_loss": (pytest.approx(1.10), 500.0),
            "daily_profit": (0.0, None),
            "drawdown_frac": (pytest.approx(1.1e-6), 0.2),
            "open_trades": (1, 50),
            "orders_in_flight": (0, 50),
            "order_rate": (1, 100),
            "notional AAA/USDT": (999.0, 5_000.0),
        }

    virtually(steps)


def test_a_days_profit_and_a_breached_day_are_shown_as_risk_judges_them() -> None:
    """A loss that reached its limit stays there until midnight, also when the price is back."""

    async def steps() -> None:
        account = await Booked.open(scene(), daily_profit_target=900.0)
        await account.buy()
        account.priced(11_000, START_MS + 2 * BASE_MS)
        assert used(account)["daily_profit"] == (pytest.approx(9.99 * 10 - 1.1), 900.0)
        assert used(account)["daily_loss"] == (0.0, 500.0)
        account.priced(4_900, START_MS + 3 * BASE_MS)
        account.priced(10_000, START_MS + 4 * BASE_MS)
        assert used(account)["daily_loss"] == (500.0, 500.0)
        assert used(account)["drawdown_frac"] == (pytest.approx(99.9 / (EQUITY + 99.9)), 0.2)

    virtually(steps)


def test_nothing_is_written_as_long_as_nothing_is_known() -> None:
    """Before the first close of an account that no process traded before, there is no day to write down."""

    async def steps() -> None:
        account, views = Booked(scene()), MemoryViews()
        await account.engine.start()
        await writer_of(account, views).keep(1, 2)
        assert await views.load() is None

    virtually(steps)


def test_an_account_is_written_down_with_every_digit() -> None:
    """Money as text, exactly; all of it can be stored as JSON."""

    async def steps() -> None:
        account, views = await Booked.open(scene()), MemoryViews()
        await account.buy()
        account.book.close_day()
        await writer_of(account, views).keep(START_MS + BASE_MS, 77)
        state = await views.load()
        assert state is not None
        report = dict(state.report)
        limits = report.pop("limits")
        assert state == AccountState(
            account.world.clock.now_ms(), START_MS + BASE_MS, 77, "paper",
            DayBook(DAY, 1e6, EQUITY), Decimal(1_000_000), {**report, "limits": limits},
        )  # fmt: skip
        assert {name: report[name] for name in ("currency", "prices", "steps")} == {
            "currency": "USDT",
            "prices": {"AAA/USDT": "100.00"},
            "steps": {"AAA/USDT": "0.001"},
        }
        assert (Decimal(report["equity"]), Decimal(report["cash"])) == (Decimal("999998.9"), Decimal("998999.9"))
        assert report["heard"]["AAA/USDT"][1:] == [report["closes"], report["closes"]]
        assert set(report) == {"equity", "cash", "currency", "prices", "steps", "heard", "closes"}
        assert limits == limits_used(account.keeper, account.limits)
        assert json.loads(json.dumps(state.report, allow_nan=False)) == state.report

    virtually(steps)


def test_what_became_unknown_is_written_as_unknown() -> None:
    """With the ledger away there is no value and no limit, but day and peak stand as they were."""

    async def steps() -> None:
        account, views = await Booked.open(scene()), MemoryViews()
        account.store.away = True
        await account.book.refresh(account.store)  # type: ignore[arg-type]
        await writer_of(account, views).keep(START_MS + 2 * BASE_MS, 77)
        state = await views.load()
        assert state is not None
        assert [state.report[name] for name in ("equity", "cash", "limits")] == [None, None, []]
        assert (state.day, state.peak) == (DayBook(DAY, 1e6, 1e6), Decimal(1_000_000))

    virtually(steps)


def test_a_database_that_is_away_is_said() -> None:
    """Whoever keeps the account decides what follows."""

    class Away(MemoryViews):
        async def keep(self, state: AccountState) -> None:
            raise DatabaseError("the server is away")

    async def steps() -> None:
        account = await Booked.open(scene())
        with pytest.raises(DatabaseError):
            await writer_of(account, Away()).keep(1, 2)

    virtually(steps)
