"""The schema's versions: upgrade to this one, or say in one line why a database does not fit."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from huracan.errors import DatabaseError

__all__ = [
    "SIX_TABLES",
    "TABLES",
    "TRADE_TABLES",
    "check",
    "current",
    "head",
    "missing_tables",
    "run_migrations",
    "upgrade",
]

UPGRADE_LOCK = 0x68757261  # "hura": every upgrade of this database takes this advisory lock

SIX_TABLES = (
    "trade_memory",
    "post_exit_tracking",
    "win_analysis",
    "loss_analysis",
    "pattern_library",
    "model_performance",
)
TRADE_TABLES = (
    "accounts",
    "leases",
    "markets",
    "intents",
    "orders",
    "fills",
    "order_events",
    "ledger",
    "balances",
    "positions",
    "reservations",
    "cursors",
    "slots",
    "locks",
    "trading_state",
    "alarms",
    "account_views",
    "decisions",
    "decision_states",
    "request_keys",
    "beside_accounts",
)
PROOF_TABLES = ("daily_results", "gate_reports", "candle_marks")
RETRAIN_TABLES = ("retrain_cycles", "retrain_steps")
HEALTH_TABLES = (
    "health_signals",
    "anomalies",
    "remediations",
    "errors",
    "error_counts",
    "heartbeats",
    "notices",
    "notice_deliveries",
    "retrain_requests",
)
TABLES = (
    *SIX_TABLES,
    "runs",
    "run_phases",
    "trials",
    "models",
    "model_events",
    "rule_proposals",
    "pattern_sets",
    "trade_points",
    *PROOF_TABLES,
    *RETRAIN_TABLES,
    *HEALTH_TABLES,
    *TRADE_TABLES,
)


def head() -> str:
    """Return the revision this version of huracan needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None, "the migrations are package data and always there"
    return revision


def current(engine: Engine) -> str | None:
    """Return the database's revision, None for a database without our schema."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def check(engine: Engine) -> None:
    """Refuse a database whose schema is not this version's.

    Raises:
        DatabaseError: no schema, an older one, or a newer one.
    """
    found, needed = current(engine), head()
    where = engine.url.render_as_string(hide_password=True)
    if found == needed:
        return
    if found is None:
        raise DatabaseError(f"database {where} has no huracan schema; run `huracan db upgrade`")
    if _knows(found):
        raise DatabaseError(
            f"database {where} has schema {found}, this version needs {needed}; run `huracan db upgrade`"
        )
    raise DatabaseError(
        f"database {where} has schema {found}, which this version ({needed}) does not know: it was written by a newer "
        "huracan; update huracan"
    )


def upgrade(engine: Engine) -> str:
    """Bring the schema to `head()` and return that; nothing happens when it is there, others wait meanwhile.

    All of it is one transaction: a failed upgrade leaves the old schema.

    Raises:
        DatabaseError: the database was written by a newer version.
    """
    if current(engine) == head():
        return head()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        try:
            run_migrations(connection)
        except CommandError as error:
            raise DatabaseError(
                f"database {engine.url.render_as_string(hide_password=True)} cannot be upgraded: {error}; "
                "it was written by a newer huracan, update huracan"
            ) from None
    return head()


def run_migrations(connection: Connection) -> None:
    """Run what is missing up to `head()` in the connection's first schema, inside its transaction.

    Raises:
        CommandError: what stands there is of a version that this one does not know.
    """
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def missing_tables(connection: Connection) -> tuple[str, ...]:
    """Return the names of our tables that the database lacks."""
    found = set(connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars())
    return tuple(name for name in TABLES if name not in found)


def _knows(revision: str) -> bool:
    return any(script.revision == revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
