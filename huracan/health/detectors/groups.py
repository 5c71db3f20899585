"""Patterns, coins, regimes and versions that are no longer what shadow claims, as anomalies."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from sqlalchemy import Engine

from huracan.errors import UsageError
from huracan.health.groups import GroupClaim, Grouped, GroupHealth, group_claims, group_health
from huracan.health.history import History
from huracan.health.stored import QUIET_DAYS, Shadow, Shadows
from huracan.health.trading import DAY_MS
from huracan.memory.health import Anomaly
from huracan.memory.patterns import PatternSet, read_embedding, read_patterns
from huracan.memory.trades import COIN_ACCOUNT, ENSEMBLE
from huracan.patterns.clusters import Clusters, embedding_of_bytes

__all__ = ["GroupCharts", "VersionGroups"]

_KINDS: Final = ("version", "pattern", "coin", "regime")


class VersionGroups:
    """What became of each group of a version's trades, looked at again and again.

    Args:
        engine: of the database.
        account: its name.
        shadows: of its versions.
        history: of the account; None: read as a whole at each look.
    """

    def __init__(self, engine: Engine, account: str, shadows: Shadows, history: History | None = None) -> None:
        self._engine, self._shadows = engine, shadows
        self._history = History(engine, account) if history is None else history
        self._known: dict[str, tuple[tuple[int, ...], Clusters | None, int, tuple[GroupClaim, ...]]] = {}

    def read(
        self, quiet_days: float = math.inf, at_ms: int | None = None
    ) -> dict[str, tuple[int, int, tuple[GroupHealth, ...]]]:
        """Return (pattern set, 0 without one; market time; its groups) of each version that decides for the account.

        Args:
            quiet_days: versions whose last decision is older than this before the account's newest one are left out.
            at_ms: time of the look, see `History.read`.

        Raises:
            EvidenceError: the account's past is not all read yet.
            DatabaseError: the server fails.
        """
        self._history.read(at_ms)
        spans = self._history.spans()
        newest = max((span.close_ms for span in spans), default=0)
        spans = tuple(span for span in spans if newest - span.close_ms <= quiet_days * DAY_MS)
        found = {}
        for span in spans:
            try:
                shadow = self._shadows.of(span.version)
            except UsageError:  # it decides, but is not in the registry: it claims nothing
                continue
            key, clusters, layout, claims = self._claims(span.version, shadow)
            grouped = Grouped.of(self._history.trades(span.version), clusters, layout)
            found[span.version] = (key[-1], span.close_ms, group_health(claims, grouped, span.close_ms))
        return found

    def _claims(
        self, version: str, shadow: Shadow
    ) -> tuple[tuple[int, ...], Clusters | None, int, tuple[GroupClaim, ...]]:
        sets = read_patterns(self._engine, shadow.run_id, mode="shadow", policy=ENSEMBLE, account=COIN_ACCOUNT)
        key = (*shadow.key, sets[0].set_id if sets else 0)
        kept = self._known.get(version)
        if kept is None or kept[0] != key:
            clusters, layout = (self._clusters(sets[0]), sets[0].layout) if sets else (None, 0)
            claims = group_claims(Grouped.of(shadow.trades, clusters, layout))
            kept = self._known[version] = (key, clusters, layout, claims)
        return kept

    def _clusters(self, found: PatternSet) -> Clusters:
        centres = np.array([one.centroid for one in found.patterns], np.float64)
        return Clusters(embedding_of_bytes(read_embedding(self._engine, found)), centres, ())


class GroupCharts:
    """`Detector` of groups; its names are `pattern_degraded`, `pattern_recovered`, and likewise of coins and regimes.

    A version that decides no more trades no more: its e-values stand still and a call would never end, so nothing is
    said about it.

    Args:
        groups: of an account's versions.
        account: its name.
        quiet_days: when it decides no more; see `VersionCharts`.
    """

    names = frozenset(f"{kind}_{change}" for kind in _KINDS for change in ("degraded", "recovered"))

    def __init__(self, groups: VersionGroups, account: str, quiet_days: float = QUIET_DAYS) -> None:
        self._groups, self._account, self._quiet_days = groups, account, quiet_days

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """Name every group that is called.

        Raises:
            DatabaseError: the server fails.
        """
        return [
            _anomaly(one, self._account, version, set_id, now_ms)
            for version, (set_id, _, groups) in self._groups.read(self._quiet_days, now_ms).items()
            for one in groups
            if one.called
        ]


def _anomaly(one: GroupHealth, account: str, version: str, set_id: int, now_ms: int) -> Anomaly:
    kind, name = one.group.kind, one.group.name
    what = f"{kind} {name} of {version}" if name else version
    worse = one.change == "degraded"
    evidence: dict[str, object] = {
        "version": version,
        "e_value": min(one.e_value, 1e300),
        "questions": one.questions,
        "stage": one.stage,
        "trades": one.trades,
        "spells": one.spells,
    }
    if kind == "pattern":
        evidence |= {"set_id": set_id, "pattern": int(name)}
    elif kind == "coin":
        evidence["symbol"] = name
    elif kind == "regime":
        evidence["regime"] = name
    return Anomaly(
        detector=f"{kind}_{one.change}",
        account=account,
        subject=f"{version} {name}".strip(),
        severity="warning" if worse else "info",
        words=(
            f"{what} ({one.stage} in shadow): {one.observed:+.2f} R a spell since, "
            f"{'at least' if worse else 'at most'} {one.claimed:+.2f} claimed"
        ),
        means="entries of this kind earn less than shadow bears out"
        if worse
        else "entries of this kind lost in shadow and now do better than that bears out",
        since_ms=one.since_ms,
        noticed_ms=now_ms,
        observed=one.observed,
        claimed=one.claimed,
        unit="R a spell",
        delay=f"{one.delay:,.0f} spells of a day until a change of a spell's deviation",
        evidence=evidence,
    )
