"""Every detector of an account can be asked, about an account that nobody has traded as well."""

import time

import pytest
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.health.detector import look_at
from huracan.health.detectors import detectors_of
from huracan.health.detectors.every import CHARTS_S
from tests.health.traded import write_account

pytestmark = pytest.mark.postgres


def test_all_look_and_none_is_blind(database: Engine) -> None:
    """At nothing, and at an account whose version nobody registered; names are of one detector each."""
    write_account(database, lease_s=100.0)
    for account in ("nobody", "main"):
        detectors = detectors_of(database, account, Settings())
        for later_s in (0.0, CHARTS_S):
            found = look_at(detectors, round(1e3 * (time.time() + later_s)))
            assert not found.blind
        assert not look_at(detectors, round(1e3 * time.time())).anomalies
        names = [name for one in detectors for name in one.names]
        assert len(names) == len(set(names))
