"""Promotion through the gate: judge a version on what is stored now, keep the report, and move it only if it passed."""

from sqlalchemy import Engine

from huracan.config import GateSettings
from huracan.errors import ArtefactError, RefusedError
from huracan.memory import Model, Registry, record_gate
from huracan.policy import load_artefact
from huracan.shadow.gate import GateReport, judge_gate
from huracan.shadow.gather import gather_evidence
from huracan.shadow.summary import to_json
from huracan.storage import locate

__all__ = ["promote_version", "run_gate"]


def run_gate(engine: Engine, version: str, settings: GateSettings, author: str) -> GateReport:
    """Judge a version and keep the report with it, whatever it says.

    Raises:
        UsageError: no such version, or no author.
        RefusedError: its artefact is not the one that was registered.
        EvidenceError: it was not traded in shadow, or what is stored is damaged.
        DatabaseError: the server fails.
    """
    model = Registry(engine).show(version)
    check_artefact(model)
    report = judge_gate(gather_evidence(engine, model), settings)
    record_gate(engine, version, model.sha256, report.passed, to_json(report), author)
    return report


def promote_version(engine: Engine, version: str, author: str, reason: str, settings: GateSettings) -> Model:
    """Move a version one stage up if the gate passes it now.

    Raises:
        UsageError: no such version, or no author or reason.
        RefusedError: the gate refuses it, or it is champion or retired; the message names every criterion not met.
        DatabaseError: the server fails.
    """
    registry = Registry(engine)
    registry.check_move(version, author, reason)
    report = run_gate(engine, version, settings, author)
    if not report.passed:
        raise RefusedError(f"the promotion gate refuses {version}: {report.refusal}")
    return registry.promote(version, author, reason)


def check_artefact(model: Model) -> None:
    """Hold a version's artefact against the hash it was registered with.

    Raises:
        RefusedError: it is gone, damaged, or another one.
    """
    try:
        found = load_artefact(locate(model.artefact)).sha256
    except ArtefactError as error:
        raise RefusedError(f"the artefact of {model.version} is not what was registered: {error}") from None
    if found != model.sha256:
        raise RefusedError(
            f"the artefact of {model.version} has changed: {model.artefact} is {found[:12]}, registered and judged was "
            f"{model.sha256[:12]}; put it back, or register the new one under its own name"
        )
