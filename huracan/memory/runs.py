"""Runs: what was started with which configuration on which data, how it ended, and where the time went."""

import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection, Engine, text

from huracan.config import Settings
from huracan.errors import DatabaseError, TrainingError, UsageError
from huracan.logs import bind_run, redact_text
from huracan.memory.database import translated

__all__ = [
    "Claim",
    "Phase",
    "Run",
    "claim_run",
    "finish_run",
    "insert_run",
    "leave_numbers",
    "list_runs",
    "open_run",
    "phase",
    "read_run",
    "record_phase",
    "record_search",
    "resume_run",
    "run",
]

Status = Literal["running", "done", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Phase:
    """How long one named part of a run took, all its attempts together, in seconds of wall time."""

    name: str
    wall_s: float


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Args:
        run_id: number of the run.
        kind: what was run, e.g. "train", "shadow", "demo".
        status: running, done, failed or interrupted.
        config_json: the effective configuration without secrets, as JSON text.
        config_hash: its `Settings.hash`.
        data_fingerprint: hash of the candles used.
        version: huracan's version.
        error: the line it failed with.
        search_run_id: the run whose search chose its rules; None: its own, or nobody's.
        started_at, finished_at: wall clock, UTC.
        phases: time by phase, in order of their names.
    """

    run_id: int
    kind: str
    status: Status
    config_json: str
    config_hash: str
    data_fingerprint: str
    version: str
    error: str | None
    search_run_id: int | None
    started_at: datetime
    finished_at: datetime | None
    phases: tuple[Phase, ...]

    @property
    def identity(self) -> str:
        """Return what tells this run from every other of any database; a restored copy of its row has the same."""
        begun = self.started_at.astimezone(UTC).isoformat()
        words = (str(self.run_id), self.kind, begun, self.config_hash, self.data_fingerprint)
        return hashlib.sha256("\n".join(words).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """A run that is this process's alone to write, as long as the session that claimed it lives.

    Attributes:
        run_id: number of the run.
        run: `Run.identity`.
        token: random, of this claim.
    """

    run_id: int
    run: str
    token: str
    _engine: Engine
    _connection: Connection

    def check(self) -> None:
        """Ask the database whether the claim still stands; whoever is about to write a part of the run asks.

        Raises:
            TrainingError: it does not: its session has ended, and another process may have the run.
        """
        reason = "its session with the database ended"
        try:
            # a session that is connected anew has another backend, which holds nothing
            with translated(self._engine):
                if self._connection.execute(_HELD, {"space": _RUN_LOCKS, "run_id": self.run_id}).scalar_one():
                    return
        except DatabaseError as error:
            reason += f" ({error})"
        raise TrainingError(
            f"run {self.run_id} is no longer claimed by this process: {reason}; it writes nothing more; unless another "
            f"process has the run, go on with --run-id {self.run_id}"
        )

    @property
    def held(self) -> bool:
        """Return whether the claim still stands."""
        try:
            self.check()
        except TrainingError:
            return False
        return True

    def finish(self, status: Literal["done", "failed", "interrupted"], error: str = "") -> None:
        """Record how the run ended (`finish_run`); without a claim a bad end is not recorded: the run is another's.

        Raises:
            TrainingError: it is done, but no longer claimed.
            DatabaseError: the server fails.
        """
        if status == "done":
            self.check()
        elif not self.held:
            return
        finish_run(self._engine, self.run_id, status, error)


_RUN_LOCKS = 0x72756E  # "run": first key of the advisory locks that claim runs
_HELD = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted "
    "AND classid = :space AND objid = :run_id AND objsubid = 2)"
)


def open_run(engine: Engine, kind: str, settings: Settings, data_fingerprint: str, version: str) -> int:
    """Record the start of a run and return its number.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.begin() as connection:
        return insert_run(connection, kind, settings, data_fingerprint, version)


def insert_run(connection: Connection, kind: str, settings: Settings, data_fingerprint: str, version: str) -> int:
    """Record the start of a run within the caller's transaction and return its number."""
    return int(
        connection.execute(
            text(
                "INSERT INTO runs (kind, config, config_hash, data_fingerprint, version) "
                "VALUES (:kind, CAST(:config AS jsonb), :hash, :fingerprint, :version) RETURNING run_id"
            ),
            {
                "kind": kind,
                "config": json.dumps(settings.public()),
                "hash": settings.hash,
                "fingerprint": data_fingerprint,
                "version": version,
            },
        ).scalar_one()
    )


def leave_numbers(engine: Engine, taken: int) -> None:
    """Have the next run get a number above `taken`; one that is above anyway stays.

    Numbers come again in a new database, and in one that was restored from a backup, while the files of the runs that
    had them are still there.

    Raises:
        DatabaseError: the server fails.
    """
    sequence = "CAST(pg_get_serial_sequence('runs', 'run_id') AS regclass)"
    newest = f"coalesce(pg_sequence_last_value({sequence}), 0)"
    with translated(engine), engine.begin() as connection:
        if connection.execute(text(f"SELECT {newest}")).scalar_one() >= taken:
            return
        connection.execute(text("LOCK TABLE runs IN SHARE ROW EXCLUSIVE MODE"))  # nobody draws a number meanwhile
        values = {"taken": taken}
        connection.execute(text(f"SELECT setval({sequence}, greatest({newest}, CAST(:taken AS bigint)))"), values)


def finish_run(engine: Engine, run_id: int, status: Literal["done", "failed", "interrupted"], error: str = "") -> None:
    """Record how a run ended; `error` is one line, secrets removed.

    Raises:
        UsageError: there is no such run.
        DatabaseError: the server fails.
    """
    _update(
        engine,
        "UPDATE runs SET status = CAST(:status AS run_status), error = :error, finished_at = now() "
        "WHERE run_id = :run_id",
        {"run_id": run_id, "status": status, "error": redact_text(" ".join(error.split())) or None},
        run_id,
    )


def resume_run(engine: Engine, run_id: int, settings: Settings, data_fingerprint: str) -> None:
    """Set an unfinished run going again; its configuration and data must be what it was started with.

    Raises:
        UsageError: no such run, or it was started with another configuration or other candles, or it is done.
        DatabaseError: the server fails.
    """
    found = read_run(engine, run_id)
    if found.status == "done":
        raise UsageError(f"run {run_id} is done; start a new one")
    for name, then, now in (
        ("configuration", found.config_hash, settings.hash),
        ("data fingerprint", found.data_fingerprint, data_fingerprint),
    ):
        if then != now:
            raise UsageError(
                f"run {run_id} had {name} {then[:12]}, now it is {now[:12]}; resume with the same or start anew"
            )
    _update(
        engine,
        "UPDATE runs SET status = 'running', error = NULL, finished_at = NULL WHERE run_id = :run_id",
        {"run_id": run_id},
        run_id,
    )


def record_search(engine: Engine, run_id: int, search_run_id: int) -> None:
    """Note which other run's search chose the rules of a run: what was tried there counts for it.

    Raises:
        UsageError: there is no such run.
        DatabaseError: no such other run, or the server fails.
    """
    _update(
        engine,
        "UPDATE runs SET search_run_id = :search_run_id WHERE run_id = :run_id",
        {"run_id": run_id, "search_run_id": search_run_id},
        run_id,
    )


@contextmanager
def claim_run(engine: Engine, run_id: int) -> Iterator[Claim]:
    """Keep a run to this process for the block: two that train one run would end it twice and mix its files.

    The claim is a session lock of the database: it ends with the block, with the process, or with the connection,
    about a minute after the machine or the network is lost. So the block asks `Claim.check` before it writes.

    Raises:
        UsageError: there is no such run, or another process works on it.
        DatabaseError: the server fails.
    """
    found = read_run(engine, run_id)
    with translated(engine):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        lock = {"space": _RUN_LOCKS, "run_id": run_id}
        with translated(engine):
            taken = connection.execute(text("SELECT pg_try_advisory_lock(:space, :run_id)"), lock).scalar_one()
        if not taken:
            raise UsageError(f"run {run_id} is being worked on by another process; wait for it or stop it")
        yield Claim(run_id, found.identity, secrets.token_hex(16), engine, connection)
    finally:
        connection.invalidate()  # ends the session, and with it the lock
        connection.close()


def record_phase(engine: Engine, run_id: int, name: str, wall_s: float) -> None:
    """Add `wall_s` seconds to a phase of a run: a resumed phase took the time of all its attempts.

    Raises:
        DatabaseError: no such run, or the server fails.
    """
    with translated(engine), engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO run_phases (run_id, phase, wall_s) VALUES (:run_id, :phase, :wall_s) "
                "ON CONFLICT (run_id, phase) DO UPDATE SET wall_s = run_phases.wall_s + excluded.wall_s"
            ),
            {"run_id": run_id, "phase": name, "wall_s": wall_s},
        )


