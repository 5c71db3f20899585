"""Remedies in action: from what is wrong now to what is done about it, within limits, written down, and undone.

`act` is what the monitor calls at every turn; `undo` is what a person does. Each remedy is one transaction under the
account's lock, so limits hold however many monitors there are, and whoever dies in between has done nothing.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from sqlalchemy import Connection, Engine

from huracan.config import RemedyKind, Settings
from huracan.errors import HuracanError, RefusedError, UsageError
from huracan.features import windows_for
from huracan.health.detector import Looked
from huracan.health.remedies.champion import RollBack
from huracan.health.remedies.model import AUTHOR, Hands, Plan, Refusal, Remedy, Scene
from huracan.health.remedies.planning import LOOK_BACK_MS, escalated, limits, plans
from huracan.health.remedies.restart import Restart
from huracan.health.remedies.restrict import PauseCoin, PausePattern, RaiseConfidence, ReduceSize
from huracan.health.remedies.retraining import ask_for_retraining
from huracan.health.remedies.states import Tighten
from huracan.logs import get_logger
from huracan.memory.database import translated
from huracan.memory.health import Anomaly
from huracan.memory.remediations import (
    Remediation,
    RemediationState,
    end_remediation,
    fail_remediation,
    find_remediation,
    insert_remediation,
    lock_remedies,
    open_anomalies,
    read_remediations,
    renew_remediation,
    select_remediations,
)
from huracan.patterns import state_layout
from huracan.risk.live import BY_ITSELF, StateChange

__all__ = ["EXPIRED", "Remedies"]

EXPIRED: Final = "huracan"
"""Who ends what has expired or was replaced by somebody's later decision."""
_HOUR_MS: Final = 3_600_000
_SAID: Final[Sequence[RemediationState]] = ("refused", "dry_run")


