"""What remedies are made of: a plan, the scene it is judged in, and what each kind must be able to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from huracan.config import RemediesSettings, RemedyKind
from huracan.memory.health import Anomaly
from huracan.memory.remediations import Remediation

__all__ = ["AUTHOR", "HUMAN_KINDS", "Done", "Hands", "Plan", "Refusal", "Remedy", "Scene", "anomaly_key"]

AUTHOR: Final = "monitor"
"""Author of what is done by itself; also of trading states (`huracan.risk.live.MONITOR`)."""
HUMAN_KINDS: Final[tuple[RemedyKind, ...]] = ("reducing", "halt", "roll_back")
"""Kinds that only a person ends: what they tightened is not loosened by the program."""
_PART_KINDS: Final[tuple[RemedyKind, ...]] = ("restart_feed", "restart_replica")


@dataclass(frozen=True, slots=True)
class Plan:
    """A remedy that a rule wants.

    Attributes:
        account: of the trading account.
        kind: what.
        subject: to what; see `huracan.memory.remediations.Remediation`.
        value: of a threshold or a size.
        lasts_ms: until it expires; None: until a person ends it.
        acts: False: a dry run.
        anomaly: for which.
        anomaly_id: number of its row; None: none was stored.
        noticed_ms: when it was first noticed, wall clock.
    """

    account: str
    kind: RemedyKind
    subject: str
    value: float | None
    lasts_ms: int | None
    acts: bool
    anomaly: Anomaly
    anomaly_id: int | None
    noticed_ms: int

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what at most one remedy in force has."""
        return self.account, self.kind, self.subject

    @property
    def of_part(self) -> bool:
        """Return whether it is about a part that all accounts share, and is limited once for all of them."""
        return self.kind in _PART_KINDS


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a remedy is not applied; `limit`: because of a limit, and not because it would be wrong."""

    reason: str
    limit: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What a remedy leaves in its row.

    Attributes:
        before, after: JSON types: what an exact undo needs.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]


class Hands(Protocol):
    """Whoever can restart parts; without a cluster there is nobody."""

    def restart(self, part: str, subject: str) -> None:
        """Restart a part and return when it is on its way.

        Args:
            part: "feed" or "replica".
            subject: which one, as the anomaly names it.

        Raises:
            HuracanError: it cannot be done.
        """
        ...


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a remedy is judged and carried out: one transaction, in which nobody else decides about the account.

    Attributes:
        connection: of the transaction.
        settings: limits.
        layout: of the states that this configuration trades on; None: not known.
        hands: restarts parts; None: nobody does.
        now_ms: wall clock, ms UTC.
    """

    connection: Connection
    settings: RemediesSettings
    layout: int | None
    hands: Hands | None
    now_ms: int

    @property
    def cursor(self) -> Any:
        """Return a cursor of the transaction."""
        return self.connection.connection.cursor()


class Remedy(Protocol):
    """One kind of remedy. What it changes and the row that says so are one transaction."""

    def refuse(self, scene: Scene, plan: Plan) -> Refusal | None:
        """Return why it would be wrong or of no use now; changes nothing."""
        ...

    def apply(self, scene: Scene, plan: Plan) -> Done:
        """Carry it out; `refuse` had nothing against it in the same transaction."""
        ...

    def superseded(self, scene: Scene, row: Remediation) -> str | None:
        """Return who has replaced what it did, None while it stands."""
        ...

    def undo(self, scene: Scene, row: Remediation, author: str, reason: str) -> Refusal | None:
        """Bring back exactly what stood before, for a person; a refusal changes nothing."""
        ...


def anomaly_key(anomaly: Anomaly) -> tuple[str, str, str]:
    """Return what names an anomaly while it lasts."""
    return anomaly.account, anomaly.detector, anomaly.subject
