"""The written-out configuration equals the models, and the schema judges files as the models do."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from huracan.config import Settings
from huracan.reference import (
    BEGIN,
    DOCUMENT_PATH,
    END,
    MONITOR_PATH,
    REMEDIES_PATH,
    RISK_PATH,
    SCHEMA_PATH,
    document_with_table,
    monitor_document,
    remedies_document,
    risk_document,
    settings_schema,
    settings_table,
)
from huracan.risk import DenialCode

ROOT = Path(__file__).parents[1]


def test_the_schema_file_is_the_models_schema() -> None:
    """configs/schema.json is what `python -m huracan.reference` writes."""
    assert (ROOT / SCHEMA_PATH).read_text(encoding="utf-8") == settings_schema()


def test_the_documented_table_is_the_models_table() -> None:
    """docs/configuration.md holds the table that `python -m huracan.reference` writes."""
    document = (ROOT / DOCUMENT_PATH).read_text(encoding="utf-8")
    assert document == document_with_table(document)


def test_the_documented_risk_tables_are_the_codes() -> None:
    """docs/risk.md holds the denials, states and triggers that the code has, and a row for each of them."""
    document = (ROOT / RISK_PATH).read_text(encoding="utf-8")
    assert document == risk_document(document)
    assert all(f"| `{code}` |" in document for code in DenialCode)


def test_the_documented_remedies_are_the_kinds_and_rules() -> None:
    """docs/remedies.md holds the kinds and the default rules that the code has."""
    document = (ROOT / REMEDIES_PATH).read_text(encoding="utf-8")
    assert document == remedies_document(document)


def test_the_documented_signals_and_limits_are_those_of_the_monitor() -> None:
    """docs/monitor.md holds what is measured, and each plain limit with its reason."""
    document = (ROOT / MONITOR_PATH).read_text(encoding="utf-8")
    assert document == monitor_document(document)


def test_every_setting_is_in_the_table_with_a_meaning() -> None:
    """Each setting of each section has a row, and no row lacks its last cell."""
    table = settings_table()
    for section, field in Settings.model_fields.items():
        for name in field.annotation.model_fields:  # type: ignore[union-attr]
            assert f"| `{section}.{name}` |" in table
    assert "|  |" not in table
    assert "| `risk.protections[].method` |" in table


def test_a_document_without_the_markers_is_refused() -> None:
    """The table is never written into a place that did not ask for it, and replacing it twice changes nothing more."""
    with pytest.raises(ValueError, match="markers"):
        document_with_table("# Configuration\n")
    once = document_with_table(f"a\n{BEGIN}\nbefore it\n{END}\nb\n")
    assert document_with_table(once) == once
    assert "before it" not in once


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        ({}, True),
        ({"ppo": {"lr": 1e-4}}, True),
        ({"ppo": {"lr": 0}}, False),
        ({"ppo": {"rate": 1}}, False),
        ({"other": {}}, False),
        ({"data": {"timeframe": "7m"}}, False),
    ],
)
def test_the_schema_accepts_and_refuses_as_the_models(values: dict[str, Any], valid: bool) -> None:
    """What an editor marks as wrong is what loading refuses."""
    validator = jsonschema.Draft202012Validator(yaml.safe_load(settings_schema()))
    assert validator.is_valid(values) is valid


@pytest.mark.parametrize("name", ["laptop.yaml", "production.yaml"])
def test_the_shipped_files_fit_the_schema(name: str) -> None:
    """The starting configurations pass the schema they point at."""
    values = yaml.safe_load((ROOT / "configs" / name).read_text(encoding="utf-8"))
    jsonschema.validate(values, yaml.safe_load(settings_schema()))
