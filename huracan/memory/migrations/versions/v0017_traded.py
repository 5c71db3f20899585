"""Paper and live trades are few among the shadow ones: what asks for them reads them, not the whole memory."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX trade_memory_traded ON trade_memory (run_id, exit_time) WHERE mode <> 'shadow'")
