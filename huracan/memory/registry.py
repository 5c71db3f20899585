"""The registry: which policy versions exist, what stage each has reached, and who moved it and why.

Stages: candidate -> shadow -> champion -> retired. A scope (a coin, or `*` for all) has at most one champion; a unique
index of the database holds that, whatever the code does. A version climbs on the newest report of the promotion gate on
its very artefact, or by force, which its history keeps and which proves nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, text

from huracan.errors import RefusedError, UsageError
from huracan.memory.database import translated
from huracan.memory.trials import ON_CANDLES

__all__ = ["Model", "ModelEvent", "Registry", "Stage", "standing"]

Stage = Literal["candidate", "shadow", "champion", "retired"]

# What `promote` does from each stage; a stage that is not named has nowhere to go.
NEXT_STAGE: Mapping[Stage, Stage] = {"candidate": "shadow", "shadow": "champion"}
# From where `retire` may take a version; a champion leaves only by another's promotion or by rollback, so that a scope
# which trades is not left without one by mistake.
MAY_RETIRE: frozenset[Stage] = frozenset({"candidate", "shadow"})

# Proven is what the newest report of the gate says of this very artefact; no stage proves anything.
PROVEN = (
    "COALESCE((SELECT g.passed AND g.sha256 = models.sha256 FROM gate_reports g WHERE g.model_id = models.model_id "
    "ORDER BY g.gate_id DESC LIMIT 1), false)"
)
COLUMNS = f"model_id, run_id, version, scope, CAST(stage AS text), artefact, sha256, metrics, created_at, {PROVEN}"


@dataclass(frozen=True, slots=True)
class Model:
    """One version of a policy: a recipe with its seeds.

    Args:
        model_id: number in the registry.
        run_id: the run that trained it.
        version: unique name.
        scope: a ccxt symbol, or `*`.
        stage: candidate, shadow, champion or retired.
        artefact: folder or file of the exported policy.
        sha256: hash of the artefact.
        metrics: figures by name.
        created_at: wall clock, UTC.
        proven: whether the newest report of the promotion gate on this artefact says `passed`.
    """

    model_id: int
    run_id: int
    version: str
    scope: str
    stage: Stage
    artefact: str
    sha256: str
    metrics: Mapping[str, Any]
    created_at: datetime
    proven: bool

    @property
    def standing(self) -> str:
        """Stage and proof in words, e.g. `champion, promoted by hand: UNPROVEN`."""
        return standing(self.stage, self.proven)


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """One line of a version's history: it moved between stages (None: it was registered), by whom and why.

    `forced`: without having passed the promotion gate.
    """

    version: str
    verb: Literal["register", "promote", "rollback", "retire"]
    from_stage: Stage | None
    to_stage: Stage
    author: str
    reason: str
    at: datetime
    forced: bool


class Registry:
    """Registers versions and moves them between stages; every method is one transaction.

    Moves within a scope wait for each other, so that of two concurrent promotions the second sees the first's result.

    Args:
        engine: a database of this version's schema.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(
        self,
        run_id: int,
        version: str,
        scope: str,
        artefact: str,
        sha256: str,
        metrics: Mapping[str, Any],
        author: str,
        reason: str = "trained",
    ) -> Model:
        """Add a version as candidate; registering the same artefact again under its name changes nothing.

        Raises:
            UsageError: the name is taken by another artefact.
            DatabaseError: no such run, or the server fails.
        """
        with translated(self._engine), self._engine.begin() as connection:
            self._lock(connection, scope)
            inserted = connection.execute(
                text(
                    "INSERT INTO models (run_id, version, scope, artefact, sha256, metrics) VALUES "
                    "(:run_id, :version, :scope, :artefact, :sha256, CAST(:metrics AS jsonb)) "
                    "ON CONFLICT (version) DO NOTHING RETURNING model_id"
                ),
                {
                    "run_id": run_id,
                    "version": version,
                    "scope": scope,
                    "artefact": artefact,
                    "sha256": sha256,
                    "metrics": json.dumps(dict(metrics)),
                },
            ).scalar()
            model = self._get(connection, version)
            if inserted is not None:
                self._record(connection, model, "register", None, "candidate", author, reason)
            elif (model.sha256, model.scope) != (sha256, scope):
                raise UsageError(
                    f"model {version} is registered already with artefact {model.sha256[:12]} for {model.scope}; "
                    "give the new one another name"
                )
            return model

    def promote(self, version: str, author: str, reason: str, *, forced: bool = False) -> Model:
        """Move a version one stage up; the scope's former champion retires in the same transaction.

        Args:
            version: which.
            author: who.
            reason: why.
            forced: move it although the gate has not passed it; the history says so, and it stays UNPROVEN. A version
                that did pass is not marked as forced.

        Raises:
            UsageError: no such version, or no author or reason.
            RefusedError: it is champion or retired, or it is not forced and the gate has not passed its artefact.
        """
        with translated(self._engine), self._engine.begin() as connection:
            model = self._locked_model(connection, version)
            target = _next_stage(model)
            if not model.proven and not forced:
                raise RefusedError(
                    f"model {version} has not passed the promotion gate with artefact {model.sha256[:12]}; see "
                    f"`huracan models gate {version}`, or promote it unproven with --force and a reason"
                )
            forced = not model.proven
            if target == "champion" and (former := self._champion(connection, model.scope)) is not None:
                self._move(connection, former, "retire", "retired", author, f"replaced by {version}: {reason}")
            return self._move(connection, model, "promote", target, author, reason, forced=forced)

    def rollback(self, scope: str, author: str, reason: str) -> Model:
        """Retire the scope's champion and bring back the one before it; return the one brought back.

        Repeated, it goes further back: a champion that was rolled back is not brought up again.

        Raises:
            UsageError: no author or reason.
            RefusedError: the scope has no champion, or none before it.
        """
        with translated(self._engine), self._engine.begin() as connection:
            champion, former = self.rollback_pair(connection, scope)
            return self.roll_back(connection, champion, former, author, reason)

    def rollback_pair(self, connection: Connection, scope: str) -> tuple[Model, Model]:
        """Return a scope's champion and the one before it; nobody else moves either until the transaction ends.

        Raises:
            RefusedError: the scope has no champion, or none before it.
        """
        self._lock(connection, scope)
        champion = self._champion(connection, scope)
        if champion is None:
            raise RefusedError(f"scope {scope} has no champion: there is nothing to roll back")
        former = self._former_champion(connection, scope, champion)
        if former is None:
            raise RefusedError(
                f"scope {scope} had no champion before {champion.version}: there is nothing to go back to"
            )
        return champion, former

    def roll_back(self, connection: Connection, champion: Model, former: Model, author: str, reason: str) -> Model:
        """Carry a rollback out in somebody's transaction, which `rollback_pair` began; return the one brought back."""
        self._move(connection, champion, "rollback", "retired", author, reason)
        return self._move(connection, former, "rollback", "champion", author, reason)

    def undo_rollback(self, connection: Connection, version: str, former: str, author: str, reason: str) -> Model:
        """Make a version that was rolled back champion again, and retire the one that had come back in its place.

        For a person who undoes a rollback in their own transaction: the stages, and what a later rollback would do, are
        those before it.

        Raises:
            UsageError: no such version, or no author or reason.
            RefusedError: the stages are no longer those that the rollback left.
        """
        model = self._locked_model(connection, version)
        back = self._get(connection, former)
        last = connection.execute(
            text("SELECT verb FROM model_events WHERE model_id = :model_id ORDER BY event_id DESC LIMIT 1"),
            {"model_id": model.model_id},
        ).scalar()
        if (model.stage, last, back.stage, back.scope) != ("retired", "rollback", "champion", model.scope):
            raise RefusedError(
                f"{version} is {model.stage} and {former} is {back.stage}: versions have moved since that rollback"
            )
        self._move(connection, back, "retire", "retired", author, reason)
        return self._move(connection, model, "rollback", "champion", author, reason)

    def retire(self, version: str, author: str, reason: str) -> Model:
        """Take a candidate or shadow version out of use.

        Raises:
            UsageError: no such version, or no author or reason.
            RefusedError: it is champion or retired.
        """
        with translated(self._engine), self._engine.begin() as connection:
            model = self._locked_model(connection, version)
            if model.stage not in MAY_RETIRE:
                raise RefusedError(
                    f"model {version} is {model.stage}: only a candidate or shadow version retires by itself, "
                    "a champion by another's promotion or by rollback"
                )
            return self._move(connection, model, "retire", "retired", author, reason)

    def check_move(self, version: str, author: str, reason: str) -> None:
        """Refuse what `promote` would refuse whatever the gate says, before anything is judged.

        Raises:
            UsageError: no such version, or no author or reason.
            RefusedError: it is champion or retired.
        """
        model = self.show(version)
        _named(model, "promote", author, reason)
        _next_stage(model)

    def show(self, version: str) -> Model:
        """Return one version.

        Raises:
            UsageError: no such version.
        """
        with translated(self._engine), self._engine.connect() as connection:
            return self._get(connection, version)

    def models(self, scope: str | None = None) -> tuple[Model, ...]:
        """Return all versions, newest first, of one scope or of all."""
        where = "WHERE scope = :scope" if scope is not None else ""
        with translated(self._engine), self._engine.connect() as connection:
            rows = connection.execute(
                text(f"SELECT {COLUMNS} FROM models {where} ORDER BY model_id DESC"),  # noqa: S608 - constant names
                {"scope": scope} if scope is not None else {},
            )
            return tuple(_model(row) for row in rows)

    def on_candles(self, data_fingerprint: str) -> tuple[Model, ...]:
        """Return the versions of all runs on these candles, as they were on other days too, oldest first."""
        with translated(self._engine), self._engine.connect() as connection:
            rows = connection.execute(
                text(
                    f"SELECT {COLUMNS} FROM models WHERE run_id IN "  # noqa: S608 - constant names
                    f"(SELECT run_id FROM runs WHERE {ON_CANDLES}) ORDER BY model_id"
                ),
                {"fingerprint": data_fingerprint},
            )
            return tuple(_model(row) for row in rows)

    def champion(self, scope: str) -> Model | None:
        """Return the scope's champion, None when it has none."""
        with translated(self._engine), self._engine.connect() as connection:
            return self._champion(connection, scope)

    def history(self, version: str | None = None) -> tuple[ModelEvent, ...]:
        """Return what happened to one version or to all, oldest first."""
        where = "WHERE version = :version" if version is not None else ""
        with translated(self._engine), self._engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT version, verb, CAST(from_stage AS text), CAST(to_stage AS text), author, reason, at, "  # noqa: S608
                    "forced "
                    f"FROM model_events JOIN models USING (model_id) {where} ORDER BY event_id"
                ),
                {"version": version} if version is not None else {},
            ).all()
        return tuple(ModelEvent(*row) for row in rows)

    def _lock(self, connection: Connection, scope: str) -> None:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"huracan.registry:{scope}"}
        )

    def _locked_model(self, connection: Connection, version: str) -> Model:
        """Return the version as it is once its scope's lock is held."""
        self._lock(connection, self._get(connection, version).scope)
        return self._get(connection, version)

    def _get(self, connection: Connection, version: str) -> Model:
        row = connection.execute(
            text(f"SELECT {COLUMNS} FROM models WHERE version = :version"),  # noqa: S608 - constant names
            {"version": version},
        ).one_or_none()
        if row is None:
            raise UsageError(f"there is no model {version}; `huracan models ls` lists them")
        return _model(row)

    def _champion(self, connection: Connection, scope: str) -> Model | None:
        row = connection.execute(
            text(f"SELECT {COLUMNS} FROM models WHERE scope = :scope AND stage = 'champion'"),  # noqa: S608
            {"scope": scope},
        ).one_or_none()
        return None if row is None else _model(row)

    def _former_champion(self, connection: Connection, scope: str, champion: Model) -> Model | None:
        """Return who was champion before: the last to be replaced that has not been rolled back itself.

        A version rolled back is out for good, unless that rollback was undone; one that replaced another and stayed
        keeps its predecessor behind it.
        """
        row = connection.execute(
            text(
                f"SELECT {COLUMNS} FROM models WHERE scope = :scope AND stage = 'retired' AND model_id <> :champion "  # noqa: S608
                "AND EXISTS (SELECT 1 FROM model_events e WHERE e.model_id = models.model_id "
                "AND e.to_stage = 'champion') "
                "AND (SELECT e.verb FROM model_events e WHERE e.model_id = models.model_id "
                "ORDER BY e.event_id DESC LIMIT 1) <> 'rollback' "
                "ORDER BY (SELECT max(event_id) FROM model_events e WHERE e.model_id = models.model_id "
                "AND e.to_stage = 'champion' AND e.verb = 'promote') DESC LIMIT 1"
            ),
            {"scope": scope, "champion": champion.model_id},
        ).one_or_none()
        return None if row is None else _model(row)

    def _move(
        self,
        connection: Connection,
        model: Model,
        verb: Literal["promote", "rollback", "retire"],
        target: Stage,
        author: str,
        reason: str,
        *,
        forced: bool = False,
    ) -> Model:
        self._record(connection, model, verb, model.stage, target, author, reason, forced=forced)
        connection.execute(
            text("UPDATE models SET stage = CAST(:stage AS model_stage) WHERE model_id = :model_id"),
            {"stage": target, "model_id": model.model_id},
        )
        return self._get(connection, model.version)

    def _record(
        self,
        connection: Connection,
        model: Model,
        verb: str,
        source: Stage | None,
        target: Stage,
        author: str,
        reason: str,
        *,
        forced: bool = False,
    ) -> None:
        _named(model, verb, author, reason)
        connection.execute(
            text(
                "INSERT INTO model_events (model_id, verb, from_stage, to_stage, author, reason, forced) VALUES "
                "(:model_id, :verb, CAST(:source AS model_stage), CAST(:target AS model_stage), :author, :reason, "
                ":forced)"
            ),
            {
                "model_id": model.model_id,
                "verb": verb,
                "source": source,
                "target": target,
                "author": author.strip(),
                "reason": reason.strip(),
                "forced": forced,
            },
        )


def _named(model: Model, verb: str, author: str, reason: str) -> None:
    if not author.strip() or not reason.strip():
        raise UsageError(f"{verb} of model {model.version} needs an author and a reason; give --reason")


def _next_stage(model: Model) -> Stage:
    target = NEXT_STAGE.get(model.stage)
    if target is None:
        raise RefusedError(
            f"model {model.version} is {model.stage}: only candidate -> shadow -> champion is a promotion"
            + ("; a retired champion comes back by rollback" if model.stage == "retired" else "")
        )
    return target


def standing(stage: str, proven: bool) -> str:
    """Return a version's stage with what it is worth: without the gate's word a champion was promoted by hand."""
    if proven:
        return f"{stage}, passed the promotion gate"
    return f"{stage}, promoted by hand: UNPROVEN" if stage == "champion" else f"{stage}: UNPROVEN"


def _model(row: Row) -> Model:
    return Model(*row)
