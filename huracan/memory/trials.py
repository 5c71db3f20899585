"""Trials: every candidate of a search is kept, because how many were tried decides what the best is worth."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Engine, text

from huracan.memory.database import translated

__all__ = ["KINDRED", "ON_CANDLES", "Trial", "count_trials", "note_candles", "read_trials", "record_trial", "trials_on"]

KINDRED = (
    "WITH RECURSIVE same (candles) AS (SELECT CAST(:fingerprint AS text) "
    "UNION SELECT kin FROM same JOIN kindred_candles USING (candles)) SELECT candles FROM same"
)
"""A history's fingerprints, itself included: what is kin to its kin is the same history too."""
ON_CANDLES = f"data_fingerprint IN ({KINDRED})"
"""Runs on a history, whatever days, coins or fees they had of it: each is trying once more on the same candles."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate of a search.

    Args:
        name: Tune's trial id, unique within the run.
        status: running, done, failed or interrupted ("done" includes a trial that the scheduler stopped early).
        params: hyper-parameters, dotted setting keys to values.
        metrics: other figures by name.
        objective: net performance on the validation window; None before the first result.
        env_steps: environment steps used, all seeds together.
        wall_s: seconds of wall time.
    """

    name: str
    status: Literal["running", "done", "failed", "interrupted"]
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    objective: float | None
    env_steps: int
    wall_s: float


def note_candles(engine: Engine, data_fingerprint: str, marks: Sequence[int]) -> None:
    """Note which candles a fingerprint stands for, so that whatever else is tried on any of them counts with it.

    Args:
        engine: of the database.
        data_fingerprint: of candles, instruments and cost tables.
        marks: of its coins' days (`huracan.market.day_marks`).

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO candle_marks (data_fingerprint, marks) VALUES (:fingerprint, CAST(:marks AS bigint[])) "
                "ON CONFLICT (data_fingerprint) DO UPDATE SET marks = excluded.marks "
                "WHERE candle_marks.marks <> excluded.marks"
            ),
            {"fingerprint": data_fingerprint, "marks": list(marks)},
        )


def record_trial(engine: Engine, run_id: int, trial: Trial) -> None:
    """Insert a trial, or bring its row up to date: the key is (run, name).

    Raises:
        DatabaseError: no such run, or the server fails.
    """
    with translated(engine), engine.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO trials (run_id, name, status, params, metrics, objective, env_steps, wall_s)
                VALUES (:run_id, :name, CAST(:status AS run_status), CAST(:params AS jsonb), CAST(:metrics AS jsonb),
                    :objective, :env_steps, :wall_s)
                ON CONFLICT (run_id, name) DO UPDATE SET status = excluded.status, params = excluded.params,
                    metrics = excluded.metrics, objective = excluded.objective, env_steps = excluded.env_steps,
                    wall_s = excluded.wall_s, updated_at = now()
                """
            ),
            {
                "run_id": run_id,
                "name": trial.name,
                "status": trial.status,
                "params": json.dumps(dict(trial.params)),
                "metrics": json.dumps({name: _finite(value) for name, value in trial.metrics.items()}),
                "objective": None if trial.objective is None else _finite(trial.objective),
                "env_steps": trial.env_steps,
                "wall_s": trial.wall_s,
            },
        )


def read_trials(engine: Engine, run_id: int) -> tuple[Trial, ...]:
    """Return the trials of a run, best objective first, those without one last.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT name, CAST(status AS text), params, metrics, objective, env_steps, wall_s FROM trials "
                "WHERE run_id = :run_id ORDER BY objective DESC NULLS LAST, trial_id"
            ),
            {"run_id": run_id},
        ).all()
    return tuple(Trial(*row) for row in rows)


def count_trials(engine: Engine, data_fingerprint: str) -> int:
    """Return how many trials have ever been made on these candles and their kin (`KINDRED`), over all runs.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        return int(
            connection.execute(
                text(f"SELECT count(*) FROM trials JOIN runs USING (run_id) WHERE {ON_CANDLES}"),  # noqa: S608
                {"fingerprint": data_fingerprint},
            ).scalar_one()
        )


def trials_on(engine: Engine, data_fingerprint: str) -> tuple[tuple[int, Trial], ...]:
    """Return every trial ever made on these candles and their kin with its run's number, in the order made.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT run_id, name, CAST(trials.status AS text), params, metrics, objective, env_steps, wall_s "  # noqa: S608
                f"FROM trials JOIN runs USING (run_id) WHERE {ON_CANDLES} ORDER BY trial_id"
            ),
            {"fingerprint": data_fingerprint},
        ).all()
    return tuple((row[0], Trial(*row[1:])) for row in rows)


def _finite(value: float) -> float | None:
    return float(value) if abs(value) < float("inf") else None
