"""What the analysis of closed trades says: causes and factors with their evidence, what came after, tested proposals.

The three tables of analyses were never written before; they are made anew with what is computed. Columns stand in order
of falling alignment.
"""

from alembic import op

revision = "0010"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    "DROP TABLE post_exit_tracking",
    "DROP TABLE win_analysis",
    "DROP TABLE loss_analysis",
    """CREATE TABLE post_exit_tracking (
        trade_id bigint PRIMARY KEY REFERENCES trade_memory ON DELETE CASCADE,
        hold_bars integer NOT NULL CHECK (hold_bars > 0),
        tracked_bars integer NOT NULL CHECK (tracked_bars >= 0),
        high_bars integer NOT NULL,
        low_bars integer NOT NULL,
        missed_bps real,
        move_twelfth_bps real,
        move_third_bps real,
        move_hold_bps real,
        move_double_bps real,
        mfe_twelfth_bps real,
        mfe_third_bps real,
        mfe_hold_bps real,
        mfe_double_bps real,
        mae_twelfth_bps real,
        mae_third_bps real,
        mae_hold_bps real,
        mae_double_bps real
    )""",
    """CREATE TABLE win_analysis (
        trade_id bigint PRIMARY KEY REFERENCES trade_memory ON DELETE CASCADE,
        pattern_id integer REFERENCES pattern_library ON DELETE SET NULL,
        p_value real,
        predicted_r real,
        captured_frac real,
        entry_quality real,
        exit_quality real,
        mae_used real,
        neighbours smallint,
        neighbour_wins smallint,
        lucky boolean NOT NULL,
        features smallint[] NOT NULL,
        contributions real[] NOT NULL,
        factors json NOT NULL
    )""",
    """CREATE TABLE loss_analysis (
        trade_id bigint PRIMARY KEY REFERENCES trade_memory ON DELETE CASCADE,
        pattern_id integer REFERENCES pattern_library ON DELETE SET NULL,
        p_value real,
        predicted_r real,
        captured_frac real,
        entry_quality real,
        exit_quality real,
        mae_used real,
        neighbours smallint,
        neighbour_wins smallint,
        preventable boolean NOT NULL,
        features smallint[] NOT NULL,
        contributions real[] NOT NULL,
        causes json NOT NULL
    )""",
    """CREATE TABLE rule_proposals (
        run_id integer NOT NULL REFERENCES runs ON DELETE CASCADE,
        mode trade_mode NOT NULL,
        policy text NOT NULL,
        account text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('stop', 'target', 'hold')),
        status text NOT NULL CHECK (status IN ('validated', 'refused', 'none', 'undecided')),
        rule jsonb NOT NULL,
        evidence jsonb NOT NULL,
        reason text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (run_id, policy, account, mode, kind)
    )""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
