"""The remedy that rolls back a champion: only to one that was champion before it, is proven, and is still whole."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Engine

from huracan.errors import HuracanError, RefusedError, UsageError
from huracan.health.remedies.model import AUTHOR, Done, Plan, Refusal, Scene
from huracan.memory import Model, Registry
from huracan.memory.remediations import Remediation

__all__ = ["RollBack"]

_DAYS: Final = 7
"""Two versions that decay within a week: the market or the engine has changed, and older versions are no answer."""


class RollBack:
    """Retire a version that has decayed, and bring back the one it had replaced.

    Promotion stays with the gate: nothing that was not champion becomes one here, and nothing unproven. A rollback does
    not cascade: one in a scope within seven days, and never to a version that is itself called.

    Args:
        engine: of the registry.
    """

    def __init__(self, engine: Engine) -> None:
        self._registry = Registry(engine)

    def refuse(self, scene: Scene, plan: Plan) -> Refusal | None:
        """See `Remedy`."""
        try:
            champion, former = self._pair(scene, plan.subject)
            if champion.version != plan.subject:
                return Refusal(f"{plan.subject} is not champion of {champion.scope}, {champion.version} is")
            if not former.proven:
                return Refusal(f"{former.version}, champion before {champion.version}, has not passed the gate")
            _check_artefact(former)
        except HuracanError as error:
            return Refusal(str(error))
        if (called := _called(scene, former.version)) is not None:
            return Refusal(f"{former.version}, champion before {champion.version}, has an open anomaly: {called}")
        if (number := _recent(scene, champion.scope)) is not None:
            return Refusal(f"remedy {number} rolled {champion.scope} back within {_DAYS} days", limit=True)
        return None

    def apply(self, scene: Scene, plan: Plan) -> Done:
        """See `Remedy`."""
        champion, former = self._pair(scene, plan.subject)
        before = _packed(champion.scope, champion.version, former.version)
        reason = f"remedy: {plan.anomaly.detector}: {plan.anomaly.words}"
        self._registry.roll_back(scene.connection, champion, former, AUTHOR, reason)
        return Done(before, _packed(champion.scope, former.version, champion.version))

    def superseded(self, scene: Scene, row: Remediation) -> str | None:
        """See `Remedy`: somebody has moved versions of the scope since."""
        champion = self._registry.champion(row.after["scope"])
        now = None if champion is None else champion.version
        return None if now == row.after["champion"] else f"registry: {now or 'nobody'} is champion"

    def undo(self, scene: Scene, row: Remediation, author: str, reason: str) -> Refusal | None:
        """See `Remedy`."""
        version, former = row.before["champion"], row.after["champion"]
        words = f"{reason} (undoes remedy {row.number})"
        try:
            self._registry.undo_rollback(scene.connection, version, former, author, words)
        except RefusedError as error:
            return Refusal(str(error))
        return None

    def _pair(self, scene: Scene, version: str) -> tuple[Model, Model]:
        """Return champion and former champion of a version's scope.

        Raises:
            UsageError: there is no such version.
            RefusedError: there is nobody to go back to.
        """
        model = next((one for one in self._registry.models() if one.version == version), None)
        if model is None:
            raise UsageError(f"there is no version {version}")
        return self._registry.rollback_pair(scene.connection, model.scope)


def _check_artefact(model: Model) -> None:
    """See `huracan.shadow.promotion.check_artefact`; it loads the policy, and with it torch.

    Imported when a rollback is asked for: a monitor that has never come to one is a third of the size.
    """
    from huracan.shadow.promotion import check_artefact

    check_artefact(model)


def _called(scene: Scene, version: str) -> str | None:
    """Return an open anomaly of a version's charts or groups, in whatever account; None: there is none that warns."""
    cursor = scene.cursor
    cursor.execute(
        """SELECT detector FROM anomalies WHERE ended_at IS NULL AND severity <> 'info'
        AND evidence ->> 'version' = %s ORDER BY anomaly_id LIMIT 1""",
        (version,),
    )
    row = cursor.fetchone()
    return None if row is None else str(row[0])


def _recent(scene: Scene, scope: str) -> int | None:
    """Return the newest rollback of a scope that was begun within `_DAYS`, whichever account it was for."""
    cursor = scene.cursor
    cursor.execute(
        """SELECT remediation_id FROM remediations
        WHERE kind = 'roll_back' AND state IN ('applied', 'undone', 'expired')
        AND after ->> 'scope' = %s AND at > to_timestamp(%s / 1000.0) - make_interval(days => %s)
        ORDER BY remediation_id DESC LIMIT 1""",
        (scope, scene.now_ms, _DAYS),
    )
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def _packed(scope: str, champion: str, retired: str) -> Mapping[str, Any]:
    return {"scope": scope, "champion": champion, "retired": retired}