class Remedies:
    """Does what the rules say about anomalies, of one account.

    Args:
        engine: of a database at this version's schema.
        settings: whole configuration: `remedies`, and the account that anomalies of no account are about.
        hands: restarts parts; None: nobody does, and a restart is refused.
    """

    def __init__(self, engine: Engine, settings: Settings, hands: Hands | None = None) -> None:
        self._engine, self._settings, self._hands = engine, settings.remedies, hands
        self._account = settings.execution.account
        timeframe = settings.data.timeframe or "1m"
        self._layout = state_layout(windows_for(timeframe, settings.features.windows))
        self._remedies: Mapping[RemedyKind, Remedy] = {
            "pause_coin": PauseCoin(),
            "pause_pattern": PausePattern(),
            "raise_confidence": RaiseConfidence(),
            "reduce_size": ReduceSize(),
            "reducing": Tighten(StateChange.REDUCE),
            "halt": Tighten(StateChange.HALT),
            "roll_back": RollBack(engine),
            "restart_feed": Restart("feed"),
            "restart_replica": Restart("replica"),
        }

    # ---- by itself --------------------------------------------------------------------------------------------

    def turn(self, looked: Looked, now_ms: int) -> tuple[Remediation, ...]:
        """Act on what the detectors said at a turn of the monitor; see `act`."""
        return self.act(looked.anomalies, now_ms, looked.names)

    def act(
        self, anomalies: Sequence[Anomaly], now_ms: int, names: Container[str] | None = None
    ) -> tuple[Remediation, ...]:
        """End what has expired, put off what is still needed, and do what the rules say about everything wrong now.

        To be called at every turn; calling it again changes nothing that was done.

        Args:
            anomalies: everything that is wrong now; where they are stored, their rows are there before. Those of other
                accounts are their own monitor's.
            now_ms: wall clock, ms UTC.
            names: of the detectors that could look; what others said before stands until they can. None: all could.

        Returns:
            Rows that are new or ended by this call: applied, dry runs, refusals, failures, expired.

        Raises:
            DatabaseError: the database is away; nothing is done that is not written down. The next turn goes on.
        """
        anomalies = [one for one in anomalies if one.account in (self._account, "")]
        found = list(self._tend(anomalies, now_ms, names))
        try:
            with translated(self._engine), self._engine.connect() as connection:
                stored = open_anomalies(connection.connection.cursor())
            for plan in plans(anomalies, stored, self._settings, self._account, now_ms):
                found += self._carry_out(plan, now_ms)
            if not self._settings.dry_run:
                ask_for_retraining(self._engine, anomalies, stored, self._settings, now_ms)
        finally:  # what is committed is done, whatever fails after it
            for row in found:
                _log(row)
        return tuple(found)

    def dry_run(self, anomalies: Sequence[Anomaly], now_ms: int) -> tuple[Remediation, ...]:
        """Return what `act` would do, written down nowhere.

        Returns:
            `applied`: it would be done; `refused`: it would be refused, and why; `dry_run`: the rule, or all of them,
            are a dry run, so that nothing would be done, with what would be refused besides.
        """
        found = []
        with translated(self._engine), self._engine.connect() as connection:
            cursor = connection.connection.cursor()
            stored = open_anomalies(cursor)
            for plan in plans(anomalies, stored, self._settings, self._account, now_ms):
                todo: Plan | None = plan
                while todo is not None and self._in_force(cursor, todo, now_ms) is None:
                    refusal = self._refusal(self._scene(connection, now_ms), replace(todo, acts=True))
                    acts: RemediationState = "applied" if refusal is None else "refused"
                    found.append(_row(todo, now_ms, acts if todo.acts else "dry_run", refusal))
                    todo = None if refusal is None else escalated(todo, refusal, self._settings)
            connection.rollback()
        return tuple(found)

    def _carry_out(self, plan: Plan, now_ms: int) -> list[Remediation]:
        """Do one plan, or write down why not; nothing where it is in force, or that was written down already."""
        with translated(self._engine), self._engine.begin() as connection:
            scene, cursor = self._scene(connection, now_ms), connection.connection.cursor()
            lock_remedies(cursor, plan.kind if plan.of_part else plan.account)
            if self._in_force(cursor, plan, now_ms) is not None:
                return []
            refusal = self._refusal(scene, plan)
            if refusal is not None or not plan.acts:
                state: RemediationState = "refused" if plan.acts else "dry_run"
                row = _row(plan, now_ms, state, refusal)
                said = [] if _said(cursor, row) else [insert_remediation(cursor, row)]
                instead = None if refusal is None else escalated(plan, refusal, self._settings)
            else:
                done = self._remedies[plan.kind].apply(scene, plan)
                row = replace(_row(plan, now_ms, "applied", None), before=done.before, after=done.after)
                said, instead = [insert_remediation(cursor, row)], None
        if said and said[0].state == "applied":
            said = [self._finished(said[0])]
        return said + (self._carry_out(instead, now_ms) if instead is not None else [])

    def _finished(self, row: Remediation) -> Remediation:
        """Do what no transaction can hold, now that its row is committed."""
        remedy = self._remedies[row.kind]
        if not isinstance(remedy, Restart):
            return row
        assert self._hands is not None, "refused before"
        try:
            self._hands.restart(remedy.part, row.subject)
        except HuracanError as error:
            with translated(self._engine), self._engine.begin() as connection:
                fail_remediation(connection.connection.cursor(), row.number, str(error))
            return replace(row, state="failed", error=str(error))
        return row

    def _refusal(self, scene: Scene, plan: Plan) -> Refusal | None:
        recent = select_remediations(
            scene.cursor,
            "WHERE (account = %(account)s OR %(part)s) AND at >= to_timestamp(%(since)s / 1000.0)",
            {"account": plan.account, "part": plan.of_part, "since": scene.now_ms - LOOK_BACK_MS},
        )
        refused = limits(plan, recent, self._settings, scene.now_ms)
        return self._remedies[plan.kind].refuse(scene, plan) if refused is None else refused

    def _in_force(self, cursor: object, plan: Plan, now_ms: int) -> Remediation | None:
        """Return the row in force of a plan's key; of a part whichever account's, as long as it is given time."""
        where = """WHERE state = 'applied' AND kind = %(kind)s AND subject = %(subject)s
            AND (account = %(account)s OR %(part)s AND expires_at > to_timestamp(%(now)s / 1000.0))"""
        of = {"account": plan.account, "kind": plan.kind, "subject": plan.subject}
        values = {**of, "part": plan.of_part, "now": now_ms}
        return next(iter(select_remediations(cursor, where, values)), None)

    def _tend(self, anomalies: Sequence[Anomaly], now_ms: int, names: Container[str] | None) -> tuple[Remediation, ...]:
        """End what has expired or was replaced, and put off the expiry of what is still needed."""
        wrong = {(one.account or self._account, one.detector, one.subject) for one in anomalies}
        ended = []
        with translated(self._engine), self._engine.begin() as connection:
            cursor = connection.connection.cursor()
            lock_remedies(cursor, self._account)
            scene = self._scene(connection, now_ms)
            where = "WHERE state = 'applied' AND account IN (%(account)s, '')"
            for row in select_remediations(cursor, where, {"account": self._account}):
                by = self._remedies[row.kind].superseded(scene, row)
                if by is not None or (row.expires_ms is not None and row.expires_ms <= now_ms):
                    state: RemediationState = "expired" if by is None or by in BY_ITSELF else "undone"
                    end_remediation(cursor, row.number, state, now_ms, by or EXPIRED)
                    ended.append(replace(row, state=state, ended_ms=now_ms, ended_by=by or EXPIRED))
                    continue
                blind = names is not None and row.detector not in names
                if row.author == AUTHOR and (blind or (row.account, row.detector, row.about) in wrong):
                    self._put_off(cursor, row, now_ms)
        return tuple(ended)

    def _put_off(self, cursor: object, row: Remediation, now_ms: int) -> None:
        """Put off the expiry of what is still needed; a restart that has not helped is done again instead, limited."""
        if row.expires_ms is None or isinstance(self._remedies[row.kind], Restart):
            return
        lasts_ms = next(
            (
                int(60_000 * rule.lasts_min)
                for rule in self._settings.rules
                if rule.remedy == row.kind and fnmatchcase(row.detector, rule.detector)
            ),
            0,
        )
        if row.expires_ms - now_ms < lasts_ms / 2:
            renew_remediation(cursor, row.number, now_ms + lasts_ms)

    # ---- by a person ------------------------------------------------------------------------------------------

    def undo(self, number: int, author: str, reason: str, now_ms: int) -> Remediation:
        """Undo a remedy for a person: exactly what stood before stands again.

        Args:
            number: of its row.
            author: who; no part of the program.
            reason: why.
            now_ms: wall clock.

        Raises:
            UsageError: there is no such row, or no author or reason.
            RefusedError: it is not in force, cannot be undone, or somebody has decided otherwise since.
            DatabaseError: the database is away; nothing changed.
        """
        if not author.strip() or not reason.strip() or author in BY_ITSELF:
            raise UsageError("undoing a remedy needs a person and a reason; give --reason")
        with translated(self._engine), self._engine.begin() as connection:
            cursor = connection.connection.cursor()
            row = find_remediation(cursor, number)
            if row is not None:
                lock_remedies(cursor, row.account)
                row = find_remediation(cursor, number)
            if row is None:
                raise UsageError(f"there is no remedy {number}; `huracan remedies ls` lists them")
            if not row.in_force:
                raise RefusedError(f"remedy {number} is {row.state}: there is nothing to undo")
            scene = self._scene(connection, now_ms)
            refused = self._remedies[row.kind].undo(scene, row, author, reason)
            if refused is not None:
                raise RefusedError(f"remedy {number} is not undone: {refused.reason}")
            end_remediation(cursor, number, "undone", now_ms, author)
            return replace(row, state="undone", ended_ms=now_ms, ended_by=author)

    def recent(self, newest: int = 100) -> tuple[Remediation, ...]:
        """Return the account's newest rows, newest first."""
        return read_remediations(self._engine, self._account, newest=newest)

    def _scene(self, connection: Connection, now_ms: int) -> Scene:
        return Scene(connection, self._settings, self._layout, self._hands, now_ms)


