"""The summary of a day against rows that were planted: who earned what, what went wrong, and nothing of other days."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import Settings
from huracan.health.daily import day_notice, read_day, summaries, summary_of
from huracan.memory import Registry, append_trades, open_run
from tests.memory.samples import sample_trades

pytestmark = pytest.mark.postgres

DAY = 20_468  # 2026-01-15
BEGIN = datetime(2026, 1, 15, tzinfo=UTC)
MARKET = datetime(2025, 7, 1, tzinfo=UTC)
"""Market time of a paper exchange that replays last year, an hour of it a minute of ours."""


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)


@pytest.fixture(scope="module")
def planted(database: Engine) -> Engine:
    """An account with 6 trades, 4 of them on the day, and a system with everything else."""
    run_id = open_run(database, "trade-paper", Settings(), "ab" * 32, __version__)
    registry = Registry(database)
    registry.register(run_id, "v1", "*", "folder", "ab" * 32, {}, "tests")
    rows = sample_trades(6, 1, account="main", policy="v1")
    exits = np.array([_ms(MARKET + timedelta(hours=h)) for h in (1, 25, 26, 47, 48, 49)])
    net = np.array([100.0, 5.0, -2.0, 3.0, -1.0, 1_000.0])
    fee, zero = np.full(6, -0.5), np.zeros(6)
    rows = replace(
        rows,
        mode=np.full(6, "paper"),
        symbol=np.array(["BTC/USDT", "BTC/USDT", "ETH/USDT", "BTC/USDT", "ETH/USDT", "BTC/USDT"]),
        entry_time=exits - 60_000,
        exit_time=exits,
        net=net,
        fee=fee,
        price_part=net - fee,
        spread_part=zero,
        slippage_part=zero,
        entry_price=np.full(6, 10.0),
        quantity=np.full(6, 1.0),
    )
    raw = database.raw_connection()
    with raw.cursor() as cursor:
        append_trades(cursor, run_id, rows)
    raw.commit()
    raw.close()
    with database.begin() as connection:
        connection.execute(text("INSERT INTO accounts (name) VALUES ('main')"))
        for hours, at in ((24, -1), (30, 1), (48, 1_439), (60, 1_441)):
            connection.execute(
                text(
                    """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                        actions, confidences) SELECT :close, :at, :at, account_no, '{BTC/USDT}', '{v1}', '{1}', '{0}',
                        '{0.5}' FROM accounts WHERE name = 'main'"""
                ),
                {"close": MARKET + timedelta(hours=hours), "at": BEGIN + timedelta(minutes=at)},
            )
        for number, (begin, end, severity) in enumerate(
            ((-60, 60, "warning"), (10, None, "critical"), (20, 30, "warning"), (2_000, None, "critical"))
        ):
            at = BEGIN + timedelta(minutes=begin)
            connection.execute(
                text(
                    """INSERT INTO anomalies (noticed_at, seen_at, ended_at, detector, severity, words, means)
                    VALUES (:at, :at, :ended, :name, :severity, :words, 'trouble')"""
                ),
                {
                    "at": at,
                    "ended": None if end is None else BEGIN + timedelta(minutes=end),
                    "name": f"d{number}",
                    "severity": severity,
                    "words": f"anomaly {number}",
                },
            )
        connection.execute(
            text(
                """INSERT INTO remediations (at, account, kind, state, reason, author)
                VALUES (:at, 'main', 'pause_coin', 'refused', 'because', 'monitor')"""
            ),
            {"at": BEGIN + timedelta(hours=3)},
        )
        connection.execute(
            text(
                """WITH e AS (INSERT INTO errors (first_at, last_at, count, fingerprint, process, level, event, example)
                    VALUES (:at, :at, 9, 'abcdabcdabcdabcd', 'feed', 'error', 'feed.gap', '{}') RETURNING error_id)
                INSERT INTO error_counts SELECT minute, error_id, 3 FROM e,
                    unnest(ARRAY[:before, :at, :after]::timestamptz[]) minute"""
            ),
            {"at": BEGIN, "before": BEGIN - timedelta(minutes=1), "after": BEGIN + timedelta(days=1)},
        )
    return database


def test_a_days_trades_are_those_that_were_closed_in_it(planted: Engine) -> None:
    """By the market time that the account had reached at both midnights: 4 of 6, and nobody else's."""
    with planted.begin() as connection:
        found = read_day(connection, "main", DAY)
        other = read_day(connection, "nobody", DAY)
    assert (found.trades, found.wins, found.net, found.fees) == (4, 2, 5.0, 2.0)
    assert (found.best, found.worst, found.decisions) == (5.0, -2.0, 2)
    assert found.coins == (("BTC/USDT", 8.0), ("ETH/USDT", -3.0))
    assert [(one.version, one.standing, one.trades, one.net) for one in found.versions] == [
        ("v1", "candidate: UNPROVEN", 4, 5.0)
    ]
    assert (other.trades, other.net, other.versions) == (0, 0.0, ())


def test_what_went_wrong_and_what_was_done_is_of_that_day(planted: Engine) -> None:
    """Noticed in it, open at its end, counted in its minutes."""
    with planted.begin() as connection:
        found = read_day(connection, "main", DAY)
    assert dict(found.anomalies) == {"critical": 1, "warning": 1}
    assert found.open_anomalies == ("anomaly 1",)
    assert dict(found.remedies) == {"refused": 1}
    assert found.errors == (("feed.gap", "feed", 3),)


def test_its_words_begin_with_the_result(planted: Engine) -> None:
    """One line each, UNPROVEN where nothing was proven."""
    with planted.begin() as connection:
        notice = summary_of(connection, "main", DAY)
    assert notice is not None
    assert (notice.topic, notice.kind, notice.level) == ("day/main/2026-01-15", "day", "info")
    assert notice.title == "2026-01-15 main: +5.00, 4 trades"
    assert notice.body.splitlines() == [
        "state ACTIVE",
        "trades: 4 closed, 2 won, net +5.00 after 2.00 fees, best +5.00, worst -2.00",
        "version: v1 (candidate: UNPROVEN): +5.00, 2 of 4 won",
        "coins: best BTC/USDT +8.00, worst ETH/USDT -3.00, 2 traded",
        "anomalies: 1 critical, 1 warning",
        "still open: anomaly 1",
        "remedies: 1 refused",
        "warnings and errors: 3",
        "  feed.gap in feed: 3",
    ]


def test_a_day_on_which_nothing_happened_says_so_and_one_before_all_is_not_told(planted: Engine) -> None:
    """Of an account that exists there is always a word; of nobody there is none."""
    with planted.begin() as connection:
        quiet = read_day(connection, "main", DAY - 100)
        assert summary_of(connection, "nobody", DAY - 100) is None
    assert "trades: none closed; 0 closes were decided on" in day_notice(quiet).body
    assert day_notice(quiet).body.endswith("anomalies: none\nwarnings and errors: none")


def test_every_account_that_was_traded_is_summed_up(planted: Engine) -> None:
    """The configured one always, another one on the days on which it decided."""
    with planted.begin() as connection:
        assert [one.topic for one in summaries(connection, "main", DAY)] == ["day/main/2026-01-15"]
        assert [one.topic for one in summaries(connection, "second", DAY)] == [
            "day/second/2026-01-15",
            "day/main/2026-01-15",
        ]
        assert summaries(connection, "second", DAY - 100) == ()
