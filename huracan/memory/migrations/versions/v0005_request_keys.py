"""Request keys: what an `Idempotency-Key` of the HTTP endpoint stands for, written before its intents are.

Rows older than a day go with the next one that comes.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE request_keys (
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
        body bytea NOT NULL CHECK (octet_length(body) = 32),
        answer text NOT NULL,
        intents jsonb NOT NULL CHECK (jsonb_typeof(intents) = 'array')
    )""",
    "CREATE INDEX request_keys_at ON request_keys (at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
