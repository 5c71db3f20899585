"""The tree of an execution report is its JSON."""

import json
from dataclasses import fields, is_dataclass
from typing import Any

from huracan.report.execution_model import ExecutionReport, LegReport, Mean, Part
from huracan.report.html import render_json
from tests.report.executed import idle_execution, sample_execution


def test_the_json_is_the_tree() -> None:
    """Every field is there under its own name, a figure with its interval and count; nothing measured is null."""
    report = sample_execution()
    read = json.loads(render_json(report))
    assert set(read) == {field.name for field in fields(ExecutionReport)}
    assert set(read["maker"]) == {field.name for field in fields(LegReport)}
    assert set(read["maker"]["total"]) == {field.name for field in fields(Part)}
    rate = report.maker.total.fill_rate
    assert rate is not None
    assert read["maker"]["total"]["fill_rate"] == {field.name: getattr(rate, field.name) for field in fields(Mean)}
    assert read["taker"]["total"]["fill_rate"] is None
    assert read["differences"]["net_bps"]["value"] == 0.0
    assert read["excerpt"]["orders"][0]["fate"] == "part"
    assert json.loads(render_json(idle_execution()))["excerpt"] is None


def test_all_of_it_is_frozen() -> None:
    """No part of a report can be changed after it was measured."""

    def walk(value: Any) -> None:
        if is_dataclass(value):
            assert value.__dataclass_params__.frozen  # type: ignore[attr-defined]
            for field in fields(value):
                walk(getattr(value, field.name))
        elif isinstance(value, tuple):
            for item in value:
                walk(item)
        else:
            assert not isinstance(value, list)

    walk(sample_execution())