def _row(plan: Plan, now_ms: int, state: RemediationState, refusal: Refusal | None) -> Remediation:
    words = f"{plan.anomaly.detector}: {plan.anomaly.words}"
    return Remediation(
        account=plan.account,
        kind=plan.kind,
        subject=plan.subject,
        state=state,
        reason=words,
        author=AUTHOR,
        at_ms=now_ms,
        detector=plan.anomaly.detector,
        about=plan.anomaly.subject,
        value=plan.value,
        expires_ms=None if plan.lasts_ms is None or state != "applied" else now_ms + plan.lasts_ms,
        anomaly_id=plan.anomaly_id,
        error="" if refusal is None else refusal.reason,
    )


def _said(cursor: object, row: Remediation) -> bool:
    """Return whether the same was written down of its anomaly, or within the hour: it may come and go every turn."""
    where = """WHERE account = %(account)s AND kind = %(kind)s AND subject = %(subject)s AND state = %(state)s
        AND detector = %(detector)s AND about = %(about)s
        AND (anomaly_id = %(anomaly_id)s OR at > to_timestamp(%(since)s / 1000.0))"""
    names = ("account", "kind", "subject", "state", "detector", "about", "anomaly_id")
    values = {name: getattr(row, name) for name in names} | {"since": row.at_ms - _HOUR_MS}
    return bool(select_remediations(cursor, where, values))


def _log(row: Remediation) -> None:
    log = get_logger().warning if row.state in ("applied", "failed") else get_logger().info
    log(
        f"remedy.{row.state}",
        remedy=row.number,
        account=row.account,
        kind=row.kind,
        subject=row.subject,
        reason=row.reason,
        error=row.error or None,
    )
