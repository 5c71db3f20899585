"""Accounts of the versions that trade beside the served one: what the next close needs of each, and since when."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE beside_accounts (
        began_at timestamptz NOT NULL,
        close_at timestamptz NOT NULL,
        account_no smallint NOT NULL REFERENCES accounts,
        version text NOT NULL,
        state bytea NOT NULL,
        PRIMARY KEY (account_no, version)
    ) WITH (fillfactor = 50)""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
