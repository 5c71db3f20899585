"""JSON of the report's tree: strict about what it cannot say."""

import pytest

from huracan.shadow.bootstrap import Interval
from huracan.shadow.summary import to_json
from huracan.shadow.verdict import Finding


def test_values_become_json_types() -> None:
    """Dataclasses by field, tuples as lists, enums by value."""
    assert to_json((Interval(1.0, 0.5, 2.0, 0.95), Finding.NO_EDGE, None, True)) == [
        {"estimate": 1.0, "low": 0.5, "high": 2.0, "level": 0.95},
        "no_edge",
        None,
        True,
    ]


def test_nan_is_refused_not_written() -> None:
    """A figure that is not finite never reaches a file."""
    with pytest.raises(ValueError, match="finite"):
        to_json(Interval(float("nan"), 0.0, 0.0, 0.95))


def test_an_unknown_type_is_refused() -> None:
    """Nothing is turned into text by accident."""
    with pytest.raises(TypeError, match="object"):
        to_json(object())
