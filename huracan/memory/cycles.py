"""Retraining cycles: one row a scope and UTC day, one row a step of it with how it ended, and who is at it now."""

import getpass
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Engine, text

from huracan.config import Settings
from huracan.errors import UsageError
from huracan.logs import redact_text
from huracan.memory.database import translated
from huracan.memory.runs import insert_run
from huracan.memory.trials import KINDRED

__all__ = [
    "Cycle",
    "CycleStep",
    "StepState",
    "claim_scope",
    "end_step",
    "fail_step",
    "find_cycle",
    "kindred_candles",
    "open_cycle",
    "read_cycle",
    "run_of_cycle",
    "start_step",
]

StepState = Literal["running", "done", "failed"]
_SCOPE_LOCKS = "huracan.retrain:"
_NAME_MAX = 63
"""Bytes that Postgres keeps of an application's name."""


@dataclass(frozen=True, slots=True)
class CycleStep:
    """One step of a cycle.

    Attributes:
        step: its name.
        state: running (or its process died), done, or failed.
        starts: how often it was started.
        started_at: first start, wall clock, UTC.
        ended_at: of the last end; None while it runs.
        wall_s: seconds, all starts that ended together.
        outcome: what it did, as JSON values; None unless done.
        error: the line it failed with.
    """

    step: str
    state: StepState
    starts: int
    started_at: datetime
    ended_at: datetime | None
    wall_s: float
    outcome: Mapping[str, Any] | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle.

    Attributes:
        cycle_id: number.
        scope: a ccxt symbol, or `*`.
        day: UTC day; candles up to its first moment are used.
        round: 1, and one more each time the day was begun anew.
        run_id: the training run, None before it is opened.
        config_json: effective configuration without secrets, as JSON text.
        config_hash: its `Settings.hash`.
        version: huracan's version.
        started_at: wall clock, UTC.
        steps: in the order of their first start.
    """

    cycle_id: int
    scope: str
    day: date
    round: int
    run_id: int | None
    config_json: str
    config_hash: str
    version: str
    started_at: datetime
    steps: tuple[CycleStep, ...]

    def outcome(self, step: str) -> Mapping[str, Any]:
        """Return what a step did.

        Raises:
            UsageError: it is not done.
        """
        for found in self.steps:
            if found.step == step and found.outcome is not None:
                return found.outcome
        raise UsageError(f"step {step} of cycle {self.cycle_id} is not done; run the retrain job again")


@contextmanager
def claim_scope(engine: Engine, scope: str) -> Iterator[None]:
    """Keep the cycles of a scope to this process for the block; the claim ends with the block, or with the process.

    Raises:
        UsageError: another process is at it; the message says which, where, and since when.
        DatabaseError: the server fails.
    """
    with translated(engine):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        key = {"name": _SCOPE_LOCKS + scope}
        with translated(engine):
            taken = connection.execute(
                text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), key
            ).scalar_one()
            if not taken:
                holder = connection.execute(
                    text(
                        "SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid) "
                        "WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
                        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                        "AND (classid::bigint << 32 | objid::bigint) = hashtextextended(:name, 0)"
                    ),
                    key,
                ).one_or_none()
            else:
                name = f"retrain by {getpass.getuser()} on {socket.gethostname()}, process {os.getpid()}"
                shown = name.encode()[:_NAME_MAX].decode(errors="ignore")
                connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": shown})
        if not taken:
            who = "another process" if holder is None else f"{holder[0]}, since {holder[1]:%Y-%m-%d %H:%M:%S} UTC"
            raise UsageError(f"retraining of {scope} is under way: {who}; wait for it or stop it")
        yield
    finally:
        connection.invalidate()  # ends the session, and with it the lock
        connection.close()


def find_cycle(engine: Engine, scope: str, day: date) -> Cycle | None:
    """Return the newest round of a scope's day, None before its first.

    Raises:
        DatabaseError: the server fails.
    """
    found = _select(engine, "scope = :scope AND day = :day", {"scope": scope, "day": day})
    return found[-1] if found else None


def open_cycle(engine: Engine, scope: str, day: date, settings: Settings, version: str) -> Cycle:
    """Begin the next round of a scope's day.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.begin() as connection:
        cycle_id = connection.execute(
            text(
                "INSERT INTO retrain_cycles (scope, day, round, config, config_hash, version) "
                "SELECT :scope, :day, coalesce(max(round), 0) + 1, CAST(:config AS jsonb), :hash, :version "
                "FROM retrain_cycles WHERE scope = :scope AND day = :day RETURNING cycle_id"
            ),
            {
                "scope": scope,
                "day": day,
                "config": json.dumps(settings.public()),
                "hash": settings.hash,
                "version": version,
            },
        ).scalar_one()
    return read_cycle(engine, cycle_id)


