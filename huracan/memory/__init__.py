"""Postgres: the embedded server, the schema, and everything huracan remembers. Postgres is the truth.

`open_database` gives the engine that all the others take.
"""

from huracan.memory import schema
from huracan.memory.analyses import (
    HORIZONS,
    StoredProposal,
    TradeAnalysis,
    count_analyses,
    read_proposals,
    usable_proposals,
    write_analyses,
)
from huracan.memory.daily import DailyResult, read_daily, record_shadow_days, record_trial_days
from huracan.memory.database import (
    DatabaseStatus,
    connect,
    database_status,
    database_url,
    lazy_engine,
    open_database,
    translated,
    upgrade_database,
)
from huracan.memory.gates import StoredGate, read_gates, record_gate
from huracan.memory.performance import Performance, read_performance, record_performance
from huracan.memory.registry import Model, ModelEvent, Registry, Stage, standing
from huracan.memory.runs import (
    Phase,
    Run,
    claim_run,
    finish_run,
    list_runs,
    open_run,
    phase,
    read_run,
    record_phase,
    resume_run,
    run,
)
from huracan.memory.server import EmbeddedServer, ServerStatus
from huracan.memory.trades import (
    Block,
    TradeRows,
    append_trades,
    count_closed_trades,
    join_trades,
    read_trades,
    select_trades,
    write_trades,
)
from huracan.memory.trials import Trial, count_trials, read_trials, record_trial, trials_on

__all__ = [
    "HORIZONS",
    "Block",
    "DailyResult",
    "DatabaseStatus",
    "EmbeddedServer",
    "Model",
    "ModelEvent",
    "Performance",
    "Phase",
    "Registry",
    "Run",
    "ServerStatus",
    "Stage",
    "StoredGate",
    "StoredProposal",
    "TradeAnalysis",
    "TradeRows",
    "Trial",
    "append_trades",
    "claim_run",
    "connect",
    "count_analyses",
    "count_closed_trades",
    "count_trials",
    "database_status",
    "database_url",
    "finish_run",
    "join_trades",
    "lazy_engine",
    "list_runs",
    "open_database",
    "open_run",
    "phase",
    "read_daily",
    "read_gates",
    "read_performance",
    "read_proposals",
    "read_run",
    "read_trades",
    "read_trials",
    "record_gate",
    "record_performance",
    "record_phase",
    "record_shadow_days",
    "record_trial",
    "record_trial_days",
    "resume_run",
    "run",
    "schema",
    "select_trades",
    "standing",
    "translated",
    "trials_on",
    "upgrade_database",
    "usable_proposals",
    "write_analyses",
    "write_trades",
]
