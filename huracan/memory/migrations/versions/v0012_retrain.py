"""The daily cycle and its steps, results of a version by day, and which candles are the same ones a day later."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE retrain_cycles (
        cycle_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id integer REFERENCES runs,
        started_at timestamptz NOT NULL DEFAULT now(),
        day date NOT NULL,
        round integer NOT NULL CHECK (round > 0),
        scope text NOT NULL CHECK (scope <> ''),
        version text NOT NULL,
        config_hash text NOT NULL,
        config jsonb NOT NULL,
        UNIQUE (scope, day, round)
    )""",
    """CREATE TABLE retrain_steps (
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        ended_at timestamptz,
        wall_s double precision NOT NULL DEFAULT 0,
        cycle_id integer NOT NULL REFERENCES retrain_cycles ON DELETE CASCADE,
        starts integer NOT NULL DEFAULT 1 CHECK (starts > 0),
        step text NOT NULL,
        state text NOT NULL CHECK (state IN ('running', 'done', 'failed')),
        error text,
        outcome jsonb,
        PRIMARY KEY (cycle_id, step),
        CHECK ((state = 'done') = (outcome IS NOT NULL) AND (state = 'failed') = (error IS NOT NULL))
    )""",
    # the candles of a scope's cycles are one history that grew: what was tried on one of them was tried on all
    """CREATE VIEW kindred_candles AS
        SELECT DISTINCT mine.data_fingerprint AS candles, theirs.data_fingerprint AS kin
        FROM retrain_cycles a JOIN runs mine USING (run_id)
        JOIN retrain_cycles b USING (scope) JOIN runs theirs ON theirs.run_id = b.run_id""",
    "ALTER TABLE model_performance ADD COLUMN day date",
    "ALTER TABLE model_performance DROP CONSTRAINT model_performance_key",
    "ALTER TABLE model_performance ADD CONSTRAINT model_performance_key UNIQUE NULLS NOT DISTINCT "
    "(run_id, policy, account, symbol, fold, mode, day)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
