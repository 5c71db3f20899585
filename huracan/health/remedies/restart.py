"""Remedies that restart a part: the feed, a replica. Nothing of the account changes, so there is nothing to undo."""

from typing import Literal

from huracan.health.remedies.model import Done, Plan, Refusal, Scene
from huracan.memory.remediations import Remediation

__all__ = ["Restart"]


class Restart:
    """Ask whoever has hands to restart a part; the row's expiry is how long that is given to help.

    The restart itself comes after the row is committed: a cluster takes part in no transaction. Positions keep their
    brackets at the venue meanwhile, and a feed that is away denies entries by itself.

    Args:
        part: what.
    """

    def __init__(self, part: Literal["feed", "replica"]) -> None:
        self.part = part

    def refuse(self, scene: Scene, plan: Plan) -> Refusal | None:
        """See `Remedy`."""
        return Refusal(f"nobody here can restart a {self.part}: no cluster") if scene.hands is None else None

    def apply(self, scene: Scene, plan: Plan) -> Done:
        """See `Remedy`; what is written here is that it is about to be done."""
        return Done({}, {"part": self.part})

    def superseded(self, scene: Scene, row: Remediation) -> str | None:
        """See `Remedy`."""
        return None

    def undo(self, scene: Scene, row: Remediation, author: str, reason: str) -> Refusal | None:
        """See `Remedy`: it is over as soon as it is done."""
        return Refusal("a restart is over when it is done and changes nothing that lasts: there is nothing to undo")
