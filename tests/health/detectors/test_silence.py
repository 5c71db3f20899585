"""Silence is noticed within the stated time, and a quiet account that nobody trades is none."""

import asyncio
import json
import time
from decimal import Decimal
from fnmatch import fnmatchcase

import pytest
from sqlalchemy import Engine, text

from huracan.config import RemediesSettings
from huracan.health.detectors.silence import Silence
from huracan.memory.health import Anomaly
from huracan.risk.live import DayBook
from huracan.trader.views import AccountState, AccountViews
from tests.health.traded import TABLES, write_account

pytestmark = pytest.mark.postgres


def look(engine: Engine, later_s: float = 0.0, account: str = "main") -> list[Anomaly]:
    """Return what is silent now, or would be so many seconds later."""
    return list(Silence(engine, account).look(round(1e3 * (time.time() + later_s))))


def clean(engine: Engine) -> None:
    """Empty what a test wrote."""
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES} CASCADE"))


def test_a_silent_feed_is_noticed_within_the_stated_delay(database: Engine) -> None:
    """A close a minute: at 150 s and ten it is silent, not before; since when is the last close."""
    clean(database)
    write_account(database, lease_s=1_000.0, close_age_s=2.0, decided=6)
    assert not look(database)
    assert not look(database, 155.0)
    (one,) = look(database, 165.0)
    assert (one.detector, one.severity, one.subject, one.account) == ("feed_silent", "critical", "", "main")
    assert one.claimed == pytest.approx(60.0, abs=1.0)
    assert one.delay == "160 s: 2.5 intervals and 10 s"
    assert one.since_ms == pytest.approx(1e3 * (time.time() - 2.0), abs=5_000)


def view(engine: Engine, age_s: float, epoch: int = 1, began_age_s: float = 1e6) -> None:
    """Write what a trader writes at a close that it heard so long ago, whether or not it decided."""
    with engine.begin() as connection:
        connection.execute(
            text(
                """UPDATE account_views SET at = clock_timestamp() - make_interval(secs => :age),
                reconciled_at = clock_timestamp() - make_interval(secs => :began),
                report = report || jsonb_build_object('epoch', cast(:epoch AS bigint))"""
            ),
            {"age": age_s, "began": began_age_s, "epoch": epoch},
        )


def lease(engine: Engine, epoch: int) -> None:
    """Have another trader take the account."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE leases SET epoch = :epoch, released = false"), {"epoch": epoch})


@pytest.mark.parametrize("interval_s", [60.0, 300.0, 3_600.0])
def test_a_restart_after_ten_bars_is_no_silence(database: Engine, interval_s: float) -> None:
    """Stopped for ten bars; the new trader is given the same time for its first close as any close is given."""
    clean(database)
    write_account(database, lease_s=1e6, close_age_s=10 * interval_s, decided=30, interval_s=interval_s)
    silence, limit_s = Silence(database, "main"), 2.5 * interval_s + 10.0
    with database.begin() as connection:
        connection.execute(text("UPDATE leases SET released = true"))
    now_ms = round(1e3 * time.time())
    assert not silence.look(now_ms)
    lease(database, 2)
    assert not silence.look(now_ms), "reconciling: it has written nothing down yet"
    assert not silence.look(round(now_ms + 1e3 * limit_s))
    (one,) = silence.look(round(now_ms + 1e3 * limit_s) + 5_000)
    assert (one.detector, one.since_ms) == ("feed_silent", now_ms)
    view(database, 0.0, epoch=2, began_age_s=1.0)  # its first close is the one at which it starts: nothing is decided
    assert not look(database)
    assert not look(database, limit_s - 5.0)
    (one,) = look(database, limit_s + 5.0)
    assert one.detector == "feed_silent"


def test_a_monitor_that_has_just_started_calls_no_starting_trader_silent(database: Engine) -> None:
    """All of a machine starts at once: the newest view is of the trader before, and hours old."""
    clean(database)
    write_account(database, lease_s=1e6, close_age_s=7_200.0, decided=30)
    lease(database, 2)
    assert not look(database)


def test_an_endpoint_that_is_down_is_no_silent_feed(database: Engine) -> None:
    """Closes are heard and none is decided on for 3.5 minutes: decisions are missing, a warning, and nothing acts."""
    clean(database)
    write_account(database, lease_s=1e6, close_age_s=210.0, decided=30)
    view(database, 65.0)
    assert not look(database), "decided at 210 s, heard at 65 s: two closes and a half are not yet over"
    view(database, 5.0)
    (one,) = look(database)
    assert (one.detector, one.severity, one.subject) == ("decisions_missing", "warning", "")
    assert one.observed == pytest.approx(205.0, abs=3.0)
    assert one.delay == "220 s: the first close after 2.5 intervals and 10 s"
    acting = [rule for rule in RemediesSettings().rules if rule.mode == "act"]
    assert not any(fnmatchcase(one.detector, rule.detector) for rule in acting)


def test_closes_that_come_late_are_heard(database: Engine) -> None:
    """A trader that catches up decides on none of them; one that has just started has missed none yet."""
    clean(database)
    write_account(database, lease_s=1e6, close_age_s=3_600.0, decided=30)
    view(database, 1.0, began_age_s=100.0)
    assert not look(database)
    view(database, 1.0, began_age_s=300.0)
    assert [one.detector for one in look(database)] == ["decisions_missing"]


def test_a_feed_that_falls_silent_while_nothing_is_decided_is_both(database: Engine) -> None:
    """Missing decisions do not hide a silent feed."""
    clean(database)
    write_account(database, lease_s=1e6, close_age_s=900.0, decided=30)
    view(database, 170.0)
    assert {one.detector for one in look(database)} == {"feed_silent", "decisions_missing"}


def test_the_view_of_a_real_trader_names_the_lease_that_it_was_written_under(database: Engine) -> None:
    """Written by the trader's own class; what it loads is what it kept."""
    clean(database)
    write_account(database, lease_s=1e6, close_age_s=7_200.0, decided=30)
    lease(database, 7)
    now_ms = round(1e3 * time.time())

    async def keep() -> None:
        views = AccountViews(database, "main")
        kept = AccountState(now_ms, now_ms, now_ms, "paper", DayBook(0, 1.0, 1.0), Decimal(1), {"equity": None})
        await views.keep(kept)
        assert await views.load() == kept
        await views.close()

    asyncio.run(keep())
    assert not look(database, 155.0)
    (one,) = look(database, 165.0)
    assert (one.detector, one.since_ms) == ("feed_silent", now_ms)


