"""Account views: what a trader's restart and `trade status` need beside the ledger, one row an account.

The row only goes forward on the market clock, so a trader that was paused and lost its lease cannot set it back.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE account_views (
        at timestamptz NOT NULL,
        market_at timestamptz NOT NULL,
        reconciled_at timestamptz NOT NULL,
        day_start double precision NOT NULL,
        day_value double precision NOT NULL,
        peak numeric NOT NULL CHECK (peak > '-Infinity' AND peak < 'Infinity'),
        day integer NOT NULL,
        account_no smallint PRIMARY KEY REFERENCES accounts,
        breached boolean NOT NULL,
        reached boolean NOT NULL,
        mode text NOT NULL CHECK (mode IN ('paper', 'live')),
        report jsonb NOT NULL
    ) WITH (fillfactor = 50)""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