@contextmanager
def phase(engine: Engine, run_id: int, name: str) -> Iterator[None]:
    """Time the block and record it as a phase of the run, also when the block fails."""
    begin = time.perf_counter()
    try:
        yield
    finally:
        record_phase(engine, run_id, name, time.perf_counter() - begin)


@contextmanager
def run(engine: Engine, kind: str, settings: Settings, data_fingerprint: str, version: str) -> Iterator[int]:
    """Open a run, bind its number to the log, and record its end: done, failed, or interrupted by Ctrl-C."""
    run_id = open_run(engine, kind, settings, data_fingerprint, version)
    with bind_run(run_id):
        try:
            yield run_id
        except (KeyboardInterrupt, SystemExit):
            finish_run(engine, run_id, "interrupted")
            raise
        except BaseException as error:
            finish_run(engine, run_id, "failed", f"{type(error).__name__}: {error}")
            raise
        finish_run(engine, run_id, "done")


def read_run(engine: Engine, run_id: int) -> Run:
    """Return one run with its phases.

    Raises:
        UsageError: there is no such run.
        DatabaseError: the server fails.
    """
    found = _select(engine, "WHERE run_id = :run_id", {"run_id": run_id})
    if not found:
        raise UsageError(f"there is no run {run_id} in {engine.url.render_as_string(hide_password=True)}")
    return found[0]


