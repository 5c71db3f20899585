"""The report's tree of values."""

from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass

import pytest

from huracan.report import model
from tests.report.sample import sample_report


def test_every_value_is_frozen_and_public() -> None:
    """Whatever a report holds cannot change after it was made, and stands in the module's front door."""
    kinds = [kind for kind in vars(model).values() if isinstance(kind, type) and is_dataclass(kind)]
    assert sorted(kind.__name__ for kind in kinds) == sorted(model.__all__)
    assert all(kind.__dataclass_params__.frozen for kind in kinds)
    with pytest.raises(FrozenInstanceError):
        sample_report().verdict = "better"  # type: ignore[misc]


def test_the_tree_has_no_other_types_than_json_has() -> None:
    """The JSON of a report is its tree: mappings, sequences, numbers, texts and None."""

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)
        else:
            assert value is None or isinstance(value, int | float | str)

    tree = asdict(sample_report())
    assert list(tree) == [field.name for field in fields(model.ReportData)]
    walk(tree)
