"""Intents say which features the state behind them is made of, for the trade memory of what they open."""

from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE intents ADD COLUMN layout bigint NOT NULL DEFAULT 0")