def list_runs(engine: Engine, kind: str | None = None, limit: int = 50) -> tuple[Run, ...]:
    """Return the newest runs first, at most `limit`.

    Raises:
        DatabaseError: the server fails.
    """
    where = "WHERE kind = :kind" if kind else ""
    return _select(engine, f"{where} ORDER BY run_id DESC LIMIT :limit", {"kind": kind, "limit": limit})


def _select(engine: Engine, clause: str, values: dict[str, object]) -> tuple[Run, ...]:
    statement = f"""
        SELECT run_id, kind, CAST(status AS text), CAST(config AS text), config_hash, data_fingerprint, version, error,
            search_run_id, started_at, finished_at,
            ARRAY(SELECT phase FROM run_phases p WHERE p.run_id = runs.run_id ORDER BY phase),
            ARRAY(SELECT wall_s FROM run_phases p WHERE p.run_id = runs.run_id ORDER BY phase)
        FROM runs {clause}"""  # noqa: S608 - constant clauses
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(text(statement), values).all()
    return tuple(Run(*(*row[:11], tuple(map(Phase, row[11], row[12])))) for row in rows)


def _update(engine: Engine, statement: str, values: dict[str, object], run_id: int) -> None:
    with translated(engine), engine.begin() as connection:
        if connection.execute(text(statement), values).rowcount == 0:
            raise UsageError(f"there is no run {run_id} in {engine.url.render_as_string(hide_password=True)}")