def test_a_trader_that_died_is_told_apart_from_one_that_was_stopped(database: Engine) -> None:
    """A lease that ran out, and one that was let go; with a position money is at risk."""
    clean(database)
    write_account(database, lease_s=-30.0)
    (one,) = look(database)
    assert (one.detector, one.severity) == ("trader_silent", "critical")
    assert one.evidence["positions"] == 1
    with database.begin() as connection:
        connection.execute(text("UPDATE leases SET released = true"))
    assert not look(database, 1e6)
    assert not look(database, account="nobody")


def hear(engine: Engine, closes: int, heard: dict[str, tuple[int, int]]) -> None:
    """Write what a trader of three markets has heard: at how many closes each was there, and at which one last."""
    with engine.begin() as connection:
        connection.execute(
            text(
                """UPDATE account_views SET report = report || jsonb_build_object('closes', CAST(:closes AS int),
                'steps', '{"BTC/USDT": "1", "ETH/USDT": "1", "SHIB/USDT": "1"}'::jsonb, 'heard', (
                    SELECT jsonb_object_agg(symbol, jsonb_build_array(
                        (extract(epoch FROM market_at) * 1000)::bigint - 60000 * (:closes - last), times, last))
                    FROM jsonb_to_recordset(CAST(:heard AS jsonb)) AS one (symbol text, times int, last int)))"""
            ),
            {
                "closes": closes,
                "heard": json.dumps(
                    [{"symbol": symbol, "times": times, "last": last} for symbol, (times, last) in heard.items()]
                ),
            },
        )


def test_a_market_that_is_heard_no_more_is_named(database: Engine) -> None:
    """Ten closes without a market that was there at all others; one that comes and goes is no news.

    Nothing is decided at any of them: decisions say nothing about what is heard.
    """
    clean(database)
    write_account(database, lease_s=1_000.0, decided=0, close_age_s=0.0)
    hear(database, 60, {"BTC/USDT": (60, 60), "ETH/USDT": (51, 51), "SHIB/USDT": (17, 40)})
    assert not look(database), "nine closes"
    hear(database, 60, {"BTC/USDT": (60, 60), "ETH/USDT": (48, 48), "SHIB/USDT": (17, 40)})
    (one,) = look(database)
    assert (one.detector, one.subject, one.severity) == ("feed_silent", "ETH/USDT", "warning")
    assert one.evidence["symbol"] == "ETH/USDT"
    assert one.words == "ETH/USDT has been missing at 12 closes; it was there at 100% before"
    assert one.since_ms == pytest.approx(1e3 * (time.time() - 720.0), abs=5_000)
    hear(database, 9, {"BTC/USDT": (9, 9), "SHIB/USDT": (3, 9)})
    assert not look(database)
    hear(database, 10, {"BTC/USDT": (10, 10), "SHIB/USDT": (3, 9)})
    (one,) = look(database)
    assert (one.subject, one.words) == (
        "ETH/USDT",
        "ETH/USDT has been missing at 10 closes; it was never there since the start",
    )


def test_decisions_without_a_market_are_no_silence_of_it(database: Engine) -> None:
    """No version decides about it any more, or its state is held back: its closes are heard."""
    clean(database)
    write_account(database, lease_s=1_000.0, decided=60, close_age_s=1.0)
    hear(database, 60, {"BTC/USDT": (60, 60), "ETH/USDT": (60, 60), "SHIB/USDT": (60, 60)})
    assert not look(database)
