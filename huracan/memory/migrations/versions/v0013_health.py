"""What the monitor sees and does: samples, anomalies, remedies, errors, heartbeats, notices, requests to retrain.

Beside them whose search chose the rules of a run, which makes what was tried there count for it.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE health_signals (
        at timestamptz NOT NULL,
        value double precision NOT NULL,
        batch uuid NOT NULL,
        number integer NOT NULL,
        source text NOT NULL CHECK (source <> ''),
        name text NOT NULL CHECK (name <> ''),
        subject text NOT NULL DEFAULT '',
        PRIMARY KEY (batch, number)
    )""",
    "CREATE INDEX health_signals_named ON health_signals (name, subject, at)",
    "CREATE INDEX health_signals_at ON health_signals USING brin (at)",
    """CREATE TABLE anomalies (
        anomaly_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        since_at timestamptz,
        noticed_at timestamptz NOT NULL,
        seen_at timestamptz NOT NULL,
        ended_at timestamptz,
        account text NOT NULL DEFAULT '',
        detector text NOT NULL CHECK (detector <> ''),
        subject text NOT NULL DEFAULT '',
        severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
        words text NOT NULL CHECK (words <> ''),
        means text NOT NULL CHECK (means <> ''),
        unit text NOT NULL DEFAULT '',
        observed double precision,
        claimed double precision,
        false_every_days double precision CHECK (false_every_days > 0),
        delay text NOT NULL DEFAULT '',
        evidence jsonb NOT NULL DEFAULT '{}',
        CHECK (seen_at >= noticed_at AND (ended_at IS NULL OR ended_at >= noticed_at))
    )""",
    """CREATE UNIQUE INDEX anomalies_open ON anomalies (account, detector, subject) WHERE ended_at IS NULL""",
    """CREATE TABLE remediations (
        remediation_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz,
        ended_at timestamptz,
        anomaly_id integer REFERENCES anomalies,
        account text NOT NULL DEFAULT '',
        kind text NOT NULL CHECK (kind <> ''),
        subject text NOT NULL DEFAULT '',
        value double precision,
        state text NOT NULL CHECK (state IN ('dry_run', 'refused', 'applied', 'undone', 'expired', 'failed')),
        reason text NOT NULL CHECK (reason <> ''),
        author text NOT NULL CHECK (author <> ''),
        ended_by text,
        error text,
        detector text NOT NULL DEFAULT '',
        about text NOT NULL DEFAULT '',
        renewed integer NOT NULL DEFAULT 0 CHECK (renewed >= 0),
        before jsonb,
        after jsonb,
        CHECK ((state IN ('undone', 'expired')) = (ended_at IS NOT NULL) AND (ended_at IS NULL) = (ended_by IS NULL))
    )""",
    """CREATE UNIQUE INDEX remediations_in_force ON remediations (account, kind, subject) WHERE state = 'applied'""",
    "CREATE INDEX remediations_at ON remediations (account, at)",
    """CREATE TABLE errors (
        error_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        count bigint NOT NULL CHECK (count > 0),
        fingerprint text NOT NULL UNIQUE CHECK (fingerprint ~ '^[0-9a-f]{16}$'),
        process text NOT NULL,
        level text NOT NULL CHECK (level IN ('warning', 'error', 'critical')),
        event text NOT NULL CHECK (event <> ''),
        example jsonb NOT NULL,
        CHECK (first_at <= last_at)
    )""",
    """CREATE TABLE error_counts (
        minute timestamptz NOT NULL,
        error_id integer NOT NULL REFERENCES errors ON DELETE CASCADE,
        count integer NOT NULL CHECK (count > 0),
        PRIMARY KEY (error_id, minute)
    )""",
    """CREATE TABLE heartbeats (
        process text PRIMARY KEY CHECK (process <> ''),
        at timestamptz NOT NULL,
        detail jsonb NOT NULL DEFAULT '{}'
    )""",
    """CREATE TABLE notices (
        notice_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        repeats integer NOT NULL DEFAULT 0 CHECK (repeats >= 0),
        level text NOT NULL CHECK (level IN ('info', 'warning', 'critical')),
        kind text NOT NULL CHECK (kind IN ('opened', 'worse', 'reminder', 'over', 'remedy', 'day', 'failed', 'test')),
        topic text NOT NULL CHECK (topic <> ''),
        title text NOT NULL CHECK (title <> ''),
        body text NOT NULL DEFAULT '',
        CHECK (last_at >= at)
    )""",
    "CREATE INDEX notices_topic ON notices (topic, notice_id)",
    "CREATE UNIQUE INDEX notices_once ON notices (topic) WHERE kind IN ('remedy', 'day', 'failed')",
    """CREATE TABLE notice_deliveries (
        notice_id integer NOT NULL REFERENCES notices ON DELETE CASCADE,
        destination text NOT NULL CHECK (destination <> ''),
        state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'sent', 'held', 'failed')),
        tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
        free_at timestamptz,
        ended_at timestamptz,
        error text,
        PRIMARY KEY (notice_id, destination),
        CHECK ((state IN ('sent', 'held', 'failed')) = (ended_at IS NOT NULL)),
        CHECK ((state = 'sending') = (free_at IS NOT NULL))
    )""",
    "CREATE INDEX notice_deliveries_open ON notice_deliveries (destination) WHERE state IN ('waiting', 'sending')",
    "CREATE INDEX notice_deliveries_ended ON notice_deliveries (destination, ended_at)",
    """CREATE TABLE retrain_requests (
        request_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        taken_at timestamptz,
        anomaly_id integer REFERENCES anomalies,
        cycle_id integer REFERENCES retrain_cycles,
        scope text NOT NULL CHECK (scope <> ''),
        reason text NOT NULL CHECK (reason <> ''),
        CHECK ((cycle_id IS NULL) = (taken_at IS NULL))
    )""",
    "CREATE UNIQUE INDEX retrain_requests_waiting ON retrain_requests (scope) WHERE taken_at IS NULL",
    "ALTER TABLE runs ADD COLUMN search_run_id integer REFERENCES runs CHECK (search_run_id <> run_id)",
    # one history: the candles of a scope's cycles, and of a search with all runs that go on from it
    """CREATE OR REPLACE VIEW kindred_candles AS
        WITH bonds (candles, bond) AS (
            SELECT data_fingerprint, 'scope ' || scope FROM retrain_cycles JOIN runs USING (run_id)
            UNION SELECT data_fingerprint, 'search ' || coalesce(search_run_id, run_id) FROM runs
        )
        SELECT DISTINCT mine.candles, theirs.candles AS kin FROM bonds mine JOIN bonds theirs USING (bond)""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
