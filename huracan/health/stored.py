"""What the database knows of an account's versions: their trades, when each decided, and what their shadow claims."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from huracan.errors import EvidenceError, UsageError
from huracan.health.history import History, Span
from huracan.health.inputs import Inputs, input_drifts
from huracan.health.predictions import DecisionDays, PredictionShift, decision_shift, entry_shift
from huracan.health.reading import read_only
from huracan.health.trading import Charts, Watch, charts_of, claim_of, watch
from huracan.memory import Registry, TradeRows, read_trades
from huracan.memory.daily import ALL_COINS
from huracan.memory.trades import COIN_ACCOUNT, ENSEMBLE

__all__ = [
    "QUIET_DAYS",
    "Shadow",
    "Shadows",
    "VersionWatch",
    "Watched",
    "read_watches",
]

QUIET_DAYS: Final = 7.0
"""A version whose last decision is older than this before its account's newest one decides no more."""


@dataclass(frozen=True, slots=True)
class VersionWatch:
    """One version of an account.

    Attributes:
        version: its name.
        began_ms: close of its first decision, ms UTC.
        close_ms: close of its last one.
        trades: closed.
        problem: why it cannot be watched; "" when it is.
        watch: its charts; None with a problem.
        scope: of the version, a coin or `*`; "" with a problem.
        inputs: market entries of the state that are distributed otherwise than in shadow; None with a problem.
        entries: how its entries' actions and confidence differ from shadow's; None: not.
        decisions: how its decisions differ from its first weeks'; None: not.
    """

    version: str
    began_ms: int
    close_ms: int
    trades: int
    problem: str
    watch: Watch | None
    scope: str
    inputs: Inputs | None
    entries: PredictionShift | None
    decisions: PredictionShift | None


@dataclass(frozen=True, slots=True, eq=False)
class Shadow:
    """What a version was judged by.

    Attributes:
        key: changes when the trades are others.
        run_id: of its training.
        scope: its coin, or `*`.
        trades: closed in shadow, one account a coin.
    """

    key: tuple[int, ...]
    run_id: int
    scope: str
    trades: TradeRows


class Shadows:
    """The shadow trades of versions, read once until they are others.

    Args:
        engine: of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, Shadow] = {}

    def of(self, version: str) -> Shadow:
        """Return a version's shadow.

        Raises:
            UsageError: there is no such version.
            DatabaseError: the server fails.
        """
        model = Registry(self._engine).show(version)
        coin = None if model.scope == ALL_COINS else model.scope
        with read_only(self._engine) as cursor:
            cursor.execute(
                """SELECT count(*), coalesce(max(trade_id), 0) FROM trade_memory WHERE run_id = %s AND mode = 'shadow'
                AND policy = %s AND account = %s AND (%s::text IS NULL OR symbol = %s)""",
                (model.run_id, ENSEMBLE, COIN_ACCOUNT, coin, coin),
            )
            key = (model.run_id, *(int(number) for number in cursor.fetchone()))
        known = self._known.get(version)
        if known is None or known.key != key:
            trades = read_trades(
                self._engine, model.run_id, mode="shadow", policy=ENSEMBLE, account=COIN_ACCOUNT, symbol=coin
            )
            known = self._known[version] = Shadow(key, model.run_id, model.scope, trades)
        return known


class Watched:
    """An account's versions, looked at again and again: charts are set once for each version's shadow.

    Args:
        engine: of the database.
        account: its name.
        false_alarm_days: days between two false alarms of a version's charts together.
        shadows: of its versions.
        history: of the account; None: read as a whole at each look.
    """

    def __init__(
        self,
        engine: Engine,
        account: str,
        false_alarm_days: float = 365.0,
        shadows: Shadows | None = None,
        history: History | None = None,
    ) -> None:
        self._days = false_alarm_days
        self._history = History(engine, account) if history is None else history
        self._shadows = Shadows(engine) if shadows is None else shadows
        self._charts: dict[str, tuple[tuple[int, ...], Charts]] = {}

    def read(self, at_ms: int | None = None) -> tuple[VersionWatch, ...]:
        """Return the word on every version that has decided for the account, the newest first.

        Args:
            at_ms: time of the look, see `History.read`.

        Raises:
            EvidenceError: the account's past is not all read yet.
            DatabaseError: the server fails.
        """
        past = self._history
        past.read(at_ms)
        return tuple(
            self._word(span, past.trades(span.version), past.decisions.days_of(span.version)) for span in past.spans()
        )

    def _word(self, span: Span, rows: TradeRows, decided: DecisionDays) -> VersionWatch:
        shift = decision_shift(decided, span.close_ms, self._days)
        began_ms, close_ms, count = span.began_ms, span.close_ms, len(rows)
        try:
            shadow = self._shadows.of(span.version)
            seen = watch(self._charts_of(span.version, shadow), rows, close_ms, began_ms)
        except (EvidenceError, UsageError) as error:
            return VersionWatch(
                span.version, began_ms, close_ms, count, str(error), None, "", None, None, decisions=shift
            )
        return VersionWatch(
            version=span.version,
            began_ms=began_ms,
            close_ms=close_ms,
            trades=count,
            problem="",
            watch=seen,
            scope=shadow.scope,
            inputs=input_drifts(shadow.trades, rows, began_ms, close_ms, self._days),
            entries=entry_shift(shadow.trades, rows, began_ms, close_ms, self._days),
            decisions=shift,
        )

    def _charts_of(self, version: str, shadow: Shadow) -> Charts:
        kept = self._charts.get(version)
        if kept is None or kept[0] != shadow.key:
            kept = self._charts[version] = (shadow.key, charts_of(claim_of(shadow.trades), self._days))
        return kept[1]


def read_watches(engine: Engine, account: str, false_alarm_days: float = 365.0) -> tuple[VersionWatch, ...]:
    """Return the word on every version that has decided for an account once; arguments as of `Watched`."""
    return Watched(engine, account, false_alarm_days).read()
