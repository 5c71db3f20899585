"""Rows of a made-up account, as a trader leaves them, for whoever reads them."""

from sqlalchemy import Engine, text

__all__ = ["TABLES", "write_account", "write_order"]

TABLES = (
    "accounts, leases, markets, intents, orders, fills, order_events, decisions, account_views, positions, "
    "trading_state, alarms, trade_memory, runs"
)


def write_account(
    engine: Engine,
    name: str = "main",
    lease_s: float = 10.0,
    close_age_s: float = 2.0,
    decided: int = 4,
    interval_s: float = 60.0,
) -> int:
    """Write an account that trades one market, and return its number.

    Its decisions took 100, 200, 300, ... ms; the newest is `close_age_s` old, each other one an interval
    more. Its trader holds the lease's first epoch and started before all of them.
    """
    with engine.begin() as connection:
        number = int(
            connection.execute(
                text("INSERT INTO accounts (name) VALUES (:name) RETURNING account_no"), {"name": name}
            ).scalar_one()
        )
        who = {"account": number, "lease": lease_s, "age": close_age_s}
        connection.execute(
            text(
                """INSERT INTO leases (epoch, expires_at, account_no, holder)
                VALUES (1, clock_timestamp() + make_interval(secs => :lease), :account, 'anna@here:1')"""
            ),
            who,
        )
        connection.execute(text("INSERT INTO markets (account_no, symbol) VALUES (:account, 'BTC/USDT')"), who)
        connection.execute(
            text(
                """INSERT INTO account_views (at, market_at, reconciled_at, day_start, day_value, peak, day, account_no,
                    breached, reached, mode, report)
                SELECT at, date_trunc('minute', at), at - interval '90 days', 1000, 990, 1001, 1, :account, false,
                    false, 'paper',
                    '{"equity": "990.5", "steps": {"BTC/USDT": "0.01"}, "epoch": 1}'
                FROM (SELECT clock_timestamp() - make_interval(secs => :age) AS at) t"""
            ),
            who,
        )
        for back in range(decided):
            connection.execute(
                text(
                    """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                        actions, confidences)
                    SELECT date_trunc('minute', at), at - make_interval(secs => 0.1 * (1 + :back)), at, :account,
                        ARRAY['BTC/USDT'], ARRAY['v'], ARRAY[0], ARRAY[1], ARRAY[0.5]
                    FROM (SELECT clock_timestamp() - make_interval(secs => :age + :interval * :back) AS at) t"""
                ),
                who | {"back": back, "interval": interval_s},
            )
        connection.execute(
            text(
                """INSERT INTO positions VALUES
                (:account, 'BTC/USDT', 1, 0.5, 1, 1, 0, 0), (:account, 'ADA/USDT', 1, 1, 1, 1, 0, 0)"""
            ),
            who,
        )
    return number


def write_order(
    engine: Engine,
    account: int,
    number: int,
    status: str,
    after_ms: float = 500.0,
    filled: float = 0.0,
    intent: str = "DONE",
) -> None:
    """Write an entry of the market with one order, for the decision `number` closes before the newest.

    Args:
        engine: of the database.
        account: its number.
        number: of the decision, from the newest; there is one entry each.
        status: of the order.
        after_ms: from the candle's being heard to the order's being sent.
        filled: of a quantity of 1.
        intent: its status.
    """
    given = {"account": account, "number": number, "status": status, "after": after_ms / 1e3, "intent": intent}
    given |= {"filled": filled, "seq": 2 if filled else 1, "id": 1_000 * account + number}
    with engine.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO intents (candle_at, created_at, intent_id, confidence, kind, status, side, market_no,
                    action, regime, quantity, reason, policy, code, state)
                SELECT close_at - interval '1 minute', close_at, :id, 0.5, 'ENTER', :intent, 'BUY', market_no, 1, 0, 1,
                    '', 'v', '', ''
                FROM decisions JOIN markets USING (account_no) WHERE account_no = :account
                ORDER BY close_at DESC OFFSET :number LIMIT 1"""
            ),
            given,
        )
        order = connection.execute(
            text(
                """INSERT INTO orders (created_at, sent_at, updated_at, intent_id, child, kind, status, seq, quantity,
                    price, filled, cost, venue_filled, reason)
                SELECT at, CASE WHEN :status <> 'NEVER_SENT' THEN at END, at, :id, 0, 'IOC', :status, :seq, 1, 100,
                    cast(:filled AS numeric),
                    100 * cast(:filled AS numeric), cast(:filled AS numeric), ''
                FROM (SELECT heard_at + make_interval(secs => :after) AS at FROM decisions WHERE account_no = :account
                    ORDER BY close_at DESC OFFSET :number LIMIT 1) t RETURNING order_no"""
            ),
            given,
        ).scalar_one()
        if filled:
            given |= {"order": order}
            fill = connection.execute(
                text(
                    """INSERT INTO fills (at, order_no, side, market_no, maker, trade_id, quantity, price, commission,
                        commission_asset)
                    SELECT clock_timestamp(), :order, 'BUY', market_no, false, cast(:id AS text), :filled, 100, 0, ''
                    FROM markets WHERE account_no = :account RETURNING fill_no"""
                ),
                given,
            ).scalar_one()
            trigger = "FILL_ALL" if filled >= 1 else "FILL_PART"
            connection.execute(
                text(
                    """INSERT INTO order_events (at, order_no, fill_no, trigger, seq)
                    VALUES (clock_timestamp(), :order, :fill, :trigger, 2)"""
                ),
                given | {"fill": fill, "trigger": trigger},
            )
