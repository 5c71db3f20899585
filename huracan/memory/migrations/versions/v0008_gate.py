"""What the promotion gate needs and leaves: daily results of everything tried, its reports, and moves by force."""

from alembic import op

revision = "0008"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    # days of one series: a policy, a seed, a baseline, a random copy over a fold's test, a trial over its validation
    """CREATE TABLE daily_results (
        run_id integer NOT NULL REFERENCES runs ON DELETE CASCADE,
        fold integer NOT NULL,
        first_day integer NOT NULL,
        kind text NOT NULL CHECK (kind IN ('policy', 'seed', 'baseline', 'random', 'trial')),
        name text NOT NULL,
        symbol text NOT NULL,
        net double precision[] NOT NULL CHECK (cardinality(net) > 0),
        PRIMARY KEY (run_id, kind, name, symbol, fold)
    )""",
    """CREATE TABLE gate_reports (
        gate_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        model_id integer NOT NULL REFERENCES models,
        sha256 text NOT NULL,
        passed boolean NOT NULL,
        report jsonb NOT NULL,
        author text NOT NULL CHECK (author <> ''),
        at timestamptz NOT NULL DEFAULT now()
    )""",
    "CREATE INDEX gate_reports_model ON gate_reports (model_id, gate_id)",
    "ALTER TABLE model_events ADD COLUMN forced boolean NOT NULL DEFAULT false",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
