"""The first schema: the six memory tables, runs with their phases and trials, and the registry of models.

Columns stand in order of falling alignment, so that rows carry no padding: the six tables take at most 1.2 MB per
1,000 shadow trades.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    "CREATE TYPE trade_mode AS ENUM ('shadow', 'paper', 'live')",
    "CREATE TYPE trade_side AS ENUM ('long', 'short')",
    """CREATE TYPE exit_reason AS ENUM
    ('take_profit', 'stop_loss', 'time_limit', 'policy_exit', 'risk_exit', 'kill_switch', 'end_of_data')""",
    "CREATE TYPE model_stage AS ENUM ('candidate', 'shadow', 'champion', 'retired')",
    "CREATE TYPE run_status AS ENUM ('running', 'done', 'failed', 'interrupted')",
    # -- runs ------------------------------------------------------------------------------------------------------
    """CREATE TABLE runs (
        run_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL,
        status run_status NOT NULL DEFAULT 'running',
        config jsonb NOT NULL,
        config_hash text NOT NULL,
        data_fingerprint text NOT NULL,
        version text NOT NULL,
        error text,
        started_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        CHECK ((status = 'running') = (finished_at IS NULL))
    )""",
    """CREATE TABLE run_phases (
        run_id integer NOT NULL REFERENCES runs ON DELETE CASCADE,
        phase text NOT NULL,
        wall_s double precision NOT NULL CHECK (wall_s >= 0),
        PRIMARY KEY (run_id, phase)
    )""",
    """CREATE TABLE trials (
        trial_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id integer NOT NULL REFERENCES runs ON DELETE CASCADE,
        name text NOT NULL,
        status run_status NOT NULL,
        params jsonb NOT NULL,
        metrics jsonb NOT NULL,
        objective double precision,
        env_steps bigint NOT NULL CHECK (env_steps >= 0),
        wall_s double precision NOT NULL CHECK (wall_s >= 0),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (run_id, name)
    )""",
    # -- registry --------------------------------------------------------------------------------------------------
    """CREATE TABLE models (
        model_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id integer NOT NULL REFERENCES runs,
        version text NOT NULL UNIQUE,
        scope text NOT NULL,
        stage model_stage NOT NULL DEFAULT 'candidate',
        artefact text NOT NULL,
        sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
        metrics jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )""",
    "CREATE UNIQUE INDEX models_one_champion ON models (scope) WHERE stage = 'champion'",
    """CREATE TABLE model_events (
        event_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        model_id integer NOT NULL REFERENCES models,
        from_stage model_stage,
        to_stage model_stage NOT NULL,
        verb text NOT NULL CHECK (verb IN ('register', 'promote', 'rollback', 'retire')),
        author text NOT NULL CHECK (author <> ''),
        reason text NOT NULL CHECK (reason <> ''),
        at timestamptz NOT NULL DEFAULT now()
    )""",
    "CREATE INDEX model_events_model ON model_events (model_id)",
    # -- the six memory tables -------------------------------------------------------------------------------------
    """CREATE TABLE trade_memory (
        trade_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        entry_time timestamptz NOT NULL,
        exit_time timestamptz NOT NULL,
        entry_price double precision NOT NULL,
        exit_price double precision NOT NULL,
        quantity double precision NOT NULL,
        price_part double precision NOT NULL,
        spread_part double precision NOT NULL,
        slippage_part double precision NOT NULL,
        fee double precision NOT NULL,
        net double precision NOT NULL,
        mfe_frac double precision NOT NULL,
        mae_frac double precision NOT NULL,
        confidence double precision NOT NULL,
        steps_in bigint NOT NULL,
        steps_out bigint NOT NULL,
        tick_steps_in bigint NOT NULL,
        tick_steps_out bigint NOT NULL,
        fee_base_e8 bigint NOT NULL,
        fee_quote_e8 bigint NOT NULL,
        dust_in_e8 bigint NOT NULL,
        dust_out_e8 bigint NOT NULL,
        high_ticks bigint NOT NULL,
        low_ticks bigint NOT NULL,
        run_id integer NOT NULL REFERENCES runs ON DELETE CASCADE,
        seq integer NOT NULL,
        mode trade_mode NOT NULL,
        side trade_side NOT NULL,
        exit_reason exit_reason NOT NULL,
        fold smallint NOT NULL,
        action smallint NOT NULL,
        regime smallint NOT NULL,
        policy text NOT NULL,
        account text NOT NULL,
        symbol text NOT NULL,
        entry_state bytea NOT NULL CHECK (octet_length(entry_state) = 320),
        CONSTRAINT trade_memory_key UNIQUE (run_id, policy, account, symbol, fold, mode, seq),
        CONSTRAINT trade_memory_times CHECK (exit_time >= entry_time),
        CONSTRAINT trade_memory_identity CHECK (
            abs(price_part + spread_part + slippage_part + fee - net) <= 1e-9 * greatest(1, entry_price * quantity)
        )
    )""",
    """CREATE TABLE post_exit_tracking (
        trade_id bigint PRIMARY KEY REFERENCES trade_memory ON DELETE CASCADE,
        tracked_until timestamptz NOT NULL,
        move_1h_bps real,
        move_4h_bps real,
        move_24h_bps real,
        high_bps real NOT NULL,
        low_bps real NOT NULL,
        missed_bps real NOT NULL,
        high_after_s integer NOT NULL,
        low_after_s integer NOT NULL
    )""",
    """CREATE TABLE pattern_library (
        pattern_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id integer NOT NULL REFERENCES runs ON DELETE CASCADE,
        as_of timestamptz NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        occurrences integer NOT NULL CHECK (occurrences >= 0),
        wins integer NOT NULL CHECK (wins BETWEEN 0 AND occurrences),
        mean_net_bps real,
        sd_net_bps real,
        paused boolean NOT NULL DEFAULT false,
        regime smallint NOT NULL,
        symbol text NOT NULL,
        name text NOT NULL,
        centroid vector(32) NOT NULL,
        UNIQUE (run_id, name, as_of)
    )""",
    """CREATE TABLE win_analysis (
        trade_id bigint PRIMARY KEY REFERENCES trade_memory ON DELETE CASCADE,
        pattern_id integer REFERENCES pattern_library ON DELETE SET NULL,
        neighbours integer NOT NULL,
        neighbour_wins integer NOT NULL,
        p_value real,
        captured_frac real,
        entry_quality real,
        exit_quality real,
        confidence real,
        features smallint[] NOT NULL,
        contributions real[] NOT NULL
    )""",
    """CREATE TABLE loss_analysis (
        trade_id bigint PRIMARY KEY REFERENCES trade_memory ON DELETE CASCADE,
        pattern_id integer REFERENCES pattern_library ON DELETE SET NULL,
        neighbours integer NOT NULL,
        neighbour_wins integer NOT NULL,
        p_value real,
        loss_to_risk real,
        confidence_penalty real,
        regime_changed boolean NOT NULL,
        stop_too_tight boolean NOT NULL,
        stop_too_wide boolean NOT NULL,
        adverse_selection boolean NOT NULL,
        preventable boolean NOT NULL,
        reason text NOT NULL,
        features smallint[] NOT NULL,
        contributions real[] NOT NULL
    )""",
    """CREATE TABLE model_performance (
        performance_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        net double precision NOT NULL,
        fees double precision NOT NULL,
        sharpe double precision,
        sharpe_low double precision,
        sharpe_high double precision,
        sortino double precision,
        max_drawdown_frac double precision,
        exposure_frac double precision,
        mean_net_bps double precision,
        updated_at timestamptz NOT NULL DEFAULT now(),
        run_id integer NOT NULL REFERENCES runs ON DELETE CASCADE,
        days integer NOT NULL CHECK (days >= 0),
        trades integer NOT NULL CHECK (trades >= 0),
        wins integer NOT NULL CHECK (wins BETWEEN 0 AND trades),
        mode trade_mode NOT NULL,
        fold smallint,
        policy text NOT NULL,
        account text NOT NULL,
        symbol text,
        CONSTRAINT model_performance_key UNIQUE NULLS NOT DISTINCT (run_id, policy, account, symbol, fold, mode)
    )""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
