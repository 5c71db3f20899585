"""Which candles a fingerprint stands for: runs on any of the same days of a coin are runs on the same history."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE candle_marks (
        data_fingerprint text PRIMARY KEY,
        marks bigint[] NOT NULL CHECK (cardinality(marks) > 0)
    )""",
    "CREATE INDEX candle_marks_marks ON candle_marks USING gin (marks)",
    """CREATE OR REPLACE VIEW kindred_candles AS
        WITH bonds (candles, bond) AS (
            SELECT data_fingerprint, 'scope ' || scope FROM retrain_cycles JOIN runs USING (run_id)
            UNION SELECT data_fingerprint, 'search ' || coalesce(search_run_id, run_id) FROM runs
        )
        SELECT mine.candles, theirs.candles AS kin FROM bonds mine JOIN bonds theirs USING (bond)
        UNION
        SELECT mine.data_fingerprint, theirs.data_fingerprint
        FROM candle_marks mine JOIN candle_marks theirs ON mine.marks && theirs.marks""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