def read_cycle(engine: Engine, cycle_id: int) -> Cycle:
    """Return a cycle with its steps.

    Raises:
        UsageError: there is no such cycle.
        DatabaseError: the server fails.
    """
    found = _select(engine, "cycle_id = :cycle_id", {"cycle_id": cycle_id})
    if not found:
        raise UsageError(f"there is no retraining cycle {cycle_id}")
    return found[0]


def run_of_cycle(engine: Engine, cycle_id: int, settings: Settings, data_fingerprint: str, version: str) -> int:
    """Return the training run of a cycle, opened with it in one transaction the first time.

    Raises:
        UsageError: there is no such cycle.
        DatabaseError: the server fails.
    """
    with translated(engine), engine.begin() as connection:
        row = connection.execute(
            text("SELECT run_id FROM retrain_cycles WHERE cycle_id = :cycle_id FOR UPDATE"), {"cycle_id": cycle_id}
        ).one_or_none()
        if row is None:
            raise UsageError(f"there is no retraining cycle {cycle_id}")
        if row.run_id is not None:
            return int(row.run_id)
        run_id = insert_run(connection, "train", settings, data_fingerprint, version)
        connection.execute(
            text("UPDATE retrain_cycles SET run_id = :run_id WHERE cycle_id = :cycle_id"),
            {"run_id": run_id, "cycle_id": cycle_id},
        )
        return run_id


def start_step(engine: Engine, cycle_id: int, step: str) -> None:
    """Note that a step is started, for the first time or again.

    Raises:
        DatabaseError: no such cycle, or the server fails.
    """
    _write(
        engine,
        "INSERT INTO retrain_steps (cycle_id, step, state) VALUES (:cycle_id, :step, 'running') "
        "ON CONFLICT (cycle_id, step) DO UPDATE SET state = 'running', starts = retrain_steps.starts + 1, "
        "error = NULL, outcome = NULL, ended_at = NULL",
        {"cycle_id": cycle_id, "step": step},
    )


def end_step(engine: Engine, cycle_id: int, step: str, wall_s: float, outcome: Mapping[str, Any]) -> None:
    """Note that a step is done, with what it did as JSON values.

    Raises:
        DatabaseError: the server fails.
    """
    _write(
        engine,
        "UPDATE retrain_steps SET state = 'done', outcome = CAST(:outcome AS jsonb), error = NULL, "
        "wall_s = wall_s + :wall_s, ended_at = clock_timestamp() WHERE cycle_id = :cycle_id AND step = :step",
        {"cycle_id": cycle_id, "step": step, "wall_s": wall_s, "outcome": json.dumps(dict(outcome), allow_nan=False)},
    )


def fail_step(engine: Engine, cycle_id: int, step: str, wall_s: float, error: str) -> None:
    """Note that a step failed; `error` becomes one line, secrets removed.

    Raises:
        DatabaseError: the server fails.
    """
    _write(
        engine,
        "UPDATE retrain_steps SET state = 'failed', error = :error, outcome = NULL, wall_s = wall_s + :wall_s, "
        "ended_at = clock_timestamp() WHERE cycle_id = :cycle_id AND step = :step",
        {"cycle_id": cycle_id, "step": step, "wall_s": wall_s, "error": redact_text(" ".join(error.split())) or "?"},
    )


def kindred_candles(engine: Engine, data_fingerprint: str) -> tuple[str, ...]:
    """Return the fingerprints of the same history, itself included, sorted.

    Cycles of one scope train on candles that grow by a day each, a run may go on from another's search, and other runs
    have some of the same days of a coin. What was tried on any of them was tried on all.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        return tuple(sorted(connection.execute(text(KINDRED), {"fingerprint": data_fingerprint}).scalars()))


def _write(engine: Engine, statement: str, values: dict[str, object]) -> None:
    with translated(engine), engine.begin() as connection:
        connection.execute(text(statement), values)


def _select(engine: Engine, where: str, values: dict[str, object]) -> tuple[Cycle, ...]:
    statement = (
        "SELECT cycle_id, scope, day, round, run_id, CAST(config AS text), config_hash, version, started_at "  # noqa: S608
        f"FROM retrain_cycles WHERE {where} ORDER BY cycle_id"
    )
    with translated(engine), engine.connect() as connection:
        cycles = connection.execute(text(statement), values).all()
        steps = connection.execute(
            text(
                "SELECT cycle_id, step, state, starts, started_at, ended_at, wall_s, outcome, error FROM retrain_steps "
                "WHERE cycle_id = ANY(:ids) ORDER BY cycle_id, started_at"
            ),
            {"ids": [row.cycle_id for row in cycles]},
        ).all()
    of: dict[int, list[CycleStep]] = {row.cycle_id: [] for row in cycles}
    for step in steps:
        of[step[0]].append(CycleStep(*step[1:]))
    return tuple(Cycle(*(*row, tuple(of[row.cycle_id]))) for row in cycles)
