"""Decisions: what was decided at each close and when, and the account of states that the next decision needs.

`decisions` grows by one row a close at which something is decided; `decision_states` is one row an account, so that a
trader that died at a close goes on with what it had decided there. `decision_times` follows a decision from the close
to the fill, in wall time.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE decisions (
        close_at timestamptz NOT NULL,
        heard_at timestamptz NOT NULL,
        decided_at timestamptz NOT NULL,
        account_no smallint NOT NULL REFERENCES accounts,
        symbols text[] NOT NULL CHECK (cardinality(symbols) > 0),
        versions text[] NOT NULL,
        version_of smallint[] NOT NULL CHECK (cardinality(version_of) = cardinality(symbols)),
        actions smallint[] NOT NULL CHECK (cardinality(actions) = cardinality(symbols)),
        confidences real[] NOT NULL CHECK (cardinality(confidences) = cardinality(symbols)),
        PRIMARY KEY (account_no, close_at)
    )""",
    """CREATE TABLE decision_states (
        close_at timestamptz NOT NULL,
        account_no smallint PRIMARY KEY REFERENCES accounts,
        book bytea NOT NULL,
        states bytea NOT NULL CHECK (octet_length(states) % 320 = 0)
    ) WITH (fillfactor = 50)""",
    "ALTER TABLE fills ADD COLUMN booked_at timestamptz",
    "ALTER TABLE fills ALTER COLUMN booked_at SET DEFAULT clock_timestamp()",
    """CREATE VIEW decision_times AS SELECT
        a.name AS account, m.symbol, i.kind, d.close_at, d.heard_at, d.decided_at,
        min(o.sent_at) AS sent_at, min(f.booked_at) AS filled_at
        FROM decisions d JOIN accounts a USING (account_no) JOIN markets m USING (account_no)
        JOIN intents i ON i.market_no = m.market_no AND i.created_at = d.close_at
        LEFT JOIN orders o ON o.intent_id = i.intent_id LEFT JOIN fills f ON f.order_no = o.order_no
        WHERE i.kind IN ('ENTER', 'EXIT')
        GROUP BY a.name, m.symbol, i.kind, d.close_at, d.heard_at, d.decided_at""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
