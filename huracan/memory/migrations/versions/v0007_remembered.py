"""What the memory needs of a trade beside its result: the risk it was entered at, and what its state's entries mean.

0 stands for a trade of an older version, which kept neither: it is not remembered.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    """ALTER TABLE trade_memory
        ADD COLUMN risk_frac double precision NOT NULL DEFAULT 0,
        ADD COLUMN layout bigint NOT NULL DEFAULT 0""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
