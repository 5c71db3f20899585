"""Silence is noticed within the stated time, and a quiet account that nobody trades is none."""

import time

import pytest
from sqlalchemy import Engine, text

from huracan.health.detectors.silence import Silence
from huracan.memory.health import Anomaly
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


def test_a_market_that_is_heard_no_more_is_named(database: Engine) -> None:
    """Ten closes without a market that was there at all others; one that comes and goes is no news."""
    clean(database)
    number = write_account(database, lease_s=1_000.0, decided=0)
    with database.begin() as connection:
        for back in range(60):
            symbols = ["BTC/USDT"] + ["ETH/USDT"] * (back >= 12) + ["SHIB/USDT"] * (back >= 12 and back % 3 == 0)
            connection.execute(
                text(
                    """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                        actions, confidences)
                    SELECT at, at, at, :account, :symbols, ARRAY['v'], :zeros, :zeros, :zeros
                    FROM (SELECT clock_timestamp() - make_interval(secs => 60 * :back) AS at) t"""
                ),
                {"account": number, "symbols": symbols, "zeros": [0] * len(symbols), "back": back},
            )
    (one,) = look(database)
    assert (one.detector, one.subject, one.severity) == ("feed_silent", "ETH/USDT", "warning")
    assert one.evidence["symbol"] == "ETH/USDT"
    assert one.since_ms == pytest.approx(1e3 * (time.time() - 720.0), abs=5_000)
