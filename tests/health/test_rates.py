"""What all detectors may raise falsely follows from one setting, and no detector that chance moves is left out."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from huracan.config import Settings
from huracan.health.detectors.every import detectors_of
from huracan.health.detectors.orders import FIGURES
from huracan.health.error_rate import ErrorRates
from huracan.health.rates import FAMILIES, stated_a_year
from huracan.health.trading import CHARTS

EXACT = {"feed_silent", "decisions_missing", "trader_silent", "error_new", "error_critical"}
"""Plain limits."""
GROUPS = {
    f"{kind}_{change}" for kind in ("version", "pattern", "coin", "regime") for change in ("degraded", "recovered")
}


def test_one_version_of_one_account_is_six_a_year() -> None:
    """Half of one a month at the default; each further version adds four, each further account one."""
    assert stated_a_year(365.0) == 6.0
    assert stated_a_year(365.0, versions=3, accounts=2) == 6.0 + 2 * 4 + 1
    assert stated_a_year(90.0) == pytest.approx(24.3, abs=0.1)


def test_no_detector_that_chance_moves_is_left_out() -> None:
    """All names of all detectors, less the plain limits and the groups, are in the families."""
    engine = create_engine("postgresql+psycopg2://nobody@nowhere/none")
    detectors = (*detectors_of(engine, "main", Settings()), ErrorRates(engine, 365.0))
    names = {name for one in detectors for name in one.names} - EXACT - GROUPS
    told = {"feature_drift", "prediction_entries", "prediction_decisions", "error_burst"} | set(FIGURES)
    assert len(names - told) == CHARTS
    assert told <= names
    assert len(FAMILIES) == 1 + 3 + 1 + 1


def test_the_document_says_the_same() -> None:
    """The figures of docs/health.md are these."""
    words = " ".join((Path(__file__).parents[2] / "docs" / "health.md").read_text(encoding="utf-8").split())
    assert (
        f"one account with one version: {stated_a_year(365.0):.0f} a year, {stated_a_year(365.0) / 12:.1f} a month"
        in words
    )
