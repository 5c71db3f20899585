"""Every account that is traded on a database: one monitor looks at all of them, and has remedies act on each.

The configured account is always looked at; others as soon as a trader has kept a view of them, and for a week after the
last one. Limits, rules and what detectors are set to are those of the monitor's own configuration.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final

from sqlalchemy import Engine

from huracan.config import Settings
from huracan.health.detector import Detector, Looked
from huracan.health.detectors import detectors_of
from huracan.health.remedies import Hands, Remedies
from huracan.logs import get_logger
from huracan.memory import translated

__all__ = ["Accounts"]

_DAYS: Final = 7


class Accounts:
    """The accounts, and what belongs to each: detectors and remedies, made once.

    Args:
        engine: of the database.
        settings: whole configuration.
        hands: restart parts; None: nobody does.
        detectors: makes an account's detectors.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        hands: Hands | None = None,
        detectors: Callable[[Engine, str, Settings], Sequence[Detector]] = detectors_of,
    ) -> None:
        self._engine, self._settings, self._hands, self._make = engine, settings, hands, detectors
        self._detectors: dict[str, tuple[Detector, ...]] = {}
        self._remedies: dict[str, Remedies] = {}

    def names(self) -> tuple[str, ...]:
        """Return the accounts that are looked at now, the configured one first.

        Raises:
            DatabaseError: the server fails.
        """
        with (
            translated(self._engine),
            self._engine.connect() as connection,
            closing(connection.connection.cursor()) as cursor,
        ):
            cursor.execute(
                """SELECT name FROM accounts JOIN account_views v USING (account_no)
                WHERE v.at > clock_timestamp() - make_interval(days => %s) ORDER BY name""",
                (_DAYS,),
            )
            found = [str(row[0]) for row in cursor.fetchall()]
        own = self._settings.execution.account
        return (own, *(name for name in found if name != own))

    def detectors(self) -> tuple[Detector, ...]:
        """Return the detectors of all accounts; each keeps what it knows from turn to turn.

        Raises:
            DatabaseError: the server fails.
        """
        found: list[Detector] = []
        for name in self.names():
            if name not in self._detectors:
                self._detectors[name] = tuple(self._make(self._engine, name, self._settings))
            found += self._detectors[name]
        return tuple(found)

    def act(self, looked: Looked, now_ms: int) -> tuple[Any, ...]:
        """Have the remedies of every account act on what is wrong; see `huracan.health.remedies.Remedies.turn`.

        What fails for one account keeps no other from being acted on; the first failure is raised after the last one.

        Raises:
            DatabaseError: the server fails; what was done is written down, the next turn goes on.
        """
        found: list[Any] = []
        failed: Exception | None = None
        for name in self.names():
            try:
                found += self._of(name).turn(looked, now_ms)
            except Exception as error:  # as the monitor's own parts: a defect is this account's alone
                get_logger().error("monitor.account_fails", account=name, reason=str(error) or repr(error))
                failed = failed or error
        if failed is not None:
            raise failed
        return tuple(found)

    def _of(self, name: str) -> Remedies:
        if name not in self._remedies:
            execution = self._settings.execution.model_copy(update={"account": name})
            settings = self._settings.model_copy(update={"execution": execution})
            self._remedies[name] = Remedies(self._engine, settings, self._hands)
        return self._remedies[name]
