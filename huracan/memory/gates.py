"""Reports of the promotion gate, kept in full with the version and the artefact they speak of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from huracan.errors import UsageError
from huracan.memory.database import translated

__all__ = ["StoredGate", "read_gates", "record_gate"]


@dataclass(frozen=True, slots=True)
class StoredGate:
    """One report.

    Args:
        gate_id: number of the report; a later one is larger.
        version: the version judged.
        sha256: the artefact as it was then.
        passed: whether every criterion was met.
        report: the whole report as JSON values (`huracan.shadow.gate.GateReport`).
        author: who asked.
        at: wall clock, UTC.
    """

    gate_id: int
    version: str
    sha256: str
    passed: bool
    report: Mapping[str, Any]
    author: str
    at: datetime


def record_gate(engine: Engine, version: str, sha256: str, passed: bool, report: Mapping[str, Any], author: str) -> int:
    """Keep a report and return its number.

    Raises:
        UsageError: no such version, or no author.
        DatabaseError: the server fails.
    """
    if not author.strip():
        raise UsageError(f"the gate of model {version} needs an author")
    with translated(engine), engine.begin() as connection:
        found = connection.execute(
            text(
                "INSERT INTO gate_reports (model_id, sha256, passed, report, author) "
                "SELECT model_id, :sha256, :passed, CAST(:report AS jsonb), :author FROM models "
                "WHERE version = :version RETURNING gate_id"
            ),
            {
                "version": version,
                "sha256": sha256,
                "passed": passed,
                "report": json.dumps(dict(report), allow_nan=False),
                "author": author.strip(),
            },
        ).scalar()
    if found is None:
        raise UsageError(f"there is no model {version}; `huracan models ls` lists them")
    return int(found)


def read_gates(engine: Engine, version: str) -> tuple[StoredGate, ...]:
    """Return a version's reports, newest first.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT gate_id, version, gate_reports.sha256, passed, report, author, at "
                "FROM gate_reports JOIN models USING (model_id) WHERE version = :version ORDER BY gate_id DESC"
            ),
            {"version": version},
        ).all()
    return tuple(StoredGate(*row) for row in rows)
