"""An account sampled from its rows: ages, orders, latencies, fills, as they were written."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from huracan.errors import DatabaseError
from huracan.health.sampling_trader import TraderSampler
from huracan.memory import lazy_engine
from tests.health.traded import TABLES, write_account, write_order

pytestmark = pytest.mark.postgres

T = 1_760_000_040_000


@pytest.fixture(autouse=True)
def _empty(database: Engine) -> Iterator[None]:
    yield
    with database.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES} CASCADE"))


def figures(engine: Engine, account: str = "main", feed: bool = False) -> dict[str, float]:
    """Return everything that is sampled of an account."""
    return {row.name: row.value for row in TraderSampler(engine, feed=feed).sample(T) if row.subject in (account, "")}


def test_nobody_ever_traded(database: Engine) -> None:
    """There is nothing to say."""
    assert TraderSampler(database).sample(T) == []


def test_an_account_as_it_stands(database: Engine) -> None:
    """Lease, ages, money, and what is held: half a coin of one market, none of the other."""
    write_account(database)
    found = figures(database, feed=True)
    assert 8 < found["trader.lease_s"] <= 10
    assert 2 <= found["trader.close_age_s"] < 4
    assert 2 <= found["trader.decision_age_s"] < 4
    assert found["feed.candle_age_s"] == found["trader.close_age_s"]
    assert (found["trader.state"], found["trader.positions"]) == (0, 1)
    assert (found["trader.equity"], found["trader.day_result"]) == (990.5, -10)
    assert (found["trader.decisions"], found["trader.decision_ms"]) == (4, pytest.approx(250.0, abs=0.01))
    assert found["trader.orders"] == found["trader.open_orders"] == found["trader.trades"] == 0
    assert not {"trader.sent_ms", "trader.fill_frac", "trader.rejects_frac", "trader.slippage_bps"} & found.keys()


def test_orders_of_the_last_hour(database: Engine) -> None:
    """One filled, one half, one refused, one whose fate is not known; one that risk denied."""
    account = write_account(database, decided=6)
    write_order(database, account, 0, "FILLED", after_ms=400, filled=1.0)
    write_order(database, account, 1, "EXPIRED", after_ms=600, filled=0.5)
    write_order(database, account, 2, "REJECTED", after_ms=800)
    write_order(database, account, 3, "UNKNOWN", after_ms=1_000, intent="OPEN")
    write_order(database, account, 4, "NEVER_SENT", intent="DENIED")
    found = figures(database)
    assert (found["trader.orders"], found["trader.open_orders"], found["trader.unknown_orders"]) == (4, 1, 1)
    assert found["trader.rejects_frac"] == pytest.approx(0.25)
    assert found["trader.fill_frac"] == pytest.approx((1.0 + 0.5 + 0.0 + 0.0) / 4), "the open one is not over"
    assert found["trader.sent_ms"] == pytest.approx(700.0, abs=0.01)
    assert found["trader.sent_p99_ms"] == pytest.approx(994.0, abs=0.1)
    assert found["trader.denied"] == 1


def test_accounts_are_told_apart_and_old_ones_are_left_alone(database: Engine) -> None:
    """Two that trade, one that nobody has traded for weeks."""
    first, second = write_account(database), write_account(database, "second", lease_s=-5.0, close_age_s=100.0)
    write_account(database, "old", close_age_s=30 * 86_400.0)
    write_order(database, second, 0, "REJECTED")
    rows = TraderSampler(database, feed=True).sample(T)
    assert {row.subject for row in rows} == {"main", "second", ""}
    found = figures(database, "second")
    assert (found["trader.lease_s"], found["trader.orders"]) == (0, 1)
    assert figures(database)["trader.orders"] == 0
    assert [row.value < 10 for row in rows if row.name == "feed.candle_age_s"] == [True], "who does not trade has none"
    assert first != second


def test_a_halted_account_and_its_alarms(database: Engine) -> None:
    """The state is a figure; alarms are counted."""
    account = write_account(database)
    with database.begin() as connection:
        connection.execute(
            text("INSERT INTO trading_state VALUES (clock_timestamp(), 1, :account, 'HALTED', 'anna', 'x')"),
            {"account": account},
        )
        connection.execute(
            text("INSERT INTO alarms (at, account_no, code, symbol, detail) VALUES (now(), :account, 'C', 'S', 'd')"),
            {"account": account},
        )
    found = figures(database)
    assert (found["trader.state"], found["trader.alarms"]) == (2, 1)


def test_figures_over_an_hour_are_asked_for_now_and_then(database: Engine) -> None:
    """Every thirty seconds; what changes by the second at each turn."""
    write_account(database)
    sampler = TraderSampler(database, slow_s=30.0)
    counts = [len(sampler.sample(T + 1_000 * second)) for second in (0, 5, 30)]
    assert counts[1] < counts[0] == counts[2]
    assert sampler.source == "trader"


def test_a_server_that_is_away_is_an_error() -> None:
    """The monitor says that it is deaf."""
    with pytest.raises(DatabaseError):
        TraderSampler(lazy_engine("postgresql://nobody@127.0.0.1:1/huracan", 1)).sample(T)
