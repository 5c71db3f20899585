"""Orders and latencies of an account's rows: the planted change is named, an account as before is left alone."""

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.health.detectors.orders import FIGURES, Orders

pytestmark = pytest.mark.postgres
START_MS = 20_000 * 86_400_000
HOUR_MS = 3_600_000
DAYS = 25


def write(engine: Engine, slow_from_h: int, unfilled_from_h: int) -> None:
    """Write 25 days of an account: a decision an hour with one resting and one taking order; 5 and 6 in 10 filled."""
    rng = np.random.default_rng(121)
    with engine.begin() as connection:
        run = connection.execute
        run(text("SET session_replication_role = replica"))  # sums of orders are not what is looked at here
        run(text("TRUNCATE accounts, decisions, markets, intents, orders, fills CASCADE"))
        number = run(text("INSERT INTO accounts (name) VALUES ('main') RETURNING account_no")).scalar_one()
        market = run(
            text("INSERT INTO markets (account_no, symbol) VALUES (:a, 'BTC/USDT') RETURNING market_no"), {"a": number}
        ).scalar_one()
        rows = []
        for hour in range(DAYS * 24):
            took = 0.05 * float(np.exp(0.2 * rng.standard_normal())) * (2.0 if hour >= slow_from_h else 1.0)
            filled = float(rng.random() < (0.3 if hour >= unfilled_from_h else 0.8))
            rows.append({"a": number, "m": market, "at": START_MS + hour * HOUR_MS, "took": took, "filled": filled,
                         "i": hour + 1, "fill": 0.1 * float(np.exp(0.2 * rng.standard_normal()))})  # fmt: skip
        for statement in (
            """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
            actions, confidences) SELECT at, at + interval '1 second', at + make_interval(secs => 1 + :took), :a,
            '{BTC/USDT}', '{v}', '{0}', '{2}', '{0.5}' FROM to_timestamp(:at / 1000.0) AS at""",
            """INSERT INTO intents (candle_at, created_at, intent_id, confidence, kind, status, side, market_no, action,
            regime, quantity, reason, policy, code, state) SELECT at, at, :i, 0.5, 'ENTER', 'DONE', 'BUY', :m, 2, 0, 1,
            '', 'v', '', '' FROM to_timestamp(:at / 1000.0) AS at""",
            """INSERT INTO orders (created_at, sent_at, updated_at, intent_id, child, kind, status, seq, quantity,
            price, filled, cost, venue_filled, reason) SELECT at, at + make_interval(secs => 1 + 2 * :took), at, :i, 0,
            'POST_ONLY', CAST(CASE WHEN :filled = 1 THEN 'FILLED' ELSE 'EXPIRED' END AS order_status), 1, 1, 100,
            :filled, 100 * :filled, :filled, '' FROM to_timestamp(:at / 1000.0) AS at""",
            """INSERT INTO orders (created_at, sent_at, updated_at, intent_id, child, kind, status, seq, quantity,
            price, filled, cost, venue_filled, reason) SELECT at, at + interval '3 seconds', at, :i, 1, 'FOK', 'FILLED',
            1, 1, 100, 1, 100, 1, '' FROM to_timestamp(:at / 1000.0) AS at""",
            """INSERT INTO fills (at, booked_at, order_no, side, market_no, maker, trade_id, quantity, price,
            commission, commission_asset) SELECT at, at + make_interval(secs => 3 + :fill), o.order_no, 'BUY', :m,
            false, :i, 1, 100, 0, 'BNB' FROM to_timestamp(:at / 1000.0) AS at, orders o
            WHERE o.intent_id = :i AND o.child = 1""",
        ):
            run(text(statement), rows)


def test_an_account_as_before_is_left_alone(database: Engine) -> None:
    """All five figures are watched, none is named."""
    write(database, 10**6, 10**6)
    detector = Orders(database, "main", 365.0)
    readings = detector.readings()
    assert set(readings) == set(FIGURES) == detector.names
    claimed = {name: one.claimed for name, one in readings.items() if one is not None}
    assert claimed["latency_decided"] == pytest.approx(50.0, rel=0.15)
    assert claimed["latency_sent"] == pytest.approx(50.0, rel=0.15)
    assert claimed["latency_filled"] == pytest.approx(100.0, rel=0.15)
    assert claimed["fill_rate"] == 1.0
    assert "latency_heard" not in claimed  # always a second: it does not vary
    assert not detector.look(START_MS)
    assert not Orders(database, "nobody", 365.0).look(START_MS)


def test_slow_decisions_and_unfilled_orders_are_named_within_their_delay(database: Engine) -> None:
    """Twice as slow from day 18 on, fills from eight to three in ten from day 20 on."""
    write(database, 18 * 24, 20 * 24)
    found = {one.detector: one for one in Orders(database, "main", 365.0).look(START_MS)}
    assert set(found) == {"latency_decided", "latency_sent", "fill_rate"}
    slow = found["latency_decided"]
    assert slow.since_ms == pytest.approx(START_MS + 18 * 24 * HOUR_MS, abs=8 * HOUR_MS)
    assert slow.observed == pytest.approx(100.0, rel=0.2)
    assert slow.evidence["at_ms"] - slow.since_ms <= 36 * HOUR_MS
    assert slow.delay.endswith("until 2 times as much")
    fills = found["fill_rate"]
    assert fills.since_ms == pytest.approx(START_MS + 20 * 24 * HOUR_MS, abs=24 * HOUR_MS)
    assert fills.evidence["at_ms"] <= START_MS + 23 * 24 * HOUR_MS
    assert fills.severity == "warning"
