"""From drift and decay that last to a request that the daily cycle takes up; promotion stays with the gate."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from sqlalchemy import Engine

from huracan.config import RemediesSettings
from huracan.health.remedies.model import anomaly_key
from huracan.logs import get_logger
from huracan.memory.database import translated
from huracan.memory.health import Anomaly
from huracan.memory.requests import RetrainRequest, file_request

__all__ = ["ask_for_retraining", "sustained"]

_HOUR_MS: Final = 3_600_000
_EVERY_COIN: Final = "*"


def sustained(
    anomalies: Iterable[Anomaly],
    stored: Mapping[tuple[str, str, str], tuple[int, int]],
    settings: RemediesSettings,
    now_ms: int,
) -> tuple[Anomaly, ...]:
    """Return the drifts and decays that have lasted long enough, longest first; pure.

    Args:
        anomalies: everything that is wrong now.
        stored: by (account, detector, subject) number and first notice of their rows: one that is not stored is new.
        settings: which detectors, and how long.
        now_ms: wall clock.
    """

    def noticed_ms(one: Anomaly) -> int:
        return stored.get(anomaly_key(one), (0, now_ms))[1]

    found = [
        one
        for one in anomalies
        if any(fnmatchcase(one.detector, pattern) for pattern in settings.retrain_on)
        and now_ms - noticed_ms(one) >= _HOUR_MS * settings.retrain_after_h
    ]
    return tuple(sorted(found, key=lambda one: (noticed_ms(one), anomaly_key(one))))


def ask_for_retraining(
    engine: Engine,
    anomalies: Iterable[Anomaly],
    stored: Mapping[tuple[str, str, str], tuple[int, int]],
    settings: RemediesSettings,
    now_ms: int,
) -> tuple[RetrainRequest, ...]:
    """File what lasting drift and decay ask for: of each scope one that waits, and not more often than allowed.

    Raises:
        DatabaseError: the database is away; the next turn asks again.
    """
    lasting = sustained(anomalies, stored, settings, now_ms)
    if not lasting:
        return ()
    found = []
    with translated(engine), engine.begin() as connection:
        cursor = connection.connection.cursor()
        for one in lasting:
            number, noticed_ms = stored[anomaly_key(one)]
            hours = (now_ms - noticed_ms) / _HOUR_MS
            about = f" of {one.subject}" if one.subject else ""
            reason = f"{one.detector}{about} for {hours:.0f} hours: {one.words}"
            every_ms = int(_HOUR_MS * settings.retrain_every_h)
            request = file_request(cursor, _scope(cursor, one), reason, number, now_ms, every_ms)
            if request is not None:
                found.append(request)
    for request in found:
        get_logger().warning("retrain.requested", scope=request.scope, reason=request.reason)
    return tuple(found)


def _scope(cursor: Any, anomaly: Anomaly) -> str:
    """Return what is to be retrained: the scope of the version that the anomaly names, else everything."""
    said = anomaly.evidence
    scope, version = said.get("scope"), said.get("version", anomaly.subject)
    if isinstance(scope, str) and scope:
        return scope
    cursor.execute("SELECT scope FROM models WHERE version = %s", (str(version),))
    row = cursor.fetchone()
    return _EVERY_COIN if row is None else str(row[0])
