"""The summary is a tree of plain values that survives JSON."""

from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from huracan.analysis.summary import Analysis
from tests.analysis.sample import sample_analysis


def test_it_survives_json() -> None:
    """What the run's folder keeps is what the report reads."""
    adapter = TypeAdapter(Analysis)
    made = sample_analysis()
    read = adapter.validate_json(adapter.dump_json(made))
    assert adapter.dump_json(read) == adapter.dump_json(made)
    assert read.skill == made.skill


def test_it_cannot_be_changed() -> None:
    """Frozen: a new one is made."""
    made = sample_analysis()
    with pytest.raises(AttributeError):
        made.trades = 3  # type: ignore[misc]
    assert replace(made, trades=3).trades == 3
