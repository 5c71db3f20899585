"""Remedies that are restrictions: a coin, a pattern, a threshold, a size. Their row is all there is of them.

The trading process obeys the row as long as it is in force, so nothing else changes and an undo, like the expiry,
leaves what stood before: other restrictions, locks and settings of people were never touched.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pgvector import Vector

from huracan.errors import ArtefactError
from huracan.health.remedies.model import Done, Plan, Refusal, Scene
from huracan.memory.remediations import RESTRICTIONS, Remediation, select_remediations
from huracan.patterns.clusters import Clusters, embedding_of_bytes
from huracan.risk.live import PausedPattern
from huracan.trader.restricting import packed_pattern

__all__ = ["PauseCoin", "PausePattern", "RaiseConfidence", "ReduceSize"]


class _Restriction:
    """What all of them share."""

    def apply(self, scene: Scene, plan: Plan) -> Done:
        """See `Remedy`."""
        return Done(_in_force(scene, plan.account), {})

    def superseded(self, scene: Scene, row: Remediation) -> str | None:
        """See `Remedy`: a restriction is ended by its expiry or a person alone."""
        return None

    def undo(self, scene: Scene, row: Remediation, author: str, reason: str) -> Refusal | None:
        """See `Remedy`: the row ends, and it is all there was."""
        return None


class PauseCoin(_Restriction):
    """Keep entries out of a coin; `*`: out of every one."""

    def refuse(self, scene: Scene, plan: Plan) -> Refusal | None:
        """See `Remedy`."""
        coins = _coins(scene, plan.account)
        if plan.subject == "*":
            return None
        if plan.subject not in coins:
            return Refusal(f"account {plan.account} has no market {plan.subject}")
        paused = {row.subject for row in _restrictions(scene, plan.account) if row.kind == "pause_coin"}
        after, most = len({plan.subject, *paused} & coins), scene.settings.coins_paused_max_frac * len(coins)
        if after > most:
            return Refusal(
                f"{after} of {len(coins)} coins would be paused, allowed are {most:g} (remedies.coins_paused_max_frac)",
                limit=True,
            )
        return None


class PausePattern(_Restriction):
    """Keep out entries whose state's nearest group is this one, as the library had it when it was paused."""

    def refuse(self, scene: Scene, plan: Plan) -> Refusal | None:
        """See `Remedy`."""
        try:
            pattern = _pattern(scene, plan.subject)
        except (ArtefactError, ValueError) as error:
            return Refusal(f"pattern {plan.subject} cannot be read: {error}")
        if pattern is None:
            return Refusal(f"there is no pattern {plan.subject} (set/number)")
        if len(pattern.groups) < 2:
            return Refusal(f"pattern {plan.subject} is all entries: its library has no other group")
        if scene.layout is not None and pattern.layout != scene.layout:
            return Refusal(f"pattern {plan.subject} is of another feature layout than the states that are traded on")
        return None

    def apply(self, scene: Scene, plan: Plan) -> Done:
        """See `Remedy`; the groups go with the row, so that a library found since changes nothing of it."""
        pattern = _pattern(scene, plan.subject)
        assert pattern is not None, "refused before"
        return Done(_in_force(scene, plan.account), packed_pattern(pattern))


class RaiseConfidence(_Restriction):
    """Ask for more confidence of each entry."""

    def refuse(self, scene: Scene, plan: Plan) -> Refusal | None:
        """See `Remedy`."""
        most = scene.settings.confidence_max
        if plan.value is None or plan.value > most:
            return Refusal(f"a threshold of {plan.value} is above remedies.confidence_max {most:g}")
        known = _known_version(scene, plan.subject)
        return None if known else Refusal(f"there is no version {plan.subject}")


class ReduceSize(_Restriction):
    """Allow smaller entries only: larger ones are made that small."""

    def refuse(self, scene: Scene, plan: Plan) -> Refusal | None:
        """See `Remedy`."""
        known = _known_version(scene, plan.subject)
        return None if known else Refusal(f"there is no version {plan.subject}")


def _restrictions(scene: Scene, account: str) -> tuple[Remediation, ...]:
    where = "WHERE state = 'applied' AND account IN (%(account)s, '') AND kind = ANY(%(kinds)s)"
    return select_remediations(scene.cursor, where, {"account": account, "kinds": list(RESTRICTIONS)})


def _in_force(scene: Scene, account: str) -> Mapping[str, Any]:
    return {"restrictions": [row.number for row in _restrictions(scene, account)]}


def _coins(scene: Scene, account: str) -> set[str]:
    cursor = scene.cursor
    cursor.execute("SELECT symbol FROM markets JOIN accounts USING (account_no) WHERE name = %s", (account,))
    return {row[0] for row in cursor.fetchall()}


def _known_version(scene: Scene, version: str) -> bool:
    if not version:
        return True
    cursor = scene.cursor
    cursor.execute("SELECT 1 FROM models WHERE version = %s", (version,))
    return cursor.fetchone() is not None


def _pattern(scene: Scene, subject: str) -> PausedPattern | None:
    """Return a stored pattern with all groups of its set, None when there is none of that name.

    Raises:
        ArtefactError: the set's embedding is damaged.
        ValueError: the subject is no `set/number`.
    """
    set_id, number = (int(part) for part in subject.split("/", 1))
    cursor = scene.cursor
    cursor.execute("SELECT layout, embedding FROM pattern_sets WHERE set_id = %s", (set_id,))
    found = cursor.fetchone()
    if found is None:
        return None
    cursor.execute(
        "SELECT number, CAST(centroid AS text) FROM pattern_library WHERE set_id = %s ORDER BY number", (set_id,)
    )
    rows = cursor.fetchall()
    if [row[0] for row in rows] != list(range(1, len(rows) + 1)) or not 1 <= number <= len(rows):
        return None
    centres = np.array([Vector.from_text(row[1]).to_list() for row in rows], np.float64)
    return PausedPattern(Clusters(embedding_of_bytes(bytes(found[1])), centres, ()), number, int(found[0]))
