"""The pattern library: groups of entries with what became of them, and each trade's place among them.

`pattern_library` was never written before; it is made anew with what is computed.
"""

from alembic import op

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    "DROP TABLE pattern_library CASCADE",
    """CREATE TABLE pattern_sets (
        set_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id integer NOT NULL REFERENCES runs ON DELETE CASCADE,
        layout bigint NOT NULL,
        base_ms bigint NOT NULL CHECK (base_ms > 0),
        hold_ms bigint NOT NULL CHECK (hold_ms >= 0),
        as_of timestamptz NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        trades integer NOT NULL CHECK (trades >= 0),
        left_out integer NOT NULL CHECK (left_out >= 0),
        seed integer NOT NULL,
        mode trade_mode NOT NULL,
        policy text NOT NULL,
        account text NOT NULL,
        digest text NOT NULL,
        tried jsonb NOT NULL,
        embedding bytea NOT NULL,
        UNIQUE (run_id, policy, account, mode, as_of)
    )""",
    """CREATE TABLE pattern_library (
        pattern_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        set_id integer NOT NULL REFERENCES pattern_sets ON DELETE CASCADE,
        net double precision NOT NULL,
        fees double precision NOT NULL,
        slippage double precision NOT NULL,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        hold_ms bigint NOT NULL,
        occurrences integer NOT NULL CHECK (occurrences > 0),
        wins integer NOT NULL CHECK (wins BETWEEN 0 AND occurrences),
        days integer NOT NULL CHECK (days > 0),
        base_rate double precision NOT NULL,
        win_rate double precision NOT NULL,
        win_low double precision NOT NULL,
        win_high double precision NOT NULL,
        mean_r double precision NOT NULL,
        mean_r_low double precision,
        mean_r_high double precision,
        rest_r double precision,
        mfe_r double precision NOT NULL,
        mae_r double precision NOT NULL,
        p_value double precision NOT NULL,
        q_value double precision NOT NULL,
        number smallint NOT NULL CHECK (number > 0),
        stage text NOT NULL CHECK (stage IN ('good', 'bad', 'unclear')),
        nature text NOT NULL,
        coins jsonb NOT NULL,
        exits jsonb NOT NULL,
        regimes jsonb NOT NULL,
        traits jsonb NOT NULL,
        centroid vector(32) NOT NULL,
        UNIQUE (set_id, number)
    )""",
    """CREATE TABLE trade_points (
        trade_id bigint PRIMARY KEY REFERENCES trade_memory ON DELETE CASCADE,
        known_at timestamptz NOT NULL,
        set_id integer NOT NULL REFERENCES pattern_sets ON DELETE CASCADE,
        pattern_id integer NOT NULL REFERENCES pattern_library ON DELETE CASCADE,
        point vector(32) NOT NULL
    )""",
    "CREATE INDEX trade_points_set ON trade_points (set_id)",
    "CREATE INDEX trade_points_pattern ON trade_points (pattern_id)",
    *(
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_pattern_id_fkey FOREIGN KEY (pattern_id) "
        "REFERENCES pattern_library ON DELETE SET NULL"
        for table in ("win_analysis", "loss_analysis")
    ),
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
